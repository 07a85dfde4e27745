//! Refusals as the documented return codes: the one table, and the answer that carries a code.

use std::time::Duration;

use axum::{
    Extension,
    response::{IntoResponse, Response},
};
use gochat_proto::{model::Refusal, status};
use http::{StatusCode, header::RETRY_AFTER};
use serde::Serialize;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::json::Envelope;

/// What is said where the fault may pass.
const TRY_AGAIN: &str = "not available at the moment, try again";

/// The documented return codes that are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReturnCode {
    NickNameInUse = 80000,
    BadParameter = 80001,
    RoomNotFound = 80002,
    RoomFull = 80003,
    AlreadyInRoom = 80004,
    StageFull = 80005,
    AlreadyOnStage = 80006,
    NoRoomId = 80007,
    NotPermitted = 80010,
    NotInRoom = 80011,
    NotLoggedIn = 80012,
    InvitationInvalid = 80014,
    Banned = 80015,
    Fault = 100_001,
}

impl From<Refusal> for ReturnCode {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NickNameInUse => Self::NickNameInUse,
            Refusal::InvalidArgument => Self::BadParameter,
            Refusal::RoomNotFound => Self::RoomNotFound,
            Refusal::RoomFull => Self::RoomFull,
            Refusal::AlreadyInRoom => Self::AlreadyInRoom,
            Refusal::StageFull => Self::StageFull,
            Refusal::AlreadyOnStage => Self::AlreadyOnStage,
            Refusal::NoRoomId => Self::NoRoomId,
            Refusal::NotPermitted | Refusal::NotOnStage | Refusal::MutedByHost => Self::NotPermitted,
            Refusal::NotInRoom | Refusal::TargetNotInRoom => Self::NotInRoom,
            Refusal::NotLoggedIn => Self::NotLoggedIn,
            Refusal::InvitationInvalid => Self::InvitationInvalid,
            Refusal::Banned => Self::Banned,
            Refusal::Unspecified
            | Refusal::RequestIdReused
            | Refusal::Conflict
            | Refusal::Unavailable
            | Refusal::TooSlow
            | Refusal::TooMany
            | Refusal::Internal => Self::Fault,
        }
    }
}

/// An answer other than success. Its HTTP status is 200 for all that concerns the
/// method itself, since clients cannot read any other; the rest is the transport's. Its
/// code goes along as an extension of the response.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: ReturnCode,
    http: StatusCode,
    message: String,
    data: Option<Value>,
    retry_after: Option<Duration>,
}

impl Failure {
    /// A method that was turned down. `message` is shown to the caller.
    pub(crate) fn new(code: ReturnCode, message: impl Into<String>) -> Self {
        Self { code, http: StatusCode::OK, message: message.into(), data: None, retry_after: None }
    }

    /// A request that reached no method.
    pub(crate) fn transport(http: StatusCode, message: impl Into<String>) -> Self {
        let code = if http.is_server_error() { ReturnCode::Fault } else { ReturnCode::BadParameter };
        Self { http, ..Self::new(code, message) }
    }

    /// What the caller is told.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// A call too many: HTTP 429. `wait` is told in whole seconds.
    pub(crate) fn too_many(wait: Duration) -> Self {
        let failure = Self::transport(StatusCode::TOO_MANY_REQUESTS, "too many calls, try again later");
        Self { retry_after: Some(wait), ..failure }
    }

    /// Nobody can be asked, which may pass.
    pub(crate) fn unavailable() -> Self {
        Self::new(ReturnCode::Fault, TRY_AGAIN)
    }

    /// With an HTTP status of its own, for who reads that and no envelope.
    pub(crate) fn with_status(self, http: StatusCode) -> Self {
        Self { http, ..self }
    }

    /// `other` where the code is `code`: a method is documented with the other one.
    pub(crate) fn instead(self, code: ReturnCode, other: ReturnCode) -> Self {
        if self.code == code { Self { code: other, ..self } } else { self }
    }

    /// Carries data all the same: 80004, which clients take as success, needs the room.
    pub(crate) fn with_data(self, data: impl Serialize) -> Self {
        Self { data: serde_json::to_value(data).ok(), ..self }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let Some(refusal) = status::refusal(&status) else { return from_transport(&status) };
        match ReturnCode::from(refusal) {
            ReturnCode::BadParameter if names_the_room(&status) => {
                Self::new(ReturnCode::RoomNotFound, "there is no such room")
            }
            ReturnCode::Fault if refusal == Refusal::Unavailable => Self::new(ReturnCode::Fault, TRY_AGAIN),
            code => Self::new(code, status.message()),
        }
    }
}

/// A room id that can't be one names no room. Clients take any other code for the
/// loss of their identity.
fn names_the_room(status: &Status) -> bool {
    let bad = status.get_details_bad_request();
    bad.is_some_and(|bad| bad.field_violations.iter().any(|violation| violation.field == "room_id"))
}

/// An error that is not in our words comes from the connection, or is a fault. Its
/// text is for the log alone.
fn from_transport(status: &Status) -> Failure {
    tracing::warn!(code = ?status.code(), error = status.message(), "upstream call failed");
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::ResourceExhausted => {
            Failure::new(ReturnCode::Fault, TRY_AGAIN)
        }
        _ => Failure::new(ReturnCode::Fault, "internal fault"),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = Extension(self.code);
        let wait = self.retry_after.map(|wait| [(RETRY_AFTER, wait.as_secs().to_string())]);
        (self.http, code, wait, Envelope::new(self.code as u32, &self.message, self.data)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every refusal of the contract, with the return code it must have.
    #[test]
    fn the_table() {
        let expected = [
            ("UNSPECIFIED", 100_001),
            ("NOT_LOGGED_IN", 80012),
            ("NOT_PERMITTED", 80010),
            ("INVALID_ARGUMENT", 80001),
            ("NICK_NAME_IN_USE", 80000),
            ("ROOM_NOT_FOUND", 80002),
            ("ROOM_FULL", 80003),
            ("ALREADY_IN_ROOM", 80004),
            ("NOT_IN_ROOM", 80011),
            ("TARGET_NOT_IN_ROOM", 80011),
            ("STAGE_FULL", 80005),
            ("ALREADY_ON_STAGE", 80006),
            ("NOT_ON_STAGE", 80010),
            ("INVITATION_INVALID", 80014),
            ("BANNED", 80015),
            ("MUTED_BY_HOST", 80010),
            ("NO_ROOM_ID", 80007),
            ("REQUEST_ID_REUSED", 100_001),
            ("CONFLICT", 100_001),
            ("UNAVAILABLE", 100_001),
            ("INTERNAL", 100_001),
            ("TOO_SLOW", 100_001),
            ("TOO_MANY", 100_001),
        ];
        for (number, (name, code)) in expected.into_iter().enumerate() {
            let refusal = Refusal::try_from(number as i32).unwrap();
            assert_eq!(refusal.as_str_name(), format!("REFUSAL_{name}"));
            let failure = Failure::from(status::refuse(refusal, "because"));
            assert_eq!((failure.code as u32, failure.http), (code, StatusCode::OK), "{name}");
        }
        assert!(Refusal::try_from(expected.len() as i32).is_err(), "a new refusal belongs into this table");
    }

    #[test]
    fn a_room_id_that_cannot_be_one_names_no_room() {
        let failure = Failure::from(status::invalid("room_id", "must be nine digits"));
        assert_eq!(failure.code, ReturnCode::RoomNotFound);
        let failure = Failure::from(status::invalid("subject", "must not be empty"));
        assert_eq!(
            (failure.code, failure.message.as_str()),
            (ReturnCode::BadParameter, "subject: must not be empty")
        );
    }

    #[test]
    fn what_goes_on_inside_is_not_told() {
        let unreachable = Status::from_error("tcp connect error: 10.0.0.7:50052".into());
        let lost = Failure::from(status::refuse(Refusal::Unavailable, "redis is away"));
        for failure in [Failure::from(unreachable), lost] {
            assert_eq!(failure.code, ReturnCode::Fault);
            assert!(!failure.message.contains("10.0.0.7") && !failure.message.contains("redis"));
        }
    }
}
