//! The statuses that the transport answers by itself, before or instead of a service.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// `google.rpc.ErrorInfo.domain` of every refusal.
pub const DOMAIN: &str = "gochat";
/// `ErrorInfo.reason`: no token, or not one that is known.
pub const NOT_LOGGED_IN: &str = "NOT_LOGGED_IN";
/// `ErrorInfo.reason`: the caller is known, and may not.
pub const NOT_PERMITTED: &str = "NOT_PERMITTED";
/// `ErrorInfo.reason`: what was sent can't be taken.
pub const INVALID_ARGUMENT: &str = "INVALID_ARGUMENT";
/// `ErrorInfo.reason`: more at a time than is allowed; fewer may be taken.
pub const TOO_MANY: &str = "TOO_MANY";
/// `ErrorInfo.reason`: not now; trying again may help.
pub const UNAVAILABLE: &str = "UNAVAILABLE";
/// `ErrorInfo.reason`: a fault of ours; the log has it under the request id.
pub const INTERNAL: &str = "INTERNAL";

/// The caller isn't known. Says the same whatever was wrong with what it sent.
pub fn not_logged_in() -> Status {
    status(Code::Unauthenticated, NOT_LOGGED_IN, "not logged in")
}

/// The caller is known, and may not do this.
pub fn not_permitted() -> Status {
    status(Code::PermissionDenied, NOT_PERMITTED, "not permitted")
}

/// What the answer depends on can't be reached.
pub fn unavailable() -> Status {
    status(Code::Unavailable, UNAVAILABLE, "unavailable, try again")
}

/// More calls at a time than the server takes.
pub(crate) fn overloaded() -> Status {
    status(Code::ResourceExhausted, TOO_MANY, "too many calls at a time, try again")
}

/// More calls from one address than it may make.
pub(crate) fn too_often() -> Status {
    status(Code::ResourceExhausted, TOO_MANY, "too many calls, try again later")
}

/// The call took longer than the server lets it.
pub(crate) fn too_slow() -> Status {
    status(Code::DeadlineExceeded, UNAVAILABLE, "took too long")
}

/// The caller sent a message larger than `most` bytes.
pub(crate) fn too_large(most: u32) -> Status {
    status(Code::InvalidArgument, INVALID_ARGUMENT, &format!("a message may have {most} bytes at most"))
}

/// A fault of ours, of which the caller learns nothing.
pub(crate) fn internal() -> Status {
    status(Code::Internal, INTERNAL, "internal error")
}

fn status(code: Code, reason: &str, message: &str) -> Status {
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, DOMAIN, []))
}
