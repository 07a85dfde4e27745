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
}

impl Plan {
    /// All five, one of each.
    pub fn whole() -> Self {
        let servers = vec!["account", "room", "stage", "gateway"];
        Self { servers, notifiers: 1, notifier_flags: Vec::new(), variables: Vec::new() }
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
    /// Through which clients see the notifiers.
    pub balancer: Balancer,
    served: Served,
    _dir: TempDir,
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
        let servers = plan.servers.iter().map(|name| server(name, &variables, &served, dir.path())).collect();
        let notifiers = (0..plan.notifiers)
            .map(|at| notifier(at, &variables, &served, &proxy, &plan.notifier_flags, dir.path()))
            .collect();
        let deployment = Self { servers, notifiers, redis, proxy, balancer, served, _dir: dir };
        for process in deployment.servers.iter().chain(&deployment.notifiers) {
            process.until(200).await;
        }
        deployment
    }

    /// Where clients find the services.
    pub fn endpoints(&self) -> Endpoints {
        let [account, room, stage, _] = self.served.servers.map(|address| format!("http://{address}"));
        Endpoints { account, room, stage, notifier: format!("http://{}", self.balancer.address()) }
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
    let tokens = dir.join("service-tokens");
    let digest: String = Sha256::digest(SERVICE_TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(&tokens, format!("onlooker {digest}\n")).unwrap();
    fs::set_permissions(&tokens, fs::Permissions::from_mode(0o600)).unwrap();
    let mut variables: Variables = vec![
        ("GOCHAT_REDIS_URL".into(), redis.url()),
        ("GOCHAT_LOG".into(), "warn".into()),
        ("GOCHAT_SERVICE_TOKENS_FILE".into(), tokens.display().to_string()),
        ("GOCHAT_NOTIFIER_URL".into(), format!("http://{}", balancer.address())),
    ];
    for (name, address) in NAMES.iter().zip(served.servers) {
        variables.push((format!("GOCHAT_{}_URL", name.to_uppercase()), format!("http://{address}")));
    }
    variables.extend(plan.variables.iter().cloned());
    variables
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
    let mut variables = listening("notifier", served.notifiers[at], admin, variables);
    variables.retain(|(name, _)| name != "GOCHAT_REDIS_URL");
    variables.push(("GOCHAT_REDIS_URL".into(), proxy.url()));
    Process::start("notifier", admin, variables, flags.to_vec(), &dir.join(format!("notifier-{at}")))
}

fn listening(name: &str, serves: SocketAddr, admin: SocketAddr, variables: &Variables) -> Variables {
    let name = name.to_uppercase();
    let own = [
        (format!("GOCHAT_{name}_LISTEN"), serves.to_string()),
        (format!("GOCHAT_{name}_ADMIN_LISTEN"), admin.to_string()),
    ];
    variables.iter().cloned().chain(own).collect()
}
