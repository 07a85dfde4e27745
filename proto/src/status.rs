//! Refusals as gRPC statuses, and back. The one place that says which code a refusal has.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::model::Refusal;

/// `google.rpc.ErrorInfo.domain` of every refusal.
pub const DOMAIN: &str = "gochat";

/// The gRPC code of a refusal.
pub fn code(refusal: Refusal) -> Code {
    match refusal {
        Refusal::NotLoggedIn => Code::Unauthenticated,
        Refusal::NotPermitted | Refusal::Banned => Code::PermissionDenied,
        Refusal::InvalidArgument | Refusal::RequestIdReused => Code::InvalidArgument,
        Refusal::NickNameInUse | Refusal::AlreadyInRoom => Code::AlreadyExists,
        Refusal::RoomNotFound => Code::NotFound,
        Refusal::RoomFull | Refusal::StageFull | Refusal::NoRoomId | Refusal::TooSlow | Refusal::TooMany => {
            Code::ResourceExhausted
        }
        Refusal::NotInRoom
        | Refusal::TargetNotInRoom
        | Refusal::AlreadyOnStage
        | Refusal::NotOnStage
        | Refusal::InvitationInvalid
        | Refusal::MutedByHost => Code::FailedPrecondition,
        Refusal::Conflict => Code::Aborted,
        Refusal::Unavailable => Code::Unavailable,
        Refusal::Unspecified | Refusal::Internal => Code::Internal,
    }
}

/// A refusal as the status that a caller is answered. `message` is shown to the
/// caller: it says nothing of our insides.
pub fn refuse(refusal: Refusal, message: impl Into<String>) -> Status {
    let details = ErrorDetails::with_error_info(reason(refusal), DOMAIN, []);
    Status::with_error_details(code(refusal), message, details)
}

/// A request with a bad field, which is named as in the contract.
pub fn invalid(field: &str, description: &str) -> Status {
    let mut details = ErrorDetails::with_error_info(reason(Refusal::InvalidArgument), DOMAIN, []);
    details.add_bad_request_violation(field, description);
    Status::with_error_details(Code::InvalidArgument, format!("{field}: {description}"), details)
}

/// Why a call was refused, where the status says so in our words.
pub fn refusal(status: &Status) -> Option<Refusal> {
    let info = status.get_details_error_info()?;
    if info.domain != DOMAIN {
        return None;
    }
    Refusal::from_str_name(&format!("REFUSAL_{}", info.reason))
}

fn reason(refusal: Refusal) -> &'static str {
    let name = refusal.as_str_name();
    name.strip_prefix("REFUSAL_").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_survives_the_wire() {
        for number in 0..=22 {
            let refusal = Refusal::try_from(number).unwrap();
            let status = refuse(refusal, "because");
            assert_eq!(super::refusal(&status), Some(refusal));
            assert_ne!(status.code(), Code::Ok);
        }
        assert!(Refusal::try_from(23).is_err(), "a new refusal belongs into this test");
    }

    #[test]
    fn a_bad_field_is_named() {
        let status = invalid("room_id", "must be nine digits");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "room_id");
        assert_eq!(refusal(&status), Some(Refusal::InvalidArgument));
    }

    #[test]
    fn others_errors_are_not_ours() {
        let details = ErrorDetails::with_error_info("ROOM_NOT_FOUND", "elsewhere", []);
        assert_eq!(refusal(&Status::with_error_details(Code::NotFound, "", details)), None);
        assert_eq!(refusal(&Status::from_error("no details".into())), None);
    }
}
