//! Attacks on a gateway: each is made by a process of its own, until it is told to stop.

use std::{future::pending, net::SocketAddr, process::Stdio, time::Duration};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::{interval, timeout},
};

use crate::serve::closed;

/// Addresses that an attacker's calls claim to be forwarded for.
const ADDRESSES: usize = 1_000;
/// Calls that are on their way at any time.
const AT_A_TIME: usize = 64;
/// Connections that a slow attacker holds.
const SLOW: usize = 2_000;
/// What a slow attacker says, over and over: headers, a byte a second.
const HEADER: &[u8] =
    b"POST /chat_room/heartbeat HTTP/1.1\r\nhost: localhost\r\nx-a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const START: Duration = Duration::from_secs(20);

/// What an attacker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attack {
    /// Calls with tokens that nobody has, as fast as they are answered.
    Forged,
    /// Logs in under ever new names, as fast as that is answered.
    Logins,
    /// Holds connections and sends headers a byte a second.
    Slow,
}

impl Attack {
    pub(crate) const ALL: [Self; 3] = [Self::Forged, Self::Logins, Self::Slow];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Logins => "logins",
            Self::Slow => "slow",
        }
    }
}

/// How the child process is told.
#[derive(Args)]
pub(crate) struct Order {
    attack: Attack,
    gateway: String,
}

/// A process that attacks.
pub(crate) struct Attacker {
    child: Child,
}

impl Attacker {
    /// Starts it, and waits until it has begun.
    pub(crate) async fn start(attack: Attack, gateway: &str) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("cannot tell where this binary is")?;
        let mut child = Command::new(binary)
            .args(["attack", attack.name(), gateway])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start an attacker")?;
        let stdout = child.stdout.take().context("the attacker has no output")?;
        let line = timeout(START, BufReader::new(stdout).lines().next_line()).await;
        line.context("the attacker did not begin")??.context("the attacker ended at once")?;
        Ok(Self { child })
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let ended = timeout(START, self.child.wait()).await.context("an attacker does not end")??;
        ensure!(ended.success(), "an attacker failed: {ended}");
        Ok(())
    }
}

/// The child process: attacks until its standard input closes.
pub(crate) async fn run(order: Order) -> anyhow::Result<()> {
    let attacks = async {
        match order.attack {
            Attack::Forged => {
                calls(&order.gateway, "heartbeat", |_| json!({ "uid": 1, "room_id": "" })).await
            }
            Attack::Logins => {
                calls(&order.gateway, "login", |number| json!({ "nick_name": format!("a{number}") })).await
            }
            Attack::Slow => drip(&order.gateway).await,
        }
    };
    tokio::select! {
        attacked = attacks => attacked,
        read = closed() => read,
    }
}

/// Calls from a thousand addresses without end. What is answered is of no interest, only that something is.
async fn calls(gateway: &str, method: &str, body: impl Fn(usize) -> Value) -> anyhow::Result<()> {
    let (http, url) = (reqwest::Client::new(), format!("{gateway}/chat_room/{method}"));
    let call = |number: usize| {
        let address = number % ADDRESSES;
        let asked = http
            .post(&url)
            .bearer_auth(format!("{:064x}", rand::random::<u128>()))
            .header("x-forwarded-for", format!("198.18.{}.{}", address / 250, address % 250 + 1))
            .json(&body(number));
        async move { asked.send().await?.bytes().await }
    };
    begun()?;
    let mut answers = stream::iter(0..).map(call).buffer_unordered(AT_A_TIME);
    while answers.next().await.is_some() {}
    Ok(())
}

/// Holds many connections; one that is ended is made anew.
async fn drip(gateway: &str) -> anyhow::Result<()> {
    let to: SocketAddr = gateway.trim_start_matches("http://").parse().context("an address")?;
    begun()?;
    stream::iter(0..SLOW).for_each_concurrent(None, |_| drip_one(to)).await;
    pending().await
}

async fn drip_one(to: SocketAddr) {
    let mut seconds = interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        let Ok(mut peer) = TcpStream::connect(to).await else { continue };
        let (mut read, mut write) = peer.split();
        let listen = async { while matches!(read.read(&mut [0; 1024]).await, Ok(1..)) {} };
        let say = async {
            for byte in HEADER.iter().cycle() {
                seconds.tick().await;
                if write.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
        };
        tokio::select! {
            () = listen => {}
            () = say => {}
        }
    }
}

/// Tells who started us that the attack begins.
fn begun() -> anyhow::Result<()> {
    use std::io::Write;
    Ok(writeln!(std::io::stdout().lock(), "begun")?)
}
