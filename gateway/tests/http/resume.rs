//! Connections that are lost half-way, on either side of the gateway: every event is told once.

use gochat_proto::{
    model::{
        ChangeCause, Commit, Event, Invitation, InvitationDeclined, InvitationSent, Member, MemberChanged,
        Place, Refusal, Role, event::Kind,
    },
    notifier::{GoodbyeReason, KeepAlive, SnapshotPart, subscribe_response::Frame},
};

use crate::{
    events::{SNAPSHOT_2, assert_resumable, commit, goodbye, joined, place, read_until, snapshot},
    standin::{Then, refused},
    world::World,
};

const ME: u32 = 7;
const LAST: u64 = 11;

fn private(revision: u64, after: u64, kind: Kind) -> Frame {
    let Frame::Commit(commit) = commit(revision, kind) else { unreachable!() };
    let events = commit.events.into_iter().map(|event| Event { to: vec![ME], ..event }).collect();
    Frame::Commit(Commit { after, events, ..commit })
}

fn invited() -> Kind {
    let invitation = Invitation { target_uid: ME, token: "secret".into(), ..Default::default() };
    Kind::InvitationSent(InvitationSent { invitation: Some(invitation) })
}

fn declined() -> Kind {
    Kind::InvitationDeclined(InvitationDeclined { target_uid: 8, target_name: "bob".into() })
}

/// Somebody enters, and somebody raises a hand: two notifications of one commit.
fn two_at_once(revision: u64) -> Frame {
    let Frame::Commit(mut both) = commit(revision, joined(9)) else { unreachable!() };
    let member = Member { uid: 8, role: Role::Listener.into(), hand_raised_at: 1, ..Default::default() };
    let raised = MemberChanged { member: Some(member), cause: ChangeCause::HandRaised.into() };
    both.events.push(Event { to: vec![], kind: Some(Kind::MemberChanged(raised)) });
    both.after = 3;
    Frame::Commit(both)
}

/// What a notifier sends to one who holds a revision. The commits 5, 7 and 10 were for others
/// alone; that 8 is over is told by a keep-alive only.
fn after(revision: u64) -> Vec<Frame> {
    let alive = Frame::KeepAlive(KeepAlive { resume_token: place(8).to_token() });
    let Frame::Commit(last) = commit(LAST, joined(10)) else { unreachable!() };
    let all = [
        (3, commit(3, joined(8))),
        (4, private(4, 3, invited())),
        (6, two_at_once(6)),
        (8, alive),
        (9, private(9, 6, declined())),
        (LAST, Frame::Commit(Commit { after: 6, ..last })),
    ];
    all.into_iter().filter(|(at, _)| *at > revision).map(|(_, frame)| frame).collect()
}

/// The data of what was told, and the place after each block that has one: how much was told
/// by then, and the id.
#[derive(Debug, Default)]
struct Read {
    told: Vec<String>,
    places: Vec<(usize, String)>,
}

fn read(text: &str) -> Read {
    let mut read = Read::default();
    for block in text.split_terminator("\n\n") {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        read.told.extend(field("data: ").map(str::to_owned));
        read.places.extend(field("id: ").map(|id| (read.told.len(), id.to_owned())));
    }
    read
}

#[tokio::test]
async fn a_browser_may_be_cut_off_anywhere_and_is_told_everything_once() {
    let mut world = World::start().await;
    world.stands_at(2);
    world.will_stream(snapshot(2).into_iter().chain(after(2)), Then::Lasts);
    let mut whole = world.events("", None).await;
    let whole = read(&read_until(&mut whole, &format!("id: {}\n\n", place(LAST).to_token())).await);
    assert_eq!(whole.told.len(), 7);
    assert_eq!(whole.places.len(), 7);
    world.services.asked("GetRoom").await;
    world.subscribed().await;
    for (read_so_far, id) in &whole.places {
        let held: Place = id.parse().unwrap();
        world.will_stream(after(held.revision).into_iter().chain([goodbye(GoodbyeReason::Left)]), Then::Ends);
        let rest = read(&world.events("", Some(id)).await.text().await.unwrap());
        assert_eq!(world.subscribed().await.resume_token, *id);
        assert_eq!(rest.told, whole.told[*read_so_far..], "after {id}");
    }
}

#[tokio::test]
async fn a_notifier_that_is_lost_is_resumed_without_the_browser() {
    let mut world = World::start().await;
    world.stands_at(2);
    world.will_stream(snapshot(2).into_iter().chain(after(2)), Then::Lasts);
    let mut whole = world.events("", None).await;
    let whole = read(&read_until(&mut whole, &format!("id: {}\n\n", place(LAST).to_token())).await);
    world.services.asked("GetRoom").await;
    world.subscribed().await;

    let sent = after(2);
    for cut in 0..sent.len() {
        world.stands_at(2);
        let then = if cut % 2 == 0 { Then::Ends } else { Then::Fails(Refusal::Unavailable) };
        world.will_stream(snapshot(2).into_iter().chain(sent[..cut].iter().cloned()), then);
        let rest = sent[cut..].iter().cloned().chain([goodbye(GoodbyeReason::Left)]);
        world.will_stream(rest, Then::Ends);
        let text = world.events("", None).await.text().await.unwrap();
        assert!(!text.contains("retry"), "{text}");
        let found = read(&text);
        assert_eq!((found.told, &found.places), (whole.told.clone(), &whole.places), "cut at {cut}");
        world.services.asked("GetRoom").await;
        assert_eq!(world.subscribed().await.resume_token, "");
        let held = [2, 3, 4, 6, 8, 9][cut];
        let resumed = world.subscribed().await;
        assert_eq!((resumed.resume_token, resumed.min), (place(held).to_token(), None), "cut at {cut}");
        assert!(world.services.was_left_alone());
    }
}

#[tokio::test]
async fn a_snapshot_that_is_cut_short_comes_again_as_a_whole() {
    let [Frame::Snapshot(part), _] = snapshot(1) else { unreachable!() };
    let begun = Frame::Snapshot(SnapshotPart { last: false, ..part.clone() });
    for cut in [vec![], vec![begun], vec![Frame::Snapshot(part)]] {
        let mut world = World::start().await;
        world.stands_at(1);
        world.will_stream(cut, Then::Ends);
        world.stands_at(2);
        world.will_stream(snapshot(2).into_iter().chain([goodbye(GoodbyeReason::Left)]), Then::Ends);
        assert_eq!(world.events("", None).await.text().await.unwrap(), SNAPSHOT_2);
        for revision in [1, 2] {
            world.services.asked("GetRoom").await;
            let asked = world.subscribed().await;
            assert_eq!((asked.resume_token.as_str(), asked.min), ("", Some(place(revision))));
        }
    }
}

#[tokio::test]
async fn a_rest_of_a_snapshot_is_not_taken_for_one() {
    let mut world = World::start().await;
    let [Frame::Snapshot(part), personal] = snapshot(1) else { unreachable!() };
    let rest = Frame::Snapshot(SnapshotPart { room: None, ..part });
    world.stands_at(1);
    world.will_stream([rest, personal], Then::Lasts);
    world.will_stream(snapshot(2).into_iter().chain([goodbye(GoodbyeReason::Left)]), Then::Ends);
    assert_eq!(world.events("", None).await.text().await.unwrap(), SNAPSHOT_2);
    world.services.asked("GetRoom").await;
    world.subscribed().await;
}

#[tokio::test]
async fn who_is_too_slow_for_the_notifier_is_asked_to_come_back() {
    for with_goodbye in [true, false] {
        let mut world = World::start().await;
        let farewell = with_goodbye.then(|| goodbye(GoodbyeReason::TooSlow));
        world.will_stream(snapshot(2).into_iter().chain(farewell), Then::Fails(Refusal::TooSlow));
        let text = world.events("", Some("1-000000000000000a")).await.text().await.unwrap();
        if with_goodbye {
            assert_eq!(text, format!("{SNAPSHOT_2}retry: 1500\nid: {}\n\n", place(9).to_token()));
        } else {
            assert_resumable(&text);
        }
        world.subscribed().await;
        assert!(world.services.was_left_alone(), "it is the browser's turn");
    }
}

#[tokio::test]
async fn who_may_not_come_back_is_told_so_when_it_does() {
    let mut world = World::start().await;
    world.will_stream(snapshot(2), Then::Ends);
    world.services.will("Subscribe", refused(Refusal::NotInRoom));
    world.services.will("GetRoom", refused(Refusal::RoomNotFound));
    assert_resumable(&world.events("", Some("1-000000000000000a")).await.text().await.unwrap());
    for rpc in ["Subscribe", "Subscribe", "GetRoom"] {
        world.services.asked(rpc).await;
    }
    assert!(world.services.was_left_alone());
}

#[tokio::test]
async fn who_logged_out_is_not_asked_to_come_back() {
    let world = World::start().await;
    let farewell = goodbye(GoodbyeReason::LoggedOut);
    world.will_stream(snapshot(2).into_iter().chain([farewell]), Then::Ends);
    let text = world.events("", Some("1-000000000000000a")).await.text().await.unwrap();
    assert_eq!(text, SNAPSHOT_2);
}
