//! What can go wrong with a call, in words that callers match on.

use gochat_proto::{model::Refusal, status};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Why a call had no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The service turned the call down.
    #[error("refused ({}): {message}", refusal.as_str_name().trim_start_matches("REFUSAL_"))]
    Refused {
        /// Why, in the contract's words.
        refusal: Refusal,
        /// The service's explanation.
        message: String,
        /// The field of the request that was wrong, where it was one.
        field: Option<String>,
    },
    /// The service or its store did not answer. Whether a change was made is
    /// unknown; the SDK has tried again, as often as it was told to.
    #[error("unavailable: {message}")]
    Unavailable {
        /// What is known about it.
        message: String,
    },
    /// The call failed on its way: the connection broke, time ran out, or something
    /// in between answered.
    #[error("transport failed ({code:?}): {message}")]
    Transport {
        /// The gRPC code.
        code: Code,
        /// What is known about it.
        message: String,
    },
    /// A service answered something that the contract does not allow.
    #[error("malformed answer: {0}")]
    Malformed(&'static str),
    /// An address that nothing can be reached at.
    #[error("invalid address {address:?}: {reason}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A token that no request can carry.
    #[error("invalid token: it has characters that a header can't carry")]
    Token,
}

impl Error {
    /// Why the service turned the call down; also `Unavailable` where it didn't answer.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(*refusal),
            Self::Unavailable { .. } => Some(Refusal::Unavailable),
            _ => None,
        }
    }

    /// Whether the same call may well succeed if it is made again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Refused { refusal, .. } => matches!(refusal, Refusal::TooSlow | Refusal::TooMany),
            Self::Transport { code, .. } => matches!(
                code,
                Code::Cancelled
                    | Code::Unknown
                    | Code::DeadlineExceeded
                    | Code::Internal
                    | Code::ResourceExhausted
            ),
            _ => false,
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let message = status.message().to_owned();
        match status::refusal(&status) {
            Some(Refusal::Unavailable) => Self::Unavailable { message },
            Some(refusal) => Self::Refused { refusal, message, field: field(&status) },
            None if status.code() == Code::Unavailable => Self::Unavailable { message },
            None => Self::Transport { code: status.code(), message },
        }
    }
}

fn field(status: &Status) -> Option<String> {
    let violations = status.get_details_bad_request()?.field_violations;
    violations.into_iter().next().map(|violation| violation.field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_come_through() {
        let error = Error::from(status::refuse(Refusal::RoomFull, "the room is full"));
        assert_eq!(error.refusal(), Some(Refusal::RoomFull));
        assert_eq!(error.to_string(), "refused (ROOM_FULL): the room is full");
        assert!(!error.is_transient());
    }

    #[test]
    fn the_wrong_field_is_named() {
        let error = Error::from(status::invalid("room_id", "must be nine digits"));
        let Error::Refused { refusal: Refusal::InvalidArgument, field: Some(field), .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(field, "room_id");
    }

    #[test]
    fn unavailable_may_pass() {
        let error = Error::from(status::refuse(Refusal::Unavailable, "the store did not answer"));
        assert_eq!(error, Error::Unavailable { message: "the store did not answer".into() });
        assert!(error.is_transient());
        assert_eq!(error.refusal(), Some(Refusal::Unavailable));
    }

    #[test]
    fn who_was_too_slow_may_come_back() {
        let error = Error::from(status::refuse(Refusal::TooSlow, "the stream is not read fast enough"));
        assert_eq!(error.refusal(), Some(Refusal::TooSlow));
        assert!(error.is_transient());
    }

    #[test]
    fn what_is_not_the_services_word_is_transport() {
        for (code, transient) in
            [(Code::Cancelled, true), (Code::Unknown, true), (Code::Unimplemented, false)]
        {
            let error = Error::from(code_only(code));
            assert_eq!(error.refusal(), None);
            assert_eq!(error.is_transient(), transient, "{code:?}");
        }
    }

    /// A status as something in between makes one: a code without our details.
    fn code_only(code: Code) -> Status {
        Status::with_details(code, "elsewhere", Default::default())
    }
}
