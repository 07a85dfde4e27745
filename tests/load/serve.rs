//! The child processes: each starts a server, tells where it is, and ends when its standard input closes.

use std::{io::Write, time::Duration};

use anyhow::Context;
use gochat_chassis::Shutdown;
use gochat_suite::{PrivateRedis, SuiteConfig, private_redis::Options, start};
use tokio::{io::AsyncReadExt, net::TcpListener};
use tonic::transport::{Server, server::TcpIncoming};

use crate::{bare, server::Told};

/// Longer than any run, so that nobody has to keep a heartbeat.
const LONG: Duration = Duration::from_secs(3_600);
/// Of a suite that loses people: it spares everybody for as long after its start.
const SHORT: Duration = Duration::from_secs(45);
/// More than any scenario has.
const MANY: u32 = 20_000;
/// Calls that the gateway takes of each person in a second.
const ANY_NUMBER: u32 = 0;
/// The same, where it matters.
const AS_BY_DEFAULT: u32 = 10;

/// All of GoChat in one process, with a Redis of its own.
pub(crate) async fn suite() -> anyhow::Result<()> {
    serve_suite(LONG, ANY_NUMBER).await
}

/// The same, which takes of each person and address what it does by default, and believes a proxy on this machine.
pub(crate) async fn guarded_suite() -> anyhow::Result<()> {
    serve_suite(LONG, AS_BY_DEFAULT).await
}

/// The same, where who falls silent is given up; a host never is.
pub(crate) async fn losing_suite() -> anyhow::Result<()> {
    serve_suite(SHORT, ANY_NUMBER).await
}

async fn serve_suite(lease: Duration, rate: u32) -> anyhow::Result<()> {
    let mut config = SuiteConfig::for_tests()?.with_store(|store| {
        (store.lease, store.host_grace, store.session) = (lease, LONG, LONG);
        store.member_limit_max = MANY;
    });
    config.notifier.roster_limit = MANY;
    config.gateway.rate.rate = rate;
    config.gateway.rate.trusted_proxies = "127.0.0.1".parse().map_err(anyhow::Error::msg)?;
    let shutdown = Shutdown::new();
    let running = start(config, shutdown.clone()).await?;
    let at = running.endpoints();
    tell(&Told {
        account_and_room: Some((at.account, at.room)),
        stage: at.stage,
        notifier: at.notifier,
        gateway: Some(running.gateway_url()),
        media: Some(running.media.url()),
        redis: running.redis().map(PrivateRedis::pid),
        redis_url: running.redis().map(|redis| redis.url().to_owned()),
    })?;
    tokio::spawn(async move {
        let _ = closed().await;
        shutdown.trigger();
    });
    running.wait().await
}

/// A stage service that does no more than the Redis calls of a commit.
pub(crate) async fn bare() -> anyhow::Result<()> {
    let redis = PrivateRedis::start(&Options { ephemeral: true, data_dir: None }).await?;
    let work = bare::Commits::open(redis.url()).await?;
    serve_bare(bare::Stage::committing(work), Some(redis.pid())).await?;
    redis.stop().await
}

/// A stage service that hands a ready message to every subscriber, and does nothing else.
pub(crate) async fn bare_fanout() -> anyhow::Result<()> {
    serve_bare(bare::Stage::fanning_out(), None).await
}

async fn serve_bare(stage: bare::Stage, redis: Option<u32>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (stage, notifier) = stage.services();
    let serving = Server::builder()
        .add_service(stage)
        .add_service(notifier)
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
    tell(&Told {
        account_and_room: None,
        stage: url.clone(),
        notifier: url,
        gateway: None,
        media: None,
        redis,
        redis_url: None,
    })?;
    tokio::select! {
        served = serving => served.context("the bare server failed"),
        read = closed() => read,
    }
}

fn tell(told: &Told) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(told)?)?;
    Ok(out.flush()?)
}

/// Returns when whoever started us closes our standard input, or ends.
pub(crate) async fn closed() -> anyhow::Result<()> {
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 64];
    while stdin.read(&mut ignored).await? > 0 {}
    Ok(())
}
