//! Ends of sessions: a token that was good a moment ago is good for nothing, on any server, at once.

use std::time::{Duration, Instant};

use gochat_client::{GoodbyeReason, Refusal};
use gochat_proto::account::{LogoutRequest, RevokeSessionsRequest};
use gochat_store::{Digest, keys};
use prost::Message;
use redis::AsyncCommands;
use serde_json::json;

use crate::{
    wire::{Headers, acting, bearer, unknown, word},
    world::{ACTING, Person, REVOKING, World, soon},
};

const LOGOUT: &str = "/gochat.account.v1.AccountService/Logout";
const REVOKE: &str = "/gochat.account.v1.AccountService/RevokeSessions";
/// Servers believe a session for 5 s after they looked it up; what is heard of its end takes far less.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Has every server look the session up, so that each holds it for good.
async fn is_held_everywhere(world: &World, person: &Person) -> Instant {
    let looked_up = Instant::now();
    for (path, answer) in world.knock(&bearer(person.token()), &person.room).await {
        assert!(matches!(&*word(&answer), "ok" | "ALREADY_ON_STAGE"), "{path}: {answer:?}");
    }
    looked_up
}

/// Waits until no server takes the token any more, nor the gateway.
async fn is_refused_everywhere(world: &World, person: &Person, since: Instant) {
    let headers = bearer(person.token());
    loop {
        let answers = world.knock(&headers, &person.room).await;
        if answers.iter().all(|(_, answer)| word(answer) == "NOT_LOGGED_IN") {
            break;
        }
        assert!(since.elapsed() < AT_ONCE, "still believed: {answers:?}");
    }
    let asked = json!({ "uid": person.uid(), "room_id": person.room, "page": 1, "page_size": 10 });
    let answer = world.post("get_attendee_list", &headers, &asked).await;
    assert_eq!(answer, json!({ "ret": { "code": 80012, "message": "not logged in" } }));
}

/// The headers and the question of a call that ends somebody's session.
type Ending = (&'static str, Headers, Vec<u8>);

/// Every way in which a session of somebody in a room ends by a call.
fn endings(person: &Person) -> [Ending; 3] {
    let (uid, logout) = (person.uid(), LogoutRequest {}.encode_to_vec());
    let revoke = RevokeSessionsRequest { uid }.encode_to_vec();
    [
        (LOGOUT, bearer(person.token()), logout.clone()),
        (LOGOUT, acting(ACTING, uid), logout),
        (REVOKE, bearer(REVOKING), revoke),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_ends_it_a_session_ends_on_every_server_at_once_and_so_does_the_stream() {
    let world = World::start().await;
    let client = world.client();
    let host = Person::host(&client, "host").await;
    for ending in 0..3 {
        let mut lea = Person::listener(&client, "lea", &host.room).await;
        let looked_up = is_held_everywhere(&world, &lea).await;
        let (path, headers, question) = endings(&lea).into_iter().nth(ending).unwrap();
        assert_eq!(word(&world.call(path, &headers, question).await), "ok");
        assert_eq!(lea.end().await, GoodbyeReason::LoggedOut, "{path}");
        is_refused_everywhere(&world, &lea, looked_up).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_replayed_in_vain_through_any_door() {
    let world = World::start().await;
    let client = world.client();
    let host = Person::host(&client, "host").await;
    let lea = Person::listener(&client, "lea", &host.room).await;
    let uid = lea.uid();
    let ticket = world.post("misc/get_event_ticket", &bearer(lea.token()), &json!({ "uid": uid })).await;
    let ticket = ticket["data"]["ticket"].as_str().unwrap().to_owned();
    lea.session.logout().await.unwrap();
    is_refused_everywhere(&world, &lea, Instant::now()).await;
    for (path, answer) in world.knock(&bearer(lea.token()), &lea.room).await {
        unknown(path, &answer);
    }
    // Not the name nor the id bring it back.
    let again = client.login("lea", "").await.unwrap();
    assert_ne!(again.token(), lea.session.token());
    unknown("heartbeat", &world.knock(&bearer(lea.token()), &lea.room).await[0].1);
    let url = format!("{}?room_id={}&ticket={ticket}", world.url("events"), lea.room);
    let answer = soon("the answer", reqwest::get(url)).await.unwrap().text().await.unwrap();
    assert!(answer.contains("80012") && !answer.contains("snapshot"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_acts_for_users_acts_for_nobody_who_is_gone() {
    let world = World::start().await;
    let client = world.client();
    let host = Person::host(&client, "host").await;
    let lea = Person::listener(&client, "lea", &host.room).await;
    lea.session.logout().await.unwrap();
    let acting = client.as_service(ACTING).unwrap().acting_for(lea.uid());
    for answer in [acting.join_room(&host.room).await.map(drop), acting.create_room("tea").await.map(drop)] {
        assert_eq!(answer.unwrap_err().refusal(), Some(Refusal::NotLoggedIn));
    }
}

/// The message that says so gets lost: Redis's connections are cut just when it comes.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_have_missed_the_end_of_a_session_believes_none_without_looking() {
    let world = World::start().await;
    let client = world.client();
    let host = Person::host(&client, "host").await;
    let mut redis = world.redis().await;
    let looked_up = is_held_everywhere(&world, &host).await;
    let session = keys::session(&Digest::of(host.token()).to_string());
    let ended: bool = redis.del(session).await.unwrap();
    assert!(ended);
    let mut kill = redis::cmd("CLIENT");
    let cut: u32 = kill.arg("KILL").arg("TYPE").arg("pubsub").query_async(&mut redis).await.unwrap();
    assert_eq!(cut, 5, "each service listens");
    is_refused_everywhere(&world, &host, looked_up).await;
}
