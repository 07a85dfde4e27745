//! The nodes of the media service: the one that its address leads to, and those that it has named as a room's own.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use gochat_chassis::Target;
use gochat_proto::media::{
    CreateSessionResponse, Elsewhere, EndSessionResponse, GetRoomMediaResponse, create_session_response,
    media_service_client::MediaServiceClient,
};
use tonic::{Response, Status};

use crate::upstream::{Upstream, upstream};

/// A client of one node.
pub(crate) type Client = MediaServiceClient<Upstream>;

/// Nodes that connections are kept to, beside the service's own address: more than a deployment has.
const KEPT: usize = 64;
/// Connections to each node over which watches are spread, on each core. A connection carries a limited number of
/// them, and none of them may stand in a call's way.
const WATCHING: usize = 4;

/// The media service. Clones are one and the same.
#[derive(Clone, Debug)]
pub(crate) struct Nodes(Arc<Known>);

struct Known {
    target: Target,
    home: Node,
    /// By their addresses; who was asked last comes first.
    owners: Mutex<VecDeque<(String, Node)>>,
}

/// One node. Connections are made when first needed.
#[derive(Clone)]
pub(crate) struct Node {
    calls: Client,
    watching: Arc<[Client; WATCHING]>,
    turn: Arc<AtomicUsize>,
}

impl Node {
    fn at(target: &Target) -> Self {
        let client = || MediaServiceClient::new(upstream(target));
        let watching = std::array::from_fn(|_| client());
        Self { calls: client(), watching: Arc::new(watching), turn: Arc::default() }
    }

    /// A client for a watch, over the connection whose turn it is.
    pub(crate) fn watching(&self) -> Client {
        self.watching[self.turn.fetch_add(1, Ordering::Relaxed) % WATCHING].clone()
    }
}

impl Nodes {
    /// To be used on the runtime that this is called on.
    pub(crate) fn new(target: &Target) -> Self {
        Self(Arc::new(Known { target: target.clone(), home: Node::at(target), owners: Mutex::default() }))
    }

    /// Whichever node the service's address leads to.
    pub(crate) fn home(&self) -> &Node {
        &self.0.home
    }

    /// The node that the service says a room's media is on. Fails with UNAVAILABLE for what is no address of one.
    pub(crate) fn owner(&self, elsewhere: &Elsewhere) -> Result<Node, Status> {
        let mut owners = self.0.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let known = owners.iter().position(|(url, _)| *url == elsewhere.url);
        let known = known.and_then(|index| owners.remove(index));
        let (url, node) = match known {
            Some(known) => known,
            None => (elsewhere.url.clone(), self.reach(&elsewhere.url)?),
        };
        owners.push_front((url, node.clone()));
        owners.truncate(KEPT);
        Ok(node)
    }

    fn reach(&self, url: &str) -> Result<Node, Status> {
        let target = self.0.target.beside(url).map_err(|error| {
            tracing::warn!(error = format!("{error:#}"), "the media service names no node of its own");
            gochat_chassis::status::unavailable()
        })?;
        Ok(Node::at(&target))
    }

    /// Asks the service, and where it names the room's own node, that one: once. Fails with what the services refuse,
    /// and with UNAVAILABLE where the second names another.
    pub(crate) async fn ask<A, F>(&self, call: impl Fn(Client) -> F) -> Result<A, Status>
    where
        A: Redirects,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let answer = call(self.home().calls.clone()).await?.into_inner();
        let Some(elsewhere) = answer.elsewhere() else { return Ok(answer) };
        let answer = call(self.owner(elsewhere)?.calls).await?.into_inner();
        match answer.elsewhere() {
            None => Ok(answer),
            Some(Elsewhere { url }) => {
                tracing::warn!(first = %elsewhere.url, second = %url, "two nodes name another");
                Err(gochat_chassis::status::unavailable())
            }
        }
    }
}

/// An answer that may name another node in its stead.
pub(crate) trait Redirects {
    fn elsewhere(&self) -> Option<&Elsewhere>;
}

impl Redirects for CreateSessionResponse {
    fn elsewhere(&self) -> Option<&Elsewhere> {
        match &self.result {
            Some(create_session_response::Result::Elsewhere(elsewhere)) => Some(elsewhere),
            _ => None,
        }
    }
}

impl Redirects for EndSessionResponse {
    fn elsewhere(&self) -> Option<&Elsewhere> {
        self.elsewhere.as_ref()
    }
}

impl Redirects for GetRoomMediaResponse {
    fn elsewhere(&self) -> Option<&Elsewhere> {
        self.elsewhere.as_ref()
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Nodes").field(&self.target).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gochat_chassis::{ClientTlsArgs, targets};

    use super::*;

    #[tokio::test]
    async fn connections_are_kept_to_so_many_nodes() {
        let urls = ["http://127.0.0.1:1"];
        let [home] = targets(&ClientTlsArgs::default(), Duration::from_secs(1), urls).unwrap();
        let nodes = Nodes::new(&home);
        let owner = |number: usize| nodes.owner(&Elsewhere { url: format!("http://node-{number}:1") });
        let first = owner(0).unwrap();
        for number in 1..KEPT {
            owner(number).unwrap();
        }
        assert!(Arc::ptr_eq(&first.turn, &owner(0).unwrap().turn), "known");
        for number in KEPT..KEPT + 10 {
            owner(number).unwrap();
        }
        assert_eq!(nodes.0.owners.lock().unwrap().len(), KEPT);
        assert!(Arc::ptr_eq(&first.turn, &owner(0).unwrap().turn), "asked for since");
        assert!(owner(0).is_ok());
        for url in ["", "https://node:1", "node:1", "redis://node"] {
            assert!(nodes.owner(&Elsewhere { url: url.into() }).is_err(), "{url}");
        }
    }
}
