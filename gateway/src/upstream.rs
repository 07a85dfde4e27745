//! The services behind the gateway, and the connections to them.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::extract::FromRef;
use gochat_chassis::{Channel, Target, core, request, targets};
use gochat_proto::{
    account::account_service_client::AccountServiceClient,
    notifier::notifier_service_client::NotifierServiceClient, room::room_service_client::RoomServiceClient,
    stage::stage_service_client::StageServiceClient,
};
use tonic::{Request, Status, service::interceptor::InterceptedService};

use crate::{Gateway, config::UpstreamArgs, voice::Nodes};

/// A connection whose calls carry the id and the trace of the request that they are made for.
pub(crate) type Upstream = InterceptedService<Channel, fn(Request<()>) -> Result<Request<()>, Status>>;

/// Where the services are.
#[derive(Debug)]
struct Addresses {
    account: Target,
    room: Target,
    stage: Target,
    notifier: Target,
    /// None where there is no voice.
    media: Option<Target>,
    /// For event streams, of each core.
    connections: NonZeroUsize,
}

impl Addresses {
    fn read(args: &UpstreamArgs, reload: Duration, cores: NonZeroUsize) -> anyhow::Result<Self> {
        let urls = [&args.account_url, &args.room_url, &args.stage_url, &args.notifier_url];
        let [account, room, stage, notifier] = targets(&args.tls, reload, urls.map(String::as_str))?;
        let voice = !args.media_url.is_empty();
        let media = voice.then(|| targets(&args.tls, reload, [args.media_url.as_str()])).transpose()?;
        let connections = usize::from(args.notifier_connections.get()).div_ceil(cores.get());
        Ok(Self {
            account,
            room,
            stage,
            notifier,
            media: media.map(|[media]| media),
            connections: NonZeroUsize::new(connections).unwrap_or(NonZeroUsize::MIN),
        })
    }
}

/// Clients of all services on each core: a call stays on the core that its request came to.
#[derive(Clone, Debug)]
pub(crate) struct PerCore {
    addresses: Arc<Addresses>,
    upstreams: Arc<[OnceLock<Upstreams>]>,
}

impl PerCore {
    /// Fails for what is not an address, and for certificates that can't be used, which are looked at
    /// as often as `reload` says.
    pub(crate) fn new(args: &UpstreamArgs, reload: Duration, cores: NonZeroUsize) -> anyhow::Result<Self> {
        let addresses = Arc::new(Addresses::read(args, reload, cores)?);
        Ok(Self { addresses, upstreams: (0..cores.get()).map(|_| OnceLock::new()).collect() })
    }

    /// A client of the account service by itself, on the runtime that this is called on.
    pub(crate) fn account(&self) -> AccountServiceClient<Upstream> {
        AccountServiceClient::new(upstream(&self.addresses.account))
    }

    /// Those of the core that this is called on.
    pub(crate) fn here(&self) -> Upstreams {
        let own = &self.upstreams[core() % self.upstreams.len()];
        own.get_or_init(|| Upstreams::to(&self.addresses)).clone()
    }
}

/// Clients of all services. Clones are one and the same; each call takes a client of its own.
#[derive(Clone, Debug)]
pub(crate) struct Upstreams(Arc<Clients>);

#[derive(Debug)]
struct Clients {
    account: AccountServiceClient<Upstream>,
    room: RoomServiceClient<Upstream>,
    stage: StageServiceClient<Upstream>,
    notifiers: Notifiers,
    media: Option<Nodes>,
}

/// Event streams are spread over several connections: a connection carries a limited
/// number of them, and is served by one core.
#[derive(Debug)]
struct Notifiers {
    /// At least one.
    connections: Vec<NotifierServiceClient<Upstream>>,
    turn: AtomicUsize,
}

impl Upstreams {
    /// Connections that are made when first needed, on the runtime that this is called on.
    fn to(addresses: &Addresses) -> Self {
        let notifier = |_| NotifierServiceClient::new(upstream(&addresses.notifier));
        let connections = (0..addresses.connections.get()).map(notifier).collect();
        Self(Arc::new(Clients {
            account: AccountServiceClient::new(upstream(&addresses.account)),
            room: RoomServiceClient::new(upstream(&addresses.room)),
            stage: StageServiceClient::new(upstream(&addresses.stage)),
            notifiers: Notifiers { connections, turn: AtomicUsize::new(0) },
            media: addresses.media.as_ref().map(Nodes::new),
        }))
    }

    pub(crate) fn account(&self) -> AccountServiceClient<Upstream> {
        self.0.account.clone()
    }

    pub(crate) fn room(&self) -> RoomServiceClient<Upstream> {
        self.0.room.clone()
    }

    pub(crate) fn stage(&self) -> StageServiceClient<Upstream> {
        self.0.stage.clone()
    }

    /// The nodes of the media service; none where there is no voice.
    pub(crate) fn media(&self) -> Option<&Nodes> {
        self.0.media.as_ref()
    }

    /// A client over the connection whose turn it is.
    pub(crate) fn notifier(&self) -> NotifierServiceClient<Upstream> {
        let Notifiers { connections, turn } = &self.0.notifiers;
        connections[turn.fetch_add(1, Ordering::Relaxed) % connections.len()].clone()
    }
}

pub(crate) fn upstream(service: &Target) -> Upstream {
    InterceptedService::new(service.channel(), request::carry)
}

impl FromRef<Gateway> for Upstreams {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.upstreams.here()
    }
}
