//! The session's promises: parts of a bounded size, private events to their person, the
//! end with its reason.

use gochat_domain::{Invitation as Sent, InvitationToken, Millis, NickName, Uid};
use gochat_proto::{
    model::{Commit, LeaveReason, Member, MemberChanged, MemberLeft, Role, Room},
    notifier::{Personal, Roster, SnapshotPart},
    view::RoomView,
};
use gochat_store::Snapshot;

use super::*;

fn member(uid: u32) -> Member {
    Member { uid, nick_name: format!("user {uid}"), entry: u64::from(uid) * 10, ..Member::default() }
}

fn snapshot(uids: std::ops::RangeInclusive<u32>) -> Snapshot {
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
    Snapshot { view, invitations: vec![], closing: None }
}

fn base(uids: std::ops::RangeInclusive<u32>) -> Base {
    Base::of(snapshot(uids), 1)
}

fn begun(uid: Option<u32>, base: &Base, only_stage: bool) -> Session {
    Session::new(Mechanisms::default(), uid, base, only_stage).unwrap()
}

fn commit(revision: u64, kind: Kind) -> Frame {
    let (tag_before, tag) = ((revision - 1) * 10, revision * 10);
    let events = vec![Event { to: vec![], kind: Some(kind) }];
    let commit = Commit { revision, after: revision - 1, tag, tag_before, events, ..Commit::default() };
    Frame::Commit(Arc::new(Delivery::new(commit, 1, 5)))
}

fn changed(revision: u64) -> Frame {
    commit(revision, Kind::MemberChanged(MemberChanged::default()))
}

fn left(uid: u32, entry: u64) -> Kind {
    let member = Some(Member { entry, ..member(uid) });
    Kind::MemberLeft(MemberLeft { member, reason: LeaveReason::Removed.into() })
}

fn drain(session: &mut Session) -> Vec<Out> {
    std::iter::from_fn(|| session.pop()).map(|ready| ready.frame()).collect()
}

#[test]
fn a_snapshot_comes_in_bounded_parts_then_what_is_personal() {
    let mut all = snapshot(1..=3_000);
    all.view.hands = (1..=50_000).collect();
    let base = Base::of(all, 1);
    let mut session = begun(Some(2), &base, false);
    session.begin(&base);
    let sizes: Vec<usize> = session.out.iter().map(Ready::len).collect();
    assert!(sizes.iter().all(|size| *size <= 64 * 1024), "{sizes:?}");
    let mut frames = drain(&mut session);
    assert!(matches!(frames.pop(), Some(Out::Personal(_))));
    let parts: Vec<SnapshotPart> = frames
        .into_iter()
        .map(|out| if let Out::Snapshot(part) = out { part } else { panic!("{out:?}") })
        .collect();
    assert!(parts.iter().all(|part| part.place == Some(base.view.place) && part.roster() == Roster::All));
    assert_eq!(parts.iter().map(|part| part.members.len()).sum::<usize>(), 3_000);
    assert_eq!(parts.iter().flat_map(|part| part.hands.clone()).collect::<Vec<_>>(), base.view.hands);
    assert_eq!(parts.iter().filter(|part| part.last).count(), 1);
    assert!(parts.last().unwrap().last && parts[0].room.is_some() && parts[0].member_count == 3_000);
}

#[test]
fn a_snapshot_is_made_once_for_all_at_a_place() {
    let mut base = base(1..=3);
    let parts = base.parts(false);
    assert!(Arc::ptr_eq(&parts, &base.parts(false)));
    let Frame::Commit(next) = commit(6, left(3, 30)) else { unreachable!() };
    base.apply(next.commit(), Mechanisms::default());
    let Out::Snapshot(part) = base.parts(false)[0].frame() else { panic!("a part") };
    assert_eq!((part.place.unwrap().revision, part.members.len()), (6, 2));
}

#[test]
fn who_follows_the_stage_gets_counts_instead_of_listeners() {
    let base = base(1..=10);
    let mut session = begun(Some(2), &base, true);
    session.begin(&base);
    let frames = drain(&mut session);
    assert!(matches!(&frames[0], Out::Snapshot(part) if part.members.len() == 1 && part.member_count == 10));
    assert_eq!(session.take(&commit(6, left(7, 70))), Taken::Well);
    assert!(drain(&mut session).is_empty());
    session.tell_counts();
    assert!(matches!(&drain(&mut session)[..], [Out::Counts(counts)] if counts.member_count == 9));
    session.tell_counts();
    assert!(drain(&mut session).is_empty(), "only when it changes");
}

#[test]
fn who_resumes_the_stage_is_told_how_many_there_are_now() {
    let base = base(1..=10);
    let mut session = begun(Some(2), &base, true);
    session.resume(base.view.place, &[], &base);
    assert!(drain(&mut session).is_empty());
    session.tell_counts();
    assert!(matches!(&drain(&mut session)[..], [Out::Counts(counts)] if counts.member_count == 10));
}

#[test]
fn a_stream_ends_with_its_own_entry_and_no_other() {
    let base = base(1..=3);
    let mut session = begun(Some(2), &base, false);
    let _ = session.take(&commit(6, left(2, 7)));
    assert!(!session.is_ended(), "an earlier entry of the same person");
    let _ = session.take(&commit(7, left(2, 20)));
    assert!(session.is_ended());
    let frames = drain(&mut session);
    assert!(matches!(frames.last(), Some(Out::Goodbye(bye)) if bye.reason() == GoodbyeReason::Removed));
}

#[test]
fn what_is_held_already_is_passed_over_and_what_does_not_continue_is_a_gap() {
    let base = base(1..=3);
    let mut session = begun(Some(2), &base, false);
    assert_eq!(session.take(&changed(7)), Taken::Gap);
    assert_eq!(session.take(&changed(5)), Taken::Well);
    assert_eq!(session.take(&changed(4)), Taken::Well);
    assert!(drain(&mut session).is_empty());
    assert_eq!(session.take(&changed(6)), Taken::Well);
    assert_eq!(drain(&mut session).len(), 1);
    assert_eq!(session.held(), Place { revision: 6, tag: 60 });
    let other = Commit { revision: 7, tag: 71, tag_before: 61, ..Commit::default() };
    let strange = |commit| Frame::Commit(Arc::new(Delivery::new(commit, 1, 0)));
    assert_eq!(session.take(&strange(other)), Taken::Gap, "another history");
    let same = Commit { revision: 6, tag: 61, tag_before: 50, ..Commit::default() };
    assert_eq!(session.take(&strange(same)), Taken::Gap, "the same number in another history");
}

#[test]
fn an_invitation_is_shown_with_its_token_to_its_person_alone() {
    let mut all = snapshot(1..=3);
    let uid = |uid: u32| Uid::try_from(uid).unwrap();
    all.invitations.push(Sent {
        target: uid(2),
        hand_overs: 0,
        host_name: NickName::parse("user 1").unwrap(),
        host: uid(1),
        token: InvitationToken("secret".to_owned()),
        sent_at: Millis(1),
        expires_at: Millis(2),
    });
    let base = Base::of(all, 1);
    let personal = |uid| match base.personal(uid).frame() {
        Out::Personal(personal) => personal,
        other => panic!("{other:?}"),
    };
    assert_eq!(personal(Some(2)).invitation.unwrap().token, "secret");
    assert_eq!(personal(Some(3)).invitation, None);
    let host = personal(Some(1));
    assert_eq!((host.invitation, host.outstanding[0].token.as_str()), (None, ""));
    assert_eq!(personal(None), Personal { place: Some(base.view.place), ..Personal::default() });
}

#[test]
fn who_is_not_in_the_room_has_no_session() {
    let session = |uid| Session::new(Mechanisms::default(), uid, &base(1..=3), false);
    assert!(session(Some(9)).is_none());
    assert!(session(None).is_some());
}

#[test]
fn who_resumes_a_closed_room_is_told_so_and_that_is_the_end() {
    let mut base = base(1..=3);
    let held = base.view.place;
    let closed = Commit { revision: 6, tag: 60, tag_before: 50, ..Commit::default() };
    base.view.closed = true;
    let mut session = begun(Some(2), &base, false);
    session.resume(held, &[Arc::new(Delivery::new(closed, 1, 0))], &base);
    assert!(session.is_ended());
    let frames = drain(&mut session);
    assert!(matches!(&frames[..], [Out::Goodbye(bye)] if bye.reason() == GoodbyeReason::RoomClosed));
}
