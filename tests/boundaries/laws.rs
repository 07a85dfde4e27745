//! The laws, applied to the tree as it is.

use crate::{
    arrows,
    breach::{Breach, assert_none},
    lengths, readme,
    tree::{File, files, with_extension},
    unfinished::{self, TestFiles},
    wording,
};

#[test]
fn dependencies_follow_the_arrows() {
    assert_none(arrows::breaches());
}

#[test]
fn files_are_short() {
    assert_none(files().iter().filter_map(lengths::file));
}

#[test]
fn rpc_methods_are_short() {
    assert_none(with_extension("rs").iter().flat_map(lengths::rpc_methods));
}

#[test]
fn files_say_what_lives_in_them() {
    assert_none(with_extension("rs").iter().filter_map(wording::opening));
}

#[test]
fn names_say_what_is_inside() {
    assert_none(files().iter().flat_map(wording::empty_names));
}

#[test]
fn lua_knows_no_business() {
    assert_none(files().iter().flat_map(wording::business_words));
}

#[test]
fn nothing_is_left_to_be_done() {
    assert_none(with_extension("rs").iter().flat_map(unfinished::not_done));
}

#[test]
fn every_test_runs() {
    assert_none(with_extension("rs").iter().flat_map(unfinished::ignored));
}

#[test]
fn no_test_sleeps() {
    let files = files();
    let tests = TestFiles::among(&files);
    assert_none(files.iter().flat_map(|file| unfinished::sleeps(file, &tests)));
}

#[test]
fn lints_of_the_workspace_hold_in_every_package() {
    let manifests =
        files().into_iter().filter(|file| file.name() == "Cargo.toml" && file.path != "Cargo.toml");
    assert_none(manifests.filter_map(|file| without_lints(&file)));
}

/// A manifest that leaves the workspace's lints behind.
fn without_lints(manifest: &File) -> Option<Breach> {
    let lines: Vec<&str> = manifest.text.lines().map(str::trim).collect();
    let takes_them = lines.windows(2).any(|pair| pair == ["[lints]", "workspace = true"]);
    let law = "a manifest says `[lints]`, `workspace = true`";
    (!takes_them).then(|| Breach::new(&manifest.path, lines.len(), "has lints of its own or none", law))
}

#[test]
fn a_manifest_without_lints_is_found() {
    assert_eq!(without_lints(&File::new("a/Cargo.toml", "[package]\n\n[lints]\nworkspace = true\n")), None);
    assert!(without_lints(&File::new("a/Cargo.toml", "[package]\n[lints.clippy]\n")).is_some());
}

#[test]
fn the_readme_names_what_there_is() {
    let files = files();
    let at_root = |path: &str| files.iter().find(|file| file.path == path);
    let Some(readme) = at_root("README.md") else {
        return;
    };
    let makefile = at_root("Makefile").map_or("", |file| file.text.as_str());
    let targets = readme::make_targets(readme, makefile);
    assert_none(targets.into_iter().chain(readme::variables(readme, &files)));
}
