//! Processes on one Redis, as they are run on real machines.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path};

use gochat_client::{Backoff, Client, Endpoints};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{
    balancer::Balancer,
    process::{Process, free_addresses},
    proxy::Proxy,
    redis::Redis,
};

/// A service that looks on presents this.
pub const SERVICE_TOKEN: &str = "onlooker-0123456789abcdef";
/// And the gateway this.
const GATEWAY_TOKEN: &str = "gateway-0123456789abcdef0";

/// What is started.
#[derive(Clone)]
pub struct Plan {
    /// Processes that are not notifiers.
    pub servers: Vec<&'static str>,
    /// How many notifiers there are, behind one balancer.
    pub notifiers: usize,
    /// What the notifiers are told besides.
    pub notifier_flags: Vec<String>,
    /// What all are told besides.
    pub variables: Vec<(String, String)>,
    /// Whether each server sees Redis through a gate of its own.
    pub gates: bool,
}

impl Plan {
    /// All five, one of each.
    pub fn whole() -> Self {
        let servers = vec!["account", "room", "stage", "gateway"];
        Self { servers, notifiers: 1, notifier_flags: Vec::new(), variables: Vec::new(), gates: false }
    }

    /// The four services, with so many notifiers.
    pub fn services(notifiers: usize) -> Self {
        Self { servers: vec!["account", "room", "stage"], notifiers, ..Self::whole() }
    }

    /// The same, with flags for the notifiers alone.
    #[must_use]
    pub fn telling_notifiers(mut self, flags: &[&str]) -> Self {
        self.notifier_flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// The same, with a gate between each server and Redis.
    #[must_use]
    pub fn with_gates(self) -> Self {
        Self { gates: true, ..self }
    }

    /// The same, with something that all are told.
    #[must_use]
    pub fn with(mut self, variable: &str, value: &str) -> Self {
        self.variables.push((variable.to_owned(), value.to_owned()));
        self
    }
}

/// All of it ends when it is dropped.
pub struct Deployment {
    /// Account, room, stage, gateway, as far as they were asked for.
    pub servers: Vec<Process>,
    /// Behind the balancer.
    pub notifiers: Vec<Process>,
    /// What all of them work on.
    pub redis: Redis,
    /// Through which the notifiers see Redis.
    pub proxy: Proxy,
    /// Through which each server does, where that was planned; in the order of the servers.
    pub gates: Vec<Proxy>,
    /// Through which clients see the notifiers.
    pub balancer: Balancer,
    served: Served,
    variables: Variables,
    dir: TempDir,
}

/// One more of a kind.
pub struct Replica {
    /// Itself.
    pub process: Process,
    /// Where it serves.
    pub address: SocketAddr,
}

/// Who serves where.
struct Served {
    servers: [SocketAddr; 4],
    notifiers: Vec<SocketAddr>,
}

const NAMES: [&str; 4] = ["account", "room", "stage", "gateway"];

impl Deployment {
    /// All five processes.
    pub async fn start() -> Self {
        Self::of(Plan::whole()).await
    }

    /// Starts what is planned and waits until all are ready.
    pub async fn of(plan: Plan) -> Self {
        let redis = Redis::start().await;
        let proxy = Proxy::start(redis.address()).await;
        let dir = tempfile::tempdir().unwrap();
        let served = Served {
            servers: free_addresses(),
            notifiers: free_addresses::<4>().into_iter().take(plan.notifiers).collect(),
        };
        let balancer = Balancer::start(&served.notifiers).await;
        let variables = variables(&plan, &redis, &served, &balancer, dir.path());
        let gates = gates(&plan, &redis).await;
        let told = |at: usize| gates.get(at).map_or(variables.clone(), |gate| seeing(gate, &variables));
        let servers = plan.servers.iter().enumerate();
        let servers = servers.map(|(at, name)| server(name, &told(at), &served, dir.path())).collect();
        let notifiers = (0..plan.notifiers)
            .map(|at| notifier(at, &variables, &served, &proxy, &plan.notifier_flags, dir.path()))
            .collect();
        let deployment = Self { servers, notifiers, redis, proxy, gates, balancer, served, variables, dir };
        for process in deployment.servers.iter().chain(&deployment.notifiers) {
            process.until(200).await;
        }
        deployment
    }

    /// Starts one more of a kind, on ports of its own, which is told this besides; waits until it is ready.
    pub async fn one_more(&self, name: &'static str, besides: &[(&str, &str)]) -> Replica {
        let [address, admin] = free_addresses();
        let mut variables = listening(name, address, admin, &self.variables);
        variables.extend(besides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let log = self.dir.path().join(format!("{name}-{}", address.port()));
        let process = Process::start(name, admin, variables, Vec::new(), &log);
        process.until(200).await;
        Replica { process, address }
    }

    /// One of the processes, by name; the first, where there are several.
    pub fn process(&mut self, name: &str) -> &mut Process {
        let all = self.servers.iter_mut().chain(&mut self.notifiers);
        all.into_iter().find(|process| process.name == name).unwrap()
    }

    /// The gate between a server and Redis, where that was planned.
    pub fn gate(&self, name: &str) -> &Proxy {
        &self.gates[self.servers.iter().position(|server| server.name == name).unwrap()]
    }

    /// Where clients find the services.
    pub fn endpoints(&self) -> Endpoints {
        let [account, room, stage, _] = self.served.servers.map(|address| format!("http://{address}"));
        let notifier = format!("http://{}", self.balancer.address());
        Endpoints { account, room, stage, notifier, ..Endpoints::default() }
    }

    /// A client that tries nothing again.
    pub fn client(&self) -> Client {
        Client::connect(&self.endpoints()).unwrap().with_retries(Backoff::NONE)
    }

    /// The address of a method of the documented HTTP API.
    pub fn url(&self, method: &str) -> String {
        format!("http://{}/chat_room/{method}", self.served.servers[3])
    }

    /// Where a notifier serves, behind the balancer.
    pub fn notifier_address(&self, at: usize) -> SocketAddr {
        self.served.notifiers[at]
    }

    /// Every process, from the outside in: who calls others comes before those it calls.
    pub fn outside_in(&mut self) -> impl Iterator<Item = &mut Process> {
        self.servers.iter_mut().rev().chain(&mut self.notifiers)
    }

    /// The processes that work on Redis themselves.
    pub fn services(&self) -> impl Iterator<Item = &Process> {
        self.servers.iter().filter(|process| process.name != "gateway").chain(&self.notifiers)
    }
}

type Variables = Vec<(String, String)>;

/// What all are told.
fn variables(plan: &Plan, redis: &Redis, served: &Served, balancer: &Balancer, dir: &Path) -> Variables {
    let secret = |name: &str, text: String| {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let line = |name: &str, token: &str| format!("{name} {}\n", digest(token));
    let tokens = line("onlooker", SERVICE_TOKEN) + &line("gateway", GATEWAY_TOKEN);
    let mut variables: Variables = vec![
        ("GOCHAT_REDIS_URL".into(), redis.url()),
        ("GOCHAT_LOG".into(), "warn".into()),
        ("GOCHAT_SERVICE_TOKENS_FILE".into(), secret("service-tokens", tokens)),
        ("GOCHAT_GATEWAY_SERVICE_TOKEN_FILE".into(), secret("gateway-token", GATEWAY_TOKEN.to_owned())),
        ("GOCHAT_NOTIFIER_URL".into(), format!("http://{}", balancer.address())),
    ];
    for (name, address) in NAMES.iter().zip(served.servers) {
        variables.push((format!("GOCHAT_{}_URL", name.to_uppercase()), format!("http://{address}")));
    }
    variables.extend(plan.variables.iter().cloned());
    variables
}

fn digest(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn server(name: &'static str, variables: &Variables, served: &Served, dir: &Path) -> Process {
    let at = NAMES.iter().position(|known| *known == name).unwrap();
    let [admin] = free_addresses();
    let variables = listening(name, served.servers[at], admin, variables);
    Process::start(name, admin, variables, Vec::new(), &dir.join(name))
}

fn notifier(
    at: usize,
    variables: &Variables,
    served: &Served,
    proxy: &Proxy,
    flags: &[String],
    dir: &Path,
) -> Process {
    let [admin] = free_addresses();
    let variables = listening("notifier", served.notifiers[at], admin, &seeing(proxy, variables));
    Process::start("notifier", admin, variables, flags.to_vec(), &dir.join(format!("notifier-{at}")))
}

async fn gates(plan: &Plan, redis: &Redis) -> Vec<Proxy> {
    let mut gates = Vec::new();
    for _ in plan.servers.iter().filter(|_| plan.gates) {
        gates.push(Proxy::start(redis.address()).await);
    }
    gates
}

/// With Redis behind a proxy.
fn seeing(proxy: &Proxy, variables: &Variables) -> Variables {
    let others = variables.iter().filter(|(name, _)| name != "GOCHAT_REDIS_URL").cloned();
    others.chain([("GOCHAT_REDIS_URL".to_owned(), proxy.url())]).collect()
}

fn listening(name: &str, serves: SocketAddr, admin: SocketAddr, variables: &Variables) -> Variables {
    let name = name.to_uppercase();
    let own = [
        (format!("GOCHAT_{name}_LISTEN"), serves.to_string()),
        (format!("GOCHAT_{name}_ADMIN_LISTEN"), admin.to_string()),
    ];
    variables.iter().cloned().chain(own).collect()
}
