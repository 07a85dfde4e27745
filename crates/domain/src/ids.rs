//! What things are called by: users, rooms, entries, places in a history, moments.

use std::{fmt, num::NonZeroU32, ops::Add, str::FromStr, time::Duration};

/// A number or text that is no id of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OutOfRange(pub &'static str);

/// A user. Positive and within 31 bits, so that every client's integers hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(NonZeroU32);

impl Uid {
    /// The number as an integer from 1 to 2³¹ − 1.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl TryFrom<u32> for Uid {
    type Error = OutOfRange;

    fn try_from(number: u32) -> Result<Self, OutOfRange> {
        NonZeroU32::new(number)
            .filter(|uid| i32::try_from(uid.get()).is_ok())
            .map(Self)
            .ok_or(OutOfRange("must be a positive 32-bit integer"))
    }
}

impl FromStr for Uid {
    type Err = OutOfRange;

    fn from_str(text: &str) -> Result<Self, OutOfRange> {
        text.parse::<u32>().map_err(|_| OutOfRange("must be a positive 32-bit integer"))?.try_into()
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A room: nine digits, the first not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(u32);

impl RoomId {
    /// How many ids there are.
    pub const COUNT: u32 = 900_000_000;

    /// The id that a number falls on; every number falls on one.
    pub fn from_number(number: u64) -> Self {
        Self(100_000_000 + (number % u64::from(Self::COUNT)) as u32)
    }
}

impl FromStr for RoomId {
    type Err = OutOfRange;

    fn from_str(text: &str) -> Result<Self, OutOfRange> {
        let nine_digits = text.len() == 9 && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(number @ 100_000_000..=999_999_999) if nine_digits => Ok(Self(number)),
            _ => Err(OutOfRange("must be nine digits")),
        }
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One entry of a user into a room. No number is given twice; a later entry has a higher one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry(pub u64);

/// A moment in Unix milliseconds, as the room's partition tells time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Add<Duration> for Millis {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// A place in a room's history. Revisions count up by one; the tag, drawn at random
/// for each commit, tells two histories with the same numbers apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// How many commits the room has seen.
    pub revision: u64,
    /// The tag of the last one.
    pub tag: u64,
}

/// What the answer to an invitation must show.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationToken(pub String);

impl fmt::Debug for InvitationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_positive_and_within_31_bits() {
        for number in [1, 123_456_789, i32::MAX as u32] {
            assert_eq!(Uid::try_from(number).unwrap().get(), number);
        }
        for number in [0, 1 << 31, u32::MAX] {
            assert!(Uid::try_from(number).is_err(), "{number}");
        }
    }

    #[test]
    fn room_ids_are_nine_digits() {
        assert_eq!("123456789".parse::<RoomId>().unwrap().to_string(), "123456789");
        for text in ["", "12345678", "1234567890", "012345678", "+12345678", "12345678x", "１２３"] {
            assert!(text.parse::<RoomId>().is_err(), "{text:?}");
        }
        for number in [0, 899_999_999, 900_000_000, u64::MAX] {
            let id = RoomId::from_number(number);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}
