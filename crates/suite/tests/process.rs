//! `gochat` as a process: what it prints, how it ends, and what ends with it.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

const AT_MOST: Duration = Duration::from_secs(10);
const SERVERS: [&str; 6] = ["account", "room", "stage", "notifier", "media", "gateway"];

fn gochat(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gochat"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    for name in SERVERS.map(str::to_uppercase) {
        command.env(format!("GOCHAT_{name}_LISTEN"), "127.0.0.1:0");
        command.env(format!("GOCHAT_{name}_ADMIN_LISTEN"), "127.0.0.1:0");
    }
    command.env("GOCHAT_MEDIA_UDP_LISTEN", "127.0.0.1:0");
    command.env("GOCHAT_LOG", "info").env("GOCHAT_LOG_FORMAT", "text").env_remove("GOCHAT_REDIS_URL");
    command
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    timeout(AT_MOST, lines.next_line()).await.expect("a line in time").unwrap().expect("another line")
}

/// Starts it; gives it with the lines that it prints when all is ready.
async fn started() -> (Child, Vec<String>) {
    let mut child = gochat(&["serve", "--ephemeral"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut printed = Vec::new();
    while !printed.last().is_some_and(|last: &String| last.starts_with("curl ")) {
        printed.push(line(&mut lines).await);
    }
    (child, printed)
}

/// What is written to standard error until everybody who could write there has ended, Redis's shell included.
async fn rest_of_log(child: &mut Child) -> String {
    let mut log = String::new();
    let mut stderr = child.stderr.take().unwrap();
    timeout(AT_MOST, stderr.read_to_string(&mut log)).await.expect("everything ends in time").unwrap();
    log
}

async fn is_alive(pid: &str) -> bool {
    signalled("-0", pid).await
}

/// Whether a process could be sent a signal. The shell's own `kill` is everywhere.
async fn signalled(signal: &str, pid: &str) -> bool {
    let kill = format!("kill {signal} {pid}");
    Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().await.unwrap().success()
}

fn redis_pid(log: &str) -> &str {
    let (_, rest) = log.split_once("private redis started pid=").expect("the log names redis");
    rest.split_whitespace().next().unwrap()
}

#[tokio::test]
async fn it_says_where_everything_is_and_ends_when_asked() {
    let (mut child, printed) = started().await;
    for (line, name) in printed.iter().zip(SERVERS) {
        let address = line.strip_prefix(&format!("{name:<8}  http://127.0.0.1:"));
        let port: u16 = address.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        assert_ne!(port, 0);
    }
    let gateway = printed[5].split_whitespace().last().unwrap();
    assert!(printed[6].is_empty() && printed[7].starts_with(&format!("open {gateway}/ ")));
    assert!(printed[8].contains(&format!("{gateway}/chat_room/login")));
    let first_call = Command::new("sh").args(["-c", &printed[8]]).output().await.unwrap();
    let answer = String::from_utf8(first_call.stdout).unwrap();
    // 127: no curl on this machine.
    let succeeded = answer.starts_with(r#"{"ret":{"code":0,"message":"succeed"}"#);
    assert!(succeeded || first_call.status.code() == Some(127), "{answer}");

    let pid = child.id().unwrap().to_string();
    assert!(signalled("-TERM", &pid).await);
    let log = rest_of_log(&mut child).await;
    assert!(child.wait().await.unwrap().success(), "{log}");
    assert!(!is_alive(redis_pid(&log)).await);
}

#[tokio::test]
async fn killed_it_takes_redis_along() {
    let (mut child, _) = started().await;
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    let log = rest_of_log(&mut child).await;
    assert!(!is_alive(redis_pid(&log)).await);
}

#[tokio::test]
async fn without_its_redis_it_says_so_and_ends() {
    let child = gochat(&["--redis-url", "redis://127.0.0.1:1"]).spawn().unwrap();
    let ended = timeout(AT_MOST, child.wait_with_output()).await.expect("ends in time").unwrap();
    let log = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success());
    assert!(log.lines().last().unwrap().contains("cannot use redis (GOCHAT_REDIS_URL)"), "{log}");
}
