//! The session's promises: parts of a bounded size, private events to their person, the
//! end with its reason.

use std::collections::BTreeMap;

use gochat_proto::{
    model::{Event, Invitation, MemberChanged, MemberLeft, Role, Room},
    view::RoomView,
};

use super::*;

fn member(uid: u32) -> Member {
    Member { uid, nick_name: format!("user {uid}"), entry: u64::from(uid) * 10, ..Member::default() }
}

fn base(uids: std::ops::RangeInclusive<u32>) -> Base {
    let host = *uids.start();
    let mut view = RoomView {
        place: Place { revision: 5, tag: 50 },
        room: Room { host_uid: host, member_count: uids.clone().count() as u32, ..Room::default() },
        stage: vec![host],
        ..RoomView::default()
    };
    for uid in uids {
        view.roster.push(uid);
        view.members.insert(uid, member(uid));
    }
    if let Some(host) = view.members.get_mut(&host) {
        host.role = Role::Host.into();
        host.on_stage_at = 1;
    }
    Base { view, invitations: BTreeMap::new(), last: None }
}

fn commit(revision: u64, kind: Kind) -> Frame {
    let (tag_before, tag) = ((revision - 1) * 10, revision * 10);
    let events = vec![Event { to: vec![], kind: Some(kind) }];
    let commit = Commit { revision, after: revision - 1, tag, tag_before, events, ..Commit::default() };
    Frame::Commit(Arc::new(Delivery::new(commit, 5)))
}

fn left(uid: u32, entry: u64) -> Kind {
    let member = Some(Member { entry, ..member(uid) });
    Kind::MemberLeft(MemberLeft { member, reason: LeaveReason::Removed.into() })
}

fn drain(session: &mut Session) -> Vec<Out> {
    std::iter::from_fn(|| session.pop()).filter_map(|response| response.frame).collect()
}

#[test]
fn a_snapshot_comes_in_bounded_parts_then_what_is_personal() {
    let base = base(1..=3_000);
    let mut session = Session::new(Some(2), &base, false).unwrap();
    session.begin(&base);
    let frames = drain(&mut session);
    let parts: Vec<&SnapshotPart> = frames
        .iter()
        .filter_map(|out| if let Out::Snapshot(part) = out { Some(part) } else { None })
        .collect();
    assert!(parts.len() > 1);
    assert!(parts.iter().all(|part| part.encoded_len() <= 64 * 1024 && part.place == Some(base.view.place)));
    assert_eq!(parts.iter().map(|part| part.members.len()).sum::<usize>(), 3_000);
    assert_eq!(parts.iter().filter(|part| part.last).count(), 1);
    assert!(parts.last().unwrap().last);
    assert!(matches!(frames.last(), Some(Out::Personal(_))));
}

#[test]
fn who_follows_the_stage_gets_counts_instead_of_listeners() {
    let base = base(1..=10);
    let mut session = Session::new(Some(2), &base, true).unwrap();
    session.begin(&base);
    let frames = drain(&mut session);
    assert!(matches!(&frames[0], Out::Snapshot(part) if part.members.len() == 1 && part.member_count == 10));
    session.take(&commit(6, left(7, 70)));
    assert!(drain(&mut session).is_empty());
    session.tell_counts();
    assert!(matches!(&drain(&mut session)[..], [Out::Counts(counts)] if counts.member_count == 9));
    session.tell_counts();
    assert!(drain(&mut session).is_empty(), "only when it changes");
}

#[test]
fn a_stream_ends_with_its_own_entry_and_no_other() {
    let base = base(1..=3);
    let mut session = Session::new(Some(2), &base, false).unwrap();
    session.take(&commit(6, left(2, 7)));
    assert!(!session.is_ended(), "an earlier entry of the same person");
    session.take(&commit(7, left(2, 20)));
    assert!(session.is_ended());
    let frames = drain(&mut session);
    assert!(matches!(frames.last(), Some(Out::Goodbye(bye)) if bye.reason() == GoodbyeReason::Removed));
}

#[test]
fn what_is_held_already_or_does_not_continue_is_passed_over() {
    let base = base(1..=3);
    let mut session = Session::new(Some(2), &base, false).unwrap();
    session.take(&commit(7, Kind::MemberChanged(MemberChanged::default())));
    session.take(&commit(5, Kind::MemberChanged(MemberChanged::default())));
    assert!(drain(&mut session).is_empty());
    session.take(&commit(6, Kind::MemberChanged(MemberChanged::default())));
    assert_eq!(drain(&mut session).len(), 1);
    assert_eq!(session.held(), Place { revision: 6, tag: 60 });
}

#[test]
fn an_invitation_is_shown_with_its_token_to_its_person_alone() {
    let mut base = base(1..=3);
    let sent = Invitation { target_uid: 2, token: "secret".to_owned(), ..Invitation::default() };
    base.invitations.insert(2, sent);
    assert_eq!(personal(&base, Some(2)).invitation.unwrap().token, "secret");
    assert_eq!(personal(&base, Some(3)).invitation, None);
    let host = personal(&base, Some(1));
    assert_eq!((host.invitation, host.outstanding[0].token.as_str()), (None, ""));
    assert_eq!(personal(&base, None), Personal { place: Some(base.view.place), ..Personal::default() });
}

#[test]
fn who_is_not_in_the_room_has_no_session() {
    assert!(Session::new(Some(9), &base(1..=3), false).is_none());
    assert!(Session::new(None, &base(1..=3), false).is_some());
}
