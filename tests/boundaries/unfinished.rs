//! What may not be left behind: work not done, tests that never run, tests that wait for time to pass.

use std::collections::BTreeSet;

use crate::{
    breach::Breach,
    lexemes::{Lexeme, lexemes, texts},
    tree::File,
};

/// Code that says it is not written yet.
pub(crate) fn not_done(file: &File) -> Vec<Breach> {
    find(file, "nothing is left to be done later", |list, at| {
        let texts = texts(list, at, 2)?;
        (matches!(texts[0], "todo" | "unimplemented") && texts[1] == "!").then(|| format!("`{}!`", texts[0]))
    })
}

/// Tests that are passed over.
pub(crate) fn ignored(file: &File) -> Vec<Breach> {
    find(file, "a test runs, or is not there", |list, at| {
        let attribute = texts(list, at, 3).filter(|texts| texts[..2] == ["#", "["])?;
        let close = list[at + 1].close?;
        let ignores = match attribute[2] {
            "ignore" => true,
            "cfg_attr" => list[at..close].iter().any(|lexeme| lexeme.text == "ignore"),
            _ => false,
        };
        ignores.then(|| "an ignored test".to_owned())
    })
}

/// Sleeps in tests. `tests` are the files that exist for tests alone.
pub(crate) fn sleeps(file: &File, tests: &TestFiles) -> Vec<Breach> {
    if file.name().starts_with("fault") || file.name().starts_with("inject") {
        return Vec::new();
    }
    let test_file = tests.contains(&file.path);
    let law = "a test waits on events or passes time in; only a fault injector has a clock (fault*, inject*)";
    if file.has_extension("py") && test_file {
        return sleeps_of_python(file, law);
    }
    find(file, law, |list, at| {
        let texts = texts(list, at, 2)?;
        let sleeps = matches!(texts[0], "sleep" | "sleep_until") && texts[1] == "(";
        (sleeps && (test_file || list[at].test)).then(|| format!("`{}(`", texts[0]))
    })
}

fn sleeps_of_python(file: &File, law: &str) -> Vec<Breach> {
    let lines = file.text.lines().enumerate();
    let sleeping = lines.filter(|(_, line)| line.contains("sleep("));
    sleeping.map(|(at, _)| Breach::new(&file.path, at + 1, "`sleep(`", law)).collect()
}

fn find(file: &File, law: &str, look: impl Fn(&[Lexeme], usize) -> Option<String>) -> Vec<Breach> {
    if !file.has_extension("rs") {
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
    let found = (0..list.len()).filter_map(|at| Some((at, look(&list, at)?)));
    found.map(|(at, found)| Breach::new(&file.path, list[at].line, found, law)).collect()
}

/// Which files exist for tests alone: those in a folder `tests`, and modules declared under `#[cfg(test)]`.
#[derive(Default)]
pub(crate) struct TestFiles {
    /// Paths of modules, without an extension.
    modules: BTreeSet<String>,
}

impl TestFiles {
    pub(crate) fn among(files: &[File]) -> Self {
        Self { modules: files.iter().flat_map(test_modules).collect() }
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        let (folders, _) = path.rsplit_once('/').unwrap_or_default();
        let module = path.strip_suffix(".rs").unwrap_or(path);
        let below = |test: &String| {
            module.strip_prefix(test.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        folders.split('/').any(|folder| folder == "tests") || self.modules.iter().any(below)
    }
}

/// The modules for tests that a file declares and does not hold.
fn test_modules(file: &File) -> Vec<String> {
    if !file.has_extension("rs") {
        return Vec::new();
    }
    let list = lexemes(&file.text).unwrap_or_default();
    let folder = match file.name() {
        "lib.rs" | "main.rs" | "mod.rs" => file.path.rsplit_once('/').map_or("", |(folder, _)| folder),
        _ => file.path.strip_suffix(".rs").unwrap_or(&file.path),
    };
    let declared = (0..list.len()).filter(|at| list[*at].test).filter_map(|at| texts(&list, at, 3));
    declared
        .filter(|texts| texts[0] == "mod" && texts[2] == ";")
        .map(|texts| format!("{folder}/{}", texts[1]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(breaches: &[Breach]) -> Vec<usize> {
        breaches.iter().map(|breach| breach.line).collect()
    }

    #[test]
    fn work_left_is_found() {
        let text = "fn a() { todo!() }\nfn b() {\n unimplemented!(\"later\") }\n// todo!()\nfn c() { x(\"todo!()\") }";
        assert_eq!(lines(&not_done(&File::new("a.rs", text))), [1, 3]);
    }

    #[test]
    fn ignored_tests_are_found() {
        let text = "#[test]\n#[ignore]\nfn a() {}\n#[ignore = \"slow\"]\nfn b() {}\n\
                    #[cfg_attr(unix, ignore)]\nfn c() {}\n#[expect(x, reason = \"ignore\")]\nfn ignore() {}";
        assert_eq!(lines(&ignored(&File::new("a.rs", text))), [2, 4, 6]);
    }

    fn sleeping(path: &str, text: &str) -> Vec<usize> {
        lines(&sleeps(&File::new(path, text), &TestFiles::default()))
    }

    #[test]
    fn sleep_in_tests_is_found() {
        let text = "fn a() { tokio::time::sleep(d).await }\nfn b() { select! { _ = sleep_until(t) => () } }";
        assert_eq!(sleeping("tests/e2e/stage.rs", text), [1, 2]);
        assert_eq!(sleeping("crates/store/tests/follow.rs", text), [1, 2]);
        assert!(sleeping("tests/faults/inject_delay.rs", text).is_empty());
        assert!(sleeping("crates/store/src/follow.rs", text).is_empty());
        assert_eq!(
            sleeping("crates/a/src/a.rs", "fn a() { sleep(d) }\n#[cfg(test)]\nmod t { fn b() { sleep(d) } }"),
            [3]
        );
        assert_eq!(sleeping("tests/python/flow.py", "import time\ntime.sleep(1)\n"), [2]);
        assert!(sleeping("tests/e2e/stage.rs", "// sleep(1)\nfn a() { b(\"sleep(1)\") }").is_empty());
    }

    #[test]
    fn modules_declared_for_tests_are_tests() {
        let declaring = [
            File::new("crates/a/src/lib.rs", "#[cfg(test)] mod world; mod rules;"),
            File::new("crates/a/src/rules.rs", "#[cfg(test)]\nmod cases;"),
        ];
        let tests = TestFiles::among(&declaring);
        for path in ["crates/a/src/world.rs", "crates/a/src/world/mod.rs", "crates/a/src/rules/cases.rs"] {
            assert!(tests.contains(path), "{path}");
        }
        for path in ["crates/a/src/rules.rs", "crates/a/src/worlds.rs", "crates/b/src/world.rs"] {
            assert!(!tests.contains(path), "{path}");
        }
    }
}
