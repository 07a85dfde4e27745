//! What people do, and what they are answered.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use gochat_domain::{RoomId, Uid};
use gochat_proto::model;
use gochat_store::DueEntry;

/// One minute, in milliseconds. Time passes by whole ones, and all that ends does so at a half
/// one, so that the moments a case really takes never decide anything.
pub(crate) const MINUTE: i64 = 60_000;

/// Which members, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum List {
    All,
    Hands,
    Stage,
}

/// Something done by one person, or by time. People are named by their number in the cast.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) enum Act {
    Login {
        nick: String,
    },
    Logout,
    Heartbeat {
        room: Option<RoomId>,
    },
    Create {
        subject: String,
        client: String,
        members: u32,
        seats: u32,
    },
    Join {
        room: RoomId,
        client: String,
    },
    Leave {
        room: RoomId,
    },
    Close {
        room: RoomId,
    },
    RaiseHand {
        room: RoomId,
    },
    LowerHand {
        room: RoomId,
        whom: usize,
    },
    LowerAllHands {
        room: RoomId,
    },
    Invite {
        room: RoomId,
        whom: usize,
        token: String,
    },
    Withdraw {
        room: RoomId,
        whom: usize,
    },
    Respond {
        room: RoomId,
        token: String,
        accept: bool,
    },
    LeaveStage {
        room: RoomId,
        whom: usize,
    },
    SetMic {
        room: RoomId,
        whom: usize,
        on: bool,
    },
    MuteAll {
        room: RoomId,
    },
    /// A ban ends after so many milliseconds, or never.
    Remove {
        room: RoomId,
        whom: usize,
        ban: Option<Option<i64>>,
    },
    Unban {
        room: RoomId,
        whom: usize,
    },
    Transfer {
        room: RoomId,
        whom: usize,
    },
    Members {
        room: RoomId,
        list: List,
        size: usize,
        skip: usize,
        go_on: bool,
    },
    Bans {
        room: RoomId,
        size: usize,
    },
    Room {
        room: RoomId,
    },
    Rooms {
        until: Option<i64>,
        most: usize,
    },
    /// So many milliseconds pass.
    Pass {
        ms: i64,
    },
    /// What a deadline that was seen to have passed asks for.
    Expire {
        entry: Ended,
    },
}

/// A deadline that was seen to have passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ended(pub(crate) DueEntry);

impl Hash for Ended {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0.room, self.0.due, self.0.deadline).hash(state);
    }
}

impl Act {
    /// What it is called in counts.
    pub(crate) fn name(&self) -> String {
        let told = format!("{self:?}");
        let name = told.split(' ').next().unwrap_or_default();
        match self {
            Self::SetMic { on, .. } => format!("{name}{}", if *on { "On" } else { "Off" }),
            Self::Respond { accept, .. } => format!("{name}{}", if *accept { "Accept" } else { "Decline" }),
            Self::Remove { ban, .. } => format!("{name}{}", if ban.is_some() { "WithBan" } else { "" }),
            Self::Members { list, .. } => format!("{name}{list:?}"),
            _ => name.to_owned(),
        }
    }

    /// The room that it is about, where it names one.
    pub(crate) fn room(&self) -> Option<RoomId> {
        match self {
            Self::Join { room, .. }
            | Self::Leave { room }
            | Self::Close { room }
            | Self::RaiseHand { room }
            | Self::LowerHand { room, .. }
            | Self::LowerAllHands { room }
            | Self::Invite { room, .. }
            | Self::Withdraw { room, .. }
            | Self::Respond { room, .. }
            | Self::LeaveStage { room, .. }
            | Self::SetMic { room, .. }
            | Self::MuteAll { room }
            | Self::Remove { room, .. }
            | Self::Unban { room, .. }
            | Self::Transfer { room, .. } => Some(*room),
            _ => None,
        }
    }

    /// Tells one request from another.
    pub(crate) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// An act, who does it, and under which request id.
#[derive(Clone, PartialEq)]
pub(crate) struct Deed {
    pub(crate) by: usize,
    pub(crate) act: Act,
    pub(crate) once: Option<String>,
}

impl fmt::Debug for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.act {
            Act::Pass { .. } | Act::Expire { .. } => write!(f, "{:?}", self.act)?,
            _ => write!(f, "{}: {:?}", self.by, self.act)?,
        }
        self.once.iter().try_for_each(|id| write!(f, " as request {id}"))
    }
}

/// What comes of a deed that is not refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Done,
    Expired(bool),
    LoggedIn(Uid),
    Place(model::Place),
    Entered { place: model::Place, room: model::Room, member: model::Member },
    Staying(Option<(RoomId, model::Place, u64)>),
    Members { members: Vec<model::Member>, more: bool, place: model::Place, roster_revision: u64 },
    Bans(Vec<model::Ban>),
    Room(model::Place, model::Room),
    Rooms(Vec<model::Room>),
}

pub(crate) type Answered = Result<Answer, model::Refusal>;

/// What the model is told of a deed that it can't know: chance and the clock.
#[derive(Debug, Default)]
pub(crate) struct Chance {
    /// Redis's time before the deed, in milliseconds.
    pub(crate) before: i64,
    /// The same, after it.
    pub(crate) after: i64,
    /// The commits that it made.
    pub(crate) commits: Vec<model::Commit>,
    /// The room that it opened.
    pub(crate) opened: Option<RoomId>,
}
