//! Guessing: who knows of a user, a room, an invitation or a place in a list may no more by that.

use gochat_client::{Banned, Refusal};
use gochat_proto::room::{ListMembersRequest, ListMembersResponse};
use prost::Message;
use serde_json::json;

use crate::{
    wire::{bearer, word},
    world::{Person, World, invited},
};

const LIST: &str = "/gochat.room.v1.RoomService/ListMembers";

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_a_uid_is_not_that_user() {
    let world = World::start().await;
    let client = world.client();
    let host = Person::host(&client, "host").await;
    let lea = Person::listener(&client, "lea", &host.room).await;
    let asked = json!({ "uid": host.uid(), "room_id": host.room, "type": 1 });
    let unknown = json!({ "ret": { "code": 80012, "message": "not logged in" } });
    for method in ["heartbeat", "close_room", "logout", "misc/get_event_ticket", "quit_room"] {
        for headers in [bearer(lea.token()), Vec::new()] {
            assert_eq!(world.post(method, &headers, &asked).await, unknown, "{method}");
        }
    }
    assert_eq!(host.session.heartbeat(Some(&host.room)).await.unwrap().room_id, Some(host.room.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_a_room_is_not_in_it() {
    let world = World::start().await;
    let client = world.client();
    let host = Person::host(&client, "host").await;
    let stranger = client.login("stranger", "").await.unwrap();
    for (room, refused) in [(host.room.as_str(), "NOT_IN_ROOM"), ("999999999", "ROOM_NOT_FOUND")] {
        for (path, answer) in world.knock(&bearer(stranger.token().unwrap()), room).await {
            assert_eq!(word(&answer), refused, "{path}");
        }
    }
    for nonsense in ["", "0", "../1", "*", "{1}", "1 2", "١٢٣٤٥٦٧٨٩"] {
        let [_, others @ ..] = world.knock(&bearer(stranger.token().unwrap()), nonsense).await;
        for (path, answer) in others {
            assert_eq!(word(&answer), "INVALID_ARGUMENT", "{path} {nonsense}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_its_persons_alone_and_good_for_one_answer() {
    let world = World::start().await;
    let client = world.client();
    let host = Person::host(&client, "host").await;
    let room = host.room.clone();
    let mut lea = Person::listener(&client, "lea", &room).await;
    let leo = Person::listener(&client, "leo", &room).await;
    let invalid = async |person: &Person, token: &str, why: &str| {
        let refused = person.session.respond(&room, token, true).await.unwrap_err();
        assert_eq!(refused.refusal(), Some(Refusal::InvitationInvalid), "{why}");
    };
    host.session.invite(&room, lea.uid()).await.unwrap();
    let first = lea.sees("the invitation", invited).await;
    assert_eq!(first.len(), 32, "128 bits");
    invalid(&leo, &first, "another's").await;
    for guess in ["", "0", &"0".repeat(32), &first[..31], &format!("{first}0"), &first.to_uppercase()] {
        if guess != first {
            invalid(&lea, guess, "guessed").await;
        }
    }
    host.session.invite(&room, lea.uid()).await.unwrap();
    let second = lea.sees("the invitation", invited).await;
    invalid(&lea, &first, "replaced").await;
    lea.session.respond(&room, &second, true).await.unwrap();
    lea.session.leave_stage(&room).await.unwrap();
    invalid(&lea, &second, "used").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_a_list_is_no_right_to_read_it() {
    let world = World::start().await;
    let client = world.client();
    let host = Person::host(&client, "host").await;
    let lea = Person::listener(&client, "lea", &host.room).await;
    let leo = Person::listener(&client, "leo", &host.room).await;
    let first = ListMembersRequest { room_id: host.room.clone(), page_size: 1, ..Default::default() };
    let page = world.call(LIST, &bearer(leo.token()), first.encode_to_vec()).await.unwrap();
    let page_token = ListMembersResponse::decode(&*page).unwrap().next_page_token;
    assert!(!page_token.is_empty());
    host.session.remove_member(&host.room, leo.uid(), Some(Banned::default())).await.unwrap();
    let asked = ListMembersRequest { room_id: host.room.clone(), page_token, ..Default::default() };
    for (person, answer) in [(&lea, "ok"), (&leo, "NOT_IN_ROOM")] {
        let read = world.call(LIST, &bearer(person.token()), asked.encode_to_vec()).await;
        assert_eq!(word(&read), answer);
    }
}
