//! Who is raised, lowered and removed, with looks alone: as where no webhook ever comes.

use gochat_proto::media::create_session_response::Result as Created;

use super::{
    provider::{Client, Mood},
    *,
};

const ROOM: &str = "100000005";
/// The methods that change something about somebody.
const CHANGES: [&str; 4] = ["DeleteRoom", "MutePublishedTrack", "RemoveParticipant", "UpdateParticipant"];

#[tokio::test]
async fn somebody_is_heard_exactly_while_the_gate_is_open() {
    let world = World::new(FAST).await;
    let (place, standin) = (place(7, 3), &world.standin);
    let anna = world.join(place).await;
    assert!(!standin.publish(ROOM, &anna), "the token lets nobody publish");
    world.open(place, true).await;
    standin.until("raised", |world| world.rooms[ROOM][&anna].may_publish).await;
    assert!(standin.publish(ROOM, &anna));
    world.heard(&[7]).await;
    assert_eq!(world.livekit.sessions(room()).await, [(place, true)]);
    world.open(place, false).await;
    standin.until("lowered", |world| !world.rooms[ROOM][&anna].may_publish).await;
    world.heard(&[]).await;
    assert!(!standin.client(ROOM, &anna).unwrap().is_loud());
    assert!(!standin.publish(ROOM, &anna));
}

#[tokio::test]
async fn who_is_there_is_lowered_without_a_look_and_what_goes_on_is_muted() {
    let world = World::new(BLIND).await;
    let (place, standin) = (place(7, 3), &world.standin);
    let anna = world.join(place).await;
    world.open(place, true).await;
    standin.until("raised", |world| world.rooms[ROOM][&anna].may_publish).await;
    world.heard(&[7]).await;
    standin.publish(ROOM, &anna);
    standin.change(|world| world.lets_go_on = true);
    standin.take_calls(&[]);
    world.open(place, false).await;
    standin.until("muted", |world| !world.rooms[ROOM][&anna].is_loud()).await;
    let calls = standin.take_calls(&[&CHANGES[..], &["ListParticipants"]].concat());
    let methods: Vec<_> = calls.iter().map(|(method, _)| method.as_str()).collect();
    assert_eq!(methods, ["UpdateParticipant", "MutePublishedTrack"]);
}

#[tokio::test]
async fn whoever_ends_is_removed_and_kept_out() {
    let world = World::new(FAST).await;
    let standin = &world.standin;
    let token = world.admit(place(7, 3)).await;
    let anna = standin.connect(&token).unwrap();
    let bert = world.join(place(8, 1)).await;
    world.livekit.end_session(room(), 8.try_into().unwrap(), &anna).await;
    world.livekit.end_session(room(), 7.try_into().unwrap(), "another").await;
    world.livekit.end_stay(place(7, 2)).await;
    assert_eq!(world.livekit.sessions(room()).await.len(), 2, "another's, none, and another entry");
    world.livekit.end_session(room(), 7.try_into().unwrap(), &anna).await;
    let is_gone = |world: &provider::World| !world.rooms[ROOM].contains_key(&anna);
    standin.until("removed", is_gone).await;
    assert!(standin.client(ROOM, &bert).is_some());
    standin.connect(&token).unwrap();
    standin.until("removed again", is_gone).await;
    world.livekit.end_stay(place(8, 1)).await;
    standin.until("removed", |world| world.rooms[ROOM].is_empty()).await;
    assert!(world.livekit.sessions(room()).await.is_empty());
}

#[tokio::test]
async fn a_later_session_ends_the_one_before() {
    let world = World::new(FAST).await;
    let former = world.join(place(7, 3)).await;
    world.open(place(7, 3), true).await;
    world.heard(&[7]).await;
    let latter = world.join(place(7, 3)).await;
    world.standin.until("removed", |world| !world.rooms[ROOM].contains_key(&former)).await;
    world.heard(&[]).await;
    assert!(!world.standin.client(ROOM, &latter).unwrap().may_publish, "each begins shut");
}

#[tokio::test]
async fn strangers_are_removed_and_recorders_are_not() {
    let world = World::new(FAST).await;
    world.join(place(7, 3)).await;
    let client = |kind| Client { may_publish: true, tracks: [("TR_0".to_owned(), false)].into(), kind };
    world.standin.arrive(ROOM, "stranger", client("STANDARD"));
    world.standin.arrive(ROOM, "EG_1", client("EGRESS"));
    world.standin.until("removed", |world| !world.rooms[ROOM].contains_key("stranger")).await;
    let removed = world.standin.take_calls(&CHANGES);
    assert!(removed.iter().all(|(_, identity)| identity == "stranger"), "{removed:?}");
}

/// A token of a former node, renewed by LiveKit while its holder could speak.
#[tokio::test]
async fn whom_another_node_admitted_is_silent_until_it_is_known() {
    let world = World::new(FAST).await;
    let anna = Identity::draw(place(8, 4)).to_string();
    let loud = Client { may_publish: true, tracks: [("TR_0".to_owned(), false)].into(), kind: "STANDARD" };
    world.standin.arrive(ROOM, &anna, loud);
    world.join(place(7, 3)).await;
    world.standin.until("lowered", |world| !world.rooms[ROOM][&anna].is_loud()).await;
    let sessions = world.livekit.sessions(room()).await;
    assert!(sessions.contains(&(place(8, 4), false)), "{sessions:?}");
    world.open(place(8, 4), true).await;
    world.standin.until("raised", |world| world.rooms[ROOM][&anna].may_publish).await;
}

#[tokio::test]
async fn a_room_ends_and_stays_so() {
    let world = World::new(FAST).await;
    let token = world.admit(place(7, 3)).await;
    let anna = world.standin.connect(&token).unwrap();
    world.open(place(7, 3), true).await;
    world.heard(&[7]).await;
    world.livekit.end_room(room()).await;
    world.standin.until("deleted", |world| !world.rooms.contains_key(ROOM)).await;
    world.heard(&[]).await;
    world.standin.connect(&token).unwrap();
    world.standin.until("removed", |world| !world.rooms[ROOM].contains_key(&anna)).await;
}

#[tokio::test]
async fn a_room_that_is_left_goes_on() {
    let world = World::new(FAST).await;
    let anna = world.join(place(7, 3)).await;
    world.open(place(7, 3), true).await;
    world.heard(&[7]).await;
    world.standin.take_calls(&[]);
    world.livekit.leave_room(room()).await;
    world.heard(&[]).await;
    world.livekit.end_room(room()).await;
    world.open(place(7, 3), false).await;
    assert!(world.standin.take_calls(&CHANGES).is_empty(), "it is another node's");
    assert!(world.standin.client(ROOM, &anna).unwrap().may_publish);
    assert!(world.livekit.sessions(room()).await.is_empty());
}

#[tokio::test]
async fn nobody_is_admitted_while_livekit_is_down_and_who_spoke_is_silenced_when_it_is_back() {
    let world = World::new(FAST).await;
    let anna = world.join(place(7, 3)).await;
    world.open(place(7, 3), true).await;
    world.heard(&[7]).await;
    world.standin.publish(ROOM, &anna);
    world.standin.change(|world| world.mood = Mood::Down);
    let refused = world.livekit.create_session(place(8, 1), String::new()).await;
    assert_eq!(refused, Err(Refused::Unavailable));
    world.open(place(7, 3), false).await;
    world.heard(&[]).await;
    assert!(world.standin.client(ROOM, &anna).unwrap().is_loud(), "it couldn't be told");
    world.standin.change(|world| world.mood = Mood::Well);
    world.standin.until("lowered", |world| !world.rooms[ROOM][&anna].is_loud()).await;
    assert!(matches!(
        world.livekit.create_session(place(8, 1), String::new()).await,
        Ok(Created::Provider(_))
    ));
}

#[tokio::test]
async fn a_slow_livekit_holds_up_nobody_else() {
    let world = World::with(FAST, Duration::from_millis(300)).await;
    let [anna, bert] = [world.join(place(7, 3)).await, world.join(place(8, 1)).await];
    world.open(place(7, 3), true).await;
    world.heard(&[7]).await;
    world.standin.change(|world| world.mood = Mood::Silent);
    // Does as it is told and doesn't say so: what was called may have been done.
    world.open(place(8, 1), true).await;
    world.standin.until("asked", |world| world.rooms[ROOM][&bert].may_publish).await;
    world.open(place(7, 3), false).await;
    world.standin.until("lowered", |world| !world.rooms[ROOM][&anna].may_publish).await;
    world.open(place(8, 1), false).await;
    world.standin.until("lowered after all", |world| !world.rooms[ROOM][&bert].may_publish).await;
    world.heard(&[]).await;
}

#[tokio::test]
async fn what_clients_get_says_where_to_go() {
    let world = World::new(FAST).await;
    let created = world.livekit.create_session(place(7, 3), "v=0".to_owned()).await.unwrap();
    let Created::Provider(provider) = created else { panic!("{created:?}") };
    assert_eq!((provider.kind.as_str(), provider.url.as_str()), ("livekit", "wss://livekit.example.org"));
    assert!(provider.expires_at > i64::try_from(now().as_millis()).unwrap());
    assert_eq!(world.livekit.ice_servers(7.try_into().unwrap()), []);
}

#[tokio::test]
async fn who_can_be_heard_is_not_told_too_often() {
    let world = World::new(Pace { between_news: Duration::from_secs(3_600), ..FAST }).await;
    let anna = world.join(place(7, 3)).await;
    world.open(place(7, 3), true).await;
    world.heard(&[7]).await;
    let watched = world.livekit.speakers(room());
    world.open(place(7, 3), false).await;
    world.standin.until("lowered", |world| !world.rooms[ROOM][&anna].may_publish).await;
    world.standin.take_calls(&[]);
    world.standin.until("looked", |world| !world.calls.is_empty()).await;
    assert!(!watched.has_changed().unwrap());
}
