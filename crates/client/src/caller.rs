//! Who calls, over which connections: what every request carries, and when it is made again.

use std::time::Duration;

use gochat_proto::{
    account::account_service_client::AccountServiceClient,
    notifier::notifier_service_client::NotifierServiceClient, room::room_service_client::RoomServiceClient,
    stage::stage_service_client::StageServiceClient,
};
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use crate::{Backoff, Endpoints, Error, Tls, endpoints::channel, media::Nodes};

/// How long one try of a call may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// How often a request is handed to another connection that nobody took from the last one.
const RESENT: u32 = 3;

/// The connections, and in whose name they are used. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: AccountServiceClient<Channel>,
    pub(crate) room: RoomServiceClient<Channel>,
    pub(crate) stage: StageServiceClient<Channel>,
    pub(crate) notifier: NotifierServiceClient<Channel>,
    pub(crate) media: Nodes,
    pub(crate) retries: Backoff,
    /// Marked as sensitive, so it is never printed.
    bearer: Option<MetadataValue<Ascii>>,
    on_behalf_of: Option<u32>,
}

impl Caller {
    pub(crate) fn anonymous(endpoints: &Endpoints, tls: &Tls) -> Result<Self, Error> {
        Ok(Self {
            account: AccountServiceClient::new(channel(&endpoints.account, tls)?),
            room: RoomServiceClient::new(channel(&endpoints.room, tls)?),
            stage: StageServiceClient::new(channel(&endpoints.stage, tls)?),
            notifier: NotifierServiceClient::new(channel(&endpoints.notifier, tls)?),
            media: Nodes::at(&endpoints.media, tls)?,
            retries: Backoff::CALLS,
            bearer: None,
            on_behalf_of: None,
        })
    }

    /// The same connections, used by whom the token belongs to.
    pub(crate) fn with_token(&self, token: &str) -> Result<Self, Error> {
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {token}").parse().map_err(|_| Error::Token)?;
        bearer.set_sensitive(true);
        Ok(Self { bearer: Some(bearer), on_behalf_of: None, ..self.clone() })
    }

    /// The same service, acting for a user.
    pub(crate) fn acting_for(&self, uid: u32) -> Self {
        Self { on_behalf_of: Some(uid), ..self.clone() }
    }

    /// A request in this caller's name, without a deadline.
    pub(crate) fn open_ended<Q>(&self, question: Q) -> Request<Q> {
        let mut request = Request::new(question);
        let metadata = request.metadata_mut();
        if let Some(bearer) = &self.bearer {
            metadata.insert("authorization", bearer.clone());
        }
        if let Some(uid) = self.on_behalf_of {
            metadata.insert("gochat-on-behalf-of", uid.into());
        }
        request
    }

    /// Asks once. What nobody took from a connection, because its server was just taking its leave, goes by the next.
    pub(crate) async fn once<Q: Clone, A, F>(
        &self,
        question: Q,
        within: Option<Duration>,
        ask: impl Fn(Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut resent = 0;
        loop {
            let mut request = self.open_ended(question.clone());
            request.set_timeout(within.unwrap_or(DEADLINE));
            match ask(request).await {
                Err(status) if resent < RESENT && was_never_taken(&status) => resent += 1,
                answered => return Ok(answered?.into_inner()),
            }
        }
    }

    /// Asks, and asks the very same again where no answer came. Only for questions
    /// that change nothing, or that carry a request id.
    pub(crate) async fn repeat<Q: Clone, A, F>(
        &self,
        question: Q,
        ask: impl Fn(Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut failed = 0;
        loop {
            let error = match self.once(question.clone(), None, &ask).await {
                Err(error) if error.is_transient() => error,
                settled => return settled,
            };
            let Some(delay) = self.retries.delay(failed, rand::random()) else {
                return Err(error);
            };
            tracing::debug!(%error, ?delay, failed, "no answer, asking again");
            failed += 1;
            tokio::time::sleep(delay).await;
        }
    }
}

/// An RPC by one of the two ways of asking: `call!(caller, repeat stage.set_mic(request))`,
/// or `call!(caller, once account.login(request), within None)`.
macro_rules! call {
    ($caller:expr, repeat $service:ident.$rpc:ident($question:expr)) => {
        $caller.repeat($question, |request| {
            let mut service = $caller.$service.clone();
            async move { service.$rpc(request).await }
        })
    };
    ($caller:expr, once $service:ident.$rpc:ident($question:expr), within $within:expr) => {
        $caller.once($question, $within, |request| {
            let mut service = $caller.$service.clone();
            async move { service.$rpc(request).await }
        })
    };
}
pub(crate) use call;

/// Whether nobody has looked at the request: the connection gave it back as it was, or the server said that it is beyond
/// the last that it took. Who is told that it is cancelled by a server, or by their own deadline, doesn't know that much.
fn was_never_taken(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
            || error.downcast_ref::<h2::Error>().is_some_and(is_beyond_the_last)
        {
            return true;
        }
        source = error.source();
    }
    false
}

/// Whether the server has taken its leave (GOAWAY, RFC 9113, 6.8) before it came to the request, or has put it back
/// unread (REFUSED_STREAM, 8.7). The request may have left at the same moment, so the server says which was the last
/// that it took; those up to that are answered, and are told of nothing.
fn is_beyond_the_last(error: &h2::Error) -> bool {
    let took_leave = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
    let put_back = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (took_leave || put_back)
}

/// What makes a mutation safe to send again: 128 random bits.
pub(crate) fn request_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::atomic::{AtomicU32, Ordering},
    };

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use gochat_proto::{
        account::LoginRequest,
        model::{Place, Refusal},
        stage::{RaiseHandRequest, RaiseHandResponse},
    };

    use super::*;
    use crate::stand_in::StandIn;

    const ROOM: &str = "100000001";

    fn raised() -> RaiseHandResponse {
        RaiseHandResponse { place: Some(Place { revision: 4, tag: 9 }) }
    }

    #[tokio::test]
    async fn a_mutation_without_an_answer_is_sent_again_as_it_was() {
        let mut server = StandIn::start().await;
        let session = server.session().await;
        let (place, asked) = tokio::join!(session.raise_hand(ROOM), async {
            let mut asked = Vec::new();
            for _ in 0..2 {
                let visit = server.visit().await;
                assert_eq!(visit.metadata.get("authorization").unwrap(), "Bearer t");
                asked.push(visit.question::<RaiseHandRequest>());
                visit.refuse(Refusal::Unavailable);
            }
            asked.push(server.host(raised()).await);
            asked
        });
        assert_eq!(place, Ok(Place { revision: 4, tag: 9 }));
        assert_eq!((asked[0].room_id.as_str(), asked[0].request_id.len()), (ROOM, 32));
        assert!(asked.iter().all(|request| *request == asked[0]), "{asked:?}");
        let (_, other) = tokio::join!(session.raise_hand(ROOM), server.host::<RaiseHandRequest>(raised()));
        assert_ne!(other.request_id, asked[0].request_id, "another call is another request");
    }

    #[tokio::test]
    async fn repetitions_are_bounded() {
        let mut server = StandIn::start().await;
        let session = server.session().await;
        let (place, ids) = tokio::join!(session.raise_hand(ROOM), async {
            let mut ids = BTreeSet::new();
            for _ in 0..=Backoff::CALLS.limit {
                let visit = server.visit().await;
                ids.insert(visit.question::<RaiseHandRequest>().request_id);
                visit.refuse(Refusal::Unavailable);
            }
            ids
        });
        assert!(matches!(place, Err(Error::Unavailable { .. })), "{place:?}");
        assert_eq!(ids.len(), 1);
        assert!(server.is_quiet());
    }

    #[tokio::test]
    async fn a_refusal_is_final_and_a_login_is_asked_for_once() {
        let mut server = StandIn::start().await;
        let session = server.session().await;
        let (place, ()) =
            tokio::join!(session.raise_hand(ROOM), async { server.visit().await.refuse(Refusal::Conflict) });
        assert_eq!(place.unwrap_err().refusal(), Some(Refusal::Conflict));
        let client = server.client.clone();
        let (login, ()) = tokio::join!(client.login("ada", ""), async {
            server.visit().await.refuse(Refusal::Unavailable)
        });
        assert_eq!(login.unwrap_err().refusal(), Some(Refusal::Unavailable));
        assert!(server.is_quiet());
    }

    /// What a connection says that has ended before it could send.
    async fn never_sent() -> Status {
        let (io, _peer) = tokio::io::duplex(1024);
        let (executor, io) = (hyper_util::rt::TokioExecutor::new(), hyper_util::rt::TokioIo::new(io));
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        drop(connection);
        let unsent = sender.send_request(hyper::Request::new(tonic::body::Body::empty())).await;
        Status::from_error(Box::new(unsent.unwrap_err()))
    }

    #[tokio::test]
    async fn what_was_never_sent_is_sent_by_another_connection_even_if_it_is_asked_for_once() {
        let mut server = StandIn::start().await;
        let caller = server.session().await.caller;
        for (failures, answers) in [(RESENT, true), (RESENT + 1, false)] {
            let tries = AtomicU32::new(0);
            let answer = caller
                .once(7, None, |request: Request<u32>| {
                    let try_now = tries.fetch_add(1, Ordering::Relaxed);
                    async move {
                        if try_now < failures {
                            Err(never_sent().await)
                        } else {
                            Ok(Response::new(request.into_inner()))
                        }
                    }
                })
                .await;
            assert_eq!(answer.is_ok_and(|answer| answer == 7), answers);
        }
        let cancelled = Status::with_details(tonic::Code::Cancelled, "by the server", Default::default());
        assert!(!was_never_taken(&cancelled));
    }

    /// A frame of HTTP/2 of the connection (stream 0) or of its first stream (1).
    fn frame(kind: u8, stream: u8, body: &[u8]) -> Vec<u8> {
        [&[0, 0, body.len() as u8, kind, 0, 0, 0, 0, stream], body].concat()
    }

    /// What a caller is told whose request has left when these frames come, after which the server is gone.
    async fn told(frames: &[Vec<u8>]) -> Status {
        let (io, mut server) = tokio::io::duplex(1024);
        let (executor, io) = (hyper_util::rt::TokioExecutor::new(), hyper_util::rt::TokioIo::new(io));
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        tokio::spawn(connection);
        let asking = tokio::spawn(sender.send_request(hyper::Request::new(tonic::body::Body::empty())));
        server.write_all(&frame(SETTINGS, 0, &[])).await.unwrap();
        let mut heard = Vec::new();
        let headers = [HEADERS, 0x5, 0, 0, 0, 1];
        while !heard.windows(headers.len()).any(|part| part == headers) {
            server.read_buf(&mut heard).await.unwrap();
        }
        server.write_all(&frames.concat()).await.unwrap();
        drop(server);
        Status::from_error(Box::new(asking.await.unwrap().unwrap_err()))
    }

    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    const SETTINGS: u8 = 4;
    const GO_AWAY: u8 = 7;

    #[tokio::test]
    async fn what_a_server_never_took_is_told_apart_from_what_it_may_have_done() {
        let leaves = |last: u8, reason: u8| frame(GO_AWAY, 0, &[0, 0, 0, last, 0, 0, 0, reason]);
        let puts_back = |reason: u8| frame(RESET, 1, &[0, 0, 0, reason]);
        let (none, internal, refused, calm) = (0, 2, 7, 11);
        let first = leaves(u8::MAX, none);
        for frames in [vec![leaves(0, none)], vec![first.clone(), leaves(0, none)], vec![puts_back(refused)]]
        {
            assert!(was_never_taken(&told(&frames).await), "{frames:?}");
        }
        for frames in [
            vec![],
            vec![leaves(1, none)],
            vec![first],
            vec![leaves(0, internal)],
            vec![leaves(0, calm)],
            vec![puts_back(none)],
            vec![puts_back(internal)],
        ] {
            assert!(!was_never_taken(&told(&frames).await), "{frames:?}");
        }
    }

    #[tokio::test]
    async fn a_service_says_for_whom_it_acts() {
        let mut server = StandIn::start().await;
        let service = server.client.as_service("key").unwrap();
        let acting = service.acting_for(70_000);
        let (_, ()) = tokio::join!(acting.raise_hand(ROOM), async {
            let visit = server.visit().await;
            assert_eq!(visit.rpc, "raise_hand");
            assert_eq!(visit.metadata.get("authorization").unwrap(), "Bearer key");
            assert_eq!(visit.metadata.get("gochat-on-behalf-of").unwrap(), "70000");
            visit.answer(raised());
        });
        let (_, ()) = tokio::join!(service.login("ada", "", "crm/7"), async {
            let visit = server.visit().await;
            assert_eq!(visit.metadata.get("gochat-on-behalf-of"), None);
            assert_eq!(visit.question::<LoginRequest>().external_id, "crm/7");
            visit.refuse(Refusal::NickNameInUse);
        });
    }

    #[tokio::test]
    async fn a_mutation_that_says_no_place_is_malformed() {
        let mut server = StandIn::start().await;
        let session = server.session().await;
        let (place, _) = tokio::join!(
            session.raise_hand(ROOM),
            server.host::<RaiseHandRequest>(RaiseHandResponse { place: None })
        );
        assert!(matches!(place, Err(Error::Malformed(_))), "{place:?}");
    }
}
