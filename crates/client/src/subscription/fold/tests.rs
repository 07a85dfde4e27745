//! What each frame leads to, and what it tells.

use gochat_proto::{
    model::{
        CloseReason, Invitation, InvitationDeclined, Member, MemberJoined, MemberLeft, Role, Room, RoomClosed,
    },
    notifier::{KeepAlive, Personal},
};

use super::*;

const GOES_ON: Next = Next::Hold { sound: true };
const SO_FAR: Next = Next::Hold { sound: false };

fn place(revision: u64) -> Place {
    Place { revision, tag: revision * 7 }
}

fn member(uid: u32, role: Role) -> Member {
    Member { uid, nick_name: format!("user {uid}"), role: role.into(), ..Member::default() }
}

fn first_part(revision: u64, last: bool) -> Frame {
    Frame::Snapshot(SnapshotPart {
        place: Some(place(revision)),
        room: Some(Room { room_id: "100000001".into(), host_uid: 1, ..Room::default() }),
        members: vec![member(1, Role::Host)],
        hands: vec![2],
        stage: vec![1],
        member_count: 2,
        last,
        ..SnapshotPart::default()
    })
}

fn last_part(revision: u64) -> Frame {
    Frame::Snapshot(SnapshotPart {
        place: Some(place(revision)),
        members: vec![member(2, Role::Listener)],
        last: true,
        ..SnapshotPart::default()
    })
}

fn personal(revision: u64) -> Frame {
    Frame::Personal(Personal { place: Some(place(revision)), ..Personal::default() })
}

fn commit(after: u64, revision: u64, kinds: Vec<Kind>) -> Frame {
    Frame::Commit(Commit {
        revision,
        after,
        tag: place(revision).tag,
        tag_before: place(revision - 1).tag,
        operator_uid: 1,
        events: kinds.into_iter().map(|kind| Event { to: vec![], kind: Some(kind) }).collect(),
        ..Commit::default()
    })
}

fn joined(uid: u32) -> Kind {
    Kind::MemberJoined(MemberJoined { member: Some(member(uid, Role::Listener)) })
}

fn left(uid: u32) -> Kind {
    Kind::MemberLeft(MemberLeft { member: Some(member(uid, Role::Listener)), reason: 1 })
}

fn room_closed() -> Kind {
    Kind::RoomClosed(RoomClosed { reason: CloseReason::Closed.into() })
}

fn keep_alive(token: String) -> Frame {
    Frame::KeepAlive(KeepAlive { resume_token: token })
}

fn goodbye(reason: GoodbyeReason, token: &str) -> Frame {
    Frame::Goodbye(Goodbye { reason: reason.into(), resume_token: token.into(), retry_after_ms: 40 })
}

/// A fold and what it told, frame by frame.
#[derive(Default)]
struct Reader {
    fold: Fold,
    told: VecDeque<Update>,
}

impl Reader {
    fn at(revision: u64) -> Self {
        let mut reader = Self::default();
        reader.read(first_part(revision, false));
        reader.read(last_part(revision));
        reader.read(personal(revision));
        assert_eq!(reader.told.pop_front(), Some(Update::Snapshot));
        reader
    }

    fn read(&mut self, frame: Frame) -> Next {
        self.fold.frame(SubscribeResponse { frame: Some(frame) }, &mut self.told)
    }

    fn uids(&self) -> Vec<u32> {
        self.fold.view().map(|view| view.roster.clone()).unwrap_or_default()
    }
}

#[test]
fn a_snapshot_is_told_when_its_last_part_and_what_is_personal_came() {
    let mut reader = Reader::default();
    assert_eq!(reader.read(first_part(5, false)), SO_FAR);
    assert_eq!((reader.told.len(), reader.fold.view(), reader.fold.token()), (0, None, ""));
    assert_eq!(reader.read(last_part(5)), SO_FAR);
    assert_eq!((reader.told.len(), reader.fold.token()), (0, ""), "its place is not held yet");
    assert_eq!(reader.read(personal(5)), SO_FAR);
    assert_eq!(reader.told, [Update::Snapshot]);
    let view = reader.fold.view().unwrap();
    assert_eq!((&view.roster[..], &view.hands[..], &view.stage[..]), (&[1, 2][..], &[2][..], &[1][..]));
    assert_eq!((view.place, view.room.member_count), (place(5), 2));
    assert_eq!(view.host().unwrap().uid, 1);
    assert_eq!(reader.fold.token(), place(5).to_token());
}

#[test]
fn every_list_goes_on_over_the_parts() {
    let mut reader = Reader::default();
    reader.read(first_part(5, false));
    for uid in [3, 4] {
        let more = SnapshotPart {
            place: Some(place(5)),
            members: vec![member(uid, Role::GuestSpeaker)],
            hands: vec![uid + 10],
            stage: vec![uid],
            ..SnapshotPart::default()
        };
        assert_eq!(reader.read(Frame::Snapshot(more)), SO_FAR);
    }
    reader.read(last_part(5));
    reader.read(personal(5));
    let view = reader.fold.view().unwrap();
    let lists = [&view.roster[..], &view.hands[..], &view.stage[..]];
    assert_eq!(lists, [&[1, 3, 4, 2][..], &[2, 13, 14][..], &[1, 3, 4][..]]);
    assert_eq!((view.room.member_count, view.partial), (2, false), "as the first part says");
}

#[test]
fn a_snapshot_of_the_stage_is_partial() {
    let mut reader = Reader::default();
    let Frame::Snapshot(mut first) = first_part(5, false) else { unreachable!() };
    (first.member_count, first.roster) = (3, Roster::Stage.into());
    reader.read(Frame::Snapshot(first));
    reader.read(last_part(5));
    reader.read(personal(5));
    let view = reader.fold.view().unwrap();
    assert_eq!((view.room.member_count, view.partial), (3, true));
    assert_eq!(reader.fold.roster(), Roster::Stage);
}

#[test]
fn a_snapshot_in_mid_stream_is_announced() {
    let mut reader = Reader::at(5);
    reader.read(first_part(7, false));
    assert!(reader.told.is_empty(), "nothing is told before it is whole");
    reader.read(last_part(7));
    assert!(reader.told.is_empty() && reader.fold.token() == place(5).to_token());
    reader.read(personal(7));
    assert_eq!(reader.told, [Update::Lagged(Lag::Missed), Update::Snapshot]);
}

#[test]
fn parts_of_two_snapshots_are_never_mixed() {
    let mut reader = Reader::default();
    reader.read(first_part(5, false));
    assert_eq!(reader.read(last_part(6)), Next::StartOver { held: None });
    assert_eq!(reader.read(last_part(6)), Next::StartOver { held: None }, "a rest without its beginning");
    reader.read(first_part(5, false));
    reader.fold.interrupted();
    assert_eq!(reader.read(last_part(5)), Next::StartOver { held: None }, "of another connection");
    assert!(reader.told.is_empty());
}

#[test]
fn each_event_of_a_commit_is_told_and_the_view_holds_all() {
    let mut reader = Reader::at(5);
    assert_eq!(reader.read(commit(5, 6, vec![joined(3), left(2)])), GOES_ON);
    let told: Vec<_> = reader.told.iter().collect();
    assert!(matches!(
        told[..],
        [
            Update::Event { revision: 6, operator_uid: 1, event: Kind::MemberJoined(_), .. },
            Update::Event { revision: 6, event: Kind::MemberLeft(_), .. },
        ]
    ));
    assert_eq!(reader.uids(), [1, 3]);
    assert_eq!(reader.fold.token(), place(6).to_token());
}

#[test]
fn commits_for_others_alone_leave_no_gap() {
    let mut reader = Reader::at(5);
    assert_eq!(reader.read(keep_alive(place(8).to_token())), GOES_ON);
    assert_eq!(reader.fold.token(), place(8).to_token(), "goes on behind what was for others");
    assert_eq!(reader.read(commit(5, 9, vec![joined(3)])), GOES_ON);
}

#[test]
fn a_gap_starts_over_no_older_than_what_is_held() {
    let mut reader = Reader::at(5);
    assert_eq!(reader.read(commit(6, 7, vec![joined(3)])), Next::StartOver { held: Some(place(5)) });
    assert_eq!(reader.fold.token(), "");
    assert_eq!(reader.uids(), [1, 2], "what was held is shown until the snapshot comes");
    assert_eq!(reader.read(commit(5, 6, vec![joined(3)])), Next::StartOver { held: Some(place(5)) });
    reader.read(keep_alive(place(9).to_token()));
    assert_eq!(reader.fold.token(), "", "only a snapshot ends it");
    assert!(reader.told.is_empty());
    reader.read(first_part(7, true));
    reader.read(personal(7));
    assert_eq!(reader.told, [Update::Lagged(Lag::Missed), Update::Snapshot]);
    assert_eq!(reader.uids(), [1]);
}

#[test]
fn nothing_is_told_twice() {
    let mut reader = Reader::at(5);
    assert!(matches!(reader.read(commit(4, 5, vec![joined(3)])), Next::StartOver { .. }));
    assert!(reader.told.is_empty());
}

#[test]
fn a_commit_amid_a_snapshot_starts_over() {
    let mut reader = Reader::at(5);
    reader.read(first_part(7, false));
    assert!(matches!(reader.read(commit(5, 8, vec![joined(3)])), Next::StartOver { .. }));
}

#[test]
fn personal_tells_what_still_stands() {
    let mut reader = Reader::at(5);
    let mine = Invitation { target_uid: 2, token: "t".into(), ..Invitation::default() };
    let theirs = Invitation { target_uid: 3, ..Invitation::default() };
    reader.read(Frame::Personal(Personal::default()));
    assert!(reader.told.is_empty());
    reader.read(Frame::Personal(Personal {
        place: Some(place(5)),
        invitation: Some(mine.clone()),
        outstanding: vec![theirs.clone()],
    }));
    assert_eq!(reader.told, [Update::Invitation(mine), Update::Outstanding(vec![theirs])]);
}

#[test]
fn who_was_told_is_told() {
    let mut reader = Reader::at(5);
    let kind = Some(Kind::InvitationDeclined(InvitationDeclined::default()));
    let Frame::Commit(mut private) = commit(5, 6, vec![]) else { unreachable!() };
    private.events = vec![Event { to: vec![1], kind }, Event { to: vec![], kind: None }];
    reader.read(Frame::Commit(private));
    assert_eq!(reader.told.len(), 1, "a kind of event from a later contract is passed over");
    assert!(matches!(&reader.told[0], Update::Event { to, .. } if *to == [1]));
}

#[test]
fn a_goodbye_that_allows_it_comes_back() {
    let back = Next::ComeBack { after: Duration::from_millis(40) };
    for reason in [GoodbyeReason::Draining, GoodbyeReason::MaxAge, GoodbyeReason::TooSlow] {
        let mut reader = Reader::at(5);
        assert_eq!(reader.read(goodbye(reason, "6-0000000000000001")), back);
        assert_eq!(reader.fold.token(), "6-0000000000000001");
        let slow = (reason == GoodbyeReason::TooSlow).then_some(Update::Lagged(Lag::TooSlow));
        assert_eq!(reader.told, slow.into_iter().collect::<Vec<_>>(), "{reason:?}");
    }
    let unknown = GoodbyeReason::Unspecified;
    assert_eq!(Reader::at(5).read(goodbye(unknown, "6-0000000000000001")), back);
    assert_eq!(Reader::at(5).read(goodbye(unknown, "")), Next::Over);
    let mut empty = Reader::default();
    assert_eq!(empty.read(goodbye(GoodbyeReason::Draining, "6-0000000000000001")), back);
    assert_eq!(empty.fold.token(), "", "who holds no view needs a snapshot");
}

#[test]
fn any_other_goodbye_ends_it_with_its_reason() {
    for reason in [
        GoodbyeReason::Left,
        GoodbyeReason::Removed,
        GoodbyeReason::Lost,
        GoodbyeReason::Replaced,
        GoodbyeReason::LoggedOut,
        GoodbyeReason::RoomClosed,
    ] {
        let mut reader = Reader::at(5);
        assert_eq!(reader.read(goodbye(reason, "6-0000000000000001")), Next::Over);
        assert_eq!(reader.told, [Update::Ended(reason)]);
    }
}

#[test]
fn a_closed_room_is_told_to_whom_it_finds() {
    let mut reader = Reader::default();
    assert_eq!(reader.read(commit(8, 9, vec![room_closed()])), GOES_ON);
    assert!(matches!(reader.told[0], Update::Event { event: Kind::RoomClosed(_), .. }));

    let mut gap = Reader::at(5);
    assert!(matches!(gap.read(commit(8, 9, vec![room_closed()])), Next::StartOver { .. }));
    assert!(!gap.fold.closed(), "what came between is asked for first");
    assert_eq!(gap.read(commit(8, 9, vec![room_closed()])), GOES_ON);
    assert!(gap.fold.closed());
}
