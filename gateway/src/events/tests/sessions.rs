//! What the notifier sends, frame by frame, and what a session makes of it.

use std::sync::Arc;

use gochat_proto::{
    model::{
        Commit, HandsLowered, Invitation, InvitationExpired, Member, Place, Role, Room, RoomClosed,
        event::Kind as Happened,
    },
    notifier::{
        Counts, Goodbye, GoodbyeReason, KeepAlive, Personal, Roster, SnapshotPart,
        subscribe_response::Frame as Upstream,
    },
};
use serde_json::{Value, json};

use super::{
    super::{
        frame::{Content, Frame},
        held::Held,
        session::{Next, Session},
        translations::Translations,
    },
    PLACE, TOKEN, commit, invitation, invited, listener, member, shown, speaker,
};

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
        roster: Roster::All.into(),
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

/// The parts, told to leave listeners out.
fn of_the_stage(part: Upstream) -> Upstream {
    let Upstream::Snapshot(part) = part else { unreachable!() };
    Upstream::Snapshot(SnapshotPart { roster: Roster::Stage.into(), ..part })
}

#[test]
fn a_snapshot_that_leaves_listeners_out_says_so() {
    let mut session = Session::default();
    session.take(of_the_stage(part(vec![], false)));
    session.take(of_the_stage(part(vec![member(7, Role::Host)], true)));
    // To one who only looks on there is nothing personal: whatever comes next lets it go.
    let frames = session.take(Upstream::KeepAlive(KeepAlive { resume_token: TOKEN.into() })).frames;
    assert_eq!((frames[0].place, frames[1].place), (Some(PLACE), Some(PLACE)));
    assert!(frames[0].only_stage && frames[1].only_stage);
    let told: Vec<_> = frames.into_iter().map(shown).collect();
    let attendees = json!([speaker(7, json!({ "role": 3 }))]);
    assert_eq!(told, [snapshot(false, attendees), ("keep-alive", Value::Null)]);
}

#[test]
fn a_snapshot_is_complete_by_its_roster_whatever_it_counts() {
    for (parts, complete) in [
        ([part(vec![], false), part(vec![], true)], true),
        ([of_the_stage(part(vec![], false)), of_the_stage(part((5..9).map(guest).collect(), true))], false),
    ] {
        let mut session = Session::default();
        parts.into_iter().for_each(|part| assert_eq!(session.take(part).frames, []));
        let (_, told) = shown(session.take(personal(None)).frames.remove(0));
        assert_eq!(told["data"]["complete"], complete);
    }
}

fn guest(uid: u32) -> Member {
    member(uid, Role::GuestSpeaker)
}

#[test]
fn whom_the_stream_is_about_is_held_with_its_place() {
    let stage = Held::at(Place { revision: 5, tag: 0xabc }, true);
    let mut session = Session::new(stage.clone(), Translations::default());
    let lowered = Happened::InvitationExpired(InvitationExpired { target_uid: 8 });
    session.take(Upstream::Commit(Commit { revision: 6, ..commit(vec![lowered]) }));
    assert_eq!(session.held().to_string(), "6-0000000000000abcs");
    let counts = Upstream::Counts(Counts { place: Some(PLACE), member_count: 9 });
    assert_eq!((session.take(counts).frames, session.held().only_stage()), (vec![], true));

    // From here on it is about all; but that is held with the snapshot alone.
    session.take(part(vec![], false));
    session.take(part(vec![], true));
    session.interrupted();
    assert_eq!(session.held().to_string(), "6-0000000000000abcs");
    session.take(part(vec![], false));
    session.take(part(vec![], true));
    assert_eq!(session.held().to_string(), "6-0000000000000abcs");
    let frames = session.take(personal(Some(invitation("secret")))).frames;
    assert!(frames.iter().all(|frame| !frame.only_stage));
    assert_eq!(session.held().to_string(), TOKEN);
}

#[test]
fn an_invitation_is_not_lost_between_it_and_its_snapshot() {
    let mut session = Session::default();
    session.take(part(vec![], false));
    session.take(part(vec![], true));
    let frames = session.take(personal(Some(invitation("secret")))).frames;
    assert_eq!((frames[0].place, frames[1].place), (None, Some(PLACE)));
    let told: Vec<_> = frames.into_iter().map(shown).collect();
    assert_eq!(told, [snapshot(true, json!([])), ("custom_command", invited("secret"))]);
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
    let mut session = Session::new(Held::read(&told_at(5)), Translations::default());
    session.take(part(vec![], false));
    session.take(part(vec![], true));
    assert_eq!(session.held().token(), told_at(5), "a snapshot waits for what is personal");
    session.take(personal(None));
    assert_eq!(session.held().token(), TOKEN);
    session.take(Upstream::KeepAlive(KeepAlive { resume_token: told_at(13) }));
    assert_eq!(session.held().token(), told_at(13));
    let untold = Happened::InvitationExpired(InvitationExpired { target_uid: 8 });
    session.take(Upstream::Commit(Commit { revision: 14, ..commit(vec![untold]) }));
    assert_eq!(session.held().token(), told_at(14), "there is nothing to tell of it");
    let lowered = Happened::HandsLowered(HandsLowered {});
    session.take(Upstream::Commit(Commit { revision: 15, ..commit(vec![lowered]) }));
    assert_eq!(session.held().token(), told_at(14), "a snapshot is to tell of it");
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
    assert_eq!(frames.into_iter().map(shown).collect::<Vec<_>>(), [snapshot(true, json!([]))]);
}

#[test]
fn streams_share_their_translations() {
    let translations = Translations::default();
    let told = || {
        let mut session = Session::new(Held::default(), translations.clone());
        session.take(Upstream::Commit(commit(vec![Happened::RoomClosed(RoomClosed::default())]))).frames
    };
    let texts: Vec<_> = [told(), told()]
        .into_iter()
        .map(|frames| match &frames[..] {
            [Frame { content: Content::Notification(_, text), .. }] => text.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(Arc::ptr_eq(&texts[0], &texts[1]));
}

#[test]
fn a_goodbye_says_whether_to_come_back() {
    let over = ["ended", "", "", "left", "removed", "lost", "replaced", "logged_out", "room_closed", ""];
    for (number, over) in (0..).zip(over) {
        let goodbye = Goodbye { reason: number, resume_token: TOKEN.into(), retry_after_ms: 1500 };
        let step = Session::default().take(Upstream::Goodbye(goodbye));
        assert_eq!(step.next, Next::End);
        let expected = if over.is_empty() { ("retry", json!(1500)) } else { ("over", json!(over)) };
        assert_eq!(step.frames.into_iter().map(shown).collect::<Vec<_>>(), [expected], "{number}");
    }
    assert!(GoodbyeReason::try_from(10).is_err(), "a new reason belongs into this test");
    for (resume_token, told) in [(TOKEN, "retry"), ("", "over")] {
        let newer = Goodbye { reason: 10, resume_token: resume_token.into(), retry_after_ms: 1500 };
        let frames = Session::default().take(Upstream::Goodbye(newer)).frames;
        assert_eq!(frames.into_iter().map(shown).next().unwrap().0, told);
    }
}
