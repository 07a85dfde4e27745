//! Frames that go on from what is held: commits, and places where nothing was to be told.

use gochat_proto::{
    model::{Commit, Event, LeaveReason, Place, event::Kind},
    notifier::{Counts, Goodbye, GoodbyeReason, Roster, subscribe_response::Frame},
};

use super::{Walk, Wrong};
use crate::record::{asks_back, closes};

impl Walk<'_> {
    pub(super) fn frame(&mut self, frame: &Frame) -> Result<(), Wrong> {
        match frame {
            Frame::Snapshot(part) => self.part(part),
            Frame::Personal(personal) => self.personal(personal),
            Frame::Commit(commit) => self.commit(commit),
            Frame::KeepAlive(alive) => {
                self.verdict.keep_alives += 1;
                self.resumed();
                self.stands_at(&alive.resume_token)
            }
            Frame::Counts(counts) => self.counts(counts),
            Frame::Goodbye(goodbye) => self.goodbye(goodbye),
        }
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), Wrong> {
        self.leaks(&commit.events, commit.revision)?;
        let place = commit.place();
        let truth = self.past.commit(place).ok_or(Wrong::NeverWas { place })?;
        // Who comes when the room is closed is told so, and no more.
        let only_the_end = self.stream.frames == 0 && closes(truth);
        if !only_the_end {
            self.continues(commit)?;
        }
        let expected = Commit { after: truth.after, events: self.audience.cut(truth), ..truth.clone() };
        let expected = self.with_after_of(commit, expected);
        if expected != *commit {
            return Err(Wrong::Altered { expected: Box::new(expected), came: Box::new(commit.clone()) });
        }
        self.delivered.insert(place);
        self.resumed();
        self.stream.left = self.own_leaving(commit).map(|(_, reason)| reason);
        self.stream.due = self.end_of(commit);
        self.verdict.commits += 1;
        self.verdict.events += commit.events.len() as u64;
        self.verdict.private += commit.events.iter().filter(|event| !event.to.is_empty()).count() as u64;
        Ok(())
    }

    /// Below the stage `after` may be lower than what was last for everybody, never higher.
    fn with_after_of(&self, commit: &Commit, expected: Commit) -> Commit {
        let may_differ = self.audience.roster == Roster::Stage && commit.after <= expected.after;
        Commit { after: if may_differ { commit.after } else { expected.after }, ..expected }
    }

    /// Private events of others are never shown, whatever else is right or wrong.
    fn leaks(&self, events: &[Event], revision: u64) -> Result<(), Wrong> {
        match events.iter().find(|event| !self.audience.may_see(event)) {
            Some(event) => Err(Wrong::Leaked { revision, to: event.to.clone() }),
            None => Ok(()),
        }
    }

    fn continues(&self, commit: &Commit) -> Result<(), Wrong> {
        let place = commit.place();
        let held = self.held()?;
        if self.delivered.contains(&place) {
            return Err(Wrong::Twice { place });
        }
        if place.revision <= held.revision && self.past.comes_of(held, place) {
            return Err(Wrong::Backwards { place });
        }
        let chain = self.past.chain(held, place).ok_or(Wrong::Mixed { place })?;
        self.nothing_in(&chain[..chain.len() - 1])?;
        if commit.after > held.revision {
            return Err(Wrong::After { revision: commit.revision, after: commit.after });
        }
        Ok(())
    }

    /// What is held, on which this stream may build.
    fn held(&self) -> Result<Place, Wrong> {
        self.holding.place().filter(|_| self.stream.begun).ok_or(Wrong::NotBegun)
    }

    /// The commits were passed over, so nothing in them may concern this person.
    fn nothing_in(&self, passed: &[&Commit]) -> Result<(), Wrong> {
        match passed.iter().find(|commit| self.audience.is_concerned(commit)) {
            Some(missed) => Err(Wrong::Gap { missed: missed.place(), events: self.audience.cut(missed) }),
            None => Ok(()),
        }
    }

    /// The server says where the client stands: nothing for it was on the way there.
    fn stands_at(&self, token: &str) -> Result<(), Wrong> {
        let held = self.held()?;
        let place: Place = token.parse().map_err(|_| Wrong::Token(token.to_owned()))?;
        self.is_level(held, place)
    }

    fn is_level(&self, held: Place, place: Place) -> Result<(), Wrong> {
        if held == place {
            return Ok(());
        }
        self.past.commit(place).ok_or(Wrong::NeverWas { place })?;
        let chain = self.past.chain(held, place).ok_or(Wrong::Mixed { place })?;
        self.nothing_in(&chain)
    }

    fn counts(&self, counts: &Counts) -> Result<(), Wrong> {
        let held = self.held()?;
        let place = counts.place.unwrap_or_default();
        self.is_level(held, place)?;
        let expected = self.past.state(place).ok_or(Wrong::NoHistory)?.view.room.member_count;
        if self.audience.roster != Roster::Stage {
            return Err(Wrong::Counts { expected: None, came: counts.member_count });
        }
        if expected != counts.member_count {
            return Err(Wrong::Counts { expected: Some(expected), came: counts.member_count });
        }
        Ok(())
    }

    fn goodbye(&mut self, goodbye: &Goodbye) -> Result<(), Wrong> {
        let reason = goodbye.reason();
        let token = goodbye.resume_token.as_str();
        let builds = self.stream.begun && self.holding.place().is_some();
        if builds && (asks_back(goodbye) || !token.is_empty()) {
            self.stands_at(token)?;
        } else if !token.is_empty() && asks_back(goodbye) {
            return Err(Wrong::NotBegun);
        }
        let founded = match reason {
            GoodbyeReason::RoomClosed => self.holding.is_closed() || self.is_lost(),
            GoodbyeReason::Left | GoodbyeReason::Removed | GoodbyeReason::Lost | GoodbyeReason::Replaced => {
                self.stream.left == Some(reason) || self.is_lost() || self.went(reason)
            }
            GoodbyeReason::LoggedOut => {
                self.stream.left == Some(reason)
                    || self.expect.logged_out
                    || self.is_lost()
                    || self.leaves_later()
            }
            _ => true,
        };
        if !founded {
            return Err(Wrong::Unfounded { reason });
        }
        self.stream.goodbye = true;
        self.over = !asks_back(goodbye);
        self.verdict.goodbyes += 1;
        Ok(())
    }

    /// Whether Redis went back behind what is held or asked for, or has no such room any more.
    pub(super) fn is_lost(&self) -> bool {
        let held = self.holding.place().or(self.stream.min);
        self.past.head().is_none() || held.is_some_and(|held| self.past.went_back(held, None))
    }

    /// Whether this person left after what is held: a snapshot without them stood in for it,
    /// and ended the stream in place of the event. Then the server knows only that they are
    /// gone, or in the room anew.
    fn went(&self, reason: GoodbyeReason) -> bool {
        let known = matches!(reason, GoodbyeReason::Left | GoodbyeReason::Replaced);
        known && self.leaves_later()
    }

    /// Whether this person's entry ended somewhere between what is held and Redis's head.
    pub(super) fn leaves_later(&self) -> bool {
        let held = self.holding.place().or(self.stream.min);
        let chain = held.zip(self.past.head()).and_then(|(held, head)| self.past.chain(held, head));
        chain.into_iter().flatten().any(|commit| self.own_leaving(commit).is_some())
    }

    /// The goodbye that must follow a commit, if one must: the room is closed, or this
    /// person's entry is over and no later one could have taken up the stream.
    fn end_of(&self, commit: &Commit) -> Option<GoodbyeReason> {
        if closes(commit) {
            return Some(GoodbyeReason::RoomClosed);
        }
        let (entry, reason) = self.own_leaving(commit)?;
        let enters_again = |event: &Event| match &event.kind {
            Some(Kind::MemberJoined(joined)) => joined
                .member
                .as_ref()
                .is_some_and(|member| Some(member.uid) == self.audience.uid && member.entry > entry),
            _ => false,
        };
        let again =
            self.stream.resumes && self.past.commits().any(|commit| commit.events.iter().any(enters_again));
        (!again).then_some(reason)
    }

    /// The entry of this person that a commit ends, if it is that of the subscriber or a
    /// later one, and the goodbye's reason.
    fn own_leaving(&self, commit: &Commit) -> Option<(u64, GoodbyeReason)> {
        commit.events.iter().find_map(|event| {
            let Some(Kind::MemberLeft(left)) = &event.kind else { return None };
            let member = left.member.as_ref()?;
            let own = Some(member.uid) == self.audience.uid && member.entry >= self.record.entry;
            let reason = match left.reason() {
                LeaveReason::Removed => GoodbyeReason::Removed,
                LeaveReason::Lost => GoodbyeReason::Lost,
                LeaveReason::Replaced => GoodbyeReason::Replaced,
                LeaveReason::LoggedOut => GoodbyeReason::LoggedOut,
                LeaveReason::Left | LeaveReason::Unspecified => GoodbyeReason::Left,
            };
            own.then_some((member.entry, reason))
        })
    }

    /// A stream asked for with a token goes on from it.
    fn resumed(&mut self) {
        if self.stream.resumes && self.stream.frames == 0 {
            self.verdict.resumes += 1;
        }
    }
}
