//! Ends: of a stream, of a record, and of the log, which leads to what the store holds.

use gochat_proto::{
    model::{Invitation, Place, Refusal},
    notifier::Roster,
    view::RoomView,
};
use gochat_store::Snapshot;

use super::{Walk, Wrong, snapshot::shown};
use crate::{
    cut::Audience,
    history::{History, Past, State},
    record::End,
};

impl Walk<'_> {
    pub(super) fn ended(&mut self, end: &End) -> Result<(), Wrong> {
        if self.stream.ended {
            return Err(Wrong::Subscriber("a stream that ended twice"));
        }
        self.stream.ended = true;
        let goodbye = self.stream.goodbye;
        let untold = match end {
            End::Stopped => return Ok(()),
            End::Unanswered(_) => {
                self.verdict.unanswered += 1;
                return Ok(());
            }
            End::Refused(refusal, _) if self.stream.frames == 0 => return self.turned_away(*refusal),
            End::Clean => !goodbye,
            End::Broken(_) | End::Silent | End::Refused(..) => !goodbye && self.expect.goodbye,
        };
        if untold {
            return Err(Wrong::NoGoodbye);
        }
        self.verdict.breaks += u64::from(!goodbye);
        // Nothing more is to be told to whom all was told but the goodbye.
        self.over |= self.stream.due.is_some();
        Ok(())
    }

    /// A subscription was turned down: who is in an open room may not be.
    fn turned_away(&mut self, refusal: Refusal) -> Result<(), Wrong> {
        let closed = || self.head_state().is_none_or(|state| state.view.closed);
        let founded = match refusal {
            Refusal::NotInRoom => self.is_lost() || !self.is_member() || self.leaves_later(),
            Refusal::RoomNotFound => closed() || self.is_lost(),
            Refusal::NotLoggedIn => self.expect.logged_out || closed() || self.leaves_later(),
            Refusal::NotPermitted => false,
            // A token refused, or no answer: the subscriber asks again.
            _ => {
                self.verdict.unanswered += 1;
                return Ok(());
            }
        };
        self.over = true;
        if founded { Ok(()) } else { Err(Wrong::TurnedAway { refusal }) }
    }

    fn head_state(&self) -> Option<std::sync::Arc<State>> {
        self.past.state(self.past.head()?)
    }

    /// Whether this person is in the room, by the entry of the subscriber or a later one,
    /// where Redis stands now.
    fn is_member(&self) -> bool {
        let Some(uid) = self.record.uid else { return true };
        let entry = |state: &State| state.view.members.get(&uid).map(|member| member.entry);
        self.head_state().and_then(|state| entry(&state)).is_some_and(|entry| entry >= self.record.entry)
    }

    /// In the end, all has come that was to come.
    pub(super) fn caught_up(&self) -> Result<(), Wrong> {
        if !self.expect.caught_up || self.over {
            return Ok(());
        }
        let head = self.past.head().ok_or(Wrong::Behind { head: None })?;
        level(self.past, self.audience, self.holding.place(), head)?;
        let state = self.past.state(head).ok_or(Wrong::NoHistory)?;
        sees(&state, self.audience, self.holding.view())
    }
}

/// Whether who holds this place and sees this view has, where Redis stands now, all that
/// concerns it. For tests that wait until it does.
pub(crate) fn has_caught_up(
    history: &History,
    room_id: &str,
    audience: Audience,
    held: Option<Place>,
    view: Option<&RoomView>,
) -> bool {
    let Some((past, head)) = history.room(room_id).and_then(|past| Some((past, past.head()?))) else {
        return false;
    };
    let roster = if view.is_some_and(|view| view.partial) { Roster::Stage } else { audience.roster };
    let audience = Audience { roster, ..audience };
    let state = past.state(head);
    level(past, audience, held, head).is_ok()
        && state.is_some_and(|state| sees(&state, audience, view).is_ok())
}

/// Nothing that concerns the audience is between what is held and the head.
fn level(past: &Past, audience: Audience, held: Option<Place>, head: Place) -> Result<(), Wrong> {
    let chain = held.and_then(|held| past.chain(held, head));
    let behind = chain.is_none_or(|chain| chain.iter().any(|commit| audience.is_concerned(commit)));
    if behind { Err(Wrong::Behind { head: Some(head) }) } else { Ok(()) }
}

/// The client sees the room as it is, wherever it stands itself.
fn sees(state: &State, audience: Audience, view: Option<&RoomView>) -> Result<(), Wrong> {
    let in_any_order = |mut view: RoomView| {
        if view.partial {
            view.roster.sort_unstable();
        }
        view
    };
    let expected = in_any_order(shown(state, audience));
    // From below the stage, who has stepped down is still known, and who is noticed comes
    // last; only the next snapshot puts that straight.
    let came = view.map(|view| {
        let known = State { view: view.clone(), ..State::default() };
        in_any_order(RoomView { place: expected.place, ..shown(&known, audience) })
    });
    match came {
        Some(came) if came == expected => Ok(()),
        came => Err(Wrong::View { expected: Box::new(expected), came: came.map(Box::new) }),
    }
}

/// The room's log leads to what the store holds: the room, and the invitations that can
/// still be answered.
pub(crate) fn replays(history: &History, room_id: &str, snapshot: &Snapshot) -> Result<(), Wrong> {
    leads_to(history, room_id, &snapshot.view, &snapshot.invitations)
}

pub(super) fn leads_to(
    history: &History,
    room_id: &str,
    view: &RoomView,
    invitations: &[gochat_domain::Invitation],
) -> Result<(), Wrong> {
    let past = history.room(room_id).ok_or(Wrong::NoHistory)?;
    let head = past.head().ok_or(Wrong::NoHistory)?;
    let state = past.state(head).ok_or(Wrong::NoHistory)?;
    if state.view != *view {
        let (expected, came) = (Box::new(state.view.clone()), Some(Box::new(view.clone())));
        return Err(Wrong::View { expected, came });
    }
    let expected: Vec<Invitation> = state.invitations.values().cloned().collect();
    let mut came: Vec<Invitation> = invitations.iter().map(Invitation::of).collect();
    came.sort_by_key(|invitation| invitation.target_uid);
    if expected == came { Ok(()) } else { Err(Wrong::Invitations { expected, came }) }
}
