//! A law that was broken, and where.

use std::fmt;

/// One place that breaks a law.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    /// From the root of the tree, with `/`.
    pub(crate) path: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// What stands there, with its number where the law has one.
    pub(crate) found: String,
    /// What the law says.
    pub(crate) law: String,
}

impl Breach {
    pub(crate) fn new(path: &str, line: usize, found: impl Into<String>, law: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, found: found.into(), law: law.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} (the law: {})", self.path, self.line, self.found, self.law)
    }
}

/// Fails with a line for each breach.
pub(crate) fn assert_none(breaches: impl IntoIterator<Item = Breach>) {
    let lines: Vec<String> = breaches.into_iter().map(|breach| format!("\n  {breach}")).collect();
    assert!(lines.is_empty(), "{} broken:{}\n", lines.len(), lines.concat());
}

#[test]
fn a_breach_names_file_line_finding_and_law() {
    let breach = Breach::new("a/b.rs", 7, "401 lines", "a file has at most 400 lines");
    assert_eq!(breach.to_string(), "a/b.rs:7: 401 lines (the law: a file has at most 400 lines)");
}

#[test]
#[should_panic(expected = "1 broken")]
fn a_breach_fails_the_test() {
    assert_none([Breach::new("a.rs", 1, "this", "not this")]);
}
