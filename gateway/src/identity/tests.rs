//! What the log says of who calls, and what it doesn't.

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::body::Body;
use clap::Parser;
use gochat_chassis::Shutdown;
use http::Request;
use tempfile::NamedTempFile;
use tower::ServiceExt;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::{Config, Gateway, cors, routes};

/// Lines as they would be written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The lines about some requests, at every level, to a gateway whose services are away.
async fn logged(flags: &[&str], requests: impl Fn(&Gateway) -> Vec<Request<Body>>) -> String {
    let log = Log::default();
    let lines = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false);
    let guard = tracing::subscriber::set_default(lines.with_max_level(tracing::Level::TRACE).finish());
    let away =
        ["account", "room", "stage", "notifier"].map(|name| format!("--{name}-url=http://127.0.0.1:1"));
    let flags =
        ["gochat-gateway"].into_iter().chain(flags.iter().copied()).chain(away.iter().map(String::as_str));
    let config = Config::try_parse_from(flags).unwrap();
    let gateway = Gateway::new(&config, Shutdown::new()).unwrap();
    for request in requests(&gateway) {
        routes::service(gateway.clone(), cors::layer(&config)).oneshot(request).await.unwrap();
    }
    drop(guard);
    String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
}

fn quits(header: Option<(&str, &str)>) -> Request<Body> {
    let request = Request::post("/chat_room/quit_room").header("content-type", "application/json");
    let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    request.body(r#"{"uid":7654321,"room_id":"123456789"}"#.into()).unwrap()
}

#[tokio::test]
async fn who_is_merely_believed_is_marked_in_every_line() {
    let token = NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "own-token").unwrap();
    let file = format!("--service-token-file={}", token.path().display());
    let lines = logged(&["--trust-uid=true", &file], |_| vec![quits(None)]).await;
    let said = |text: &str| lines.lines().filter(|line| line.contains(text)).count();
    assert_eq!(said("WARN gochat_gateway::identity: GOCHAT_GATEWAY_TRUST_UID is on"), 1, "{lines}");
    assert!(said("upstream call failed") > 0 && said("answered") > 0, "{lines}");
    for line in lines.lines().filter(|line| line.contains("gochat_gateway::") && line.contains("request{")) {
        assert!(line.contains("believed_uid=7654321"), "{line}");
    }
    assert!(!lines.contains("own-token"), "{lines}");

    let lines = logged(&[&file], |_| vec![quits(Some(("authorization", "Bearer t")))]).await;
    assert!(lines.contains("answered") && !lines.contains("believed_uid=") && !lines.contains("TRUST_UID"));
}

#[tokio::test]
async fn what_proves_somebody_is_never_logged() {
    let origin = "https://a.example";
    let flags = ["--cookie=lax", &format!("--origins={origin}")];
    let ticket = Mutex::new(String::new());
    let lines = logged(&flags, |gateway| {
        let caller = Caller::proved(bearer("hush-ticket").unwrap(), Some(7));
        assert!(!format!("{caller:?}").contains("hush"));
        let sealed = gateway.policy.ticket(&caller).unwrap();
        ticket.lock().unwrap().clone_from(&sealed);
        let stream = |ticket: &str| {
            let address = format!("/chat_room/events?room_id=123456789&ticket={ticket}");
            Request::get(address).body(Body::empty()).unwrap()
        };
        vec![
            stream(&sealed),
            stream("hush-not-a-ticket"),
            quits(Some(("authorization", "Bearer hush-header"))),
            quits(Some(("cookie", "gochat_token=hush-cookie"))),
        ]
    })
    .await;
    assert!(lines.matches("answered").count() >= 4, "{lines}");
    assert!(!lines.contains("hush") && !lines.contains(&*ticket.lock().unwrap()), "{lines}");
}

/// A ticket without what its owner showed would be one for a mere uid.
#[test]
fn what_cannot_be_told_again_gets_no_ticket() {
    let config = Config::try_parse_from(["gochat-gateway"]).unwrap();
    let policy = Policy::new(&config.identity, &config.origins).unwrap();
    for (shown, refused) in [(&b""[..], true), ("Bearer é".as_bytes(), true), (b"Bearer t", false)] {
        let caller = Caller::proved(metadata(shown).unwrap(), Some(7));
        assert_eq!(policy.ticket(&caller).is_err(), refused, "{shown:?}");
    }
}
