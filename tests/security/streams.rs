//! Streams: nobody is sent what is another's, by whatever place, ticket or former stay.

use gochat_client::{Banned, GoodbyeReason};
use gochat_proto::{
    model::{Refusal, event::Kind},
    notifier::{SubscribeRequest, SubscribeResponse, subscribe_response::Frame},
    status,
};
use prost::Message;
use serde_json::json;

use crate::{
    wire::{bearer, open, word},
    world::{Person, World, invited, soon},
};

const SUBSCRIBE: &str = "/gochat.notifier.v1.NotifierService/Subscribe";

/// What somebody asks who goes on from a place.
fn going_on(room: &str, resume_token: &str) -> Vec<u8> {
    let (room_id, resume_token) = (room.to_owned(), resume_token.to_owned());
    SubscribeRequest { room_id, resume_token, ..Default::default() }.encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_resume_token_brings_nothing_of_the_other() {
    let world = World::start().await;
    let client = world.client();
    let mut host = Person::host(&client, "host").await;
    let room = host.room.clone();
    let mut leo = Person::listener(&client, "leo", &room).await;
    let lea = Person::listener(&client, "lea", &room).await;
    host.sees("both", |_| Some(())).await;
    let place = host.resume_token();
    host.session.invite(&room, leo.uid()).await.unwrap();
    let secret = leo.sees("the invitation", invited).await;
    lea.session.raise_hand(&room).await.unwrap();

    let headers = bearer(lea.token());
    let mut stream = open(world.at(SUBSCRIBE), SUBSCRIBE, &headers, going_on(&room, &place)).await.unwrap();
    loop {
        let bytes = soon("the hand", stream.message()).await.unwrap().unwrap();
        let shown = bytes.windows(secret.len()).any(|shown| shown == secret.as_bytes());
        assert!(!shown, "lea is sent leo's invitation");
        let Some(Frame::Commit(commit)) = SubscribeResponse::decode(&*bytes).unwrap().frame else { continue };
        let mut kinds = commit.events.iter().filter_map(|event| event.kind.as_ref());
        assert!(!commit.events.iter().any(|event| matches!(event.kind, Some(Kind::InvitationSent(_)))));
        if kinds.any(|kind| matches!(kind, Kind::MemberChanged(_))) {
            break;
        }
    }
    let stranger = client.login("stranger", "").await.unwrap();
    let headers = bearer(stranger.token().unwrap());
    let answer = world.call(SUBSCRIBE, &headers, going_on(&room, &place)).await;
    assert_eq!(word(&answer), "NOT_IN_ROOM");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_taken_out_does_not_go_on() {
    let world = World::start().await;
    let client = world.client();
    let host = Person::host(&client, "host").await;
    for (name, ban) in [("lea", None), ("leo", Some(Banned::default()))] {
        let mut person = Person::listener(&client, name, &host.room).await;
        let place = person.resume_token();
        host.session.remove_member(&host.room, person.uid(), ban).await.unwrap();
        assert_eq!(person.end().await, GoodbyeReason::Removed);
        for token in [place, person.resume_token(), String::new()] {
            let asked = going_on(&host.room, &token);
            let answer = world.call(SUBSCRIBE, &bearer(person.token()), asked).await;
            assert_eq!(word(&answer), "NOT_IN_ROOM", "{name}");
            let url = format!("{}?room_id={}&last_event_id={token}", world.url("events"), host.room);
            let asked = reqwest::Client::new().get(url).bearer_auth(person.token()).send();
            let told = soon("the end", soon("the answer", asked).await.unwrap().text()).await.unwrap();
            assert!(told.contains("80011") && !told.contains("attendee_list"), "{name}: {told}");
        }
    }
}

/// Asks for the events of a room by a ticket, and gives the beginning of what is sent.
async fn by_ticket(world: &World, room: &str, ticket: &str, more: &str) -> String {
    let url = format!("{}?room_id={room}&ticket={ticket}{more}", world.url("events"));
    let mut answer = soon("the answer", reqwest::get(url)).await.unwrap();
    let chunk = soon("the beginning", answer.chunk()).await.unwrap().unwrap_or_default();
    String::from_utf8_lossy(&chunk).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_stream_of_its_person_and_no_other() {
    let world = World::start().await;
    let client = world.client();
    let host = Person::host(&client, "host").await;
    let other = Person::host(&client, "other").await;
    let lea = Person::listener(&client, "lea", &host.room).await;
    let ticket = async || {
        let asked = json!({ "uid": lea.uid() });
        let answer = world.post("misc/get_event_ticket", &bearer(lea.token()), &asked).await;
        answer["data"]["ticket"].as_str().unwrap().to_owned()
    };
    let taken = ticket().await;
    assert!(by_ticket(&world, &host.room, &taken, "").await.contains("attendee_list"));
    assert!(by_ticket(&world, &host.room, &taken, "").await.contains("80012"), "used twice");

    let taken = ticket().await;
    let as_host = format!("&uid={}", host.uid());
    assert!(by_ticket(&world, &host.room, &taken, &as_host).await.contains("80012"), "another's");
    assert!(by_ticket(&world, &host.room, &taken, "").await.contains("80012"), "it is used up by that");

    assert!(by_ticket(&world, &other.room, &ticket().await, "").await.contains("80011"), "another room");
    let mut forged = ticket().await;
    let last = if forged.ends_with('0') { "1" } else { "0" };
    forged.replace_range(forged.len() - 1.., last);
    assert!(by_ticket(&world, &host.room, &forged, "").await.contains("80012"), "forged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_token_that_is_none_is_refused_by_name() {
    let world = World::start().await;
    let host = Person::host(&world.client(), "host").await;
    for token in ["x", "1", "1-", "-1-0000000000000000", "1-000000000000000g", &"9".repeat(100)] {
        let answer = world.call(SUBSCRIBE, &bearer(host.token()), going_on(&host.room, token)).await;
        let told = answer.unwrap_err();
        assert_eq!(status::refusal(&told), Some(Refusal::InvalidArgument), "{token}");
        assert!(told.message().starts_with("resume_token"), "{told:?}");
    }
}
