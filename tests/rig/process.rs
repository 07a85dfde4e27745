//! One server as a process: its variables, what it says of itself, and its end.

use std::{
    fs::File,
    future::Future,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::{interval, timeout},
};

/// How long anything may take that is waited for.
pub const AT_MOST: Duration = Duration::from_secs(10);
/// How long processes have to get ready, or ready again: many start at once, on machines with few cores.
const READY: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A server that runs; killed when it is dropped.
pub struct Process {
    /// As in `gochat-{name}`.
    pub name: &'static str,
    admin: SocketAddr,
    log: PathBuf,
    variables: Vec<(String, String)>,
    flags: Vec<String>,
    child: Child,
}

impl Process {
    /// Starts `gochat-{name}` with these flags, and these variables alone. It logs into `log`.
    pub fn start(
        name: &'static str,
        admin: SocketAddr,
        variables: Vec<(String, String)>,
        flags: Vec<String>,
        log: &Path,
    ) -> Self {
        let child = spawn(name, &variables, &flags, log);
        Self { name, admin, log: log.to_owned(), variables, flags, child }
    }

    /// Starts it again, once it has ended, as it was started.
    pub fn start_again(&mut self) {
        self.child = spawn(self.name, &self.variables, &self.flags, &self.log);
    }

    /// What `/readyz` answers; `None` where nobody answers.
    pub async fn readiness(&self) -> Option<(u16, String)> {
        self.asked("readyz").await
    }

    /// Waits until `/readyz` answers with this status, and gives its text.
    pub async fn until(&self, status: u16) -> String {
        let ready = within(READY, async || {
            self.readiness().await.filter(|(found, _)| *found == status).map(|(_, text)| text)
        });
        ready.await.unwrap_or_else(|| panic!("gochat-{} is not {status}: {}", self.name, self.said()))
    }

    /// All that it says on `/metrics`.
    pub async fn metrics(&self) -> String {
        self.asked("metrics").await.map(|(_, text)| text).unwrap_or_default()
    }

    /// What it says on `/metrics` of a metric, over all labels; none where it says nothing.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.asked("metrics").await?;
        let values = text.lines().filter_map(|line| {
            let (called, value) = line.rsplit_once(' ')?;
            let called = called.split('{').next()?;
            (called == name).then(|| value.parse::<f64>().ok()).flatten()
        });
        values.reduce(|sum, value| sum + value)
    }

    /// Asks it to end, and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM").await;
        self.ended().await
    }

    /// `-STOP` has it hold its connections and do nothing, as a machine that hangs; `-CONT` has it go on.
    pub async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
    }

    /// Ends it at once, as the loss of its machine would.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Whether it has loaded this library.
    pub fn has_loaded(&self, library: &Path) -> bool {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.child.id().unwrap()));
        maps.unwrap().contains(&library.display().to_string())
    }

    /// What it has in memory, in bytes.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    }

    /// What it logged.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(AT_MOST, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("gochat-{} goes on: {}", self.name, self.said())).unwrap()
    }

    async fn asked(&self, what: &str) -> Option<(u16, String)> {
        let asked = reqwest::Client::new().get(format!("http://{}/{what}", self.admin)).timeout(AT_MOST);
        let answer = asked.send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }
}

fn spawn(name: &str, variables: &[(String, String)], flags: &[String], log: &Path) -> Child {
    let log = File::options().create(true).append(true).open(log).unwrap();
    command(name, variables).args(flags).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// `gochat-{name}`, which lies beside the directory of the tests, with these variables and no others.
pub fn command(name: &str, variables: &[(String, String)]) -> Command {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().and_then(Path::parent).unwrap().join(format!("gochat-{name}"));
    assert!(binary.exists(), "{} is missing: cargo build --workspace --all-targets", binary.display());
    let mut command = Command::new(binary);
    command.env_clear().envs(variables.iter().cloned()).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// So many different addresses on loopback that nobody serves at. They are of an address of their own,
/// from which no connection is made, so that none takes such a port before it is used.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let own = Ipv4Addr::new(127, rand::random_range(1..255), rand::random(), rand::random_range(1..255));
    let bind = |address| TcpListener::bind((address, 0));
    // All are held until all are known, so that they differ.
    let held = [(); N].map(|()| bind(own).or_else(|_| bind(Ipv4Addr::LOCALHOST)).unwrap());
    held.map(|listener| listener.local_addr().unwrap())
}

/// Looks again and again until `look` finds something; fails with `what` after `at_most`.
pub async fn until<T, F>(what: &str, at_most: Duration, look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    within(at_most, look).await.unwrap_or_else(|| panic!("waited in vain for {what}"))
}

/// Looks again and again until `look` finds something; none if it doesn't within `at_most`.
pub async fn within<T, F>(at_most: Duration, mut look: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Option<T>>,
{
    let found = async {
        let mut looks = interval(BETWEEN_LOOKS);
        loop {
            looks.tick().await;
            if let Some(found) = look().await {
                break found;
            }
        }
    };
    timeout(at_most, found).await.ok()
}
