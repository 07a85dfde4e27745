//! A Redis for one suite alone: a child process on a socket of its own, which ends with us, even killed.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

/// How long the server has until it answers.
const START: Duration = Duration::from_secs(10);
/// How long it has to end, which takes as long as its last write to disk.
const END: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// Runs the server and outlives us by as long as it takes to end it: when its standard input closes, for
/// whatever reason, it ends the server and removes the directory of the socket.
/// `$1` is that directory; what follows are the server's arguments.
const WATCHDOG: &str = r#"
own=$1
shift
server=$(command -v redis-server || command -v valkey-server) || exit 127
"$server" "$@" >"$own/log" 2>&1 </dev/null &
child=$!
echo "$child"
read -r end
kill "$child" 2>/dev/null
wait "$child"
rm -rf -- "$own"
"#;

/// How a private Redis keeps its data.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Nothing is written to disk.
    pub ephemeral: bool,
    /// Where an append-only file is kept, written out every second; made if need be. `None`: in a temporary
    /// directory that goes with the server.
    pub data_dir: Option<PathBuf>,
}

/// A Redis that runs. Dropped, it is told to end; [`PrivateRedis::stop`] also waits for that.
#[derive(Debug)]
pub struct PrivateRedis {
    watchdog: Child,
    pid: u32,
    url: String,
    /// Holds the data directory against other suites.
    _lock: Option<File>,
    /// Of the socket and the server's log.
    _own: TempDir,
}

impl PrivateRedis {
    /// Starts one and waits until it answers.
    ///
    /// Fails where neither redis-server nor valkey-server is installed, the data directory can't be had, or
    /// the server doesn't answer within 10 s.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let own = tempfile::Builder::new()
            .prefix("gochat-")
            .tempdir()
            .context("cannot make a directory for redis")?;
        let data = options.data_dir.as_deref().filter(|_| !options.ephemeral);
        let lock = data.map(hold).transpose()?;
        let socket = own.path().join("redis.sock");
        let mut watchdog = spawn(own.path(), &socket, data.unwrap_or(own.path()), options.ephemeral)?;
        let Some(pid) = first_line(&mut watchdog).await?.and_then(|line| line.trim().parse().ok()) else {
            bail!(
                "neither redis-server nor valkey-server is installed: install one of them \
                 (apt-get install redis-server, dnf install valkey, apk add redis, brew install redis), \
                 or name a running one with GOCHAT_REDIS_URL"
            );
        };
        if timeout(START, answers(&socket)).await.is_err() {
            let log = fs::read_to_string(own.path().join("log")).unwrap_or_default();
            bail!("redis did not answer within {START:?}: {}", log.lines().last().unwrap_or("no word of it"));
        }
        tracing::info!(pid, ephemeral = options.ephemeral, data_dir = ?data, "private redis started");
        let url = format!("unix://{}", socket.display());
        Ok(Self { watchdog, pid, url, _lock: lock, _own: own })
    }

    /// Its address, as `unix:///path`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends it and waits until it has ended; what it keeps on disk is then complete.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.watchdog.stdin.take());
        timeout(END, self.watchdog.wait())
            .await
            .with_context(|| format!("redis did not end within {END:?}"))?
            .context("cannot wait for redis to end")?;
        Ok(())
    }
}

/// Two servers on the same files would ruin them.
fn hold(data: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
    let lock =
        File::create(data.join("lock")).with_context(|| format!("cannot write to {}", data.display()))?;
    lock.try_lock().with_context(|| format!("{} is in use by another suite", data.display()))?;
    Ok(lock)
}

fn spawn(own: &Path, socket: &Path, data: &Path, ephemeral: bool) -> anyhow::Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", WATCHDOG, "gochat-redis"])
        .arg(own)
        .args(["--port", "0", "--unixsocketperm", "700", "--unixsocket"])
        .arg(socket)
        .args([
            "--save",
            "",
            "--appendfsync",
            "everysec",
            "--appendonly",
            if ephemeral { "no" } else { "yes" },
        ])
        .arg("--dir")
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Ctrl-C in a terminal reaches us alone, so that Redis ends last.
        .process_group(0)
        .spawn()
        .context("cannot run /bin/sh, which watches over redis")
}

async fn first_line(watchdog: &mut Child) -> anyhow::Result<Option<String>> {
    let Some(stdout) = watchdog.stdout.take() else { return Ok(None) };
    let mut lines = BufReader::new(stdout).lines();
    let line = timeout(START, lines.next_line());
    line.await.context("the shell that starts redis says nothing")?.context("cannot read what it says")
}

async fn answers(socket: &Path) {
    while !matches!(ping(socket).await, Ok(true)) {
        sleep(BETWEEN_TRIES).await;
    }
}

async fn ping(socket: &Path) -> std::io::Result<bool> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await?;
    Ok(&answer == b"+PONG")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(redis: &PrivateRedis) -> PathBuf {
        PathBuf::from(redis.url().strip_prefix("unix://").unwrap())
    }

    #[tokio::test]
    async fn it_ends_with_its_owner() {
        let redis = PrivateRedis::start(&Options { ephemeral: true, data_dir: None }).await.unwrap();
        let socket = socket(&redis);
        let mut held = UnixStream::connect(&socket).await.unwrap();
        drop(redis);
        let mut rest = Vec::new();
        timeout(END, held.read_to_end(&mut rest)).await.expect("redis goes on").unwrap();
    }

    #[tokio::test]
    async fn it_keeps_its_data_where_it_is_told() {
        let data = tempfile::tempdir().unwrap();
        let options = Options { ephemeral: false, data_dir: Some(data.path().join("made")) };
        for (command, answer) in [("SET kept 1\r\n", "+OK\r\n"), ("GET kept\r\n", "$1\r\n1\r\n")] {
            let redis = PrivateRedis::start(&options).await.unwrap();
            let second = PrivateRedis::start(&options).await.unwrap_err();
            assert!(format!("{second:#}").contains("in use"), "{second:#}");
            let mut stream = UnixStream::connect(socket(&redis)).await.unwrap();
            stream.write_all(command.as_bytes()).await.unwrap();
            let mut told = vec![0; answer.len()];
            stream.read_exact(&mut told).await.unwrap();
            assert_eq!(String::from_utf8(told).unwrap(), answer);
            redis.stop().await.unwrap();
        }
    }
}
