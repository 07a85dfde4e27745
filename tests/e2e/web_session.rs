//! The six flows in one session, over each kind of stream, which is cut in the middle: who was told everything
//! knows what the list of attendees says.

use gochat_suite::SuiteConfig;
use serde_json::{Value, json};

use crate::{
    web::{self, Visitor, own_change},
    web_stream::{Over, Told},
    world::World,
};

/// What somebody knows of a room who keeps what is told.
#[derive(Default)]
struct Known {
    attendees: Vec<Value>,
    /// The last revision that was for all.
    seq: u64,
    snapshots: usize,
}

impl Known {
    fn of(told: &[Told]) -> Self {
        let mut known = Self::default();
        told.iter().for_each(|told| known.take(&told.event, &told.body));
        known.attendees.sort_by_key(|user| {
            let stage = user["onstage_timestamp"].as_u64().filter(|since| *since != 0);
            (user["role"] != 3, stage.is_none(), stage, user["login_timestamp"].as_u64())
        });
        known
    }

    fn take(&mut self, event: &str, body: &Value) {
        let data = &body["data"];
        match (event, body["cmd"].as_u64()) {
            ("snapshot", Some(6000)) => {
                assert_eq!(data["complete"], true);
                self.attendees = data["attendee_list"].as_array().unwrap().clone();
                self.seq = data["seq"].as_u64().unwrap();
                self.snapshots += 1;
            }
            ("room_extra_info", Some(6002 | 6003)) => {
                assert!(data["after"].as_u64().unwrap() <= self.seq, "lost something before {data}");
                self.seq = data["seq"].as_u64().unwrap();
                data["users"].as_array().unwrap().iter().for_each(|user| self.learn(user.clone()));
            }
            _ => {}
        }
    }

    fn learn(&mut self, mut user: Value) {
        self.attendees.retain(|other| other["uid"] != user["uid"]);
        let entered_or_left = user.as_object_mut().unwrap().remove("delta");
        user.as_object_mut().unwrap().remove("type");
        if entered_or_left.is_none_or(|delta| delta == 1) {
            self.attendees.push(user);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_server_sent_events() {
    session(Over::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_websocket() {
    session(Over::WebSocket).await;
}

async fn session(over: Over) {
    let world = World::start().await;
    let mut host = Visitor::login(&world, "host").await.over(over);
    host.data("heartbeat", json!({ "room_id": "" })).await;
    let opened = host.data("create_room", json!({ "subject": "tea" })).await;
    let room = opened["room_id"].as_str().unwrap().to_owned();
    host.listen(&room).await;
    let [mut lea, mut leo] = [Visitor::login(&world, "lea").await, Visitor::login(&world, "leo").await]
        .map(|visitor| visitor.over(over));
    for listener in [&mut lea, &mut leo] {
        listener.data("login_room", json!({ "room_id": room })).await;
        listener.listen(&room).await;
        host.sees("room_extra_info", 6003, |_| true).await;
    }

    lea.done("operate_raise_hand", json!({ "room_id": room, "type": 2 })).await;
    host.change(1, &lea, lea.uid).await;
    own_change(&mut lea, 1).await;
    cut_off_while_invited(&mut host, &mut lea, &room).await;
    leo.change(3, &lea, lea.uid).await;

    muted_while_cut_off(&mut host, &mut lea, &mut leo, &room).await;

    let down = json!({ "room_id": room, "target_uid": lea.uid, "type": 2, "on_stage": 1 });
    host.done("set_user_info", down).await;
    for user in [lea.change(3, &host, lea.uid).await, leo.change(3, &host, lea.uid).await] {
        web::is_listener(&user);
    }
    let list = leo.attendees(&room).await["attendee_list"].clone();
    assert_eq!(list.as_array().unwrap().len(), 3);
    assert!(host.sees("room_extra_info", 6002, |data| data["type"] == 3 && data["users"][0]["role"] == 1).await["seq"].is_u64());
    for (person, snapshots) in [(&host, 1), (&lea, 1), (&leo, 1)] {
        let known = Known::of(person.told());
        assert_eq!(json!(known.attendees), list, "{}", person.name);
        assert_eq!(known.snapshots, snapshots, "{} goes on where it was cut off", person.name);
    }
    ends(host, lea, leo, &room).await;
}

/// The invitation comes while nobody is there to be told it, and is told to who comes back.
async fn cut_off_while_invited(host: &mut Visitor, lea: &mut Visitor, room: &str) {
    lea.cut();
    host.done("invite_onstage", json!({ "room_id": room, "target_uid": lea.uid })).await;
    lea.listen_on(room).await;
    let token = lea.invitation(host.uid).await;
    lea.done("response_onstage_invite", json!({ "room_id": room, "invite_token": token, "respond": 2 }))
        .await;
    web::is_guest(&host.change(3, lea, lea.uid).await);
    own_change(lea, 3).await;
}

/// Two changes come while nobody is there to be told them.
async fn muted_while_cut_off(host: &mut Visitor, lea: &mut Visitor, leo: &mut Visitor, room: &str) {
    leo.cut();
    let uid = lea.uid;
    let mic = |mic: u32| json!({ "room_id": room, "target_uid": uid, "type": 1, "mic": mic });
    host.done("set_user_info", mic(1)).await;
    web::is(&lea.change(2, host, lea.uid).await, 2, 2, 1, 1);
    host.done("set_user_info", mic(2)).await;
    web::is(&lea.change(2, host, lea.uid).await, 2, 2, 1, 1);
    lea.done("set_user_info", mic(2)).await;
    own_change(lea, 2).await;
    leo.listen_on(room).await;
    for now in [1, 1, 2] {
        let told = leo.sees("room_extra_info", 6002, |data| data["type"] == 2).await;
        web::is(&told["users"][0], 2, 2, now, 1);
    }
}

/// One logs out, one leaves, and the room closes with its host.
async fn ends(mut host: Visitor, mut lea: Visitor, mut leo: Visitor, room: &str) {
    lea.done("logout", json!({})).await;
    lea.ends().await;
    leo.sees("room_extra_info", 6003, |data| data["users"][0]["delta"] == -1).await;
    let list = leo.attendees(room).await["attendee_list"].clone();
    assert_eq!(json!(Known::of(leo.told()).attendees), list);
    host.done("quit_room", json!({ "room_id": room })).await;
    leo.sees("room_extra_info", 6006, |data| data["room_id"] == room).await;
    leo.ends().await;
    host.ends().await;
}

/// Above a limit of members a stream leaves listeners out, and its ids say so: who comes back with one is told
/// what happened since, and who forgets that of the id is told of the room anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_room_is_told_without_its_listeners() {
    let mut config = SuiteConfig::for_tests().unwrap();
    config.notifier.roster_limit = 2;
    let world = World::of(config).await;
    for over in [Over::Sse, Over::WebSocket] {
        let name = |name: &str| format!("{name}-{over:?}");
        let mut host = Visitor::login(&world, &name("h")).await.over(over);
        let opened = host.data("create_room", json!({ "subject": "tea" })).await;
        let room = opened["room_id"].as_str().unwrap().to_owned();
        let [lea, leo] =
            [Visitor::login(&world, &name("lea")).await, Visitor::login(&world, &name("leo")).await];
        for listener in [&lea, &leo] {
            listener.data("login_room", json!({ "room_id": room })).await;
        }
        let snapshot = host.listen(&room).await;
        assert_eq!(
            (&snapshot["complete"], snapshot["attendee_list"].as_array().unwrap().len()),
            (&json!(false), 1)
        );
        assert!(host.last_id().ends_with('s'), "{}", host.last_id());

        host.cut();
        lea.done("operate_raise_hand", json!({ "room_id": room, "type": 2 })).await;
        host.listen_on(&room).await;
        web::is(&host.change(1, &lea, lea.uid).await, 1, 1, 1, 2);
        assert_eq!(host.told().iter().filter(|told| told.event == "snapshot").count(), 1);

        host.cut();
        let id = host.last_id().strip_suffix('s').unwrap().to_owned();
        host.forget_to(id);
        let snapshot = host.listen(&room).await;
        assert_eq!(
            (&snapshot["complete"], snapshot["attendee_list"].as_array().unwrap().len()),
            (&json!(false), 2)
        );
    }
}
