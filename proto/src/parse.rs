//! The border: what callers write, as the rules' types, or INVALID_ARGUMENT that names the field.

use gochat_domain::{BadText, ClientId, NickName, OutOfRange, RoomId, Subject, Uid};
use tonic::Status;

use crate::{model, status::invalid};

/// Something that a field's text or number can be made into.
pub trait Field<From: ?Sized>: Sized {
    /// Says why it can't.
    fn parse(value: &From) -> Result<Self, String>;
}

/// Reads a field; the error names it.
pub fn field<T: Field<F>, F: ?Sized>(name: &str, value: &F) -> Result<T, Status> {
    T::parse(value).map_err(|why| invalid(name, &why))
}

/// Reads a uid that may be left out (0) for the caller's own.
pub fn uid_or(name: &str, value: u32, caller: Uid) -> Result<Uid, Status> {
    if value == 0 { Ok(caller) } else { field(name, &value) }
}

/// Reads a place in a history that may be left out.
pub fn resume_token(text: &str) -> Result<Option<model::Place>, Status> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| invalid("resume_token", "must be one that was given out")),
    }
}

/// Reads a request's id, up to 64 characters; none where it is left out.
pub fn request_id(text: &str) -> Result<Option<&str>, Status> {
    if text.chars().count() > 64 {
        return Err(invalid("request_id", "must have at most 64 characters"));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Checks a text that is kept as it is: at most so many bytes.
pub fn at_most(name: &str, text: &str, bytes: usize) -> Result<String, Status> {
    if text.len() > bytes {
        return Err(invalid(name, &format!("must be at most {bytes} bytes long")));
    }
    Ok(text.to_owned())
}

/// The size of a page: 100 where none is named, never more than 1,000.
pub fn page_size(asked: u32) -> usize {
    match asked {
        0 => 100,
        asked => asked.min(1_000) as usize,
    }
}

macro_rules! fields {
    ($($from:ty => $to:ty: $parse:expr;)*) => {
        $(impl Field<$from> for $to {
            fn parse(value: &$from) -> Result<Self, String> {
                ($parse)(value).map_err(|why| why.to_string())
            }
        })*
    };
}

fields! {
    str => RoomId: |text: &str| -> Result<Self, OutOfRange> { text.parse() };
    u32 => Uid: |number: &u32| -> Result<Self, OutOfRange> { (*number).try_into() };
    str => NickName: |text: &str| -> Result<Self, BadText> { Self::parse(text) };
    str => Subject: |text: &str| -> Result<Self, BadText> { Self::parse(text) };
    str => ClientId: |text: &str| -> Result<Self, BadText> { Self::parse(text) };
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn the_field_is_named() {
        let status = field::<RoomId, _>("room_id", "x").unwrap_err();
        let violation = &status.get_details_bad_request().unwrap().field_violations[0];
        assert_eq!(
            (violation.field.as_str(), violation.description.as_str()),
            ("room_id", "must be nine digits")
        );
    }

    #[test]
    fn zero_is_the_caller() {
        let caller = Uid::try_from(7).unwrap();
        assert_eq!(uid_or("target_uid", 0, caller).unwrap(), caller);
        assert_eq!(uid_or("target_uid", 8, caller).unwrap().get(), 8);
        assert!(uid_or("target_uid", u32::MAX, caller).is_err());
    }
}
