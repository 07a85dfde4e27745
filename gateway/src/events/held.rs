//! What a client holds of a stream, as it says it when it comes back: the id that it saw last.

use std::fmt;

use gochat_proto::{model::Place, notifier::Roster};

/// After the token of a stream that leaves listeners out.
const ONLY_STAGE: char = 's';

/// Where a client stands, and whom its stream was about. Empty for who begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// A resume token, as the notifier reads it.
    token: String,
    only_stage: bool,
}

impl Held {
    /// What somebody holds who was told everything up to a place.
    pub(crate) fn at(place: Place, only_stage: bool) -> Self {
        Self { token: place.to_token(), only_stage }
    }

    /// What a client says that it holds. Whether that can be resumed from is for the notifier to say.
    pub(crate) fn read(id: &str) -> Self {
        match id.strip_suffix(ONLY_STAGE) {
            Some(token) => Self { token: token.to_owned(), only_stage: true },
            None => Self { token: id.to_owned(), only_stage: false },
        }
    }

    /// The token; empty for who begins.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Whether it is somebody who begins.
    pub(crate) fn is_empty(&self) -> bool {
        self.token.is_empty()
    }

    /// Whether the stream that it is from leaves listeners out.
    pub(crate) fn only_stage(&self) -> bool {
        self.only_stage
    }

    /// Whom that stream is about, as the notifier is told.
    pub(crate) fn roster(&self) -> Roster {
        match self.only_stage {
            _ if self.is_empty() => Roster::Unspecified,
            true => Roster::Stage,
            false => Roster::All,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.token)?;
        if self.only_stage { write!(f, "{ONLY_STAGE}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_back() {
        let place = Place { revision: 12, tag: 0xabc };
        for (only_stage, id, roster) in
            [(false, "12-0000000000000abc", Roster::All), (true, "12-0000000000000abcs", Roster::Stage)]
        {
            let held = Held::at(place, only_stage);
            assert_eq!(held.to_string(), id);
            assert_eq!(Held::read(id), held);
            assert_eq!((held.token(), held.roster()), ("12-0000000000000abc", roster));
        }
        assert_eq!(Held::read(""), Held::default());
        assert_eq!(Held::default().roster(), Roster::Unspecified);
    }
}
