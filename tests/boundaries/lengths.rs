//! How long things may be: files, `main.rs`, Lua scripts, RPC methods.

use crate::{
    breach::Breach,
    lexemes::{Lexeme, lexemes, texts},
    tree::File,
};

const MAIN: usize = 20;
const RUST: usize = 400;
const LUA: usize = 80;
const METHOD: usize = 15;

/// A file that is longer than its kind may be.
pub(crate) fn file(file: &File) -> Option<Breach> {
    let (most, kind) = match file.name() {
        "main.rs" => (MAIN, "a main.rs"),
        _ if file.has_extension("rs") => (RUST, "a Rust file"),
        _ if file.has_extension("lua") => (LUA, "a Lua script"),
        _ => return None,
    };
    let lines = file.text.lines().count();
    let law = format!("{kind} has at most {most} lines; split it by subject");
    (lines > most).then(|| Breach::new(&file.path, lines, format!("{lines} lines"), law))
}

/// RPC methods that do more than parse, call one function and map the result.
pub(crate) fn rpc_methods(file: &File) -> Vec<Breach> {
    if !speaks_rpc(&file.path) {
        return Vec::new();
    }
    let Ok(list) = lexemes(&file.text) else {
        return vec![Breach::new(
            &file.path,
            1,
            "brackets or literals that do not close",
            "Rust can be read",
        )];
    };
    let law =
        format!("an RPC method has at most {METHOD} lines: it parses, calls one function, maps the result");
    methods(&list)
        .into_iter()
        .filter(|method| method.lines() > METHOD)
        .map(|method| {
            let found = format!("`{}` has {} lines", method.name, method.lines());
            Breach::new(&file.path, method.first, found, law.clone())
        })
        .collect()
}

/// `rpc.rs`, and what lies in a folder `rpc`.
fn speaks_rpc(path: &str) -> bool {
    path.split('/').any(|part| part == "rpc" || part == "rpc.rs")
}

struct Method<'a> {
    name: &'a str,
    first: usize,
    last: usize,
}

impl Method<'_> {
    fn lines(&self) -> usize {
        self.last - self.first + 1
    }
}

/// The asynchronous methods of trait implementations.
fn methods(list: &[Lexeme]) -> Vec<Method<'_>> {
    let impls = (0..list.len()).filter(|at| list[*at].text == "impl" && !list[*at].test);
    impls.filter_map(|at| trait_body(list, at)).flat_map(|(open, close)| in_body(list, open, close)).collect()
}

/// The block of `impl Trait for Type { … }`, if that is what begins at `at`.
fn trait_body(list: &[Lexeme], at: usize) -> Option<(usize, usize)> {
    let open = block(list, at)?;
    let of_trait = (at..open).any(|at| list[at].text == "for" && list[at + 1].text != "<");
    of_trait.then_some((open, list[open].close?))
}

fn in_body(list: &[Lexeme], open: usize, close: usize) -> Vec<Method<'_>> {
    let mut methods = Vec::new();
    let mut at = open + 1;
    while at < close {
        if texts(list, at, 2) == Some(vec!["async", "fn"])
            && let Some(open) = block(list, at)
            && let Some(end) = list[open].close
        {
            methods.push(Method { name: &list[at + 2].text, first: list[at].line, last: list[end].line });
            at = end;
        }
        at = list[at].close.unwrap_or(at) + 1;
    }
    methods
}

/// The first `{` after `from`, before the enclosing block or the item ends.
fn block(list: &[Lexeme], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let lexeme = list.get(at)?;
        match lexeme.text.as_str() {
            "{" => return Some(at),
            ";" | ")" | "}" | "]" => return None,
            _ => at = lexeme.close.unwrap_or(at) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lines(path: &str, lines: usize) -> File {
        File::new(path, &"x\n".repeat(lines))
    }

    #[test]
    fn every_kind_of_file_has_its_limit() {
        for (path, most) in [("a/main.rs", MAIN), ("a/rules.rs", RUST), ("a/commit.lua", LUA)] {
            assert_eq!(file(&of_lines(path, most)), None);
            let breach = file(&of_lines(path, most + 1)).unwrap();
            assert_eq!(breach.found, format!("{} lines", most + 1));
            assert!(breach.law.contains(&most.to_string()), "{breach}");
        }
        assert_eq!(file(&of_lines("docs/guide.md", 9_999)), None);
    }

    fn rpc(signature: &str, body_lines: usize) -> String {
        format!("{signature} {{\n{}    }}\n", "        step();\n".repeat(body_lines))
    }

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        rpc_methods(&File::new(path, text)).into_iter().map(|breach| (breach.line, breach.found)).collect()
    }

    #[test]
    fn a_long_rpc_method_is_found() {
        let short = rpc("    async fn join_room(&self, r: R<[u8; 2]>) -> Result<A, B>", METHOD - 2);
        let long = rpc("    async fn leave_room(&self) -> Result<A, B>", METHOD - 1);
        let text = format!("#[async_trait]\nimpl<S: Store> RoomService for Rpc<S> {{\n{short}{long}}}\n");
        let expected = [(18, "`leave_room` has 16 lines".to_owned())];
        assert_eq!(found("services/room/src/rpc.rs", &text), expected);
        assert_eq!(found("services/room/src/rpc/rooms.rs", &text), expected);
        assert!(found("services/room/src/reaper.rs", &text).is_empty());
    }

    #[test]
    fn only_asynchronous_methods_of_traits_count() {
        let long = |signature| rpc(signature, 40);
        for text in [
            format!("impl Rpc {{ {} }}", long("async fn decide(&self)")),
            format!("impl Clone for Rpc {{ {} }}", long("fn clone(&self) -> Self")),
            format!("fn hold(f: impl for<'a> Fn(&'a u8)) -> impl Sized {{ {} }}", long("async fn inner()")),
            format!("#[cfg(test)] mod tests {{ impl A for B {{ {} }} }}", long("async fn a()")),
        ] {
            assert!(found("rpc.rs", &text).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_can_not_be_read_is_a_breach() {
        assert_eq!(found("rpc.rs", "impl A for B {").len(), 1);
    }
}
