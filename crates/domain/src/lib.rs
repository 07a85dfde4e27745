//! The rules of a voice chat room. Every rule is a pure function from what was
//! loaded to a [`Change`] or a [`Refusal`]: no I/O, no clock, no ids made inside.

mod act;
mod change;
mod event;
mod ids;
mod loaded;
mod member;
mod refusal;
mod room;
pub mod rules;
mod text;

pub use act::{Act, ActKind};
pub use change::Change;
pub use event::{ChangeCause, CloseReason, Event, EventKind, LeaveReason};
pub use ids::{Entry, InvitationToken, Millis, OutOfRange, Place, RoomId, Uid};
pub use loaded::{Counts, Loaded, Person};
pub use member::{Member, Mic, Standing};
pub use refusal::Refusal;
pub use room::{Ban, Head, Invitation, Limits};
pub use rules::{Load, Rule};
pub use text::{BadText, ClientId, NickName, Subject};
