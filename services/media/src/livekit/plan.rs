//! What is to be called at LiveKit for one room, as a state machine without I/O: what is wanted of whom, and what is
//! known of who is there, go in; calls come out.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use gochat_domain::{Entry, RoomId, Uid};
use tokio::time::Instant;

use super::{identity::Identity, keys::ADMISSION};
use crate::engine::{Heard, Place};

/// How long to wait after a call that failed, the first time and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Somebody whom LiveKit says to be in the room, or to have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Participant {
    pub(super) identity: String,
    /// Whether it may publish; None where that isn't said.
    pub(super) may_publish: Option<bool>,
    /// Whether a track of its is published and not muted.
    pub(super) sounds: bool,
}

/// A call, by the identity that it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// End the room.
    Delete,
    /// Disconnect somebody.
    Remove(String),
    /// Take the right to publish, and mute what is published.
    Lower(String),
    /// Give the right to publish.
    Raise(String),
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// There is nobody, or nothing, of that name.
    Gone,
    /// It may have been done, or not.
    Failed,
}

/// One room.
#[derive(Debug, Default)]
pub(super) struct Plan {
    stays: HashMap<Uid, Stay>,
    /// Those that may not be there, for as long as they have tokens to come back with.
    ended: HashMap<Identity, Instant>,
    /// Whether all has ended here: nobody may be there.
    closed: bool,
    deletion: Option<Tries>,
    there: BTreeMap<String, There>,
    look: bool,
}

#[derive(Debug)]
struct Stay {
    identity: Identity,
    open: bool,
    /// When its token is no good any more.
    until: Instant,
}

/// Somebody in the room.
#[derive(Debug, Default)]
struct There {
    may_publish: Option<bool>,
    sounds: bool,
    tries: Tries,
    /// A call was made that a look sent before it ended may not show.
    touched: bool,
}

/// How it goes with the calls of one kind.
#[derive(Debug, Default)]
struct Tries {
    busy: bool,
    failures: u32,
    not_before: Option<Instant>,
}

impl Tries {
    fn is_due(&self, now: Instant) -> bool {
        !self.busy && self.not_before.is_none_or(|at| at <= now)
    }

    fn failed(&mut self, now: Instant) {
        let wait = RETRY.0.saturating_mul(1 << self.failures.min(16)).min(RETRY.1);
        *self = Self { busy: false, failures: self.failures + 1, not_before: Some(now + wait) };
    }

    /// What is wanted now is another thing, and is tried at once.
    fn anew(&mut self) {
        *self = Self { busy: self.busy, ..Self::default() };
    }
}

impl Plan {
    /// Somebody is admitted, with a gate that is shut. An admission that the same user has ends.
    pub(super) fn admit(&mut self, identity: Identity, now: Instant) {
        self.end(identity.uid, |_| true, now);
        (self.closed, self.deletion) = (false, None);
        self.stays.insert(identity.uid, Stay { identity, open: false, until: now + ADMISSION });
    }

    /// Opens or shuts a gate. One who isn't known to be there is looked for.
    pub(super) fn set_gate(&mut self, uid: Uid, entry: Entry, open: bool) {
        let Some(stay) = self.stays.get_mut(&uid).filter(|stay| stay.identity.entry == entry) else { return };
        if stay.open != open {
            stay.open = open;
            let identity = stay.identity;
            self.anew(identity);
        }
    }

    /// Ends the admission of a user, if it is the one.
    pub(super) fn end(&mut self, uid: Uid, is_it: impl Fn(Identity) -> bool, now: Instant) {
        let Some(identity) = self.stays.get(&uid).map(|stay| stay.identity).filter(|own| is_it(*own)) else {
            return;
        };
        self.stays.remove(&uid);
        self.ended.insert(identity, now + ADMISSION);
        self.anew(identity);
    }

    /// Ends all that the room has.
    pub(super) fn end_all(&mut self, now: Instant) {
        let ended = self.stays.drain().map(|(_, stay)| (stay.identity, now + ADMISSION));
        self.ended.extend(ended);
        (self.closed, self.deletion) = (true, Some(Tries::default()));
    }

    fn anew(&mut self, identity: Identity) {
        match self.there.get_mut(&identity.to_string()) {
            Some(there) => there.tries.anew(),
            None => self.look = true,
        }
    }

    /// Whether a look is asked for, from now on no longer.
    pub(super) fn look_is_due(&mut self) -> bool {
        std::mem::take(&mut self.look)
    }

    /// LiveKit is asked who is there.
    pub(super) fn look_sent(&mut self) {
        self.there.values_mut().for_each(|there| there.touched = there.tries.busy);
    }

    /// Takes what it answered. What was called meanwhile is known better here.
    pub(super) fn looked(&mut self, found: Vec<Participant>, now: Instant) {
        let mut former = std::mem::take(&mut self.there);
        for Participant { identity, may_publish, sounds } in found {
            let there = match former.remove(&identity) {
                Some(known) if known.touched => known,
                Some(known) => There { may_publish, sounds, ..known },
                None => There { may_publish, sounds, ..There::default() },
            };
            self.there.insert(identity, there);
        }
        self.there.extend(former.into_iter().filter(|(_, known)| known.touched));
        self.adopt(now);
        self.forget(now);
    }

    /// Those whom another node has admitted stay, with their gates shut, until it is known what becomes of them.
    fn adopt(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        let mut strangers: Vec<_> =
            self.there.keys().filter_map(|name| name.parse::<Identity>().ok()).collect();
        strangers.retain(|one| !self.stays.contains_key(&one.uid) && !self.ended.contains_key(one));
        strangers.sort_by_key(|one| one.entry);
        let stays =
            strangers.into_iter().map(|one| (one.uid, Stay { identity: one, open: false, until: now }));
        // Of several of one user, the latest entry.
        self.stays.extend(stays);
    }

    /// Whoever is there has a token that is renewed; whoever isn't can't come any more once it has run out.
    fn forget(&mut self, now: Instant) {
        let there = &self.there;
        let keep = |identity: Identity, until: &mut Instant| {
            if there.contains_key(&identity.to_string()) {
                *until = now + ADMISSION;
            }
            *until > now
        };
        self.stays.retain(|_, stay| keep(stay.identity, &mut stay.until));
        self.ended.retain(|identity, until| keep(*identity, until));
    }

    /// The most urgent call that is to be made now; what silences comes first. Its outcome is told by
    /// [`Plan::called`].
    pub(super) fn next(&mut self, now: Instant) -> Option<Call> {
        if let Some(tries) = &mut self.deletion {
            if tries.is_due(now) {
                tries.busy = true;
                return Some(Call::Delete);
            }
            if tries.failures == 0 {
                // It takes everybody along.
                return None;
            }
        }
        let due = self.there.iter().filter(|(_, there)| there.tries.is_due(now));
        let calls = due.filter_map(|(name, there)| self.call(name, there.may_publish, there.sounds));
        let call = calls.min_by_key(|call| matches!(call, Call::Raise(_)))?;
        if let Some(there) = call.name().and_then(|name| self.there.get_mut(name)) {
            (there.tries.busy, there.touched) = (true, true);
        }
        Some(call)
    }

    /// What is to be done about somebody who is there.
    fn call(&self, name: &str, may_publish: Option<bool>, sounds: bool) -> Option<Call> {
        let identity: Option<Identity> = name.parse().ok();
        match identity.and_then(|identity| self.stay(identity)) {
            None => Some(Call::Remove(name.to_owned())),
            Some(stay) if stay.open => (may_publish != Some(true)).then(|| Call::Raise(name.to_owned())),
            Some(_) => (may_publish != Some(false) || sounds).then(|| Call::Lower(name.to_owned())),
        }
    }

    fn stay(&self, identity: Identity) -> Option<&Stay> {
        self.stays.get(&identity.uid).filter(|stay| stay.identity == identity)
    }

    /// What became of a call.
    pub(super) fn called(&mut self, call: &Call, outcome: Outcome, now: Instant) {
        let Some(name) = call.name() else {
            match (&mut self.deletion, outcome) {
                (Some(tries), Outcome::Failed) => tries.failed(now),
                (Some(_), _) => (self.deletion, self.there) = (None, BTreeMap::new()),
                (None, _) => {}
            }
            return;
        };
        if outcome == Outcome::Gone || (outcome == Outcome::Done && matches!(call, Call::Remove(_))) {
            self.there.remove(name);
            return;
        }
        let Some(there) = self.there.get_mut(name) else { return };
        let raised = matches!(call, Call::Raise(_));
        if outcome == Outcome::Failed {
            there.may_publish = None;
            there.tries.failed(now);
        } else {
            (there.may_publish, there.tries) = (Some(raised), Tries::default());
            there.sounds &= raised;
        }
    }

    /// Whether what a webhook tells of somebody is a reason to look. What it tells may be late, or have been told
    /// before: it is never acted upon by itself.
    pub(super) fn is_news(&self, told: &Participant) -> bool {
        let stay = told.identity.parse().ok().and_then(|identity| self.stay(identity));
        stay.is_none_or(|stay| stay.open)
            || self.call(&told.identity, told.may_publish, told.sounds).is_some()
    }

    /// A reason to look has come.
    pub(super) fn ask_to_look(&mut self) {
        self.look = true;
    }

    /// When a call that failed is to be made again.
    pub(super) fn next_try(&self, now: Instant) -> Option<Instant> {
        let tries = self.there.values().map(|there| &there.tries).chain(&self.deletion);
        tries.filter(|tries| !tries.busy).filter_map(|tries| tries.not_before).filter(|at| *at > now).min()
    }

    /// Whether nobody is admitted, and those who were are only kept out.
    pub(super) fn is_quiet(&self) -> bool {
        self.stays.is_empty() && self.there.is_empty()
    }

    /// Whether nothing is to be seen to here any more.
    pub(super) fn is_over(&self) -> bool {
        self.stays.is_empty() && self.ended.is_empty() && self.there.is_empty() && self.deletion.is_none()
    }

    /// Who is admitted, and whose gate is open.
    pub(super) fn sessions(&self, room: RoomId) -> Vec<(Place, bool)> {
        let place = |identity: Identity| Place { room, uid: identity.uid, entry: identity.entry };
        self.stays.values().map(|stay| (place(stay.identity), stay.open)).collect()
    }

    /// Who is there and may publish, as far as is known.
    pub(super) fn heard(&self) -> Vec<Heard> {
        let open = self.stays.values().filter(|stay| stay.open);
        let raised = open.filter(|stay| {
            self.there.get(&stay.identity.to_string()).is_some_and(|there| there.may_publish == Some(true))
        });
        let mut heard: Vec<_> =
            raised.map(|stay| Heard { uid: stay.identity.uid, slot: None, speaking: false }).collect();
        heard.sort_by_key(|heard| heard.uid);
        heard
    }
}

impl Call {
    /// Whom it concerns; nobody, if it is the room.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Delete => None,
            Self::Remove(name) | Self::Lower(name) | Self::Raise(name) => Some(name),
        }
    }

    /// What logs and metrics call it.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Remove(_) => "remove",
            Self::Lower(_) => "lower",
            Self::Raise(_) => "raise",
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
