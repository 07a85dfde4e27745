//! The nodes of the media service: the one at the address that was named, and those that it names as a room's own.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use gochat_proto::media::{
    CreateSessionResponse, Elsewhere, EndSessionResponse, GetRoomMediaResponse, create_session_response,
    media_service_client::MediaServiceClient,
};
use tonic::{Request, Response, Status, transport::Channel};

use crate::{Error, Tls, caller::Caller, endpoints::channel};

/// A client of one node.
pub(crate) type Client = MediaServiceClient<Channel>;

/// Nodes that connections are kept to, beside the address that was named.
const KEPT: usize = 16;

/// The media service. Clones are one and the same.
#[derive(Clone)]
pub(crate) struct Nodes(Arc<Known>);

struct Known {
    /// `http` or `https`.
    scheme: String,
    tls: Tls,
    home: Client,
    /// By their addresses; who was asked last comes first.
    owners: Mutex<VecDeque<(String, Client)>>,
}

impl Nodes {
    pub(crate) fn at(address: &str, tls: &Tls) -> Result<Self, Error> {
        let home = Client::new(channel(address, tls)?);
        let (scheme, tls) = (scheme(address).to_owned(), tls.clone());
        Ok(Self(Arc::new(Known { scheme, tls, home, owners: Mutex::default() })))
    }

    /// Whoever answers at the address that was named.
    pub(crate) fn home(&self) -> Client {
        self.0.home.clone()
    }

    /// The node that the service says a room's media is on. One that is less secured than the service itself
    /// is not asked: what is said to it could be read on the way.
    pub(crate) fn owner(&self, Elsewhere { url }: &Elsewhere) -> Result<Client, Error> {
        let mut owners = self.0.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let known = owners.iter().position(|(known, _)| known == url);
        let client = match known.and_then(|index| owners.remove(index)) {
            Some((_, client)) => client,
            None if scheme(url) == self.0.scheme => Client::new(channel(url, &self.0.tls)?),
            None => {
                let reason = format!("the media service is at an address of {}", self.0.scheme);
                return Err(Error::Address { address: url.clone(), reason });
            }
        };
        owners.push_front((url.clone(), client.clone()));
        owners.truncate(KEPT);
        Ok(client)
    }
}

fn scheme(address: &str) -> &str {
    address.split_once("://").map_or("", |(scheme, _)| scheme)
}

/// Without who is called by what.
impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes").field("scheme", &self.0.scheme).finish_non_exhaustive()
    }
}

impl Caller {
    /// Asks the media service, and where it names the room's own node, that one: once.
    pub(crate) async fn ask_media<Q, A, F>(
        &self,
        question: Q,
        rpc: impl Fn(Client, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        Q: Clone,
        A: Redirects,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let home = || self.media.home();
        let answer = self.repeat(question.clone(), |request| rpc(home(), request)).await?;
        let Some(elsewhere) = answer.elsewhere() else { return Ok(answer) };
        let owner = self.media.owner(elsewhere)?;
        let answer = self.repeat(question, |request| rpc(owner.clone(), request)).await?;
        match answer.elsewhere() {
            None => Ok(answer),
            Some(_) => Err(astray()),
        }
    }
}

/// Two nodes name another, each: the room's media is on its way.
pub(crate) fn astray() -> Error {
    Error::Unavailable { message: "the room's media is at neither of two nodes that were named".to_owned() }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: String) -> Elsewhere {
        Elsewhere { url }
    }

    #[tokio::test]
    async fn connections_are_kept_to_so_many_nodes_that_are_no_less_secured() {
        let nodes = Nodes::at("http://127.0.0.1:1", &Tls::new()).unwrap();
        for number in 0..KEPT + 3 {
            nodes.owner(&at(format!("http://node-{number}:1"))).unwrap();
            nodes.owner(&at("http://node-0:1".into())).unwrap();
        }
        let owners = nodes.0.owners.lock().unwrap().iter().map(|(url, _)| url.clone()).collect::<Vec<_>>();
        assert_eq!((owners.len(), owners[0].as_str()), (KEPT, "http://node-0:1"));
        assert_eq!(owners[1], format!("http://node-{}:1", KEPT + 2));

        let secured = Nodes::at("https://127.0.0.1:1", &Tls::new()).unwrap();
        assert!(secured.owner(&at("https://node:1".into())).is_ok());
        for url in ["http://node:1", "node:1", ""] {
            let error = secured.owner(&at(url.into())).unwrap_err();
            assert!(matches!(error, Error::Address { .. }), "{error}");
        }
    }
}
