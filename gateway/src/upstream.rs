//! The services behind the gateway, and the connections to them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::extract::FromRef;
use gochat_chassis::{channel, request};
use gochat_proto::{
    account::account_service_client::AccountServiceClient,
    notifier::notifier_service_client::NotifierServiceClient, room::room_service_client::RoomServiceClient,
    stage::stage_service_client::StageServiceClient,
};
use tonic::{Request, Status, service::interceptor::InterceptedService, transport::Channel};

use crate::{Gateway, config::UpstreamArgs};

/// A connection whose calls carry the id and the trace of the request that they are made for.
pub(crate) type Upstream = InterceptedService<Channel, fn(Request<()>) -> Result<Request<()>, Status>>;

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
    /// Connections that are made when first needed. Fails for what is not an address.
    pub(crate) fn new(args: &UpstreamArgs) -> anyhow::Result<Self> {
        let notifier = || Ok(NotifierServiceClient::new(upstream(&args.notifier_url)?));
        let connections =
            (0..args.notifier_connections.get()).map(|_| notifier()).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            account: AccountServiceClient::new(upstream(&args.account_url)?),
            room: RoomServiceClient::new(upstream(&args.room_url)?),
            stage: StageServiceClient::new(upstream(&args.stage_url)?),
            notifier: Arc::new(Notifiers { connections, turn: AtomicUsize::new(0) }),
        })
    }

    /// A client over the connection whose turn it is.
    pub(crate) fn notifier(&self) -> NotifierServiceClient<Upstream> {
        let Notifiers { connections, turn } = &*self.notifier;
        connections[turn.fetch_add(1, Ordering::Relaxed) % connections.len()].clone()
    }
}

fn upstream(url: &str) -> anyhow::Result<Upstream> {
    Ok(InterceptedService::new(channel(url)?, request::carry))
}

impl FromRef<Gateway> for Upstreams {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.upstreams.clone()
    }
}
