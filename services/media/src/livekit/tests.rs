//! The engine against a stand-in of LiveKit that speaks its protocol.

mod gates;
mod provider;
mod secured;
mod webhooks;

use std::{sync::Arc, time::Duration};

use gochat_chassis::{ConnectionArgs, ServerArgs, Shutdown};
use gochat_domain::Entry;
use http::Uri;
use tokio::{net::TcpListener, time::timeout};

use self::provider::{KEY, Provider as StandIn, SECRET};
use super::*;

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(20);
/// Looks come one after the other.
const FAST: Pace = Pace {
    look: Duration::from_millis(50),
    look_after: Duration::from_millis(50),
    between_looks: Duration::from_millis(5),
    between_news: Duration::from_millis(5),
};
/// Nobody looks without a reason.
const BLIND: Pace = Pace { look: Duration::from_secs(3_600), look_after: Duration::from_secs(3_600), ..FAST };

struct World {
    standin: Arc<StandIn>,
    livekit: LiveKit,
    webhooks: String,
}

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    server: ServerArgs,
}

fn connections() -> ConnectionArgs {
    <Flags as clap::Parser>::try_parse_from(["x"]).unwrap().server.connections
}

impl World {
    async fn new(pace: Pace) -> Self {
        Self::with(pace, LONG).await
    }

    /// `patience`: how long a call may take.
    async fn with(pace: Pace, patience: Duration) -> Self {
        let standin = StandIn::start().await;
        let api: Uri = format!("http://{}", standin.address).parse().unwrap();
        let keys = Keys::new(KEY, SECRET.to_owned());
        let settings = Settings { url: "wss://livekit.example.org".to_owned(), api, keys };
        let livekit = LiveKit::with(settings, pace, patience).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let webhooks = format!("http://{}/livekit/webhook", listener.local_addr().unwrap());
        let taking = livekit.clone();
        tokio::spawn(async move { taking.take_webhooks(listener, &connections(), Shutdown::new()).await });
        Self { standin, livekit, webhooks }
    }

    /// Admits somebody; the token.
    async fn admit(&self, place: Place) -> String {
        match self.livekit.create_session(place, String::new()).await.unwrap() {
            create_session_response::Result::Provider(provider) => provider.token,
            other => panic!("{other:?}"),
        }
    }

    /// Admits somebody who comes at once; who it is there.
    async fn join(&self, place: Place) -> String {
        let token = self.admit(place).await;
        self.standin.connect(&token).unwrap()
    }

    async fn open(&self, place: Place, open: bool) {
        self.livekit.set_gate(place, open).await;
    }

    /// Waits until those who can be heard are these.
    async fn heard(&self, expected: &[u32]) {
        let mut watched = self.livekit.speakers(room());
        let as_expected =
            watched.wait_for(|heard| heard.iter().map(|one| one.uid.get()).eq(expected.iter().copied()));
        timeout(LONG, as_expected).await.expect("in time").unwrap();
    }
}

fn room() -> RoomId {
    RoomId::from_number(5)
}

fn place(uid: u32, entry: u64) -> Place {
    Place { room: room(), uid: uid.try_into().unwrap(), entry: Entry(entry) }
}
