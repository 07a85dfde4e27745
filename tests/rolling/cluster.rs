//! Two of everything, each kind behind a balancer of its own that knows only connections, on one Redis.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use futures::future::join_all;
use gochat_client::Endpoints;
use gochat_rig::{Balancer, Process, Redis, SERVICE_TOKEN, free_addresses};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::manifests::{self, Terms};

/// The gateway presents this.
const GATEWAY_TOKEN: &str = "gateway-0123456789abcdef0";
/// What the test has besides the manifests: logs of rooms that keep all, so that everything can be judged;
/// invitations that nobody outlives; streams that say each second that they live.
const KNOBS: [(&str, &str); 4] = [
    ("GOCHAT_LOG_LEAST", "1000000"),
    ("GOCHAT_LOG_MOST", "1000000"),
    ("GOCHAT_INVITATION", "1h"),
    ("GOCHAT_KEEP_ALIVE", "1s"),
];

/// So many warnings of a pod, of so many characters, are enough.
const MANY: usize = 5;
const LONG: usize = 400;

/// All of it ends when it is dropped.
pub(crate) struct Cluster {
    pub(crate) redis: Redis,
    pub(crate) sets: Vec<Set>,
    pub(crate) cradle: Cradle,
}

/// The pods of one deployment, and the name under which others find them.
pub(crate) struct Set {
    pub(crate) terms: Terms,
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) pods: Vec<Pod>,
}

/// One server.
pub(crate) struct Pod {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

/// Which release a pod is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// This one.
    This,
    /// One whose members have one field more.
    Later,
}

/// Where pods come from: of which release they are, what all are told, and where they log.
pub(crate) struct Cradle {
    pub(crate) release: Release,
    variables: Vec<(String, String)>,
    dir: TempDir,
}

impl Cluster {
    /// As many as the manifests say, all ready.
    pub(crate) async fn start() -> Self {
        let redis = Redis::start_on_a_safe_machine().await;
        let mut sets = Vec::new();
        for terms in manifests::terms() {
            let balancer = Arc::new(Balancer::start(&[]).await);
            sets.push(Set { terms, balancer, pods: Vec::new() });
        }
        let cradle = Cradle::of(&redis, &sets);
        for set in &mut sets {
            set.pods = (0..set.terms.replicas).map(|_| cradle.pod(set.terms.name)).collect();
            set.pods.iter().for_each(|pod| set.balancer.put_in(pod.address));
        }
        join_all(sets.iter().flat_map(|set| &set.pods).map(|pod| pod.process.until(200))).await;
        Self { redis, sets, cradle }
    }

    fn address(&self, name: &str) -> String {
        let set = self.sets.iter().find(|set| set.terms.name == name).unwrap();
        format!("http://{}", set.balancer.address())
    }

    /// Where clients find the services.
    pub(crate) fn endpoints(&self) -> Endpoints {
        let [account, room, stage, notifier] =
            ["account", "room", "stage", "notifier"].map(|name| self.address(name));
        Endpoints { account, room, stage, notifier, ..Endpoints::default() }
    }

    /// What the paths of the documented HTTP API begin with.
    pub(crate) fn web(&self) -> String {
        format!("{}/chat_room", self.address("gateway"))
    }
}

impl Release {
    /// The gateway has no state, so it is the same in both.
    fn flags(self, name: &str) -> Vec<String> {
        let later = self == Self::Later && name != "gateway";
        later.then(|| "--one-field-more".to_owned()).into_iter().collect()
    }
}

impl Cradle {
    fn of(redis: &Redis, sets: &[Set]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let line = |name: &str, token: &str| format!("{name} {}\n", digest(token));
        let tokens = line("onlooker", SERVICE_TOKEN) + &line("gateway", GATEWAY_TOKEN);
        let mut variables = manifests::variables();
        variables.extend(KNOBS.map(|(name, value)| (name.to_owned(), value.to_owned())));
        variables.push(("GOCHAT_REDIS_URL".to_owned(), redis.url()));
        for (name, text) in [
            ("GOCHAT_SERVICE_TOKENS_FILE", tokens),
            ("GOCHAT_GATEWAY_SERVICE_TOKEN_FILE", GATEWAY_TOKEN.to_owned()),
            ("GOCHAT_GATEWAY_TICKET_KEY_FILE", digest("tickets")),
        ] {
            variables.push((name.to_owned(), secret(&dir.path().join(name), &text)));
        }
        for set in sets {
            let name = format!("GOCHAT_{}_URL", set.terms.name.to_uppercase());
            variables.push((name, format!("http://{}", set.balancer.address())));
        }
        Self { release: Release::This, variables, dir }
    }

    /// Starts one more, on ports of its own.
    pub(crate) fn pod(&self, name: &'static str) -> Pod {
        let [address, admin] = free_addresses();
        let mut variables = self.variables.clone();
        let upper = name.to_uppercase();
        variables.push((format!("GOCHAT_{upper}_LISTEN"), address.to_string()));
        variables.push((format!("GOCHAT_{upper}_ADMIN_LISTEN"), admin.to_string()));
        let log = self.dir.path().join(format!("{name}-{}", address.port()));
        Pod { process: Process::start(name, admin, variables, self.release.flags(name), &log), address }
    }

    /// The last of what each pod, also of those that are gone, found worth a warning.
    pub(crate) fn complaints(&self) -> String {
        let mut complaints = String::new();
        for log in fs::read_dir(self.dir.path()).unwrap().map(|log| log.unwrap().path()) {
            let text = fs::read_to_string(&log).unwrap();
            let warns = |line: &&str| line.contains(r#""WARN""#) || line.contains(r#""ERROR""#);
            let warnings: Vec<&str> = text.lines().filter(warns).collect();
            let name = log.file_name().unwrap_or_default().display().to_string();
            for warning in &warnings[warnings.len().saturating_sub(MANY)..] {
                let short: String = warning.chars().take(LONG).collect();
                complaints.push_str(&format!("{name}: {short}\n"));
            }
        }
        complaints
    }
}

fn secret(path: &Path, text: &str) -> String {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
