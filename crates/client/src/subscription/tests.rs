//! Subscriptions against a stand-in server: what they ask for when they come back, and when they end.

use std::{collections::BTreeSet, time::Duration};

use gochat_proto::{
    model::{
        CloseReason, Commit, Event, Member, MemberJoined, Place, Refusal, Role, Room, RoomClosed, event::Kind,
    },
    notifier::{
        Goodbye, GoodbyeReason, KeepAlive, Personal, Roster, SnapshotPart, SubscribeRequest,
        SubscribeResponse, subscribe_response::Frame,
    },
};
use tonic::{Code, Status};

use super::{Lag, Link, Subscription, Update};
use crate::{
    Backoff, Client, Endpoints, Error,
    stand_in::{OpenStream, StandIn},
};

const ROOM: &str = "100000001";
const QUICK: Backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(2), limit: 3 };

fn place(revision: u64) -> Place {
    Place { revision, tag: revision * 7 }
}

fn member(uid: u32) -> Member {
    Member { uid, role: Role::Listener.into(), ..Member::default() }
}

fn snapshot(revision: u64) -> Frame {
    Frame::Snapshot(SnapshotPart {
        place: Some(place(revision)),
        room: Some(Room { room_id: ROOM.into(), ..Room::default() }),
        members: vec![member(7)],
        member_count: 1,
        last: true,
        ..SnapshotPart::default()
    })
}

fn commit(after: u64, revision: u64, kind: Kind) -> Frame {
    Frame::Commit(Commit {
        revision,
        after,
        tag: place(revision).tag,
        tag_before: place(revision - 1).tag,
        events: vec![Event { to: vec![], kind: Some(kind) }],
        ..Commit::default()
    })
}

fn joined(uid: u32) -> Kind {
    Kind::MemberJoined(MemberJoined { member: Some(member(uid)) })
}

fn goodbye(reason: GoodbyeReason, token: &str, retry_after_ms: u32) -> Frame {
    Frame::Goodbye(Goodbye { reason: reason.into(), resume_token: token.into(), retry_after_ms })
}

/// A server, and a subscription that has had a snapshot of revision 5 and the commit 6.
async fn under_way() -> (StandIn, Subscription, OpenStream) {
    let mut server = StandIn::start().await;
    let mut feed = server.session().await.subscribe(ROOM).min(place(4)).patience(QUICK);
    let (update, (asked, stream)) = tokio::join!(feed.next(), opened(&mut server, [snapshot(5)]));
    assert_eq!(update, Some(Ok(Update::Snapshot)));
    assert_eq!((asked.min, asked.roster()), (Some(place(4)), Roster::All));
    assert_eq!((asked.room_id.as_str(), asked.resume_token.as_str()), (ROOM, ""));
    stream.send(commit(5, 6, joined(8)));
    assert_revision(feed.next().await, 6);
    (server, feed, stream)
}

/// Accepts the next subscription and sends it the frames; after a snapshot, what is personal.
async fn opened<const N: usize>(server: &mut StandIn, frames: [Frame; N]) -> (SubscribeRequest, OpenStream) {
    let visit = server.visit().await;
    assert_eq!(visit.metadata.get("authorization").unwrap(), "Bearer t");
    let asked = visit.question();
    let stream = visit.open();
    for frame in frames {
        let personal = match &frame {
            Frame::Snapshot(part) => Some(Personal { place: part.place, ..Personal::default() }),
            _ => None,
        };
        stream.send(frame);
        personal.into_iter().for_each(|personal| stream.send(Frame::Personal(personal)));
    }
    (asked, stream)
}

#[track_caller]
fn assert_revision(update: Option<Result<Update, Error>>, expected: u64) {
    match update {
        Some(Ok(Update::Event { revision, .. })) if revision == expected => {}
        other => panic!("expected revision {expected}, got {other:?}"),
    }
}

#[tokio::test]
async fn a_lost_connection_is_resumed_where_it_broke() {
    let (mut server, mut feed, stream) = under_way().await;
    drop(stream);
    let (update, (asked, stream)) = tokio::join!(feed.next(), opened(&mut server, [commit(6, 7, joined(9))]));
    assert_eq!(asked.resume_token, place(6).to_token());
    assert_eq!((asked.min, asked.held()), (None, Roster::All), "the token says more");
    assert_revision(update, 7);
    assert_eq!(feed.view().unwrap().roster, [7, 8, 9]);

    stream.fail(Refusal::Unavailable);
    let (update, (asked, _stream)) =
        tokio::join!(feed.next(), opened(&mut server, [commit(7, 8, joined(10))]));
    assert_eq!(asked.resume_token, place(7).to_token());
    assert_revision(update, 8);
    assert_eq!(feed.resume_token(), place(8).to_token());
}

#[tokio::test]
async fn a_silent_connection_is_lost() {
    let (mut server, feed, stream) = under_way().await;
    let mut feed = feed.silence(Duration::from_millis(50));
    let (update, (asked, _again)) = tokio::join!(feed.next(), opened(&mut server, [commit(6, 7, joined(9))]));
    assert_eq!(asked.resume_token, place(6).to_token());
    assert_revision(update, 7);
    drop(stream);
}

#[tokio::test]
async fn a_goodbye_that_allows_it_is_followed_back() {
    let (mut server, mut feed, stream) = under_way().await;
    stream.send(goodbye(GoodbyeReason::Draining, "9-0000000000000001", 30));
    let said = tokio::time::Instant::now();
    let (update, (asked, _again)) =
        tokio::join!(feed.next(), opened(&mut server, [commit(6, 10, joined(9))]));
    assert!(said.elapsed() >= Duration::from_millis(30), "not before the server said");
    assert_eq!(asked.resume_token, "9-0000000000000001");
    assert_revision(update, 10);
}

#[tokio::test]
async fn an_end_is_told_with_its_reason() {
    let (server, mut feed, stream) = under_way().await;
    stream.send(goodbye(GoodbyeReason::Removed, "", 0));
    assert_eq!(feed.next().await, Some(Ok(Update::Ended(GoodbyeReason::Removed))));
    assert_eq!(feed.next().await, None);
    assert!(server.is_quiet());
}

#[tokio::test]
async fn a_closed_room_ends_even_without_a_goodbye() {
    let (server, mut feed, stream) = under_way().await;
    stream.send(commit(6, 7, Kind::RoomClosed(RoomClosed { reason: CloseReason::Closed.into() })));
    drop(stream);
    assert_revision(feed.next().await, 7);
    assert_eq!(feed.next().await, Some(Ok(Update::Ended(GoodbyeReason::RoomClosed))));
    assert_eq!(feed.next().await, None);
    assert!(server.is_quiet());
}

#[tokio::test]
async fn a_gap_is_closed_by_a_snapshot() {
    let (mut server, mut feed, stream) = under_way().await;
    stream.send(commit(7, 8, joined(9)));
    let (update, (asked, _again)) = tokio::join!(feed.next(), opened(&mut server, [snapshot(8)]));
    assert_eq!((asked.resume_token.as_str(), asked.min), ("", Some(place(6))), "nothing older than was held");
    assert_eq!(update, Some(Ok(Update::Lagged(Lag::Missed))));
    assert_eq!(feed.next().await, Some(Ok(Update::Snapshot)));
    assert_eq!(feed.view().unwrap().place, place(8));
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_and_comes_back() {
    let alone = Status::with_details(Code::ResourceExhausted, "elsewhere", Default::default());
    let ends = [(true, None), (false, Some(alone)), (false, None)];
    for (with_goodbye, status) in ends {
        let (mut server, mut feed, stream) = under_way().await;
        if with_goodbye {
            stream.send(goodbye(GoodbyeReason::TooSlow, &place(6).to_token(), 1));
        }
        match status {
            Some(status) => stream.end(status),
            None => stream.fail(Refusal::TooSlow),
        }
        assert_eq!(feed.next().await, Some(Ok(Update::Lagged(Lag::TooSlow))));
        let (update, (asked, stream)) =
            tokio::join!(feed.next(), opened(&mut server, [commit(6, 7, joined(9))]));
        assert_eq!(asked.resume_token, place(6).to_token());
        assert_revision(update, 7);

        stream.fail(Refusal::TooSlow);
        assert_eq!(feed.next().await, Some(Ok(Update::Lagged(Lag::TooSlow))));
        let (update, _) = tokio::join!(feed.next(), opened(&mut server, [snapshot(9)]));
        assert_eq!(update, Some(Ok(Update::Lagged(Lag::Missed))));
        assert_eq!(feed.next().await, Some(Ok(Update::Snapshot)));
        assert_eq!(feed.view().unwrap().roster, [7]);
    }
}

#[tokio::test]
async fn a_refusal_ends_it() {
    let (mut server, mut feed, stream) = under_way().await;
    drop(stream);
    let (update, ()) = tokio::join!(feed.next(), async { server.visit().await.refuse(Refusal::NotInRoom) });
    assert_eq!(update.unwrap().unwrap_err().refusal(), Some(Refusal::NotInRoom));
    assert_eq!(feed.next().await, None);
}

#[tokio::test]
async fn tries_are_bounded_and_counted_anew_once_a_connection_holds() {
    let (mut server, mut feed, stream) = under_way().await;
    drop(stream);
    let answers = async {
        for _ in 0..3 {
            server.visit().await.refuse(Refusal::Unavailable);
            server.visit().await.refuse(Refusal::Unavailable);
            let (_, stream) = opened(&mut server, []).await;
            stream.send(Frame::KeepAlive(KeepAlive { resume_token: place(6).to_token() }));
        }
        for _ in 0..3 {
            server.visit().await.refuse(Refusal::Unavailable);
        }
    };
    let all = async { tokio::join!(feed.next(), answers) };
    let (update, ()) = tokio::time::timeout(Duration::from_secs(20), all).await.expect("tries go on");
    assert!(matches!(update, Some(Err(Error::Unavailable { .. }))), "{update:?}");
    assert_eq!(feed.next().await, None);
    assert!(server.is_quiet());
}

#[tokio::test]
async fn snapshots_alone_do_not_make_a_connection_sound() {
    let (mut server, mut feed, stream) = under_way().await;
    drop(stream);
    let dying = async {
        for _ in 0..QUICK.limit {
            drop(opened(&mut server, [snapshot(6)]).await);
        }
    };
    let told = async {
        let mut snapshots = 0;
        while let Some(update) = feed.next().await {
            match update {
                Ok(update) => snapshots += u32::from(update == Update::Snapshot),
                Err(error) => return (snapshots, error),
            }
        }
        panic!("an error tells that it is given up");
    };
    let all = async { tokio::join!(told, dying) };
    let ((snapshots, error), ()) =
        tokio::time::timeout(Duration::from_secs(20), all).await.expect("tries go on");
    assert_eq!(snapshots, QUICK.limit);
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(server.is_quiet());
}

/// A subscription that nobody answers.
fn unanswered() -> Subscription {
    Client::connect(&Endpoints::default()).unwrap().as_service("t").unwrap().subscribe(ROOM)
}

/// How long it waits before it connects.
#[track_caller]
fn wait(feed: &Subscription) -> Duration {
    let Link::Down(until) = &feed.link else { panic!("{:?}", feed.link) };
    *until - tokio::time::Instant::now()
}

#[tokio::test(start_paused = true)]
async fn who_is_sent_away_comes_back_no_sooner_and_not_all_at_once() {
    let (least, first) = (Duration::from_millis(1_500), Backoff::SUBSCRIPTIONS.first);
    let waits: BTreeSet<Duration> = std::iter::repeat_with(|| {
        let mut feed = unanswered();
        let frame = Some(goodbye(GoodbyeReason::Draining, "9-0000000000000001", 1_500));
        feed.take(SubscribeResponse { frame }).unwrap();
        wait(&feed)
    })
    .take(64)
    .collect();
    let (soonest, last) = (*waits.first().unwrap(), *waits.last().unwrap());
    assert!(least + first / 2 <= soonest && last <= least + first, "{waits:?}");
    assert!(waits.len() > 32 && last - soonest > first / 8, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failing_server_is_asked_ever_more_seldom_and_then_no_more() {
    let mut feed = unanswered();
    let patience = Backoff::SUBSCRIPTIONS;
    for failed in 0..patience.limit {
        feed.lost("refused").unwrap();
        let whole = patience.most.min(patience.first * 2_u32.pow(failed));
        assert!((whole / 2..=whole).contains(&wait(&feed)), "{failed}: {:?}", wait(&feed));
    }
    assert!(matches!(feed.lost("refused"), Err(Error::Unavailable { .. })));
}

#[tokio::test]
async fn an_observer_asks_as_itself_and_a_roster_as_it_is_told() {
    let mut server = StandIn::start().await;
    let service = server.client.as_service("t").unwrap();
    let mut feed = service.subscribe(ROOM).roster(Roster::Stage);
    let (update, (asked, _stream)) = tokio::join!(feed.next(), opened(&mut server, [snapshot(5)]));
    assert_eq!(update, Some(Ok(Update::Snapshot)));
    assert_eq!((asked.roster(), asked.min), (Roster::Stage, None));
}
