//! A gRPC server: services behind the gate and the limits, with health, reflection, and an orderly end.

use std::{convert::Infallible, sync::Arc, time::Duration};

use anyhow::Context;
use http::Request;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::{
    body::Body,
    server::NamedService,
    service::{Routes, RoutesBuilder},
};
use tower::Service;

use crate::{
    Gate, Listeners, Readiness, ServerArgs, Shutdown, connection::Incoming, drain, edge::Edge,
    health::Health, limits::Limits, observe::Methods,
};

/// How often a silent peer is asked whether it is there, and how long it has to answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(10));
/// The headers of a request, in bytes, at most.
const MAX_HEADERS: u32 = 16 * 1024;

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
        Self { name, args, gate, readiness, descriptors, names: Vec::new(), routes }
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
            gate: self.gate,
            routes: self.routes.routes().prepare(),
        };
        let (args, readiness) = (self.args, self.readiness);
        drain::run(self.name, listeners, &args.connections, &readiness, &shutdown, |incoming, stop| {
            serve(edge, args.max_streams, health, incoming, stop)
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

async fn serve(
    edge: Edge,
    max_streams: u32,
    health: Health,
    incoming: Incoming,
    stop: CancellationToken,
) -> Result<(), tonic::codegen::StdError> {
    health.tell().await;
    let _health = AbortOnDropHandle::new(tokio::spawn(health.follow(stop.clone())));
    tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE.0))
        .http2_keepalive_timeout(Some(KEEP_ALIVE.1))
        .http2_max_header_list_size(MAX_HEADERS)
        .max_concurrent_streams(max_streams)
        .serve_with_incoming_shutdown(edge, incoming.into_stream(), stop.cancelled_owned())
        .await
        .map_err(Into::into)
}
