//! Webhooks that come in time, late, twice, never, and from somebody else; with no look that has no reason.

use axum::body::Body;
use http::{Request, StatusCode};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use super::{provider::webhook, *};

const ROOM: &str = "100000005";

impl World {
    async fn send(&self, (authorization, body): (String, String)) -> StatusCode {
        let request = Request::post(&self.webhooks)
            .header("authorization", authorization)
            .header("content-type", "application/webhook+json")
            .body(Body::from(body))
            .unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        timeout(LONG, client.request(request)).await.unwrap().unwrap().status()
    }

    async fn tell(&self, event: &str, identity: &str, may_publish: bool) {
        let status = self.send(webhook(event, ROOM, Some((identity, may_publish)))).await;
        assert_eq!(status, StatusCode::OK);
    }

    /// How often it was looked who is there, since this was asked last.
    fn looks(&self) -> usize {
        self.standin.take_calls(&["ListParticipants"]).len()
    }
}

/// A world where somebody is admitted, may speak, and wasn't found when that was looked for.
async fn expecting() -> (World, String) {
    let world = World::new(BLIND).await;
    let token = world.admit(place(7, 3)).await;
    world.open(place(7, 3), true).await;
    let looked = |world: &provider::World| world.calls.iter().any(|(method, _)| method == "ListParticipants");
    world.standin.until("looked for", looked).await;
    (world, token)
}

#[tokio::test]
async fn who_comes_is_raised_when_livekit_says_so() {
    let (world, token) = expecting().await;
    let anna = world.standin.connect(&token).unwrap();
    world.tell("participant_joined", &anna, false).await;
    world.standin.until("raised", |world| world.rooms[ROOM][&anna].may_publish).await;
    world.heard(&[7]).await;
}

#[tokio::test]
async fn without_any_webhook_the_next_look_finds_who_came() {
    let world = World::new(FAST).await;
    let token = world.admit(place(7, 3)).await;
    world.open(place(7, 3), true).await;
    let anna = world.standin.connect(&token).unwrap();
    world.standin.until("raised", |world| world.rooms[ROOM][&anna].may_publish).await;
}

/// It says that somebody is there, who may speak by then no more, and is gone.
#[tokio::test]
async fn a_late_webhook_raises_nobody() {
    let (world, token) = expecting().await;
    let anna = world.standin.connect(&token).unwrap();
    let late = webhook("participant_joined", ROOM, Some((&anna, false)));
    world.open(place(7, 3), false).await;
    world.standin.take_calls(&[]);
    assert_eq!(world.send(late).await, StatusCode::OK);
    // One that is looked at after it.
    let bert = world.join(place(8, 1)).await;
    world.open(place(8, 1), true).await;
    world.tell("participant_joined", &bert, false).await;
    world.standin.until("raised", |world| world.rooms[ROOM][&bert].may_publish).await;
    assert!(!world.standin.client(ROOM, &anna).unwrap().may_publish);
    let raised = world.standin.take_calls(&["UpdateParticipant"]);
    assert!(raised.iter().all(|(_, identity)| *identity == bert), "{raised:?}");
}

#[tokio::test]
async fn webhooks_that_come_twice_do_nothing_twice() {
    let (world, token) = expecting().await;
    let anna = world.standin.connect(&token).unwrap();
    let joined = webhook("participant_joined", ROOM, Some((&anna, false)));
    for _ in 0..5 {
        assert_eq!(world.send(joined.clone()).await, StatusCode::OK);
    }
    world.heard(&[7]).await;
    assert_eq!(world.standin.take_calls(&["UpdateParticipant"]).len(), 1);
}

#[tokio::test]
async fn listeners_that_come_and_go_cost_no_look() {
    let (world, _) = expecting().await;
    let bert = world.join(place(8, 1)).await;
    world.looks();
    world.tell("participant_joined", &bert, false).await;
    world.tell("participant_left", &bert, false).await;
    assert_eq!(
        world.send(webhook("participant_joined", "999999999", Some(("7", true)))).await,
        StatusCode::OK
    );
    assert_eq!(world.send(webhook("egress_started", "", None)).await, StatusCode::OK);
    assert_eq!(world.looks(), 0);
}

#[tokio::test]
async fn who_comes_back_with_more_rights_than_it_has_is_lowered_when_livekit_says_so() {
    let (world, token) = expecting().await;
    let anna = world.standin.connect(&token).unwrap();
    world.tell("participant_joined", &anna, false).await;
    world.heard(&[7]).await;
    world.open(place(7, 3), false).await;
    world.standin.until("lowered", |world| !world.rooms[ROOM][&anna].may_publish).await;
    world
        .standin
        .change(|world| world.rooms.get_mut(ROOM).unwrap().get_mut(&anna).unwrap().may_publish = true);
    world.standin.publish(ROOM, &anna);
    world.tell("participant_joined", &anna, true).await;
    world.standin.until("lowered", |world| !world.rooms[ROOM][&anna].is_loud()).await;
}

#[tokio::test]
async fn what_was_not_sent_by_livekit_is_refused_and_does_nothing() {
    let (world, token) = expecting().await;
    let anna = world.standin.connect(&token).unwrap();
    world.looks();
    let (good, body) = webhook("participant_joined", ROOM, Some((&anna, false)));
    let (_, other) = webhook("participant_left", ROOM, Some((&anna, false)));
    for forged in [
        (String::new(), body.clone()),
        ("Bearer".to_owned(), body.clone()),
        (good.clone(), other),
        (good.clone(), format!("{body} ")),
        (format!("{good}x"), body.clone()),
        (token.clone(), body.clone()),
    ] {
        assert_eq!(world.send(forged).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(world.looks(), 0);
    assert_eq!(world.send((good.clone(), " ".repeat(65 * 1024))).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(world.send((good, body)).await, StatusCode::OK);
    world.heard(&[7]).await;
}
