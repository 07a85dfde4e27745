//! The services behind the gateway, and the connections to them.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::extract::FromRef;
use gochat_chassis::{core, endpoint, request};
use gochat_proto::{
    account::account_service_client::AccountServiceClient,
    notifier::notifier_service_client::NotifierServiceClient, room::room_service_client::RoomServiceClient,
    stage::stage_service_client::StageServiceClient,
};
use tonic::{
    Request, Status,
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};

use crate::{Gateway, config::UpstreamArgs};

/// A connection whose calls carry the id and the trace of the request that they are made for.
pub(crate) type Upstream = InterceptedService<Channel, fn(Request<()>) -> Result<Request<()>, Status>>;

/// Where the services are.
#[derive(Debug)]
struct Addresses {
    account: Endpoint,
    room: Endpoint,
    stage: Endpoint,
    notifier: Endpoint,
    /// For event streams, of each core.
    connections: NonZeroUsize,
}

impl Addresses {
    fn read(args: &UpstreamArgs, cores: NonZeroUsize) -> anyhow::Result<Self> {
        let connections = usize::from(args.notifier_connections.get()).div_ceil(cores.get());
        Ok(Self {
            account: endpoint(&args.account_url)?,
            room: endpoint(&args.room_url)?,
            stage: endpoint(&args.stage_url)?,
            notifier: endpoint(&args.notifier_url)?,
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
    /// Fails for what is not an address.
    pub(crate) fn new(args: &UpstreamArgs, cores: NonZeroUsize) -> anyhow::Result<Self> {
        let addresses = Arc::new(Addresses::read(args, cores)?);
        Ok(Self { addresses, upstreams: (0..cores.get()).map(|_| OnceLock::new()).collect() })
    }

    /// Those of the core that this is called on.
    pub(crate) fn here(&self) -> Upstreams {
        let own = &self.upstreams[core() % self.upstreams.len()];
        own.get_or_init(|| Upstreams::to(&self.addresses)).clone()
    }
}

/// Clients of all services. Cheap to clone; every request has its own.
#[derive(Clone, Debug)]
pub(crate) struct Upstreams {
    pub(crate) account: AccountServiceClient<Upstream>,
    pub(crate) room: RoomServiceClient<Upstream>,
    pub(crate) stage: StageServiceClient<Upstream>,
    notifier: Arc<Notifiers>,
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
        Self {
            account: AccountServiceClient::new(upstream(&addresses.account)),
            room: RoomServiceClient::new(upstream(&addresses.room)),
            stage: StageServiceClient::new(upstream(&addresses.stage)),
            notifier: Arc::new(Notifiers { connections, turn: AtomicUsize::new(0) }),
        }
    }

    /// A client over the connection whose turn it is.
    pub(crate) fn notifier(&self) -> NotifierServiceClient<Upstream> {
        let Notifiers { connections, turn } = &*self.notifier;
        connections[turn.fetch_add(1, Ordering::Relaxed) % connections.len()].clone()
    }
}

fn upstream(service: &Endpoint) -> Upstream {
    InterceptedService::new(service.connect_lazy(), request::carry)
}

impl FromRef<Gateway> for Upstreams {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.upstreams.here()
    }
}
