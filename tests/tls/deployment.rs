//! All five services by TLS, on a Redis by TLS.

use std::{fs, future::Future, sync::Arc};

use gochat_chassis::Shutdown;
use gochat_client::{Client, Kind, Refusal, Subscription, Tls, Update};
use gochat_rig::AT_MOST;
use gochat_suite::{Running, SuiteConfig, start};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    certificates::{Authority, read},
    redis::Redis,
};

/// The name that every certificate of the deployment's servers bears.
const NAME: &str = "chat.example.org";

struct World {
    authority: Authority,
    running: Running,
    _redis: Redis,
}

impl World {
    /// The gateway shows the services a certificate, as does a service `bot`, which may not act for users.
    async fn start() -> Self {
        let authority = Authority::new();
        let redis = Redis::start(&authority, None, false).await;
        let own = authority.issue(NAME);
        let (gateway, _bot) = (authority.issue("gateway.example.org"), authority.issue("bot.example.org"));
        let lines = "gateway dns:gateway.example.org act-for-users\nbot dns:bot.example.org\n";
        fs::write(authority.path("tokens"), lines).unwrap();
        let ca = authority.pem();
        let store = redis.args("gochat:secret", &["--redis-ca", &ca.display().to_string()]);
        let mut config = SuiteConfig::for_tests()
            .unwrap()
            .with_store(|args| args.clone_from(&store))
            .with_server(|server| {
                server.service_tokens_file = Some(authority.path("tokens"));
                let tls = &mut server.connections.tls;
                (tls.tls_cert, tls.tls_key) = (Some(own.cert.clone()), Some(own.key.clone()));
                tls.tls_client_ca = Some(ca.clone());
            });
        config.private_redis = None;
        config.gateway.connections.clone_from(&config.room.server.connections);
        let upstream = &mut config.gateway.upstream.tls;
        (upstream.tls_ca, upstream.tls_server_name) = (Some(ca), Some(NAME.to_owned()));
        (upstream.tls_client_cert, upstream.tls_client_key) = (Some(gateway.cert), Some(gateway.key));
        let running = soon("all five", start(config, Shutdown::new())).await.unwrap();
        Self { authority, running, _redis: redis }
    }

    fn trust(&self) -> Tls {
        Tls::new().authorities(read(&self.authority.pem())).server_name(NAME)
    }

    fn client(&self, tls: &Tls) -> Client {
        Client::connect_by(&self.running.endpoints(), tls).unwrap()
    }

    /// Calls a documented method with that `authorization`, and returns what it answers.
    async fn post(&self, method: &str, authorization: &str, body: &Value) -> Value {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.authority.pem()).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(self.running.gateway.service).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let body = body.to_string();
        let head = format!(
            "POST /chat_room/{method} HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\
             content-type: application/json\r\nauthorization: {authorization}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon("an answer", stream.read_to_string(&mut answer)).await.unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    timeout(AT_MOST, event).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

async fn until_joined(feed: &mut Subscription, uid: u32) {
    let joined = |update: &Update| {
        matches!(update, Update::Event { event: Kind::MemberJoined(joined), .. }
            if joined.member.as_ref().is_some_and(|member| member.uid == uid))
    };
    while !joined(&soon("an update", feed.next()).await.unwrap().unwrap()) {}
}

#[tokio::test]
async fn people_meet_and_a_service_looks_on_by_its_certificate() {
    let world = World::start().await;
    let client = world.client(&world.trust());
    let host = client.login("ann", "").await.unwrap();
    let entered = host.create_room("tea").await.unwrap();
    let room = entered.room.room_id.clone();
    let mut feed = host.subscribe(&room).min(entered.place);
    let first = soon("the room as it is", feed.next()).await.unwrap().unwrap();
    assert_eq!(first, Update::Snapshot);

    let [cert, key] = ["bot.example.org.pem", "bot.example.org.key"].map(|name| world.authority.path(name));
    let bot = world.client(&world.trust().identity(read(&cert), read(&key))).as_certified_service();
    let mut looking_on = bot.subscribe(&room);
    let first = soon("the room as it is", looking_on.next()).await.unwrap().unwrap();
    assert_eq!(first, Update::Snapshot);
    let refusal = bot.acting_for(host.uid()).set_mic(&room, false).await.unwrap_err();
    assert_eq!(refusal.refusal(), Some(Refusal::NotPermitted));

    let guest = client.login("bob", "").await.unwrap();
    guest.join_room(&room).await.unwrap();
    until_joined(&mut feed, guest.uid()).await;
    until_joined(&mut looking_on, guest.uid()).await;

    let nobody = client.as_certified_service();
    let refusal = soon("a refusal", nobody.subscribe(&room).next()).await.unwrap().unwrap_err();
    assert_eq!(refusal.refusal(), Some(Refusal::NotLoggedIn));
    let other = Tls::new().authorities(read(&Authority::new().pem())).server_name(NAME);
    assert!(world.client(&other).with_retries(gochat_client::Backoff::NONE).login("eve", "").await.is_err());
}

#[tokio::test]
async fn the_gateway_hands_on_what_its_users_present_and_lends_nobody_its_certificate() {
    let world = World::start().await;
    let login = world.post("login", "", &json!({"nick_name": "cleo"})).await;
    assert_eq!(login["ret"]["code"], json!(0), "{login}");
    let (uid, token) = (&login["data"]["uid"], login["data"]["token"].as_str().unwrap());
    let room = json!({"uid": uid, "subject": "tea"});
    for strange in ["Bearer unknown", "Basic unknown", "x"] {
        let refused = world.post("create_room", strange, &room).await;
        assert_eq!(refused["ret"]["code"], json!(80012), "{strange}: {refused}");
    }
    let created = world.post("create_room", &format!("Bearer {token}"), &room).await;
    assert_eq!(created["ret"]["code"], json!(0), "{created}");
}
