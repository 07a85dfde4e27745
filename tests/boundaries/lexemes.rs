//! Rust text as a flat list of lexemes, so that no law mistakes a comment or a string for code.

use proc_macro2::{Delimiter, Group, LexError, TokenStream, TokenTree};

/// One word, sign, literal or bracket of a Rust file. Doc comments are literals of a
/// `doc` attribute, as the compiler sees them; other comments are gone.
#[derive(Debug)]
pub(crate) struct Lexeme {
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// Whether it belongs to an item that only exists in tests (`#[cfg(test)]`).
    pub(crate) test: bool,
    /// For an opening bracket, where in the list its closing one is.
    pub(crate) close: Option<usize>,
}

/// Takes a Rust file apart.
pub(crate) fn lexemes(text: &str) -> Result<Vec<Lexeme>, LexError> {
    let mut list = Vec::new();
    append(text.parse()?, false, &mut list);
    Ok(list)
}

/// The texts from `at` on, `count` of them or none.
pub(crate) fn texts(list: &[Lexeme], at: usize, count: usize) -> Option<Vec<&str>> {
    Some(list.get(at..at + count)?.iter().map(|lexeme| lexeme.text.as_str()).collect())
}

fn append(stream: TokenStream, test: bool, list: &mut Vec<Lexeme>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut whole = test;
    let mut item = false;
    for (at, tree) in trees.iter().enumerate() {
        match tests_only(&trees[at..]) {
            Some(Scope::Enclosing) => whole = true,
            Some(Scope::Item) => item = true,
            None => {}
        }
        match tree {
            TokenTree::Group(group) => append_group(group, whole || item, list),
            other => list.push(Lexeme {
                text: other.to_string(),
                line: other.span().start().line,
                test: whole || item,
                close: None,
            }),
        }
        item &= !ends_item(tree);
    }
}

fn append_group(group: &Group, test: bool, list: &mut Vec<Lexeme>) {
    let (open, close) = match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    };
    let at = list.len();
    let bracket = |text: &str, line| Lexeme { text: text.to_owned(), line, test, close: None };
    list.push(bracket(open, group.span_open().start().line));
    append(group.stream(), test, list);
    list[at].close = Some(list.len());
    list.push(bracket(close, group.span_close().start().line));
}

/// What a `cfg` attribute makes a matter of tests.
enum Scope {
    /// `#![cfg(test)]`
    Enclosing,
    /// `#[cfg(test)]`
    Item,
}

fn tests_only(trees: &[TokenTree]) -> Option<Scope> {
    let sign = |tree: &TokenTree, sign| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == sign);
    match trees {
        [hash, TokenTree::Group(group), ..] if sign(hash, '#') && names_test(group) => Some(Scope::Item),
        [hash, bang, TokenTree::Group(group), ..]
            if sign(hash, '#') && sign(bang, '!') && names_test(group) =>
        {
            Some(Scope::Enclosing)
        }
        _ => None,
    }
}

fn names_test(attribute: &Group) -> bool {
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    let names_test = text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "test");
    text.starts_with("cfg(") && names_test && !text.contains("not(test)")
}

/// An item ends with its block or its semicolon.
fn ends_item(tree: &TokenTree) -> bool {
    match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_words(text: &str) -> Vec<String> {
        let list = lexemes(text).unwrap();
        list.into_iter().filter(|l| l.test && l.text.starts_with("t_")).map(|l| l.text).collect()
    }

    #[test]
    fn lines_and_brackets_are_kept() {
        let list = lexemes("// gone\nfn a() {\n    b();\n}\n").unwrap();
        let at = list.iter().position(|lexeme| lexeme.text == "{").unwrap();
        assert_eq!(list[at].line, 2);
        assert_eq!(list[list[at].close.unwrap()].line, 4);
        assert_eq!(texts(&list, 0, 2), Some(vec!["fn", "a"]));
        assert_eq!(texts(&list, list.len() - 1, 2), None);
    }

    #[test]
    fn an_item_for_tests_ends_where_it_ends() {
        assert_eq!(test_words("#[cfg(test)] mod t_a { fn t_b() {} } fn t_c() {}"), ["t_a", "t_b"]);
        assert_eq!(test_words("#[cfg(test)] mod t_a; fn t_c() {}"), ["t_a"]);
        assert_eq!(test_words("impl A { #[cfg(any(test, x))] fn t_a() {} fn t_c() {} }"), ["t_a"]);
        assert_eq!(test_words("mod b { #![cfg(test)] fn t_a() {} } fn t_c() {}"), ["t_a"]);
        assert!(
            test_words("#[cfg(not(test))] fn t_c() {} #[cfg(feature = \"contest\")] fn t_d() {}").is_empty()
        );
    }

    #[test]
    fn what_is_no_rust_is_told() {
        assert!(lexemes("fn a( {").is_err());
    }
}
