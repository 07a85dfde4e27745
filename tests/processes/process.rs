//! One server as a process: its variables, what it says of itself, and its end.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::{interval, timeout},
};

/// How long anything may take that is waited for.
pub(crate) const AT_MOST: Duration = Duration::from_secs(10);
/// How long processes have to get ready, or ready again: many start at once, on machines with few cores.
const READY: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A server that runs; killed when it is dropped.
pub(crate) struct Process {
    pub(crate) name: &'static str,
    admin: SocketAddr,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `gochat-{name}` with these variables alone. It logs into `dir`.
    pub(crate) fn start(
        name: &'static str,
        admin: SocketAddr,
        variables: &[(String, String)],
        dir: &Path,
    ) -> Self {
        let log = dir.join(name);
        let child = command(name, variables)
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { name, admin, log, child }
    }

    /// What `/readyz` answers; `None` where nobody answers.
    pub(crate) async fn readiness(&self) -> Option<(u16, String)> {
        let asked = reqwest::Client::new().get(format!("http://{}/readyz", self.admin)).timeout(AT_MOST);
        let answer = asked.send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// Waits until `/readyz` answers with this status, and gives its text.
    pub(crate) async fn until(&self, status: u16) -> String {
        let awaited = async {
            let mut looks = interval(BETWEEN_LOOKS);
            loop {
                looks.tick().await;
                match self.readiness().await {
                    Some((found, text)) if found == status => break text,
                    _ => {}
                }
            }
        };
        let found = timeout(READY, awaited).await;
        found.unwrap_or_else(|_| panic!("gochat-{} is not {status}: {}", self.name, self.said()))
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        let ended = timeout(AT_MOST, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("gochat-{} goes on: {}", self.name, self.said())).unwrap()
    }

    /// What it logged.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// `gochat-{name}`, which lies beside the directory of the tests, with these variables and no others.
pub(crate) fn command(name: &str, variables: &[(String, String)]) -> Command {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().and_then(Path::parent).unwrap().join(format!("gochat-{name}"));
    assert!(binary.exists(), "{} is missing: cargo build --workspace", binary.display());
    let mut command = Command::new(binary);
    command.env_clear().envs(variables.iter().cloned()).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// So many different addresses on loopback that nobody serves at.
pub(crate) fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    // All are held until all are known, so that they differ.
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap())
}
