//! What a participant is called at LiveKit: whose it is, of which entry, and by which admission.

use std::{fmt, str::FromStr};

use gochat_domain::{Entry, Uid};

use crate::engine::Place;

/// `<uid>-<entry>-<16 hex digits>`. No two admissions have the same: what was said of one is said of no other,
/// and nobody can guess another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Identity {
    pub(super) uid: Uid,
    pub(super) entry: Entry,
    admission: u64,
}

impl Identity {
    /// Of a new admission.
    pub(super) fn draw(place: Place) -> Self {
        Self { uid: place.uid, entry: place.entry, admission: rand::random() }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{:016x}", self.uid, self.entry.0, self.admission)
    }
}

/// Not one of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Strange;

impl FromStr for Identity {
    type Err = Strange;

    /// Reads what was written so, and nothing else.
    fn from_str(text: &str) -> Result<Self, Strange> {
        let mut parts = text.splitn(3, '-');
        let mut next = || parts.next().ok_or(Strange);
        let (uid, entry, admission) = (next()?, next()?, next()?);
        let uid: u32 = uid.parse().map_err(|_| Strange)?;
        let identity = Self {
            uid: uid.try_into().map_err(|_| Strange)?,
            entry: Entry(entry.parse().map_err(|_| Strange)?),
            admission: u64::from_str_radix(admission, 16).map_err(|_| Strange)?,
        };
        if identity.to_string() == text { Ok(identity) } else { Err(Strange) }
    }
}

#[cfg(test)]
mod tests {
    use gochat_domain::RoomId;

    use super::*;

    #[test]
    fn identities_are_read_as_they_are_written() {
        let place =
            Place { room: RoomId::from_number(1), uid: 7.try_into().unwrap(), entry: Entry(u64::MAX) };
        let identity = Identity::draw(place);
        assert_eq!(identity.to_string().parse(), Ok(identity));
        assert_ne!(identity, Identity::draw(place));
        let read = |text: &str| text.parse::<Identity>();
        assert!(read("7-3-00000000000000ff").is_ok());
        let strange = [
            "",
            "7",
            "7-3",
            "7-3-",
            "7-3-ff",
            "07-3-00000000000000ff",
            "+7-3-00000000000000ff",
            "0-3-00000000000000ff",
            "7-3-00000000000000FF",
            "7--3-00000000000000ff",
            "7-3-00000000000000ff-1",
            "agent-7",
            "100000001",
        ];
        for text in strange {
            assert_eq!(read(text), Err(Strange), "{text:?}");
        }
    }
}
