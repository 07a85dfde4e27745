//! The table of limits: each row names a variable with the default that the servers have, or a constant with its
//! value; and no limit of a server is missing in it.

use std::{collections::BTreeMap, fs, path::Path};

use gochat_rig::command;

const SERVERS: [&str; 6] = ["account", "room", "stage", "notifier", "media", "gateway"];
/// What a variable's name has if it limits something.
const LIMITING: [&str; 6] = ["_MAX_", "_TIMEOUT", "_RATE", "_STREAMS_PER_", "_LIMIT", "_SEATS"];

struct Row {
    default: String,
    name: String,
    /// Where a constant is.
    file: Option<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The rows: `| what | default | variable, or constant in file | beyond it |`.
fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let mut named = cells[2].split('`').skip(1).step_by(2).map(str::to_owned);
        Row { default: cells[1].replace('`', ""), name: named.next().unwrap(), file: named.next() }
    };
    lines.map(row).collect()
}

/// The variables of the servers and their defaults, as `--help` says them.
async fn variables() -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for server in SERVERS {
        let help = command(server, &[]).arg("--help").output().await.unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        for flag in help.split("[env: ").skip(1) {
            let name = flag.split(['=', ']']).next().unwrap().to_owned();
            let default = flag.split_once("[default: ").and_then(|(_, rest)| rest.split(']').next());
            // The default of this flag, not of one further down.
            let own = flag.split("\n      --").next().is_some_and(|own| own.contains("[default: "));
            variables.insert(name, default.filter(|_| own).unwrap_or_default().to_owned());
        }
    }
    variables
}

#[tokio::test]
async fn the_table_says_what_the_servers_do() {
    let (rows, variables) = (rows(), variables().await);
    assert!(rows.len() > 20, "the table is not read");
    for Row { default, name, file } in &rows {
        match file {
            None => assert_eq!(variables.get(name), Some(default), "{name}"),
            Some(file) => {
                let source = fs::read_to_string(root().join(file)).unwrap();
                let line = source.lines().find(|line| line.contains(&format!("const {name}: "))).unwrap();
                let value = line.split_once(" = ").unwrap().1.trim_end_matches(';');
                assert_eq!(value, default, "{name} in {file}");
            }
        }
    }
}

#[tokio::test]
async fn no_limit_is_missing() {
    let rows = rows();
    for name in variables().await.into_keys() {
        let limits = LIMITING.iter().any(|part| name.contains(part));
        assert!(!limits || rows.iter().any(|row| row.name == name), "docs/limits.md doesn't name {name}");
    }
}
