//! A hand is raised and its owner comes on stage, with every process taking its part.

use gochat_client::{ChangeCause, Kind, Role, Subscription, Update};
use serde_json::{Value, json};
use tokio::time::timeout;

use gochat_rig::{AT_MOST, Deployment};

#[tokio::test(flavor = "multi_thread")]
async fn five_processes_bring_a_listener_on_stage() {
    let deployment = Deployment::start().await;
    let client = deployment.client();
    let host = client.login("host", "").await.unwrap();
    let opened = host.create_room("tea").await.unwrap();
    let room = opened.room.room_id.clone();
    let mut seen = host.subscribe(&room).min(opened.place);
    let lea = client.login("lea", "").await.unwrap();
    let entered = lea.join_room(&room).await.unwrap();
    let mut told = lea.subscribe(&room).min(entered.place);
    told_of(&mut told, "the room", |update| (*update == Update::Snapshot).then_some(())).await;
    told_of(&mut seen, "the room", |update| (*update == Update::Snapshot).then_some(())).await;

    let uid = lea.uid();
    lea.raise_hand(&room).await.unwrap();
    told_of(&mut seen, "the hand", |update| change(update, uid, ChangeCause::HandRaised)).await;
    host.invite(&room, uid).await.unwrap();
    let token = told_of(&mut told, "the invitation", invitation).await;
    lea.respond(&room, &token, true).await.unwrap();
    let accepted = |update: &Update| change(update, uid, ChangeCause::InvitationAccepted);
    assert_eq!(told_of(&mut seen, "the change", accepted).await, Role::GuestSpeaker);

    let question = json!({ "uid": host.uid(), "room_id": room, "page": 1, "page_size": 10 });
    let asked = reqwest::Client::new()
        .post(deployment.url("get_attendee_list"))
        .bearer_auth(host.token().unwrap())
        .json(&question)
        .send();
    let answer: Value = timeout(AT_MOST, asked).await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(answer["ret"]["code"], 0, "{answer}");
    let listed = answer["data"]["attendee_list"].as_array().unwrap();
    let guest = listed.iter().find(|person| person["uid"] == uid).unwrap();
    assert_eq!(guest["role"], 2, "{answer}");
}

/// Waits for an update of which `pick` takes something.
async fn told_of<T>(feed: &mut Subscription, what: &str, pick: impl Fn(&Update) -> Option<T>) -> T {
    let told = async {
        loop {
            let update = feed.next().await.expect("the stream goes on").unwrap();
            if let Some(found) = pick(&update) {
                break found;
            }
        }
    };
    timeout(AT_MOST, told).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

fn change(update: &Update, uid: u32, cause: ChangeCause) -> Option<Role> {
    match update {
        Update::Event { event: Kind::MemberChanged(changed), .. } if changed.cause() == cause => {
            changed.member.as_ref().filter(|member| member.uid == uid).map(|member| member.role())
        }
        _ => None,
    }
}

fn invitation(update: &Update) -> Option<String> {
    match update {
        Update::Event { event: Kind::InvitationSent(sent), .. } => {
            sent.invitation.as_ref().map(|invitation| invitation.token.clone())
        }
        _ => None,
    }
}
