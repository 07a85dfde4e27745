//! What dashboards and rules ask for is there to be asked for, and each alert says what to do.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn texts(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(root().join(folder)).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.to_str().unwrap().ends_with(ending));
    let read: Vec<_> = files.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    assert!(!read.is_empty(), "nothing in {folder}");
    read
}

/// Every word of ours in an expression or its surroundings that names a metric.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':');
    let metrics = words.filter(|word| word.starts_with("gochat_") && !word.contains(':'));
    metrics.map(str::to_owned).collect()
}

/// Every metric that a dashboard or a rule names is one of those that are exported.
pub(crate) fn names_only(exported: &BTreeSet<String>) {
    let dashboards = texts("deploy/observability/grafana/dashboards", ".json");
    let rules = texts("deploy/observability/prometheus", ".yaml");
    for (path, text) in dashboards.into_iter().chain(rules) {
        for name in metrics(&text) {
            let parts = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
            let known = exported.contains(&name) || parts.is_some_and(|whole| exported.contains(whole));
            assert!(known, "{}: nobody exports {name}", path.display());
        }
    }
}

/// The expressions of a dashboard.
fn expressions(of: &Value) -> Vec<&str> {
    let inside: Vec<&str> = match of {
        Value::Array(values) => values.iter().flat_map(expressions).collect(),
        Value::Object(values) => values.values().flat_map(expressions).collect(),
        _ => Vec::new(),
    };
    of["expr"].as_str().into_iter().chain(inside).collect()
}

#[test]
fn every_panel_of_a_dashboard_asks_for_something_and_has_a_place_of_its_own() {
    for (path, text) in texts("deploy/observability/grafana/dashboards", ".json") {
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
        for panel in dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
            let title = &panel["title"];
            assert!(!expressions(panel).is_empty(), "{}: {title}", path.display());
            assert!(ids.insert(panel["id"].to_string()), "{}: two of one id: {title}", path.display());
            assert!(
                places.insert(panel["gridPos"].to_string()),
                "{}: two at one place: {title}",
                path.display()
            );
        }
    }
}

#[test]
fn every_alert_has_an_entry_in_the_runbook_and_a_test() {
    let runbook = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let words = |text: &str, what: &str| -> BTreeSet<String> {
        let named = text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(what));
        named.map(|name| name.trim().to_owned()).collect()
    };
    let rules = texts("deploy/observability/prometheus", "rules.yaml");
    let alerts: BTreeSet<_> = rules.iter().flat_map(|(_, text)| words(text, "alert:")).collect();
    let tests = texts("deploy/observability/prometheus/tests", ".yaml");
    let tested: BTreeSet<_> = tests.iter().flat_map(|(_, text)| words(text, "alertname:")).collect();
    let (_, explained) = runbook.split_once("\n## Alerts\n").unwrap();
    let explained: BTreeSet<_> = words(explained, "### ");
    assert!(!alerts.is_empty());
    assert_eq!(alerts, tested, "alerts, and those that are tested");
    assert_eq!(alerts, explained, "alerts, and those of the runbook");
    for entry in runbook.split("\n### Gochat").skip(1) {
        for part in ["**Symptoms.**", "**Checks.**", "**Cures.**"] {
            assert!(entry.contains(part), "{part} is missing: Gochat{}", entry.lines().next().unwrap());
        }
    }
}
