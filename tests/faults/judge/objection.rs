//! What the judge objects to.

use std::{fmt, time::Duration};

use gochat_proto::{
    model::{Commit, Event, Invitation, Place, Refusal},
    notifier::{GoodbyeReason, Personal},
    view::RoomView,
};

/// One subscriber was wronged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Objection {
    pub(crate) room_id: String,
    /// Who; none for an observer.
    pub(crate) uid: Option<u32>,
    /// Which of what the record got; its length for what was wrong in the end.
    pub(crate) at: usize,
    /// When, since the subscriber began.
    pub(crate) time: Option<Duration>,
    /// What the client held before it.
    pub(crate) held: Option<Place>,
    pub(crate) wrong: Box<Wrong>,
}

/// What was wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wrong {
    /// Nobody read the room's log, or not from its beginning.
    NoHistory,
    /// The subscriber itself went wrong, not the server.
    Subscriber(&'static str),
    /// An event for others alone.
    Leaked { revision: u64, to: Vec<u32> },
    /// A place that never was in the room's history.
    NeverWas { place: Place },
    /// A commit, a keep-alive or counts before anything to build on.
    NotBegun,
    /// A commit that came before.
    Twice { place: Place },
    /// A commit at or before what is held, in the same history.
    Backwards { place: Place },
    /// A commit or a place that doesn't come of what is held.
    Mixed { place: Place },
    /// Something for this person was passed over without a word.
    Gap { missed: Place, events: Vec<Event> },
    /// A commit whose `after` says that something public was missed.
    After { revision: u64, after: u64 },
    /// A commit that isn't what happened, or not what this person may see of it.
    Altered { expected: Box<Commit>, came: Box<Commit> },
    /// Not a resume token.
    Token(String),
    /// Parts of a snapshot that don't follow one another as they should.
    Parts(&'static str),
    /// A part of a snapshot of so many bytes.
    PartTooLarge(usize),
    /// A snapshot that isn't the room as it was.
    Snapshot { expected: Box<RoomView>, came: Box<RoomView> },
    /// A snapshot of a time before what is held.
    Older { place: Place },
    /// A snapshot without what the caller had done.
    WithoutMin { place: Place, min: Place },
    /// No Personal after a snapshot.
    NoPersonal { place: Place },
    /// A Personal where no snapshot came, or not of its place.
    PersonalAstray { place: Option<Place> },
    /// A Personal that isn't what is this person's.
    Personal { expected: Box<Personal>, came: Box<Personal> },
    /// Counts that nobody asked for, or that were never true at their place.
    Counts { expected: Option<u32>, came: u32 },
    /// Something came after a goodbye.
    AfterGoodbye,
    /// Something other than the goodbye came after the last that there was to tell.
    AfterTheEnd { due: GoodbyeReason },
    /// A stream that ended without a goodbye.
    NoGoodbye,
    /// A goodbye for a reason that there wasn't.
    Unfounded { reason: GoodbyeReason },
    /// A subscription turned down for a reason that there wasn't.
    TurnedAway { refusal: Refusal },
    /// In the end something that concerns this person had not come.
    Behind { head: Option<Place> },
    /// In the end the client doesn't see the room as it is.
    View { expected: Box<RoomView>, came: Option<Box<RoomView>> },
    /// The store's invitations aren't what the log leads to.
    Invitations { expected: Vec<Invitation>, came: Vec<Invitation> },
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.uid.map_or_else(|| "an observer".to_owned(), |uid| format!("uid {uid}"));
        let held = self.held.map_or_else(|| "nothing".to_owned(), Place::to_token);
        let Self { room_id, at, time, wrong, .. } = self;
        write!(f, "room {room_id}, {who}, entry {at} at {time:?}, holding {held}: {wrong:?}")
    }
}

impl std::error::Error for Objection {}
