//! What one subscriber got, in order, and what a client holds who got it.

use std::time::Duration;

use gochat_proto::{
    model::{Commit, Place, Refusal, event::Kind},
    notifier::{Goodbye, GoodbyeReason, Personal, Roster, SnapshotPart, subscribe_response::Frame},
    view::RoomView,
};

/// What one subscriber got.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) room_id: String,
    /// Who it is; none for an observer.
    pub(crate) uid: Option<u32>,
    /// The entry that it was begun for; 0 for an observer.
    pub(crate) entry: u64,
    /// What it asked for.
    pub(crate) roster: Roster,
    pub(crate) got: Vec<Got>,
}

/// Something that a subscriber did or got.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Got {
    /// Since the subscriber began.
    pub(crate) at: Duration,
    pub(crate) what: What,
}

/// What it did or got.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// It subscribed.
    Asked { token: Option<Place>, min: Option<Place> },
    /// A frame came.
    Frame(Frame),
    /// The stream ended, or didn't begin.
    Ended(End),
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The server ended it, without an error.
    Clean,
    /// The connection broke, or the server ended it with an error that is no refusal.
    Broken(String),
    /// Nothing came for too long.
    Silent,
    /// Turned down, before the first frame or after it.
    Refused(Refusal, String),
    /// The call itself failed: no stream ever began.
    Unanswered(String),
    /// The subscriber was told to stop.
    Stopped,
}

/// What a client holds: a place, and the room as it is there. Takes frames as they are,
/// right or wrong; to say which is the judge's business.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holding {
    place: Option<Place>,
    view: Option<RoomView>,
    /// A snapshot of which parts, or the Personal, are still to come.
    coming: Option<Coming>,
    stage_only: bool,
    closed: bool,
}

#[derive(Clone, Debug)]
struct Coming {
    view: RoomView,
    whole: bool,
}

impl Holding {
    /// Holds nothing yet.
    pub(crate) fn new(roster: Roster) -> Self {
        Self { stage_only: roster == Roster::Stage, ..Self::default() }
    }

    /// Where the client stands; none before its first snapshot.
    pub(crate) fn place(&self) -> Option<Place> {
        self.place
    }

    /// The room there; none before the first snapshot, and where all that came was that it is closed.
    pub(crate) fn view(&self) -> Option<&RoomView> {
        self.view.as_ref()
    }

    /// Whether the client was told that the room is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The snapshot of which parts or the Personal are still to come.
    pub(crate) fn coming(&self) -> Option<&RoomView> {
        self.coming.as_ref().map(|coming| &coming.view)
    }

    /// Whether only the Personal of a snapshot is still to come.
    pub(crate) fn awaits_personal(&self) -> bool {
        self.coming.as_ref().is_some_and(|coming| coming.whole)
    }

    /// Another stream begins: what was half told on the last is worth nothing.
    pub(crate) fn begin(&mut self) {
        self.coming = None;
    }

    /// Takes one frame.
    pub(crate) fn take(&mut self, frame: &Frame) {
        match frame {
            Frame::Snapshot(part) => self.part(part),
            Frame::Personal(personal) => self.personal(personal),
            Frame::Commit(commit) => self.commit(commit),
            Frame::KeepAlive(alive) => self.stand_at(&alive.resume_token),
            Frame::Goodbye(goodbye) => self.stand_at(&goodbye.resume_token),
            Frame::Counts(counts) => {
                if let Some(view) = &mut self.view {
                    view.room.member_count = counts.member_count;
                }
            }
        }
    }

    fn part(&mut self, part: &SnapshotPart) {
        let place = part.place.unwrap_or_default();
        if let Some(room) = part.room.clone() {
            let room = gochat_proto::model::Room { member_count: part.member_count, ..room };
            let (hands, stage) = (part.hands.clone(), part.stage.clone());
            let view = RoomView { place, room, hands, stage, ..RoomView::default() };
            self.coming = Some(Coming { view, whole: false });
        }
        let Some(coming) = &mut self.coming else { return };
        if part.room.is_none() {
            coming.view.hands.extend(&part.hands);
            coming.view.stage.extend(&part.stage);
        }
        for member in &part.members {
            coming.view.roster.push(member.uid);
            coming.view.members.insert(member.uid, member.clone());
        }
        if part.last {
            coming.whole = true;
            let all = coming.view.room.member_count as usize;
            coming.view.partial = self.stage_only || coming.view.roster.len() < all;
        }
    }

    fn personal(&mut self, personal: &Personal) {
        let whole = |coming: &Coming| coming.whole && Some(coming.view.place) == personal.place;
        if let Some(coming) = self.coming.take_if(|coming| whole(coming)) {
            self.place = personal.place;
            self.view = Some(coming.view);
            self.closed = false;
        }
    }

    fn commit(&mut self, commit: &Commit) {
        self.place = Some(commit.place());
        self.closed |= closes(commit);
        if let Some(view) = &mut self.view {
            // What doesn't fit leaves the view behind its place, where the judge finds it.
            let _ = view.apply_streamed(commit);
        }
    }

    /// What came since was for others alone: the room looks the same there.
    fn stand_at(&mut self, token: &str) {
        let Ok(place) = token.parse::<Place>() else { return };
        if self.place.is_none() {
            return;
        }
        self.place = Some(place);
        if let Some(view) = &mut self.view {
            view.place = place;
        }
    }
}

/// Whether the commit is the room's last.
pub(crate) fn closes(commit: &Commit) -> bool {
    commit.events.iter().any(|event| matches!(event.kind, Some(Kind::RoomClosed(_))))
}

/// Whether a goodbye asks to come back. A reason that a later contract may add does if it
/// says from where.
pub(crate) fn asks_back(goodbye: &Goodbye) -> bool {
    match goodbye.reason() {
        GoodbyeReason::Draining | GoodbyeReason::MaxAge | GoodbyeReason::TooSlow => true,
        GoodbyeReason::Unspecified => !goodbye.resume_token.is_empty(),
        _ => false,
    }
}
