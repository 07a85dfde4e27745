//! TLS: who is let in, as whom, and what becomes of connections when certificates change.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use clap::Parser;
use gochat_chassis::{Channel, ClientTlsArgs, Listeners, Readiness, Shutdown, http::HttpArgs, targets};
use rustls::{
    ClientConfig, HandshakeKind, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{Code, Response, Status};

use crate::{
    certificates::{Authority, Folder},
    world::{self, World, args, call, listeners, stream},
};

const WHO: &str = "/test.v1.Probe/Who";
const HANG: &str = "/test.v1.Probe/Hang";
const FOR_NINE: [(&str, &str); 1] = [("gochat-on-behalf-of", "9")];
const USER: [(&str, &str); 1] = [("authorization", "Bearer x")];
/// How often clients look at their files here.
const OFTEN: Duration = Duration::from_millis(5);

/// A folder with an authority `ca` and a server's certificate for the loopback.
fn folder() -> (Folder, Authority) {
    let (folder, authority) = (Folder::new(), Authority::new());
    folder.believe("ca", &authority);
    folder.hold("server", &authority.issue("127.0.0.1"));
    (folder, authority)
}

/// A channel to the world's server by TLS.
fn secured(world: &World, args: &ClientTlsArgs) -> Channel {
    let [target] = targets(args, OFTEN, [&format!("https://{}", world.service)]).unwrap();
    target.channel()
}

/// Who somebody is found to be who calls once over a connection of their own.
async fn who(
    world: &World,
    args: &ClientTlsArgs,
    headers: &[(&'static str, &'static str)],
) -> Result<String, Status> {
    call(&secured(world, args), WHO, headers, "").await.map(said)
}

fn said(answer: Response<String>) -> String {
    answer.into_inner().split(',').next().unwrap().to_owned()
}

async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), event).await.expect("it takes too long")
}

/// Whether a call didn't even come to the server's gate.
fn is_not_let_in(answer: Result<String, Status>) -> bool {
    answer.is_err_and(|status| matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Internal))
}

#[tokio::test]
async fn calls_and_streams_are_secured_on_one_runtime_and_on_cores() {
    let (folder, _) = folder();
    for cores in [0, 2] {
        let world = World::start_on(cores, &folder.flags("")).await;
        let channel = secured(&world, &folder.client("ca", None));
        assert_eq!(said(call(&channel, WHO, &USER, "").await.unwrap()), "user 7");
        let mut stream = stream(&channel).await;
        world.release();
        assert_eq!(stream.message().await.unwrap().unwrap(), "second");
        world.shutdown.trigger();
        drop((stream, channel));
        soon(world.serving).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_server_is_believed_only_by_its_authority_its_time_and_its_name() {
    let (folder, authority) = folder();
    let world = World::start(&folder.flags("")).await;
    let client = folder.client("ca", None);
    assert_eq!(who(&world, &client, &USER).await.unwrap(), "user 7");
    folder.believe("other", &Authority::new());
    assert!(is_not_let_in(who(&world, &folder.client("other", None), &USER).await));
    let named = ClientTlsArgs { tls_server_name: Some("chat.example.org".to_owned()), ..client.clone() };
    assert!(is_not_let_in(who(&world, &named, &USER).await));

    folder.hold("server", &authority.issue_expired("127.0.0.1"));
    let expired = World::start(&folder.flags("")).await;
    assert!(is_not_let_in(who(&expired, &client, &USER).await));
    folder.hold("server", &authority.issue("chat.example.org"));
    let elsewhere = World::start(&folder.flags("")).await;
    assert!(is_not_let_in(who(&elsewhere, &client, &USER).await));
    assert_eq!(who(&elsewhere, &named, &USER).await.unwrap(), "user 7", "by the name it is told");
}

#[tokio::test]
async fn a_certificate_tells_a_service_and_its_line_what_it_may() {
    let (folder, authority) = folder();
    let uri = "spiffe://example.org/web";
    let lines = format!("web uri:{uri} act-for-users\nbot dns:bot.example.org\n");
    folder.write("tokens", &lines);
    for (file, name) in [("web", uri), ("bot", "bot.example.org"), ("stranger", "stranger.example.org")] {
        folder.hold(file, &authority.issue(name));
    }
    let flags = folder.flags("--tls-client-ca @/ca.pem --service-tokens-file @/tokens");
    for cores in [0, 2] {
        let world = World::start_on(cores, &flags).await;
        let [web, bot, stranger] = ["web", "bot", "stranger"].map(|file| folder.client("ca", Some(file)));
        assert_eq!(who(&world, &web, &FOR_NINE).await.unwrap(), "web for Some(9)");
        assert_eq!(who(&world, &bot, &FOR_NINE).await.unwrap_err().code(), Code::PermissionDenied);
        assert_eq!(who(&world, &stranger, &FOR_NINE).await.unwrap_err().code(), Code::Unauthenticated);
        assert_eq!(who(&world, &web, &USER).await.unwrap(), "user 7", "whose call it hands on");
        let token = [("authorization", "Bearer gateway"), FOR_NINE[0]];
        assert_eq!(who(&world, &web, &token).await.unwrap_err().code(), Code::Unauthenticated);
        let nobody = folder.client("ca", None);
        assert_eq!(who(&world, &nobody, &token).await.unwrap(), "gateway for Some(9)");
        assert_eq!(who(&world, &nobody, &USER).await.unwrap(), "user 7");
        assert_eq!(who(&world, &nobody, &FOR_NINE).await.unwrap_err().code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn a_certificate_of_nobody_we_know_or_of_another_time_is_not_let_in() {
    let (folder, authority) = folder();
    folder.write("tokens", "web dns:web.example.org act-for-users\n");
    folder.hold("web", &authority.issue("web.example.org"));
    folder.hold("forged", &Authority::new().issue("web.example.org"));
    folder.hold("expired", &authority.issue_expired("web.example.org"));
    let flags = folder.flags("--tls-client-ca @/ca.pem --service-tokens-file @/tokens");
    let world = World::start(&flags).await;
    let strict = World::start(&format!("{flags} --tls-client-certificates required")).await;
    for world in [&world, &strict] {
        let as_it = |file| folder.client("ca", file);
        assert_eq!(who(world, &as_it(Some("web")), &FOR_NINE).await.unwrap(), "web for Some(9)");
        for file in ["forged", "expired"] {
            assert!(is_not_let_in(who(world, &as_it(Some(file)), &FOR_NINE).await), "{file}");
            assert!(is_not_let_in(who(world, &as_it(Some(file)), &USER).await), "{file}");
        }
    }
    let nothing = folder.client("ca", None);
    assert_eq!(who(&world, &nothing, &USER).await.unwrap(), "user 7");
    assert!(is_not_let_in(who(&strict, &nothing, &USER).await));
}

#[tokio::test]
async fn plain_text_is_not_answered_where_a_certificate_is() {
    let (folder, _) = folder();
    let world = World::start(&folder.flags("--grpc-web true")).await;
    assert!(is_not_let_in(world.call(WHO, &USER, "").await.map(said)));
    let mut peer = TcpStream::connect(world.service).await.unwrap();
    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    let _ = soon(peer.read_to_end(&mut seen)).await;
    assert!(!seen.starts_with(b"HTTP/"), "{seen:?}");
}

#[tokio::test]
async fn a_server_in_plain_text_is_for_this_machine_alone() {
    let any = "127.0.0.1:0".parse().unwrap();
    let open = || Listeners::bind("test", "0.0.0.0:0".parse().unwrap(), any);
    let refused = |listeners, flags: &'static str| async move {
        let (connections, http) = (args(flags).connections, Http::try_parse_from(["x"]).unwrap().http);
        let (readiness, shutdown) = (Readiness::new(&[]), Shutdown::new());
        shutdown.trigger();
        let (limits, last) = ((&connections, &http, 1), std::future::ready(()));
        gochat_chassis::http::serve("test", listeners, limits, Router::new(), readiness, shutdown, last).await
    };
    let error = format!("{:#}", refused(open().await.unwrap(), "").await.unwrap_err());
    assert!(error.contains("GOCHAT_TLS_CERT") && error.contains("GOCHAT_PLAIN_TEXT"), "{error}");
    refused(open().await.unwrap(), "--plain-text true").await.unwrap();
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_the_old_ones_stay() {
    let (folder, _) = folder();
    let world = World::start(&folder.flags("")).await;
    let channel = secured(&world, &folder.client("ca", None));
    let mut stream = stream(&channel).await;

    let next = Authority::new();
    folder.believe("next-ca", &next);
    folder.hold("server", &next.issue("127.0.0.1"));
    let client = folder.client("next-ca", None);
    soon(async { while who(&world, &client, &USER).await.is_err() {} }).await;
    assert!(is_not_let_in(who(&world, &folder.client("ca", None), &USER).await));

    folder.write("server.pem", "not a certificate");
    let noticed = async {
        while !world::get(world.admin, "/metrics")
            .await
            .contains(r#"gochat_reload_failed_total{what="certificate"}"#)
        {}
    };
    soon(noticed).await;
    assert_eq!(who(&world, &client, &USER).await.unwrap(), "user 7", "the last good one is shown");

    world.release();
    assert_eq!(stream.message().await.unwrap().unwrap(), "second");
}

#[tokio::test]
async fn who_is_believed_no_more_is_no_service_at_the_next_connection() {
    let (folder, authority) = folder();
    folder.believe("clients", &authority);
    folder.write("tokens", "web dns:web.example.org act-for-users\n");
    folder.hold("web", &authority.issue("web.example.org"));
    let flags = folder.flags("--tls-client-ca @/clients.pem --service-tokens-file @/tokens");
    let world = World::start(&flags).await;
    let client = folder.client("ca", Some("web"));
    assert_eq!(who(&world, &client, &FOR_NINE).await.unwrap(), "web for Some(9)");
    folder.believe("clients", &Authority::new());
    soon(async { while !is_not_let_in(who(&world, &client, &FOR_NINE).await) {} }).await;
}

#[tokio::test]
async fn a_service_whose_line_is_taken_out_is_none_at_its_next_call() {
    let (folder, authority) = folder();
    folder.hold("web", &authority.issue("web.example.org"));
    folder.write("tokens", "web dns:web.example.org act-for-users\n");
    let flags = folder.flags("--tls-client-ca @/ca.pem --service-tokens-file @/tokens");
    let world = World::start(&flags).await;
    let channel = secured(&world, &folder.client("ca", Some("web")));
    assert_eq!(said(call(&channel, WHO, &FOR_NINE, "").await.unwrap()), "web for Some(9)");
    folder.write("tokens", "# nobody\n");
    let refusal = soon(async {
        loop {
            if let Err(refusal) = call(&channel, WHO, &FOR_NINE, "").await {
                return refusal;
            }
        }
    });
    assert_eq!(refusal.await.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_client_shows_its_new_certificate_at_its_next_connection() {
    let (folder, authority) = folder();
    folder.write("tokens", "a dns:a.example.org act-for-users\nb dns:b.example.org act-for-users\n");
    folder.hold("own", &authority.issue("a.example.org"));
    let flags = folder.flags("--tls-client-ca @/ca.pem --service-tokens-file @/tokens");
    let world = World::start(&flags).await;
    let client = folder.client("ca", Some("own"));
    let [target] = targets(&client, OFTEN, [&format!("https://{}", world.service)]).unwrap();
    let who = || async { call(&target.channel(), WHO, &FOR_NINE, "").await.map(said).unwrap() };
    assert_eq!(who().await, "a for Some(9)");
    folder.hold("own", &authority.issue("b.example.org"));
    soon(async { while who().await != "b for Some(9)" {} }).await;
}

#[tokio::test]
async fn who_does_not_shake_hands_in_time_is_given_up() {
    let (folder, _) = folder();
    let world = World::start(&folder.flags("--tls-handshake-timeout 50ms")).await;
    let mut silent = TcpStream::connect(world.service).await.unwrap();
    let mut seen = Vec::new();
    let _ = soon(silent.read_to_end(&mut seen)).await;
    assert_eq!(seen, b"");
}

#[tokio::test]
async fn so_many_shake_hands_at_a_time_and_more_wait() {
    let (folder, _) = folder();
    let flags = folder.flags("--tls-max-handshakes 1 --tls-handshake-timeout 1h");
    let world = World::start(&flags).await;
    world.release();
    let client = folder.client("ca", None);
    let before = secured(&world, &client);
    call(&before, HANG, &[], "").await.unwrap();
    let silent = TcpStream::connect(world.service).await.unwrap();
    // Accepted before the one that comes after it.
    let after = secured(&world, &client);
    let mut waiting = pin!(call(&after, HANG, &[], ""));
    let beside = async {
        for _ in 0..20 {
            call(&before, HANG, &[], "").await.unwrap();
        }
    };
    tokio::select! {
        biased;
        answer = &mut waiting => panic!("hands were shaken with two at a time: {answer:?}"),
        () = beside => {}
    }
    drop(silent);
    // A connection may take a second to be made, no longer: it may be that another is needed.
    soon(async { while call(&after, HANG, &[], "").await.is_err() {} }).await;
}

#[derive(Parser)]
struct Http {
    #[command(flatten)]
    http: HttpArgs,
}

#[tokio::test]
async fn http_is_secured_too_and_asks_nobody_for_a_certificate() {
    let (folder, _) = folder();
    let flags = folder.flags("--tls-client-ca @/ca.pem --tls-client-certificates required");
    let (listeners, service, _) = listeners().await;
    let (connections, http) = (args(&flags).connections, Http::try_parse_from(["x"]).unwrap().http);
    let router = Router::new().route("/", get(async || "there"));
    let serving = tokio::spawn(async move {
        let (readiness, shutdown) = (Readiness::new(&[]), Shutdown::new());
        let (limits, last) = ((&connections, &http, 1), std::future::ready(()));
        gochat_chassis::http::serve("test", listeners, limits, router, readiness, shutdown, last).await
    });
    let mut peer = shake_hands(&folder, TcpStream::connect(service).await.unwrap(), &["http/1.1"]).await;
    assert_eq!(peer.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    let _ = soon(peer.read_to_end(&mut seen)).await;
    assert!(seen.starts_with(b"HTTP/1.1 200") && seen.ends_with(b"there"), "{seen:?}");
    let both = shake_hands(&folder, TcpStream::connect(service).await.unwrap(), &["http/1.1", "h2"]).await;
    assert_eq!(both.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    serving.abort();
}

#[tokio::test]
async fn a_session_is_taken_up_again_only_where_no_certificate_would_go_unverified() {
    let (folder, _) = folder();
    for (others, kind) in [("", HandshakeKind::Resumed), ("--tls-client-ca @/ca.pem", HandshakeKind::Full)] {
        let world = World::start(&folder.flags(others)).await;
        let client = Arc::new(client(&folder, &["h2"]));
        let mut last = None;
        for _ in 0..2 {
            let stream = TcpStream::connect(world.service).await.unwrap();
            let mut connection = connect(client.clone(), stream).await;
            last = connection.get_ref().1.handshake_kind();
            // What the server says first comes after what a session is taken up by.
            soon(connection.read_u8()).await.unwrap();
        }
        assert_eq!(last, Some(kind), "{others}");
    }
}

async fn shake_hands(folder: &Folder, stream: TcpStream, protocols: &[&str]) -> TlsStream<TcpStream> {
    connect(Arc::new(client(folder, protocols)), stream).await
}

/// What a client by itself shakes hands with, which believes the authority `ca`.
fn client(folder: &Folder, protocols: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.path("ca.pem")).unwrap()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

async fn connect(config: Arc<ClientConfig>, stream: TcpStream) -> TlsStream<TcpStream> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    soon(TlsConnector::from(config).connect(name, stream)).await.unwrap()
}
