//! Places in a history as resume tokens: `<revision>-<tag>`, the tag in 16 hex digits.

use std::{fmt, str::FromStr};

use crate::model::{Commit, Place};

/// What was given is not a resume token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAToken;

impl fmt::Display for NotAToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a resume token")
    }
}

impl std::error::Error for NotAToken {}

impl Place {
    /// The place as a resume token, which callers hand back unread.
    pub fn to_token(self) -> String {
        format!("{}-{:016x}", self.revision, self.tag)
    }
}

impl FromStr for Place {
    type Err = NotAToken;

    fn from_str(token: &str) -> Result<Self, NotAToken> {
        let (revision, tag) = token.split_once('-').ok_or(NotAToken)?;
        let digits = |text: &str, most: usize| !text.is_empty() && text.len() <= most;
        if !digits(revision, 19) || !revision.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotAToken);
        }
        if tag.len() != 16 || !tag.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(NotAToken);
        }
        Ok(Self {
            revision: revision.parse().map_err(|_| NotAToken)?,
            tag: u64::from_str_radix(tag, 16).map_err(|_| NotAToken)?,
        })
    }
}

impl Commit {
    /// Where the room stands after this commit.
    pub fn place(&self) -> Place {
        Place { revision: self.revision, tag: self.tag }
    }

    /// Whether this commit comes right after `place`, in the same history.
    pub fn continues(&self, place: Place) -> bool {
        place.revision.checked_add(1) == Some(self.revision) && self.tag_before == place.tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        let place = Place { revision: 42, tag: 0xfedc_ba98_0000_0001 };
        assert_eq!(place.to_token(), "42-fedcba9800000001");
        assert_eq!(place.to_token().parse(), Ok(place));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "-",
            "42",
            "42-",
            "-0000000000000001",
            "+2-0000000000000001",
            "2-000000000000000G",
            "2-0000000000000001 ",
            "2-00000000000000001",
            "99999999999999999999-0000000000000001",
        ] {
            assert_eq!(text.parse::<Place>(), Err(NotAToken), "{text:?}");
        }
    }
}
