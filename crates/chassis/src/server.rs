//! A gRPC server: services behind the gate and the limits, with health, reflection, and an orderly end.

use std::{convert::Infallible, future, io, sync::Arc, time::Duration};

use anyhow::Context;
use futures::{Stream, StreamExt};
use http::Request;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::{
    body::Body,
    codegen::StdError,
    server::NamedService,
    service::{Routes, RoutesBuilder},
};
use tower::Service;

use crate::{
    Gate, Listeners, Origins, Readiness, ServerArgs, Shutdown,
    connection::{Connection, Incoming},
    cores,
    drain::{self, Manner},
    edge::Edge,
    health::Health,
    idle::Greeted,
    limits::Limits,
    observe::Methods,
    strangers::Strangers,
    tls::Speaks,
    web,
};

/// How often a silent peer is asked whether it is there, and how long it has to answer.
pub(crate) const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(10));
/// The headers of a request, in bytes, at most.
const MAX_HEADERS: u32 = 16 * 1024;
/// What a peer may send of a request that is not read yet, in bytes.
const MAX_UNREAD: u32 = 64 * 1024;
/// Requests that a peer took back before they were looked at; at one more its connection is ended. Callers that
/// give up at once on a busy server have so many.
pub(crate) const MAX_TAKEN_BACK: usize = 64;
/// Streams of one connection that are reset for what its peer did wrong; at one more the connection is ended.
pub(crate) const MAX_AT_FAULT: usize = 1024;

/// A gRPC server to be served. What every call goes through, and what every server answers by itself, is
/// here: one gate, limits, a span and a histogram per call, health by readiness, and reflection.
pub struct Server {
    name: &'static str,
    args: ServerArgs,
    gate: Gate,
    readiness: Readiness,
    descriptors: &'static [u8],
    names: Vec<&'static str>,
    routes: RoutesBuilder,
    cores: usize,
    turns_away: bool,
}

impl Server {
    /// A server without services; `name` is what the log calls it. `descriptors` is an encoded `google.protobuf.FileDescriptorSet` of theirs:
    /// reflection shows it, and metrics are told apart by it.
    pub fn new(
        name: &'static str,
        args: &ServerArgs,
        gate: Gate,
        readiness: Readiness,
        descriptors: &'static [u8],
    ) -> Self {
        let (args, routes) = (args.clone(), Routes::builder());
        Self {
            name,
            args,
            gate,
            readiness,
            descriptors,
            names: Vec::new(),
            routes,
            cores: 0,
            turns_away: false,
        }
    }

    /// Adds a service. The gate decides who may call it.
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes.add_service(service);
        self
    }

    /// Serves on that many threads of its own, `gochat-<name>-<n>` with n from 0, instead of the runtime
    /// that [`Server::serve`] is called on; 0, as without this, is that runtime.
    ///
    /// Each thread has a `current_thread` runtime, so that what becomes ready together on a connection is
    /// written together: this is for servers that send many small messages. A connection stays on the
    /// thread that had the fewest when it came. A service answers on its connection's thread, which
    /// [`core()`](crate::core()) tells, and what it spawns lives there until all threads end together, after the last
    /// call. A call that blocks its thread holds up all that is served there.
    /// The limits are those of all threads together.
    pub fn on_cores(mut self, cores: usize) -> Self {
        self.cores = cores;
        self
    }

    /// Ends connections while it isn't ready, so that callers look for a replica that is.
    pub fn turning_away(mut self) -> Self {
        self.turns_away = true;
        self
    }

    /// Serves until the shutdown, then ends in order: readiness and health turn false at once, calls are
    /// still taken for the drain delay, calls and streams that are open may finish until the hard end, and
    /// are cut there. Streams are told to end by their owners, who hold the same `shutdown`.
    /// The admin port answers until the end.
    pub async fn serve(mut self, listeners: Listeners, shutdown: Shutdown) -> anyhow::Result<()> {
        let health = Health::new(&self.names, self.readiness.clone());
        self.routes.add_service(health.service());
        if self.args.reflection {
            self.add_reflection().context("the contract's descriptors")?;
        }
        let methods = Methods::of(&[
            self.descriptors,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ])?;
        let edge = Edge {
            methods: Arc::new(methods),
            limits: Limits::new(&self.args),
            strangers: Strangers::new(self.args.anonymous_rate),
            gate: self.gate,
            routes: self.routes.routes().prepare(),
        };
        let (name, args, readiness, cores) = (self.name, self.args, self.readiness, self.cores);
        let web = args.grpc_web.then(|| args.grpc_web_origins.clone());
        let speaks = if web.is_some() { Speaks::GrpcWeb } else { Speaks::Grpc };
        let greeting = args.connections.greeting_timeout;
        let grpc = Grpc { edge, max_streams: args.max_streams, greeting, web };
        let manner = Manner { name, speaks, turns_away: self.turns_away };
        drain::run(manner, listeners, &args.connections, &readiness, &shutdown, |incoming, stop| async move {
            health.tell().await;
            let _health = AbortOnDropHandle::new(tokio::spawn(health.follow(stop.clone())));
            grpc.serve(name, cores, incoming, stop).await
        })
        .await
    }

    fn add_reflection(&mut self) -> Result<(), tonic_reflection::server::Error> {
        let builder = || {
            let builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(self.descriptors)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .with_service_name("grpc.health.v1.Health");
            self.names.iter().fold(builder, |builder, name| builder.with_service_name(*name))
        };
        let (v1, v1alpha) = (builder().build_v1()?, builder().build_v1alpha()?);
        self.routes.add_service(v1).add_service(v1alpha);
        Ok(())
    }
}

/// What answers on each connection.
#[derive(Clone)]
struct Grpc {
    edge: Edge,
    max_streams: u32,
    greeting: Duration,
    /// The origins whose pages may call by gRPC-Web, if any may.
    web: Option<Origins>,
}

impl Grpc {
    /// Takes connections until `stop`, on the current runtime or on cores, and returns once they are done.
    async fn serve(
        self,
        name: &str,
        cores: usize,
        incoming: Incoming,
        stop: CancellationToken,
    ) -> Result<(), StdError> {
        if cores == 0 {
            return self.answer(incoming.into_stream(), stop.cancelled_owned()).await;
        }
        // A core has been told to stop once no more connections come to it.
        let core = |connections| self.answer(connections, future::pending());
        cores::serve(name, cores, incoming, &stop, core).await.map_err(Into::into)
    }

    /// Answers on `connections` until `stop` or their end; then sends each GOAWAY, and returns once all
    /// that was open on them has ended.
    async fn answer(
        self,
        connections: impl Stream<Item = io::Result<Connection>>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), StdError> {
        let greeting = self.greeting;
        let connections =
            connections.map(move |next| next.map(|connection| Greeted::new(connection, greeting)));
        let server = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE.0))
            .http2_keepalive_timeout(Some(KEEP_ALIVE.1))
            .http2_max_header_list_size(MAX_HEADERS)
            .initial_stream_window_size(MAX_UNREAD)
            .http2_max_pending_accept_reset_streams(Some(MAX_TAKEN_BACK))
            .http2_max_local_error_reset_streams(Some(MAX_AT_FAULT))
            .max_concurrent_streams(self.max_streams)
            .accept_http1(self.web.is_some());
        let ended = match &self.web {
            Some(origins) => {
                let service = web::translated(self.edge, origins);
                server.serve_with_incoming_shutdown(service, connections, stop).await
            }
            None => server.serve_with_incoming_shutdown(self.edge, connections, stop).await,
        };
        Ok(ended?)
    }
}
