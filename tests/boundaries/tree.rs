//! The files of the tree, read as text.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file of the tree.
pub(crate) struct File {
    /// From the root of the tree, with `/`.
    pub(crate) path: String,
    /// Empty for what is not text.
    pub(crate) text: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The name without directories.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        self.name().rsplit_once('.').is_some_and(|(_, end)| end == extension)
    }
}

/// Built, fetched or kept by tools: not ours to judge.
const NOT_OURS: [&str; 4] = [".git", "target", "node_modules", "__pycache__"];

/// The root of the tree: cargo runs tests in the folder of their package. (A path fixed
/// when they were built could be that of another copy, where a target folder is handed on.)
pub(crate) fn root() -> PathBuf {
    Path::new("..").canonicalize().expect("the workspace is above the tests")
}

/// Every file of the tree, by path.
pub(crate) fn files() -> Vec<File> {
    let root = root();
    let mut files = Vec::new();
    walk(&root, &root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The files of the tree that end in `.extension`; there must be some.
pub(crate) fn with_extension(extension: &str) -> Vec<File> {
    let files: Vec<File> = files().into_iter().filter(|file| file.has_extension(extension)).collect();
    assert!(!files.is_empty(), "no .{extension} file was found: a law that looks at nothing holds nothing");
    files
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<File>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            walk(root, &path, files);
        } else if let Ok(bytes) = fs::read(&path) {
            let inside = path.strip_prefix(root).expect("the walk stays inside the tree");
            let text = String::from_utf8(bytes).unwrap_or_default();
            files.push(File { path: inside.to_string_lossy().replace('\\', "/"), text });
        }
    }
}

#[test]
fn the_walk_finds_this_file_and_nothing_built() {
    let files = files();
    assert!(files.iter().any(|file| file.path == "tests/boundaries/tree.rs"));
    assert!(!files.iter().any(|file| file.path.starts_with("target/") || file.path.starts_with(".git/")));
}

#[test]
fn names_and_extensions() {
    let file = File::new("a/b.c/d.rs", "");
    assert_eq!(file.name(), "d.rs");
    assert!(file.has_extension("rs") && !file.has_extension("s"));
}
