//! All that ever happened in the rooms, from their logs: a tree of commits for each room,
//! with a branch for every time that Redis went back.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use gochat_proto::{
    model::{ChangeCause, Commit, Invitation, Place, event::Kind},
    view::RoomView,
};

/// Before a room's first commit.
pub(crate) const ORIGIN: Place = Place { revision: 0, tag: 0 };

/// All that ever happened, by room id.
#[derive(Debug, Default)]
pub(crate) struct History {
    rooms: HashMap<String, Past>,
}

/// All that ever happened in the rooms of one id.
#[derive(Debug, Default)]
pub(crate) struct Past {
    commits: HashMap<Place, Commit>,
    /// Where Redis stood at each reading, in order; none where there was no such room.
    heads: Vec<Option<Place>>,
    states: Mutex<HashMap<Place, Arc<State>>>,
}

/// A room at one place.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    /// As everybody may see it.
    pub(crate) view: RoomView,
    /// Invitations not yet answered, with their tokens, by who is invited.
    pub(crate) invitations: BTreeMap<u32, Invitation>,
}

impl History {
    /// Adds one reading of a room's log, whole or in part; empty where there is no such room.
    /// Readings come in order, the last of each history right before Redis goes back, and
    /// the last of all says where Redis stands now.
    pub(crate) fn add(&mut self, room_id: &str, log: impl IntoIterator<Item = Commit>) {
        let past = self.rooms.entry(room_id.to_owned()).or_default();
        let mut head = None;
        for commit in log {
            head = Some(commit.place());
            past.commits.insert(commit.place(), commit);
        }
        past.heads.push(head);
    }

    /// What happened in the rooms of this id; none if its log was never read.
    pub(crate) fn room(&self, room_id: &str) -> Option<&Past> {
        self.rooms.get(room_id)
    }
}

impl Past {
    /// Where Redis stands now; none where there is no such room.
    pub(crate) fn head(&self) -> Option<Place> {
        self.heads.last().copied().flatten()
    }

    /// The commit that led to a place.
    pub(crate) fn commit(&self, place: Place) -> Option<&Commit> {
        self.commits.get(&place)
    }

    /// All commits, in no order.
    pub(crate) fn commits(&self) -> impl Iterator<Item = &Commit> {
        self.commits.values()
    }

    /// The commits after `from` up to `to`; none if `to` doesn't come of `from`.
    pub(crate) fn chain(&self, from: Place, to: Place) -> Option<Vec<&Commit>> {
        let mut chain = Vec::new();
        let mut at = to;
        while at != from {
            if at.revision <= from.revision {
                return None;
            }
            let commit = self.commits.get(&at)?;
            chain.push(commit);
            at = before(commit);
        }
        chain.reverse();
        Some(chain)
    }

    /// Whether `place` is `ancestor` or comes of it.
    pub(crate) fn comes_of(&self, place: Place, ancestor: Place) -> bool {
        self.chain(ancestor, place).is_some()
    }

    /// Whether Redis still has this place in its history.
    pub(crate) fn is_kept(&self, place: Place) -> bool {
        self.head().is_some_and(|head| self.comes_of(head, place))
    }

    /// Whether Redis ever went from a history that has `held` to a later one that hasn't,
    /// but has `place`; with no place, to any that hasn't.
    pub(crate) fn went_back(&self, held: Place, place: Option<Place>) -> bool {
        let has = |head: &Option<Place>, place| head.is_some_and(|head| self.comes_of(head, place));
        let Some(first) = self.heads.iter().position(|head| has(head, held)) else { return false };
        self.heads[first..].iter().any(|head| !has(head, held) && place.is_none_or(|place| has(head, place)))
    }

    /// The room at a place; none where its log wasn't read from its beginning.
    pub(crate) fn state(&self, place: Place) -> Option<Arc<State>> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chain = Vec::new();
        let mut at = place;
        let mut state = loop {
            if let Some(state) = states.get(&at) {
                break State::clone(state);
            }
            if at == ORIGIN {
                break State::default();
            }
            let commit = self.commits.get(&at)?;
            chain.push(commit);
            at = before(commit);
        };
        for commit in chain.into_iter().rev() {
            state.apply(commit);
        }
        let state = Arc::new(state);
        states.insert(place, state.clone());
        Some(state)
    }
}

/// Where the room stood before a commit.
fn before(commit: &Commit) -> Place {
    Place { revision: commit.revision.saturating_sub(1), tag: commit.tag_before }
}

impl State {
    fn apply(&mut self, commit: &Commit) {
        // The chain was made of commits that continue each other.
        let _ = self.view.apply(commit);
        for event in &commit.events {
            if let Some(kind) = &event.kind {
                self.follow_invitations(kind);
            }
        }
    }

    fn follow_invitations(&mut self, kind: &Kind) {
        let over = match kind {
            Kind::InvitationSent(sent) => {
                let shown = sent.invitation.iter().filter(|invitation| !invitation.token.is_empty());
                self.invitations.extend(shown.map(|invitation| (invitation.target_uid, invitation.clone())));
                None
            }
            Kind::InvitationDeclined(declined) => Some(declined.target_uid),
            Kind::InvitationWithdrawn(withdrawn) => Some(withdrawn.target_uid),
            Kind::InvitationExpired(expired) => Some(expired.target_uid),
            Kind::MemberChanged(changed) if changed.cause() == ChangeCause::InvitationAccepted => {
                changed.member.as_ref().map(|member| member.uid)
            }
            Kind::MemberLeft(left) => left.member.as_ref().map(|member| member.uid),
            Kind::HostChanged(_) | Kind::RoomClosed(_) => {
                self.invitations.clear();
                None
            }
            _ => None,
        };
        if let Some(uid) = over {
            self.invitations.remove(&uid);
        }
    }
}
