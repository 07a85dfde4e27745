//! What the notifier sends, and the literal frames that clients get for it.

use gochat_proto::{
    model::{
        ChangeCause, CloseReason, Commit, Event, HandsLowered, HostChanged, Invitation, InvitationDeclined,
        InvitationExpired, InvitationSent, InvitationWithdrawn, LeaveReason, Member, MemberChanged,
        MemberJoined, MemberLeft, Mic, Place, Role, Room, RoomClosed, event::Kind as Happened,
    },
    notifier::{
        Goodbye, GoodbyeReason, KeepAlive, Personal, SnapshotPart, subscribe_response::Frame as Upstream,
    },
};
use serde_json::{Value, json};

use super::{
    frame::{Content, Frame, Kind},
    notify,
    session::{Next, Session},
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
        Content::Notification(Kind::RoomExtraInfo, data) => ("room_extra_info", data),
        Content::Notification(Kind::CustomCommand, data) => ("custom_command", data),
        Content::Notification(Kind::Snapshot, data) => ("snapshot", data),
        Content::KeepAlive => ("keep-alive", Value::Null),
        Content::Retry(after) => ("retry", json!(after.as_millis() as u64)),
    }
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

#[test]
fn hands_lowered_at_once_need_a_snapshot() {
    let mut session = Session::default();
    let step = session.take(Upstream::Commit(commit(vec![Happened::HandsLowered(HandsLowered {})])));
    assert_eq!((step.frames, step.next), (vec![], Next::Anew(PLACE)));
}

fn part(members: Vec<Member>, last: bool) -> Upstream {
    let first = !last;
    Upstream::Snapshot(SnapshotPart {
        place: Some(PLACE),
        room: first.then(|| Room {
            room_id: "123456789".into(),
            subject: "tea".into(),
            created_at: 50,
            host_uid: 7,
            host_name: "ann".into(),
            member_count: 4,
            on_stage_count: 2,
            member_limit: 100,
            seat_limit: 8,
        }),
        members,
        hands: vec![],
        stage: if first { vec![7, 6] } else { vec![] },
        member_count: if first { 4 } else { 0 },
        last,
        ..SnapshotPart::default()
    })
}

fn snapshot(complete: bool, attendees: Value) -> (&'static str, Value) {
    let data = json!({
        "room": { "room_id": "123456789", "subject": "tea", "create_time": 50, "creator_name": "ann",
            "creator_id": 7, "online_count": 4, "on_stage_count": 2 },
        "attendee_list": attendees, "seq": 12, "complete": complete,
    });
    ("snapshot", json!({ "cmd": 6000, "data": data }))
}

fn personal(invitation: Option<Invitation>) -> Upstream {
    Upstream::Personal(Personal { place: Some(PLACE), invitation, outstanding: vec![] })
}

#[test]
fn parts_become_one_snapshot_host_and_stage_first() {
    let mut session = Session::default();
    let first = part(vec![member(5, Role::Listener), member(6, Role::GuestSpeaker)], false);
    let rest = part(vec![member(7, Role::Host), member(8, Role::Listener)], true);
    for part in [first, rest] {
        let step = session.take(part);
        assert_eq!((step.frames, step.next), (vec![], Next::GoOn));
    }
    let frames = session.take(personal(None)).frames;
    assert_eq!(frames[0].place, Some(PLACE));
    let attendees = json!([
        speaker(7, json!({ "role": 3 })),
        speaker(6, json!({})),
        listener(5, json!({})),
        listener(8, json!({}))
    ]);
    assert_eq!(frames.into_iter().map(shown).collect::<Vec<_>>(), [snapshot(true, attendees)]);
}

#[test]
fn a_snapshot_without_all_members_says_so() {
    let mut session = Session::default();
    session.take(part(vec![], false));
    session.take(part(vec![member(7, Role::Host)], true));
    // To one who only looks on there is nothing personal: whatever comes next lets it go.
    let frames = session.take(Upstream::KeepAlive(KeepAlive { resume_token: TOKEN.into() })).frames;
    assert_eq!((frames[0].place, frames[1].place), (Some(PLACE), Some(PLACE)));
    let told: Vec<_> = frames.into_iter().map(shown).collect();
    let attendees = json!([speaker(7, json!({ "role": 3 }))]);
    assert_eq!(told, [snapshot(false, attendees), ("keep-alive", Value::Null)]);
}

#[test]
fn an_invitation_is_not_lost_between_it_and_its_snapshot() {
    let mut session = Session::default();
    session.take(part(vec![], false));
    session.take(part(vec![], true));
    let frames = session.take(personal(Some(invitation("secret")))).frames;
    assert_eq!((frames[0].place, frames[1].place), (None, Some(PLACE)));
    let told: Vec<_> = frames.into_iter().map(shown).collect();
    assert_eq!(told, [snapshot(false, json!([])), ("custom_command", invited("secret"))]);
}

#[test]
fn the_stage_goes_on_over_the_parts() {
    let mut session = Session::default();
    let early = vec![member(9, Role::Listener), member(5, Role::GuestSpeaker)];
    let Upstream::Snapshot(mut first) = part(early, false) else { unreachable!() };
    let Upstream::Snapshot(mut rest) = part(vec![member(6, Role::GuestSpeaker)], true) else {
        unreachable!()
    };
    (first.stage, rest.stage, first.member_count) = (vec![6], vec![5], 3);
    session.take(Upstream::Snapshot(first));
    session.take(Upstream::Snapshot(rest));
    let frames = session.take(personal(None)).frames;
    let (_, told) = frames.into_iter().map(shown).next().unwrap();
    let attendees = json!([speaker(6, json!({})), speaker(5, json!({})), listener(9, json!({}))]);
    assert_eq!(told["data"]["attendee_list"], attendees);
}

#[test]
fn a_session_stands_where_its_client_was_told() {
    let told_at = |revision| Place { revision, tag: 0xabc }.to_token();
    let mut session = Session::at(told_at(5));
    session.take(part(vec![], false));
    session.take(part(vec![], true));
    assert_eq!(session.resume_token(), told_at(5), "a snapshot waits for what is personal");
    session.take(personal(None));
    assert_eq!(session.resume_token(), TOKEN);
    session.take(Upstream::KeepAlive(KeepAlive { resume_token: told_at(13) }));
    assert_eq!(session.resume_token(), told_at(13));
    let untold = Happened::InvitationExpired(InvitationExpired { target_uid: 8 });
    session.take(Upstream::Commit(Commit { revision: 14, ..commit(vec![untold]) }));
    assert_eq!(session.resume_token(), told_at(14), "there is nothing to tell of it");
    let lowered = Happened::HandsLowered(HandsLowered {});
    session.take(Upstream::Commit(Commit { revision: 15, ..commit(vec![lowered]) }));
    assert_eq!(session.resume_token(), told_at(14), "a snapshot is to tell of it");
}

#[test]
fn what_was_begun_on_a_lost_connection_is_forgotten() {
    let mut session = Session::default();
    session.take(part(vec![member(9, Role::Listener)], false));
    session.interrupted();
    assert_eq!(session.take(part(vec![], true)).next, Next::Broken, "a rest without its beginning");
    session.take(part(vec![], false));
    session.take(part(vec![], true));
    session.interrupted();
    assert_eq!(session.take(personal(None)).frames, [], "the snapshot will come again");
}

#[test]
fn parts_of_another_place_begin_anew() {
    let mut session = Session::default();
    let Upstream::Snapshot(mut older) = part(vec![member(9, Role::Listener)], false) else { unreachable!() };
    older.place = Some(Place { revision: 11, tag: 0xabc });
    session.take(Upstream::Snapshot(older));
    session.take(part(vec![], false));
    session.take(part(vec![], true));
    let frames = session.take(personal(None)).frames;
    assert_eq!(frames.into_iter().map(shown).collect::<Vec<_>>(), [snapshot(false, json!([]))]);
}

#[test]
fn a_goodbye_says_whether_to_come_back() {
    let back = [GoodbyeReason::Draining, GoodbyeReason::MaxAge, GoodbyeReason::TooSlow];
    for number in 0..=9 {
        let reason = GoodbyeReason::try_from(number).unwrap();
        let goodbye = Goodbye { reason: number, resume_token: TOKEN.into(), retry_after_ms: 1500 };
        let step = Session::default().take(Upstream::Goodbye(goodbye));
        assert_eq!(step.next, Next::End);
        let expected = if back.contains(&reason) { vec![("retry", json!(1500))] } else { vec![] };
        assert_eq!(step.frames.into_iter().map(shown).collect::<Vec<_>>(), expected, "{reason:?}");
    }
    assert!(GoodbyeReason::try_from(10).is_err(), "a new reason belongs into this test");
}
