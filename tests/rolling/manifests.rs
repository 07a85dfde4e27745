//! What the manifests say of a deployment: how many there are, how one follows another, and how long each has to end.

use std::time::Duration;

/// The manifests of what is deployed; nobody is named before those that it calls.
const MANIFESTS: [(&str, &str); 5] = [
    ("account", include_str!("../../deploy/kubernetes/base/account.yaml")),
    ("room", include_str!("../../deploy/kubernetes/base/room.yaml")),
    ("stage", include_str!("../../deploy/kubernetes/base/stage.yaml")),
    ("notifier", include_str!("../../deploy/kubernetes/base/notifier.yaml")),
    ("gateway", include_str!("../../deploy/kubernetes/base/gateway.yaml")),
];
/// Has what all are told.
const KUSTOMIZATION: &str = include_str!("../../deploy/kubernetes/base/kustomization.yaml");

/// How one deployment is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) name: &'static str,
    /// How many pods there are, at least.
    pub(crate) replicas: u64,
    /// How many more than that there may be.
    pub(crate) surge: u64,
    /// How many of them may be missing.
    pub(crate) missing: u64,
    /// How long after its first breath a pod may take to be there.
    pub(crate) start: Duration,
    /// How long a pod that was told to go serves on before it is sent SIGTERM.
    pub(crate) pre_stop: Duration,
    /// How long it has in all, until it is killed.
    pub(crate) grace: Duration,
}

/// The terms of all five.
pub(crate) fn terms() -> Vec<Terms> {
    let read = |(name, text): (&'static str, &str)| Terms {
        name,
        replicas: number(text, "minReplicas: "),
        surge: number(text, "maxSurge: "),
        missing: number(text, "rollingUpdate: { maxSurge: 1, maxUnavailable: "),
        start: Duration::from_secs(number(text, "periodSeconds: 1\n            failureThreshold: ")),
        pre_stop: Duration::from_secs(number(text, "preStop:\n              sleep: { seconds: ")),
        grace: Duration::from_secs(number(text, "terminationGracePeriodSeconds: ")),
    };
    MANIFESTS.map(read).to_vec()
}

/// What the manifests' own files tell the programs, but for addresses.
pub(crate) fn variables() -> Vec<(String, String)> {
    let literals = KUSTOMIZATION.lines().filter_map(|line| line.trim().strip_prefix("- GOCHAT_"));
    let pairs = literals.filter_map(|literal| literal.split_once('='));
    let told = pairs.filter(|(name, _)| !name.ends_with("_URL"));
    told.map(|(name, value)| (format!("GOCHAT_{name}"), value.to_owned())).collect()
}

/// The number after these words.
fn number(text: &str, words: &str) -> u64 {
    let (_, rest) = text.split_once(words).unwrap_or_else(|| panic!("no manifest without {words:?}"));
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().unwrap_or_else(|_| panic!("a number after {words:?}"))
}
