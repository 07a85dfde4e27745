//! Words that people choose: nick names, subjects, client ids. Normalised (NFC), within
//! their lengths, and without characters that are not seen.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// Why a text won't do; said to the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// Shorter or longer than it may be, counted in characters.
    #[error("must have {0} to {1} characters")]
    Length(usize, usize),
    /// Control characters, or those that turn the direction of what follows.
    #[error("must not contain control characters")]
    Unseen,
}

/// A nick name: 1–15 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NickName(String);

impl NickName {
    /// Normalises and checks a name as it was typed.
    pub fn parse(text: &str) -> Result<Self, BadText> {
        words(text, 1, 15).map(Self)
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two names share that count as the same: caseless and in compatibility form.
    pub fn folded(&self) -> String {
        self.0.chars().nfkc().default_case_fold().nfkc().collect()
    }
}

/// A room's subject: 1–64 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(String);

impl Subject {
    /// Normalises and checks a subject as it was typed.
    pub fn parse(text: &str) -> Result<Self, BadText> {
        words(text, 1, 64).map(Self)
    }

    /// The subject as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What tells the clients of one user apart: up to 64 characters, or none at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientId(String);

impl ClientId {
    /// Checks an id that a client made for itself.
    pub fn parse(text: &str) -> Result<Self, BadText> {
        words(text, 0, 64).map(Self)
    }

    /// The id as the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn words(text: &str, least: usize, most: usize) -> Result<String, BadText> {
    // A cheap bound first: no character is longer than four bytes, and composing
    // eighteen marks into one is the most that normalising does.
    if text.len() > most.max(1) * 4 * 18 {
        return Err(BadText::Length(least, most));
    }
    let text: String = text.nfc().collect();
    let text = text.trim();
    if text.chars().any(is_unseen) {
        return Err(BadText::Unseen);
    }
    if !(least..=most).contains(&text.chars().count()) {
        return Err(BadText::Length(least, most));
    }
    Ok(text.to_owned())
}

/// Control characters, and the marks, embeddings, overrides and isolates of the
/// bidirectional algorithm (UAX #9, section 2).
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        assert!(NickName::parse("fifteen letters").is_ok());
        assert!(NickName::parse("语音聊天室语音聊天室语音聊天室").is_ok());
        assert_eq!(NickName::parse("sixteen letters!"), Err(BadText::Length(1, 15)));
        assert_eq!(NickName::parse(""), Err(BadText::Length(1, 15)));
        assert_eq!(NickName::parse("   "), Err(BadText::Length(1, 15)));
    }

    #[test]
    fn unseen_characters_are_refused() {
        for name in ["a\nb", "a\u{202e}b", "a\u{0}", "a\u{2066}b"] {
            assert_eq!(NickName::parse(name), Err(BadText::Unseen), "{name:?}");
        }
    }

    #[test]
    fn names_that_look_alike_are_the_same() {
        let folded = |name| NickName::parse(name).unwrap().folded();
        assert_eq!(folded("Ann"), folded("aNN"));
        assert_eq!(folded("e\u{301}va"), folded("\u{c9}va"));
        assert_eq!(folded("Stra\u{df}e"), folded("STRASSE"));
        assert_ne!(folded("Ann"), folded("Anne"));
    }
}
