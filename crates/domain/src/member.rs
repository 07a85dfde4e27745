//! Somebody in a room. Where a member stands is one value, so that a hand raised
//! on stage, or a microphone off it, can't be written down.

use crate::{ClientId, Entry, Millis, NickName, Uid};

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub uid: Uid,
    /// As it was when they entered.
    pub nick_name: NickName,
    /// As it was when they entered.
    pub avatar: String,
    /// The client they entered with.
    pub client: ClientId,
    /// Which of their entries this is.
    pub entry: Entry,
    /// When they entered.
    pub joined_at: Millis,
    /// What they are in the room.
    pub standing: Standing,
}

/// What a member is in the room, with what belongs to that alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Listens.
    Listener {
        /// When the hand went up, while it is up.
        hand_raised_at: Option<Millis>,
    },
    /// A listener whom the host let on stage.
    GuestSpeaker {
        /// When they stepped up.
        on_stage_at: Millis,
        /// Their microphone.
        mic: Mic,
    },
    /// Owns the room; always on stage.
    Host {
        /// When they stepped up.
        on_stage_at: Millis,
        /// Their microphone.
        mic: Mic,
    },
}

/// A microphone on stage: on only if nobody mutes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mic {
    /// Muted by its owner.
    pub muted_by_self: bool,
    /// Muted by the host.
    pub muted_by_host: bool,
}

impl Mic {
    /// On: neither its owner nor the host mutes it.
    pub const ON: Self = Self { muted_by_self: false, muted_by_host: false };

    /// Whether it is on.
    pub fn is_on(self) -> bool {
        !self.muted_by_self && !self.muted_by_host
    }
}

impl Standing {
    /// A listener whose hand is down.
    pub const LISTENER: Self = Self::Listener { hand_raised_at: None };

    /// When the member stepped up; none off stage.
    pub fn on_stage_at(self) -> Option<Millis> {
        match self {
            Self::Listener { .. } => None,
            Self::GuestSpeaker { on_stage_at, .. } | Self::Host { on_stage_at, .. } => Some(on_stage_at),
        }
    }

    /// When the hand went up; none while it is down.
    pub fn hand_raised_at(self) -> Option<Millis> {
        match self {
            Self::Listener { hand_raised_at } => hand_raised_at,
            Self::GuestSpeaker { .. } | Self::Host { .. } => None,
        }
    }

    /// The microphone; none off stage.
    pub fn mic(self) -> Option<Mic> {
        match self {
            Self::Listener { .. } => None,
            Self::GuestSpeaker { mic, .. } | Self::Host { mic, .. } => Some(mic),
        }
    }

    /// Whether this is a guest speaker, who takes a seat.
    pub fn is_guest_speaker(self) -> bool {
        matches!(self, Self::GuestSpeaker { .. })
    }

    /// The same standing with another microphone; a listener has none to change.
    pub fn with_mic(self, mic: Mic) -> Self {
        match self {
            Self::Listener { .. } => self,
            Self::GuestSpeaker { on_stage_at, .. } => Self::GuestSpeaker { on_stage_at, mic },
            Self::Host { on_stage_at, .. } => Self::Host { on_stage_at, mic },
        }
    }
}

impl Member {
    /// The same member, standing elsewhere.
    pub fn standing(&self, standing: Standing) -> Self {
        Self { standing, ..self.clone() }
    }
}
