//! What things are called, and how files open.

use crate::{
    breach::Breach,
    lexemes::{lexemes, texts},
    tree::File,
};

/// Names that say nothing about what is inside.
const EMPTY: [&str; 9] =
    ["common", "core", "helper", "helpers", "manager", "misc", "shared", "util", "utils"];

/// Words of the business, which a script that only compares and writes has no use for: as such or in the plural.
const WHOLE: [&str; 10] = ["room", "host", "stage", "hand", "mic", "seat", "ban", "lease", "session", "user"];

/// More of them, with whatever ending.
const STEMS: [&str; 8] = ["member", "listener", "guest", "invit", "speaker", "nick", "microphone", "banned"];

/// A Rust file that does not open with a sentence on what lives in it.
pub(crate) fn opening(file: &File) -> Option<Breach> {
    if !file.has_extension("rs") {
        return None;
    }
    let first = file.text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//! ").is_some_and(|rest| rest.contains(char::is_alphabetic));
    let law = "a Rust file opens with a `//!` sentence: what lives here";
    (!says).then(|| Breach::new(&file.path, 1, format!("opens with {first:?}"), law))
}

/// Words of the business in a Lua script, its comments included.
pub(crate) fn business_words(file: &File) -> Vec<Breach> {
    if !file.has_extension("lua") {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        for word in words(line).into_iter().filter(|word| is_business(word)) {
            let law = "a Lua script knows guards, keys and values, and no word of the business";
            breaches.push(Breach::new(&file.path, at + 1, format!("the word `{word}`"), law));
        }
    }
    breaches
}

fn is_business(word: &str) -> bool {
    let one = word.strip_suffix('s').unwrap_or(word);
    WHOLE.contains(&word) || WHOLE.contains(&one) || STEMS.iter().any(|stem| word.starts_with(stem))
}

/// Files and folders, and modules inside a file, whose names say nothing.
pub(crate) fn empty_names(file: &File) -> Vec<Breach> {
    let law = "a name says what is inside";
    let mut breaches: Vec<Breach> = empty_words(&file.path)
        .into_iter()
        .map(|word| Breach::new(&file.path, 1, format!("`{word}` in the path"), law))
        .collect();
    let list = if file.has_extension("rs") { lexemes(&file.text).unwrap_or_default() } else { Vec::new() };
    for (at, lexeme) in list.iter().enumerate() {
        let name = texts(&list, at, 2).filter(|texts| texts[0] == "mod").map(|texts| texts[1]);
        if let Some(name) = name.filter(|name| !empty_words(name).is_empty()) {
            breaches.push(Breach::new(&file.path, lexeme.line, format!("a module called `{name}`"), law));
        }
    }
    breaches
}

/// The words of a name that say nothing.
pub(crate) fn empty_words(name: &str) -> Vec<String> {
    words(name).into_iter().filter(|word| EMPTY.contains(&word.as_str())).collect()
}

/// The words of a text in small letters; `snake_case` and `camelCase` are two each.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in text.chars() {
        let begins = !letter.is_alphabetic() || before.is_lowercase() && letter.is_uppercase();
        if begins {
            words.push(String::new());
        }
        if let (true, Some(word)) = (letter.is_alphabetic(), words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart() {
        assert_eq!(words("memberKey, SEAT_LIMIT2x"), ["member", "key", "seat", "limit", "x"]);
    }

    #[test]
    fn a_file_opens_with_a_sentence() {
        assert_eq!(opening(&File::new("a.rs", "//! Rooms.\n")), None);
        assert_eq!(opening(&File::new("a.md", "")), None);
        for text in ["", "use a;\n", "//!\n", "// Rooms.\n", "\n//! Rooms.\n", "/// Rooms.\n"] {
            assert!(opening(&File::new("a.rs", text)).is_some(), "{text:?}");
        }
    }

    #[test]
    fn business_in_lua_is_found() {
        for word in [
            "room",
            "rooms",
            "Member",
            "memberships",
            "hostName",
            "LISTENER",
            "guest_count",
            "stages",
            "hands",
            "mic",
            "microphone",
            "invited",
            "invitation",
            "seats",
            "speaker",
            "bans",
            "banned",
            "lease2",
            "nickname",
            "session",
            "users",
        ] {
            let file = File::new("a.lua", &format!("local a = 1\n-- the {word} is kept\n"));
            let breaches = business_words(&file);
            assert_eq!(breaches.len(), 1, "{word}");
            assert_eq!(breaches[0].line, 2);
        }
    }

    #[test]
    fn other_words_are_free() {
        let text =
            "-- handles a release; microseconds, staging, please, band, localhost, used\nlocal handle = 1\n";
        assert_eq!(business_words(&File::new("a.lua", text)), []);
        assert_eq!(business_words(&File::new("a.rs", "// room")), []);
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        for path in
            ["crates/common/src/lib.rs", "a/utils.rs", "a/test_util.rs", "a/roomManager.rs", "misc/a.lua"]
        {
            assert_eq!(empty_names(&File::new(path, "")).len(), 1, "{path}");
        }
        let inline = File::new("a.rs", "//! A.\nmod helpers { }\n");
        assert_eq!(empty_names(&inline).iter().map(|breach| breach.line).collect::<Vec<_>>(), [2]);
        assert_eq!(empty_names(&File::new("crates/store/score.rs", "// mod utils\nmod keys;")), []);
    }
}
