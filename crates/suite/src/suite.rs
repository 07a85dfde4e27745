//! The composition: six servers in one process that know each other's addresses and end together.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context;
use futures::future::join_all;
use gochat_chassis::{Config, ConnectionArgs, Listeners, Shutdown};
use gochat_client::Endpoints;
use tokio::task::JoinSet;

use crate::{PrivateRedis, SuiteConfig, ready::ready};

/// Where a server of the suite can be reached from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Of what it serves.
    pub service: SocketAddr,
    /// Of its probes and metrics.
    pub admin: SocketAddr,
    /// Whether what it serves is served by TLS.
    pub secured: bool,
}

impl Addresses {
    /// Where it serves, as `http://host:port`, or `https://host:port` where that is by TLS.
    pub fn url(&self) -> String {
        let scheme = if self.secured { "https" } else { "http" };
        format!("{scheme}://{}", self.service)
    }
}

/// A suite that is ready. Dropped, it ends at once; [`Running::wait`] ends it in order.
#[derive(Debug)]
pub struct Running {
    /// The account service.
    pub account: Addresses,
    /// The room service.
    pub room: Addresses,
    /// The stage service.
    pub stage: Addresses,
    /// The notifier.
    pub notifier: Addresses,
    /// The media service.
    pub media: Addresses,
    /// The gateway.
    pub gateway: Addresses,
    servers: JoinSet<anyhow::Result<()>>,
    shutdown: Shutdown,
    redis: Option<PrivateRedis>,
}

/// Starts all six, and returns once every one of them is ready. The shutdown ends them.
///
/// Fails where the configuration doesn't fit together, an address is taken, Redis can't be used, or a server
/// fails before all are ready.
pub async fn start(config: SuiteConfig, shutdown: Shutdown) -> anyhow::Result<Running> {
    config.check().context("bad configuration")?;
    let redis = match &config.private_redis {
        Some(options) => Some(PrivateRedis::start(options).await?),
        None => None,
    };
    let config = match &redis {
        Some(redis) => config.with_store(|store| store.use_redis(redis.url())),
        None => config,
    };
    let mut running = serve(config, redis, shutdown).await?;
    let admins = running.named().map(|(_, addresses)| addresses.admin);
    tokio::select! {
        _ = join_all(admins.map(ready)) => Ok(running),
        ended = first_end(&mut running.servers) => {
            ended?;
            anyhow::bail!("stopped before everything was ready")
        }
    }
}

async fn serve(
    config: SuiteConfig,
    redis: Option<PrivateRedis>,
    shutdown: Shutdown,
) -> anyhow::Result<Running> {
    let SuiteConfig { account, room, stage, notifier, media, mut gateway, .. } = config;
    let (account_at, account_on) = bind("account", &account, &account.server.connections).await?;
    let (room_at, room_on) = bind("room", &room, &room.server.connections).await?;
    let (stage_at, stage_on) = bind("stage", &stage, &stage.server.connections).await?;
    let (notifier_at, notifier_on) = bind("notifier", &notifier, &notifier.server.connections).await?;
    let (media_at, media_on) = bind("media", &media, &media.server.connections).await?;
    let (gateway_at, gateway_on) = bind("gateway", &gateway, &gateway.connections).await?;
    gateway.upstream.account_url = account_at.url();
    gateway.upstream.room_url = room_at.url();
    gateway.upstream.stage_url = stage_at.url();
    gateway.upstream.notifier_url = notifier_at.url();
    gateway.upstream.media_url = media_at.url();

    let mut servers = JoinSet::new();
    servers.spawn(named("account", gochat_account::serve(account, account_on, shutdown.clone())));
    servers.spawn(named("room", gochat_room::serve(room, room_on, shutdown.clone())));
    servers.spawn(named("stage", gochat_stage::serve(stage, stage_on, shutdown.clone())));
    servers.spawn(named("notifier", gochat_notifier::serve(notifier, notifier_on, shutdown.clone())));
    servers.spawn(named("media", gochat_media::serve(media, media_on, shutdown.clone())));
    servers.spawn(named("gateway", gochat_gateway::serve(gateway, gateway_on, shutdown.clone())));
    Ok(Running {
        account: account_at,
        room: room_at,
        stage: stage_at,
        notifier: notifier_at,
        media: media_at,
        gateway: gateway_at,
        servers,
        shutdown,
        redis,
    })
}

impl Running {
    /// The servers by name, in the order in which a reader expects them.
    pub fn named(&self) -> [(&'static str, Addresses); 6] {
        [
            ("account", self.account),
            ("room", self.room),
            ("stage", self.stage),
            ("notifier", self.notifier),
            ("media", self.media),
            ("gateway", self.gateway),
        ]
    }

    /// Where the SDK finds the five services.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints {
            account: self.account.url(),
            room: self.room.url(),
            stage: self.stage.url(),
            notifier: self.notifier.url(),
            media: self.media.url(),
        }
    }

    /// Where the documented HTTP API is, as [`Addresses::url`] has it.
    pub fn gateway_url(&self) -> String {
        self.gateway.url()
    }

    /// The Redis that this suite runs for itself, if it does.
    pub fn redis(&self) -> Option<&PrivateRedis> {
        self.redis.as_ref()
    }

    /// Waits for the shutdown and an orderly end of everything, Redis last. Where a server fails, the others
    /// are ended, and its error is returned.
    pub async fn wait(mut self) -> anyhow::Result<()> {
        let mut ended = first_end(&mut self.servers).await;
        self.shutdown.trigger();
        while !self.servers.is_empty() {
            let next = first_end(&mut self.servers).await;
            ended = ended.and(next);
        }
        if let Some(redis) = self.redis.take() {
            redis.stop().await?;
        }
        ended
    }
}

async fn first_end(servers: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    match servers.join_next().await {
        Some(ended) => ended.context("a server panicked")?,
        None => Ok(()),
    }
}

async fn named(name: &str, server: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    server.await.with_context(|| name.to_owned())
}

async fn bind(
    name: &'static str,
    config: &impl Config,
    connections: &ConnectionArgs,
) -> anyhow::Result<(Addresses, Listeners)> {
    let listeners = Listeners::bind(name, config.listen(), config.admin_listen()).await?;
    let at = Addresses {
        service: from_here(listeners.service_addr()?),
        admin: from_here(listeners.admin_addr()?),
        secured: connections.tls.is_on(),
    };
    tracing::info!(service = name, listen = %at.service, admin = %at.admin, "listening");
    Ok((at, listeners))
}

/// Who listens everywhere is reached on the loopback.
fn from_here(mut address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
