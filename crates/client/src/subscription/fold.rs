//! Frames folded into updates and a view: what each frame means, without any connection.

#[cfg(test)]
mod tests;

use std::{collections::VecDeque, time::Duration};

use gochat_proto::{
    model::{Commit, Event, Place, event::Kind},
    notifier::{Goodbye, GoodbyeReason, Roster, SnapshotPart, SubscribeResponse, subscribe_response::Frame},
    view::RoomView,
};

use super::{Lag, Update};

/// What a frame leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    /// Go on reading. `sound` where the frame shows that the stream goes on well,
    /// which a snapshot alone doesn't.
    Hold {
        sound: bool,
    },
    /// The server wants another connection, after this time.
    ComeBack {
        after: Duration,
    },
    /// The frame doesn't fit what is held: begin again with a snapshot, no older than this.
    StartOver {
        held: Option<Place>,
    },
    Over,
}

/// What was received so far.
#[derive(Debug, Default)]
pub(super) struct Fold {
    view: Option<RoomView>,
    /// Parts of a snapshot, until what is personal has come: who resumed from its place before
    /// that would never learn of an invitation.
    parts: Option<RoomView>,
    /// Whether the last part has come.
    whole: bool,
    /// Where to go on from; empty where only a snapshot will do.
    token: String,
}

impl Fold {
    pub(super) fn view(&self) -> Option<&RoomView> {
        self.view.as_ref()
    }

    /// Whom the view is about.
    pub(super) fn roster(&self) -> Roster {
        match &self.view {
            None => Roster::Unspecified,
            Some(view) if view.partial => Roster::Stage,
            Some(_) => Roster::All,
        }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether all was told that the room will ever have to tell.
    pub(super) fn closed(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.closed)
    }

    /// The connection is gone, and what was begun on it.
    pub(super) fn interrupted(&mut self) {
        self.parts = None;
    }

    /// Takes one frame in and appends what it tells.
    pub(super) fn frame(&mut self, frame: SubscribeResponse, told: &mut VecDeque<Update>) -> Next {
        match frame.frame {
            Some(Frame::Snapshot(part)) => self.part(part),
            Some(Frame::Commit(commit)) => self.commit(commit, told),
            Some(Frame::Personal(personal)) => {
                self.begin(told);
                told.extend(personal.invitation.map(Update::Invitation));
                if !personal.outstanding.is_empty() {
                    told.push_back(Update::Outstanding(personal.outstanding));
                }
                Next::Hold { sound: false }
            }
            Some(Frame::KeepAlive(alive)) => {
                self.stands_at(alive.resume_token);
                Next::Hold { sound: true }
            }
            Some(Frame::Goodbye(goodbye)) => self.goodbye(goodbye, told),
            Some(Frame::Counts(counts)) => {
                if let Some(view) = &mut self.view {
                    view.room.member_count = counts.member_count;
                }
                Next::Hold { sound: true }
            }
            // A kind of frame that a later contract may add.
            None => Next::Hold { sound: false },
        }
    }

    fn part(&mut self, part: SnapshotPart) -> Next {
        let place = part.place.unwrap_or_default();
        if let Some(mut room) = part.room {
            room.member_count = part.member_count;
            let partial = part.roster == Roster::Stage as i32;
            self.parts = Some(RoomView { place, room, partial, ..RoomView::default() });
            self.whole = false;
        }
        let Some(parts) = self.parts.as_mut().filter(|parts| parts.place == place) else {
            return self.start_over();
        };
        for member in part.members {
            parts.roster.push(member.uid);
            parts.members.insert(member.uid, member);
        }
        parts.hands.extend(part.hands);
        parts.stage.extend(part.stage);
        self.whole = part.last;
        Next::Hold { sound: false }
    }

    /// The snapshot whose parts have all come takes the place of all that was told before.
    fn begin(&mut self, told: &mut VecDeque<Update>) {
        let Some(view) = self.parts.take_if(|_| self.whole) else { return };
        if self.view.is_some() {
            told.push_back(Update::Lagged(Lag::Missed));
        }
        self.token = view.place.to_token();
        self.view = Some(view);
        told.push_back(Update::Snapshot);
    }

    fn commit(&mut self, commit: Commit, told: &mut VecDeque<Update>) -> Next {
        if self.parts.is_some() {
            return self.start_over();
        }
        let continues = match &mut self.view {
            Some(view) if !self.token.is_empty() => view.apply_streamed(&commit).is_ok(),
            // Who comes when the room is closed is told so, and no more.
            view => closes(&commit) && view.as_mut().is_none_or(|view| close(view, &commit)),
        };
        if !continues {
            return self.start_over();
        }
        self.token = commit.place().to_token();
        let Commit { revision, committed_at, operator_uid, operator_name, events, .. } = commit;
        told.extend(events.into_iter().filter_map(|Event { to, kind }| {
            let operator_name = operator_name.clone();
            Some(Update::Event { revision, committed_at, operator_uid, operator_name, to, event: kind? })
        }));
        Next::Hold { sound: true }
    }

    fn goodbye(&mut self, goodbye: Goodbye, told: &mut VecDeque<Update>) -> Next {
        let reason = goodbye.reason();
        if comes_back(reason, &goodbye.resume_token) {
            self.stands_at(goodbye.resume_token);
            if reason == GoodbyeReason::TooSlow {
                told.push_back(Update::Lagged(Lag::TooSlow));
            }
            return Next::ComeBack { after: Duration::from_millis(goodbye.retry_after_ms.into()) };
        }
        told.push_back(Update::Ended(reason));
        Next::Over
    }

    /// The server says where the stream stands: commits that were for others alone
    /// are behind it. The view stays where it is, so that the next commit must still
    /// continue it.
    fn stands_at(&mut self, token: String) {
        if self.view.is_some() && !self.token.is_empty() && self.parts.is_none() && !token.is_empty() {
            self.token = token;
        }
    }

    fn start_over(&mut self) -> Next {
        self.token.clear();
        self.parts = None;
        Next::StartOver { held: self.view.as_ref().map(|view| view.place) }
    }
}

/// The end of a room whose last events were missed.
fn close(view: &mut RoomView, commit: &Commit) -> bool {
    view.place = commit.place();
    view.closed = true;
    true
}

fn closes(commit: &Commit) -> bool {
    commit.events.iter().any(|event| matches!(event.kind, Some(Kind::RoomClosed(_))))
}

/// A reason that a later contract may add allows to come back if it says from where.
fn comes_back(reason: GoodbyeReason, token: &str) -> bool {
    match reason {
        GoodbyeReason::Draining | GoodbyeReason::MaxAge | GoodbyeReason::TooSlow => true,
        GoodbyeReason::Unspecified => !token.is_empty(),
        GoodbyeReason::Left
        | GoodbyeReason::Removed
        | GoodbyeReason::Lost
        | GoodbyeReason::Replaced
        | GoodbyeReason::LoggedOut
        | GoodbyeReason::RoomClosed => false,
    }
}
