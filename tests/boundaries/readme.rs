//! What the README promises: make targets that exist, and every variable that configures something.

use std::collections::{BTreeMap, BTreeSet};

use crate::{breach::Breach, lexemes::lexemes, tree::File, unfinished::TestFiles};

const PREFIX: &str = "GOCHAT_";

/// `make` commands of the README for which the Makefile has no target.
pub(crate) fn make_targets(readme: &File, makefile: &str) -> Vec<Breach> {
    let targets = targets(makefile);
    let mut breaches = Vec::new();
    for (at, line) in readme.text.lines().enumerate() {
        for name in commands(line).filter(|name| !targets.contains(name)) {
            let found = format!("`make {name}`");
            breaches.push(Breach::new(
                &readme.path,
                at + 1,
                found,
                "the Makefile has each target that is named",
            ));
        }
    }
    breaches
}

/// What stands after `make` where a command stands: at the head of a line or of a code span.
fn commands(line: &str) -> impl Iterator<Item = &str> {
    let spans = line.split('`').enumerate().filter(|(at, _)| at % 2 == 1).map(|(_, span)| span);
    let texts = std::iter::once(line.trim_start_matches(['$', ' '])).chain(spans);
    texts.filter_map(|text| text.strip_prefix("make ")).flat_map(|rest| {
        let is_target = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '_');
        rest.split_whitespace().take_while(is_target)
    })
}

fn targets(makefile: &str) -> BTreeSet<&str> {
    let rules = makefile.lines().filter(|line| !line.starts_with(['\t', '#', '.', ' ']));
    let heads = rules.filter_map(|line| line.split_once(':')).filter(|(_, rest)| !rest.starts_with('='));
    heads.flat_map(|(names, _)| names.split_whitespace()).collect()
}

/// Variables that the README names and nothing reads, and those that are read and not named.
pub(crate) fn variables(readme: &File, sources: &[File]) -> Vec<Breach> {
    let tests = TestFiles::among(sources);
    let mut read = BTreeMap::new();
    for (name, place) in sources.iter().filter(|file| !tests.contains(&file.path)).flat_map(read_by) {
        read.entry(name).or_insert(place);
    }
    let mut named = BTreeMap::new();
    for (at, line) in readme.text.lines().enumerate() {
        for name in named_in(line) {
            named.entry(name).or_insert(at + 1);
        }
    }
    let unread = named.iter().filter(|(name, _)| !read.contains_key(*name)).map(|(name, line)| {
        Breach::new(
            &readme.path,
            *line,
            format!("`{name}`"),
            "a variable that the README names is read somewhere",
        )
    });
    let unnamed = read.iter().filter(|(name, _)| !named.contains_key(*name)).map(|(name, (path, line))| {
        Breach::new(path, *line, format!("`{name}`"), "a variable that is read stands in the README")
    });
    unread.chain(unnamed).collect()
}

/// The variables that a source file names in a literal of their own, with path and line.
fn read_by(file: &File) -> Vec<(String, (String, usize))> {
    let list = if file.has_extension("rs") { lexemes(&file.text).unwrap_or_default() } else { Vec::new() };
    let production = list.into_iter().filter(|lexeme| !lexeme.test);
    production
        .filter_map(|lexeme| {
            let name = lexeme.text.strip_prefix('"')?.strip_suffix('"')?;
            let whole = name.len() > PREFIX.len() && name.starts_with(PREFIX) && name.chars().all(is_of_name);
            whole.then(|| (name.to_owned(), (file.path.clone(), lexeme.line)))
        })
        .collect()
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_'
}

/// The variables named in a line; `GOCHAT_{A,B}_X` names two. `GOCHAT_*` names none.
fn named_in(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find(PREFIX) {
        let mut found = vec![PREFIX.to_owned()];
        rest = &rest[at + PREFIX.len()..];
        loop {
            let (choices, left) = piece(rest);
            if choices.is_empty() {
                break;
            }
            found =
                found.iter().flat_map(|name| choices.iter().map(move |end| format!("{name}{end}"))).collect();
            rest = left;
        }
        names.extend(found.into_iter().filter(|name| !name.ends_with('_')));
    }
    names
}

/// The next part of a name: letters, or a choice in braces; nothing where the name ends.
fn piece(text: &str) -> (Vec<&str>, &str) {
    if let Some((choices, rest)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
        return (choices.split(',').map(str::trim).collect(), rest);
    }
    let end = text.find(|letter| !is_of_name(letter)).unwrap_or(text.len());
    (if end == 0 { Vec::new() } else { vec![&text[..end]] }, &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_missing_is_found() {
        let readme = File::new(
            "README.md",
            "Say `make run`.\n\n    $ make test fly\n\nTo make it quick, `make bench N=3`.\n",
        );
        let makefile = "N := 3\nrun test: build\n\t@make fly: x\nother:=a\n";
        let found: Vec<_> = make_targets(&readme, makefile).into_iter().map(|b| (b.line, b.found)).collect();
        assert_eq!(found, [(3, "`make fly`".to_owned()), (5, "`make bench`".to_owned())]);
    }

    #[test]
    fn names_in_braces_are_spelled_out() {
        assert_eq!(
            named_in("`GOCHAT_{A,B}_{X,Y_Z}` and GOCHAT_C."),
            ["GOCHAT_A_X", "GOCHAT_A_Y_Z", "GOCHAT_B_X", "GOCHAT_B_Y_Z", "GOCHAT_C"]
        );
        assert!(named_in("any `GOCHAT_*` variable").is_empty());
    }

    #[test]
    fn variables_and_readme_agree() {
        let config = File::new(
            "services/room/src/config.rs",
            "/// Not GOCHAT_DOC.\nstruct A {\n#[arg(long, env = \"GOCHAT_A\")] a: u8,\n#[arg(env = \"GOCHAT_B\")] b: u8 }\n\
             fn say() { log(\"set GOCHAT_TEXT\") }\n#[cfg(test)] mod t { const A: &str = \"GOCHAT_IN_TEST\"; }",
        );
        let test = File::new("tests/e2e/a.rs", "const A: &str = \"GOCHAT_OF_TESTS\";");
        let readme = File::new("README.md", "`GOCHAT_A`\n`GOCHAT_GONE`\n");
        let found: Vec<_> =
            variables(&readme, &[config, test]).into_iter().map(|b| (b.path, b.line, b.found)).collect();
        assert_eq!(
            found,
            [
                ("README.md".to_owned(), 2, "`GOCHAT_GONE`".to_owned()),
                ("services/room/src/config.rs".to_owned(), 4, "`GOCHAT_B`".to_owned()),
            ]
        );
    }
}
