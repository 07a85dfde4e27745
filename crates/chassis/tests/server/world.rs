//! A server of one's own, and the ways to talk to it.

use std::net::SocketAddr;

use clap::Parser;
use futures::FutureExt;
use gochat_chassis::{
    Channel, Gate, Listeners, Readiness, Server, ServerArgs, ServiceTokens, Shutdown, Unavailable, channel,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tonic::{Request, Response, Status, Streaming, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;

use crate::probe::{Probe, descriptors};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    server: ServerArgs,
}

/// The arguments of a server, from flags.
pub(crate) fn args(flags: &str) -> ServerArgs {
    Flags::try_parse_from(["test"].into_iter().chain(flags.split_whitespace())).unwrap().server
}

pub(crate) struct World {
    pub(crate) probe: Probe,
    pub(crate) readiness: Readiness,
    pub(crate) shutdown: Shutdown,
    pub(crate) service: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) channel: Channel,
    pub(crate) serving: JoinHandle<anyhow::Result<()>>,
}

fn table(path: &str, as_user: bool, _as_service: Option<&[&str]>) -> bool {
    path != "/test.v1.Probe/Who" || as_user
}

/// Listeners on ports of their own, and their addresses.
pub(crate) async fn listeners() -> (Listeners, SocketAddr, SocketAddr) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listeners = Listeners::bind("test", any, any).await.unwrap();
    let (service, admin) = (listeners.service_addr().unwrap(), listeners.admin_addr().unwrap());
    (listeners, service, admin)
}

impl World {
    /// A server with `flags`, which serves `Probe`. `Who` is for users, the rest for anybody. It knows the
    /// service `gateway` by its name, those that `flags` name, and a user 7.
    pub(crate) async fn start(flags: &str) -> Self {
        Self::start_on(0, flags).await
    }

    /// As [`World::start`], on so many cores.
    pub(crate) async fn start_on(cores: usize, flags: &str) -> Self {
        Self::with(flags, |server| server.on_cores(cores)).await
    }

    /// As [`World::start`], of a server that is told something more.
    pub(crate) async fn with(flags: &str, more: impl FnOnce(Server) -> Server) -> Self {
        let args = args(flags);
        let tokens = ServiceTokens::none().with("gateway", "gateway", true).and(args.tokens().unwrap());
        let sessions = |_| async { Ok::<_, Unavailable>(Some(7)) }.boxed();
        let gate = Gate::new(table, sessions, tokens);
        let (probe, readiness, shutdown) = (Probe::default(), Readiness::new(&["redis"]), Shutdown::new());
        let (listeners, service, admin) = listeners().await;
        let server = Server::new("test", &args, gate, readiness.clone(), descriptors());
        let server = more(server).add_service(probe.clone());
        let serving = tokio::spawn(server.serve(listeners, shutdown.clone()));
        let channel = channel(&format!("http://{service}")).unwrap();
        Self { probe, readiness, shutdown, service, admin, channel, serving }
    }

    /// A connection besides `channel`, made at its first call.
    pub(crate) fn connection(&self) -> Channel {
        channel(&format!("http://{}", self.service)).unwrap()
    }

    /// Calls a method of `Probe` with headers and a text.
    pub(crate) async fn call(
        &self,
        method: &'static str,
        headers: &[(&'static str, &'static str)],
        text: &str,
    ) -> Result<Response<String>, Status> {
        call(&self.channel, method, headers, text).await
    }

    /// Calls `Stream`, and takes its first message.
    pub(crate) async fn stream(&self) -> Streaming<String> {
        stream(&self.channel).await
    }

    /// Lets everything that hangs go on.
    pub(crate) fn release(&self) {
        self.probe.released.send_replace(true);
    }
}

/// Calls a method of `Probe` over one connection.
pub(crate) async fn call(
    connection: &Channel,
    method: &'static str,
    headers: &[(&'static str, &'static str)],
    text: &str,
) -> Result<Response<String>, Status> {
    let mut grpc = Grpc::new(connection.clone());
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<String, String>::default();
    grpc.unary(request(headers, text), PathAndQuery::from_static(method), codec).await
}

/// Calls `Stream` over one connection, and takes its first message.
pub(crate) async fn stream(connection: &Channel) -> Streaming<String> {
    let mut grpc = Grpc::new(connection.clone());
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<String, String>::default();
    let path = PathAndQuery::from_static("/test.v1.Probe/Stream");
    let mut stream = grpc.server_streaming(request(&[], ""), path, codec).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap(), "first");
    stream
}

fn request(headers: &[(&'static str, &'static str)], text: &str) -> Request<String> {
    let mut request = Request::new(text.to_owned());
    for (name, value) in headers {
        request.metadata_mut().append(*name, value.parse().unwrap());
    }
    request
}

/// The whole answer to `GET path`, head and body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
