//! Commits, and the literal frames that clients get for them; what is made of the rest stands in `sessions`.

mod sessions;

use gochat_proto::model::{
    ChangeCause, CloseReason, Commit, Event, HostChanged, Invitation, InvitationDeclined, InvitationExpired,
    InvitationSent, InvitationWithdrawn, LeaveReason, Member, MemberChanged, MemberJoined, MemberLeft, Mic,
    Place, Role, RoomClosed, event::Kind as Happened,
};
use serde_json::{Value, json};

use super::{
    frame::{Content, Frame, Kind},
    notify,
};

const PLACE: Place = Place { revision: 12, tag: 0xabc };
const TOKEN: &str = "12-0000000000000abc";

fn member(uid: u32, role: Role) -> Member {
    let on_stage = role != Role::Listener;
    Member {
        uid,
        nick_name: format!("n{uid}"),
        avatar: "a.png".into(),
        role: role.into(),
        joined_at: 100,
        mic: Some(Mic { on: on_stage, ..Default::default() }),
        hand_raised_at: 0,
        on_stage_at: if on_stage { 200 } else { 0 },
        entry: 1,
    }
}

/// A listener as an attendee, with what else stands in its object.
fn listener(uid: u32, more: Value) -> Value {
    let mut attendee = json!({
        "room_id": "123456789", "uid": uid, "nick_name": format!("n{uid}"), "avatar": "a.png", "role": 1,
        "login_timestamp": 100, "mic": 1, "raise_hand": 1, "raise_hand_timestamp": 0, "onstage_state": 1,
        "onstage_timestamp": 0,
    });
    for (name, value) in more.as_object().unwrap() {
        attendee[name] = value.clone();
    }
    attendee
}

fn speaker(uid: u32, more: Value) -> Value {
    let mut attendee =
        listener(uid, json!({ "role": 2, "mic": 2, "onstage_state": 2, "onstage_timestamp": 200 }));
    for (name, value) in more.as_object().unwrap() {
        attendee[name] = value.clone();
    }
    attendee
}

fn commit(events: Vec<Happened>) -> Commit {
    Commit {
        revision: PLACE.revision,
        after: 10,
        tag: PLACE.tag,
        tag_before: 1,
        room_id: "123456789".into(),
        committed_at: 300,
        operator_uid: 7,
        operator_name: "ann".into(),
        events: events.into_iter().map(|kind| Event { to: vec![], kind: Some(kind) }).collect(),
    }
}

fn changed(member: Member, cause: ChangeCause) -> Happened {
    Happened::MemberChanged(MemberChanged { member: Some(member), cause: cause.into() })
}

/// A commit's frames as (event, data), having checked that the last one alone has the place.
fn told(commit: Commit) -> Vec<(&'static str, Value)> {
    let frames = notify::frames(commit).unwrap();
    let last = frames.len().saturating_sub(1);
    for (index, frame) in frames.iter().enumerate() {
        assert_eq!(frame.place, (index == last).then_some(PLACE));
    }
    frames.into_iter().map(shown).collect()
}

fn shown(frame: Frame) -> (&'static str, Value) {
    match frame.content {
        Content::Notification(Kind::RoomExtraInfo, data) => ("room_extra_info", read(&data)),
        Content::Notification(Kind::CustomCommand, data) => ("custom_command", read(&data)),
        Content::Notification(Kind::Snapshot, data) => ("snapshot", read(&data)),
        Content::Notification(Kind::Media, data) => ("media", read(&data)),
        Content::KeepAlive => ("keep-alive", Value::Null),
        Content::Retry(after) => ("retry", json!(after.as_millis() as u64)),
        Content::Over(reason) => ("over", json!(reason)),
    }
}

fn read(data: &str) -> Value {
    assert!(!data.contains(['\n', '\r']), "one line");
    serde_json::from_str(data).unwrap()
}

#[test]
fn who_comes_and_who_goes_is_told_at_once() {
    let events = vec![
        Happened::MemberJoined(MemberJoined { member: Some(member(8, Role::Listener)) }),
        Happened::MemberLeft(MemberLeft {
            member: Some(member(9, Role::GuestSpeaker)),
            reason: LeaveReason::Lost.into(),
        }),
    ];
    let expected = json!({ "cmd": 6003, "data": {
        "users": [listener(8, json!({ "type": 5, "delta": 1 })), speaker(9, json!({ "type": 5, "delta": -1 }))],
        "seq": 12, "after": 10,
    }});
    assert_eq!(told(commit(events)), [("room_extra_info", expected)]);
}

#[test]
fn each_cause_has_its_type() {
    let types = [
        (ChangeCause::HandRaised, 1),
        (ChangeCause::HandLowered, 1),
        (ChangeCause::MicSwitched, 2),
        (ChangeCause::MutedByHost, 2),
        (ChangeCause::MuteLifted, 2),
        (ChangeCause::InvitationAccepted, 3),
        (ChangeCause::LeftStage, 3),
        (ChangeCause::TakenOffStage, 3),
        (ChangeCause::HostTransferred, 3),
        (ChangeCause::Unspecified, 3),
    ];
    for (cause, number) in types {
        let expected = json!({ "cmd": 6002, "data": {
            "operator_uid": 7, "operator_name": "ann", "type": number, "users": [listener(8, json!({}))],
            "seq": 12, "after": 10,
        }});
        assert_eq!(
            told(commit(vec![changed(member(8, Role::Listener), cause)])),
            [("room_extra_info", expected)]
        );
    }
}

#[test]
fn one_notification_for_each_type() {
    let mut hand = member(8, Role::Listener);
    hand.hand_raised_at = 250;
    let events = vec![
        changed(member(5, Role::GuestSpeaker), ChangeCause::MutedByHost),
        changed(hand, ChangeCause::HandRaised),
        changed(member(6, Role::GuestSpeaker), ChangeCause::MutedByHost),
    ];
    let of_type = |number: u8, users: Value| {
        let data = json!({ "operator_uid": 7, "operator_name": "ann", "type": number, "users": users,
            "seq": 12, "after": 10 });
        ("room_extra_info", json!({ "cmd": 6002, "data": data }))
    };
    let raised = listener(8, json!({ "raise_hand": 2, "raise_hand_timestamp": 250 }));
    let muted = json!([speaker(5, json!({})), speaker(6, json!({}))]);
    assert_eq!(told(commit(events)), [of_type(1, json!([raised])), of_type(2, muted)]);
}

fn invitation(token: &str) -> Invitation {
    Invitation {
        target_uid: 8,
        host_uid: 7,
        host_name: "ann".into(),
        sent_at: 300,
        expires_at: 60_300,
        token: token.into(),
    }
}

fn invited(token: &str) -> Value {
    json!({ "cmd": 6004, "data": {
        "target_uid": 8, "invite_token": token, "operator_uid": 7, "expires_at": 60_300,
    }})
}

#[test]
fn an_invitation_is_for_its_person_alone() {
    let sent = |token| Happened::InvitationSent(InvitationSent { invitation: Some(invitation(token)) });
    assert_eq!(told(commit(vec![sent("secret")])), [("custom_command", invited("secret"))]);
    assert_eq!(told(commit(vec![sent("")])), [], "the host's copy");
}

#[test]
fn a_refusal_names_the_host() {
    let refusal = InvitationDeclined { target_uid: 8, target_name: "bob".into() };
    let mut commit = commit(vec![Happened::InvitationDeclined(refusal)]);
    commit.events[0].to = vec![7];
    let expected = json!({ "cmd": 6005, "data": { "target_uid": 7, "uid": 8, "nick_name": "bob" } });
    assert_eq!(told(commit), [("custom_command", expected)]);
}

#[test]
fn the_end_of_a_room_comes_last() {
    let events = vec![
        Happened::RoomClosed(RoomClosed { reason: CloseReason::HostLeft.into() }),
        Happened::MemberLeft(MemberLeft { member: Some(member(7, Role::Listener)), reason: 1 }),
    ];
    let left = json!({ "cmd": 6003, "data": {
        "users": [listener(7, json!({ "type": 5, "delta": -1 }))], "seq": 12, "after": 10,
    }});
    let closed = json!({ "cmd": 6006, "data": {
        "operator_uid": 7, "operator_name": "ann", "room_id": "123456789", "seq": 12, "after": 10,
    }});
    assert_eq!(told(commit(events)), [("room_extra_info", left), ("room_extra_info", closed)]);
}

#[test]
fn what_is_not_documented_is_not_told() {
    let events = vec![
        Happened::InvitationWithdrawn(InvitationWithdrawn { target_uid: 8 }),
        Happened::InvitationExpired(InvitationExpired { target_uid: 8 }),
        Happened::HostChanged(HostChanged { host_uid: 8, host_name: "bob".into(), former_host_uid: 7 }),
    ];
    assert_eq!(told(commit(events)), []);
    let mut newer = commit(vec![]);
    newer.events.push(Event::default());
    assert_eq!(told(newer), []);
}
