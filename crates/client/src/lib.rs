//! The Rust SDK: typed calls to the services, a heartbeat, a subscription that resumes by itself, and who speaks.
//!
//! ```no_run
//! # async fn play() -> Result<(), gochat_client::Error> {
//! use gochat_client::{Client, Endpoints, Update};
//!
//! let client = Client::connect(&Endpoints::default())?;
//! let host = client.login("ada", "").await?;
//! let _alive = host.keep_alive();
//! let entered = host.create_room("night talk").await?;
//! let mut feed = host.subscribe(&entered.room.room_id).min(entered.place);
//! while let Some(update) = feed.next().await {
//!     if let Update::Event { event, .. } = update? {
//!         println!("{event:?}, {} in the room", feed.view().map_or(0, |view| view.members.len()));
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod backoff;
mod caller;
mod client;
mod endpoints;
mod error;
mod media;
mod presence;
mod rooms;
mod service;
mod session;
mod speakers;
mod stage;
#[cfg(test)]
mod stand_in;
mod stay;
mod subscription;

pub use backoff::Backoff;
pub use client::Client;
pub use endpoints::{Endpoints, Tls};
pub use error::Error;
pub use media::{IceServer, MediaProvider, MediaSession, OpenedMedia, RoomMedia};
pub use presence::{KeepAlive, Presence};
pub use rooms::{Banned, Bans, Entered, Members, NewRoom, Page, Rooms};
pub use service::Service;
pub use session::{Heartbeat, MediaToken, Session};
pub use speakers::{SpeakerFeed, SpeakerUpdate};
pub use stage::Invited;
pub use subscription::{Lag, Subscription, Update};

/// The contract's own words, which the SDK's calls speak in.
pub use gochat_proto::{
    media::{MediaEndedReason, Speaker},
    model::{
        Ban, ChangeCause, CloseReason, HandsLowered, HostChanged, Invitation, InvitationDeclined,
        InvitationExpired, InvitationSent, InvitationWithdrawn, LeaveReason, Member, MemberChanged,
        MemberJoined, MemberLeft, Mic, Place, Refusal, Role, Room, RoomClosed, RoomOpened, event::Kind,
    },
    notifier::{GoodbyeReason, Roster},
    room::MemberList,
    view::RoomView,
};
/// The gRPC codes, in [`Error::Transport`].
pub use tonic::Code;
