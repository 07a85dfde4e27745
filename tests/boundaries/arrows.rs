//! Who may depend on whom, and who may name Redis.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::{breach::Breach, tree::root, wording::empty_words};

/// A package of the workspace and what it names in its manifest.
struct Member {
    name: String,
    /// Of the manifest, from the root of the tree.
    path: String,
    /// The names of its libraries and binaries.
    targets: Vec<String>,
    default_features: Vec<String>,
    needs: Vec<Need>,
}

/// A dependency as a manifest names it.
struct Need {
    name: String,
    features: Vec<String>,
    for_tests: bool,
}

const SERVICE: &[&str] = &["gochat-store", "gochat-proto", "gochat-domain", "gochat-chassis"];

/// Each package of the workspace with those that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("gochat-domain", &[]),
    ("gochat-chassis", &[]),
    ("gochat-proto", &["gochat-domain"]),
    ("gochat-store", &["gochat-proto", "gochat-domain"]),
    ("gochat-client", &["gochat-proto"]),
    ("gochat-account", SERVICE),
    ("gochat-room", SERVICE),
    ("gochat-stage", SERVICE),
    ("gochat-notifier", SERVICE),
    ("gochat-media", SERVICE),
    ("gochat-gateway", &["gochat-proto", "gochat-chassis"]),
    (
        "gochat-suite",
        &[
            "gochat-account",
            "gochat-room",
            "gochat-stage",
            "gochat-notifier",
            "gochat-media",
            "gochat-gateway",
            "gochat-client",
            "gochat-chassis",
            "gochat-store",
        ],
    ),
    (
        TESTS,
        &["gochat-suite", "gochat-client", "gochat-store", "gochat-proto", "gochat-domain", "gochat-chassis"],
    ),
];

/// The package that may depend on anything of ours in its tests.
const TESTS: &str = "gochat-tests";

/// Packages that speak to Redis, and who may.
const REDIS_CLIENTS: [&str; 2] = ["redis", "fred"];
const NAMES_REDIS: [&str; 2] = ["gochat-store", TESTS];

/// Packages that know the contract without the rules.
const WITHOUT_RULES: [&str; 2] = ["gochat-gateway", "gochat-client"];

fn arrows(member: &Member) -> Vec<Breach> {
    let ours = member.needs.iter().filter(|need| need.name.starts_with("gochat-"));
    let Some((_, may)) = ARROWS.iter().find(|(name, _)| *name == member.name) else {
        let law = "every package of the workspace stands in the arrows of tests/boundaries/arrows.rs";
        return vec![member.breach(format!("`{}` has no row", member.name), law)];
    };
    let free = |need: &Need| member.name == TESTS && need.for_tests;
    let astray = ours.filter(|need| !may.contains(&need.name.as_str()) && !free(need));
    let law = match may {
        [] => format!("{} depends on nothing of ours", member.name),
        _ => format!("{} depends at most on {}", member.name, may.join(", ")),
    };
    astray.map(|need| member.breach(format!("depends on {}", need.name), &law)).collect()
}

fn redis(member: &Member) -> Vec<Breach> {
    if NAMES_REDIS.contains(&member.name.as_str()) {
        return Vec::new();
    }
    let speaks = |need: &&Need| need.name.split(['-', '_']).any(|word| REDIS_CLIENTS.contains(&word));
    let law = "only gochat-store names redis";
    let found = member.needs.iter().filter(speaks);
    found.map(|need| member.breach(format!("depends on {}", need.name), law)).collect()
}

fn rules(member: &Member) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let contract = member.needs.iter().filter(|need| need.name == "gochat-proto" && !need.for_tests);
    if WITHOUT_RULES.contains(&member.name.as_str())
        && contract.flat_map(|need| &need.features).any(|feature| feature == "domain")
    {
        let law = "gateway and client do without the rules";
        breaches.push(member.breach("enables the feature `domain` of gochat-proto", law));
    }
    if member.name == "gochat-proto" && member.default_features.iter().any(|feature| feature == "domain") {
        let law = "who wants the rules with the contract says so";
        breaches.push(member.breach("has `domain` among its default features", law));
    }
    breaches
}

fn names(member: &Member) -> Vec<Breach> {
    let names = std::iter::once(&member.name).chain(&member.targets);
    let empty = names.filter(|name| !empty_words(name).is_empty());
    empty.map(|name| member.breach(format!("is called `{name}`"), "a name says what is inside")).collect()
}

impl Member {
    fn breach(&self, found: impl Into<String>, law: &str) -> Breach {
        Breach::new(&self.path, 1, found, law)
    }
}

/// Every breach of the arrows in the workspace as it is.
pub(crate) fn breaches() -> Vec<Breach> {
    let command = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec();
    let metadata = command.unwrap_or_else(|error| panic!("cargo metadata: {error}"));
    let members = members(&metadata);
    let known: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    for (name, _) in ARROWS {
        assert!(
            known.contains(name),
            "{name} has a row in tests/boundaries/arrows.rs and is not in the workspace"
        );
    }
    members.iter().flat_map(of_member).collect()
}

fn of_member(member: &Member) -> Vec<Breach> {
    [arrows, redis, rules, names].iter().flat_map(|law| law(member)).collect()
}

fn members(metadata: &Metadata) -> Vec<Member> {
    let packages = metadata.workspace_packages().into_iter();
    packages
        .map(|package| Member {
            name: package.name.to_string(),
            path: match package.manifest_path.strip_prefix(&metadata.workspace_root) {
                Ok(path) => path.to_string(),
                Err(_) => package.manifest_path.to_string(),
            },
            targets: package.targets.iter().map(|target| target.name.clone()).collect(),
            default_features: package.features.get("default").cloned().unwrap_or_default(),
            needs: package.dependencies.iter().map(need).collect(),
        })
        .collect()
}

fn need(dependency: &cargo_metadata::Dependency) -> Need {
    Need {
        name: dependency.name.clone(),
        features: dependency.features.clone(),
        for_tests: dependency.kind == DependencyKind::Development,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, needs: &[&str]) -> Member {
        let need = |name: &&str| Need { name: (*name).to_owned(), features: Vec::new(), for_tests: false };
        Member {
            name: name.to_owned(),
            path: format!("{name}/Cargo.toml"),
            targets: vec![name.replace('-', "_")],
            default_features: Vec::new(),
            needs: needs.iter().map(need).collect(),
        }
    }

    fn found(member: &Member) -> Vec<String> {
        of_member(member).into_iter().map(|breach| breach.found).collect()
    }

    #[test]
    fn arrows_hold_and_fail() {
        assert!(found(&member("gochat-stage", &["gochat-store", "gochat-chassis", "tokio"])).is_empty());
        for (name, need) in [
            ("gochat-stage", "gochat-room"),
            ("gochat-gateway", "gochat-store"),
            ("gochat-gateway", "gochat-domain"),
            ("gochat-domain", "gochat-proto"),
            ("gochat-chassis", "gochat-proto"),
            ("gochat-client", "gochat-chassis"),
            ("gochat-tests", "gochat-gateway"),
        ] {
            assert_eq!(found(&member(name, &[need])), [format!("depends on {need}")], "{name}");
        }
    }

    #[test]
    fn a_package_without_a_row_is_found() {
        assert_eq!(found(&member("gochat-video", &[])), ["`gochat-video` has no row"]);
    }

    #[test]
    fn tests_of_the_whole_are_free_and_no_others() {
        let mut tests = member(TESTS, &["gochat-gateway"]);
        tests.needs[0].for_tests = true;
        assert!(found(&tests).is_empty());
        let mut stage = member("gochat-stage", &["gochat-room"]);
        stage.needs[0].for_tests = true;
        assert_eq!(found(&stage).len(), 1);
    }

    #[test]
    fn redis_is_named_by_the_store_alone() {
        assert!(found(&member("gochat-store", &["redis"])).is_empty());
        for client in ["redis", "deadpool-redis", "fred"] {
            assert_eq!(found(&member("gochat-room", &[client])), [format!("depends on {client}")]);
        }
    }

    #[test]
    fn rules_reach_no_client() {
        for name in WITHOUT_RULES {
            let mut member = member(name, &["gochat-proto"]);
            assert!(found(&member).is_empty());
            member.needs[0].features = vec!["domain".to_owned()];
            assert_eq!(found(&member), ["enables the feature `domain` of gochat-proto"]);
        }
        let mut contract = member("gochat-proto", &[]);
        contract.default_features = vec!["domain".to_owned()];
        assert_eq!(found(&contract).len(), 1);
    }

    #[test]
    fn packages_that_say_nothing_are_found() {
        let mut suite = member("gochat-suite", &[]);
        suite.targets.push("gochat_common".to_owned());
        assert_eq!(found(&suite), ["is called `gochat_common`"]);
    }
}
