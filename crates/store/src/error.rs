//! What can go wrong with a call to the store, and what a caller is told of it.

use gochat_domain::Refusal;
use gochat_proto::{model, status};
use tonic::Status;

/// Why a call to the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The session, or the user, is gone.
    #[error("not logged in")]
    NotLoggedIn,
    /// Others changed the same thing, as often as it was tried.
    #[error("others changed the same thing at the same time; try again")]
    Conflict,
    /// The request id came before, with another request.
    #[error("the request id came before with another request")]
    RequestIdReused,
    /// Redis did not answer. Whether a change was made is unknown.
    #[error("redis did not answer: {0}")]
    Unavailable(String),
    /// Redis answered with something that isn't ours, or a format that is newer than this process.
    #[error("redis holds what can't be read: {0}")]
    Unreadable(String),
    /// Redis turned a command down.
    #[error("redis refused: {0}")]
    Rejected(String),
}

/// What calls to the store give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Replies by which Redis says "not now": nothing is wrong with the command.
const NOT_NOW: [&str; 8] =
    ["LOADING", "READONLY", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "OOM", "NOREPLICAS"];

impl From<redis::RedisError> for Error {
    fn from(error: redis::RedisError) -> Self {
        if error.is_io_error() || error.is_unrecoverable_error() {
            return Self::Unavailable(error.to_string());
        }
        match error.code() {
            Some(code) if NOT_NOW.contains(&code) => Self::Unavailable(error.to_string()),
            Some(_) => Self::Rejected(error.to_string()),
            None => Self::Unreadable(error.to_string()),
        }
    }
}

/// The details stay in our log; the caller is told what to do.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        use model::Refusal as R;
        let told = error.to_string();
        match error {
            Error::Refused(refusal) => status::refuse(refusal.into(), told),
            Error::NotLoggedIn => status::refuse(R::NotLoggedIn, told),
            Error::Conflict => status::refuse(R::Conflict, told),
            Error::RequestIdReused => status::refuse(R::RequestIdReused, told),
            Error::Unavailable(_) => {
                tracing::warn!(error = %told, "store unavailable");
                status::refuse(R::Unavailable, "the store did not answer; try again with the same request id")
            }
            Error::Unreadable(_) | Error::Rejected(_) => {
                tracing::error!(error = %told, "store fault");
                status::refuse(R::Internal, "a fault of ours; it has been logged")
            }
        }
    }
}
