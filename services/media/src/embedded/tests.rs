//! The engine against clients that speak real WebRTC over loopback UDP.

mod client;
mod hostile;
mod time;

use std::time::Duration;

use clap::Parser;
use tokio::time::timeout;

use self::client::{Client, connect, drive, place};
use super::{Embedded, EmbeddedArgs};
use crate::engine::{Heard, MediaEngine};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: EmbeddedArgs,
}

/// An engine of its own on free ports.
fn engine(more: &[&str]) -> Embedded {
    let own = if more.contains(&"--udp-listen") { &[][..] } else { &["--udp-listen", "127.0.0.1:0"] };
    Embedded::start(&Cli::parse_from([&["media", "--media-slots", "3"], own, more].concat()).args).unwrap()
}

/// A payload that is nobody else's.
fn said(by: u8, number: usize) -> Vec<u8> {
    let mut payload = vec![by; 40];
    payload[1..9].copy_from_slice(&number.to_be_bytes());
    payload
}

#[tokio::test]
async fn two_hear_each_other_word_for_word() {
    let engine = engine(&[]);
    let mut one = Client::open(&engine, place(1, 1), 3).await.unwrap();
    let mut two = Client::open(&engine, place(1, 2), 3).await.unwrap();
    assert_eq!(one.session.slots.len(), 3);
    connect([&mut one, &mut two]);
    engine.set_gate(one.place, true).await;
    engine.set_gate(two.place, true).await;
    for number in 0..50 {
        one.say(&said(1, number));
        two.say(&said(2, number));
        drive([&mut one, &mut two], "what was said", |clients| {
            clients.iter().all(|client| client.heard.len() > number)
        });
    }
    let all = |by| (0..50).map(|number| said(by, number)).collect::<Vec<_>>();
    assert_eq!([one.payloads(), two.payloads()], [all(2), all(1)], "and nobody hears himself");
    assert!(one.heard.iter().all(|heard| heard.slot == 1) && two.heard.iter().all(|heard| heard.slot == 0));
    for heard in [&one.heard, &two.heard] {
        assert!(heard[0].marker, "the beginning is marked");
        for pair in heard.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence + 1);
            assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(960));
            assert!(!pair[1].marker);
        }
    }
}

#[tokio::test]
async fn answers_are_ice_lite_with_all_candidates_for_frugal_opus() {
    let engine = engine(&[]);
    let client = Client::open(&engine, place(1, 1), 2).await.unwrap();
    let answer = &client.session.answer_sdp;
    let port = engine.addresses()[0].port().to_string();
    for part in ["a=ice-lite\r\n", "a=group:BUNDLE ", "a=rtcp-mux\r\n", " 127.0.0.1 ", &port, "opus/48000/2"]
    {
        assert!(answer.contains(part), "{part} in {answer}");
    }
    for part in ["usedtx=1", "useinbandfec=1", "stereo=0"] {
        assert_eq!(answer.matches(part).count(), 3, "{part} in {answer}");
    }
    for part in ["transport-cc", "nack"] {
        assert!(!answer.contains(part), "{part} in {answer}");
    }
    assert_eq!(client.session.slots.len(), 2);
}

#[tokio::test]
async fn a_loss_stays_one_and_silence_is_none() {
    let engine = engine(&[]);
    let mut one = Client::open(&engine, place(1, 1), 3).await.unwrap();
    let mut two = Client::open(&engine, place(1, 2), 3).await.unwrap();
    connect([&mut one, &mut two]);
    engine.set_gate(one.place, true).await;
    one.say(&said(1, 0));
    one.lose();
    one.say(&said(1, 2));
    drive([&mut one, &mut two], "both", |[_, two]| two.heard.len() == 2);
    assert_eq!(two.heard[1].sequence, two.heard[0].sequence + 2, "a real loss is seen");
    engine.set_gate(one.place, false).await;
    for number in 3..20 {
        one.say(&said(1, number));
    }
    engine.set_gate(one.place, true).await;
    // What was sent before is dropped or forwarded by now, in order.
    one.say(&said(1, 20));
    drive([&mut one, &mut two], "the next", |[_, two]| two.payloads().contains(&said(1, 20)));
    for pair in two.heard[1..].windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1, "what was gated isn't missed");
    }
}

#[tokio::test]
async fn a_shut_gate_lets_nothing_through_once_the_order_is_done() {
    let engine = engine(&[]);
    let mut guest = Client::open(&engine, place(1, 1), 3).await.unwrap();
    let mut host = Client::open(&engine, place(1, 2), 3).await.unwrap();
    let mut listener = Client::open(&engine, place(1, 3), 3).await.unwrap();
    connect([&mut guest, &mut host, &mut listener]);
    engine.set_gate(guest.place, true).await;
    engine.set_gate(host.place, true).await;
    for number in 0..20 {
        guest.say(&said(1, number));
    }
    engine.set_gate(guest.place, false).await;
    // All that was let through is on its way already.
    listener.turn();
    listener.heard.clear();
    for number in 20..70 {
        guest.say(&said(1, number));
    }
    // After all of that.
    host.say(&said(2, 0));
    drive([&mut guest, &mut host, &mut listener], "the host", |[.., listener]| !listener.heard.is_empty());
    assert_eq!(listener.payloads(), [said(2, 0)]);
}

#[tokio::test]
async fn a_slot_that_changes_hands_goes_on_without_a_seam() {
    let engine = engine(&[]);
    let mut first = Client::open(&engine, place(1, 1), 3).await.unwrap();
    let mut second = Client::open(&engine, place(1, 2), 3).await.unwrap();
    let mut listener = Client::open(&engine, place(1, 3), 3).await.unwrap();
    connect([&mut first, &mut second, &mut listener]);
    for round in 0..4 {
        for turn in 0..2 {
            let (by, other) = if turn == 0 { (&mut first, &mut second) } else { (&mut second, &mut first) };
            engine.set_gate(by.place, true).await;
            let heard = listener.heard.len();
            for number in 0..5 {
                by.say(&said(by.place.uid.get() as u8, round * 5 + number));
            }
            drive([by, other, &mut listener], "five more", |[.., listener]| {
                listener.heard.len() == heard + 5
            });
            engine.set_gate(by.place, false).await;
            assert!(listener.heard[heard].marker, "the beginning is marked");
        }
    }
    assert_eq!(listener.heard.len(), 40);
    assert!(listener.heard.iter().all(|heard| heard.slot == 0), "the lowest that is free");
    for pair in listener.heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
        let ahead = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((960..480_000).contains(&ahead), "{ahead}");
    }
}

#[tokio::test]
async fn a_session_replaces_the_former_one() {
    let engine = engine(&[]);
    let mut former = Client::open(&engine, place(1, 1), 3).await.unwrap();
    let mut other = Client::open(&engine, place(1, 2), 3).await.unwrap();
    connect([&mut former, &mut other]);
    engine.set_gate(former.place, true).await;
    let mut next = Client::open(&engine, place(1, 1), 3).await.unwrap();
    drive([&mut former], "a goodbye", |[former]| former.closed);
    connect([&mut next, &mut other]);
    next.say(&said(9, 0));
    let mut places = engine.sessions(next.place.room).await;
    places.sort_by_key(|(place, _)| place.uid);
    assert_eq!(places, [(next.place, false), (other.place, false)], "its gate is shut");
    engine.set_gate(next.place, true).await;
    next.say(&said(1, 1));
    drive([&mut next, &mut other], "the new one", |[_, other]| other.payloads().contains(&said(1, 1)));
    // Of the former one's id, of another stay, of another user: nothing happens.
    engine.end_session(next.place.room, next.place.uid, &former.session.session_id).await;
    engine.end_session(next.place.room, other.place.uid, &next.session.session_id).await;
    engine.end_stay(crate::engine::Place { entry: gochat_domain::Entry(77), ..next.place }).await;
    assert_eq!(engine.sessions(next.place.room).await.len(), 2);
    engine.end_session(next.place.room, next.place.uid, &next.session.session_id).await;
    engine.end_stay(other.place).await;
    assert!(engine.sessions(next.place.room).await.is_empty());
    drive([&mut next, &mut other], "goodbyes", |clients| clients.iter().all(|client| client.closed));
}

#[tokio::test]
async fn who_speaks_is_told_and_rooms_are_apart() {
    let engine = engine(&["--media-threads", "2"]);
    let mut speaker = Client::open(&engine, place(1, 1), 3).await.unwrap();
    let mut listener = Client::open(&engine, place(1, 2), 3).await.unwrap();
    let mut strangers = [
        Client::open(&engine, place(2, 3), 3).await.unwrap(),
        Client::open(&engine, place(3, 1), 3).await.unwrap(),
    ];
    let [near, far] = &mut strangers;
    connect([&mut speaker, &mut listener, near, far]);
    let mut speakers = engine.speakers(speaker.place.room);
    let mut elsewhere = engine.speakers(near.place.room);
    elsewhere.mark_unchanged();
    assert!(speakers.borrow_and_update().is_empty());
    engine.set_gate(speaker.place, true).await;
    let uid = speaker.place.uid;
    let heard = |speaking| [Heard { uid, slot: Some(0), speaking }];
    let told = async |speakers: &mut tokio::sync::watch::Receiver<_>| {
        timeout(Duration::from_secs(5), speakers.changed()).await.unwrap().unwrap();
    };
    told(&mut speakers).await;
    assert_eq!(**speakers.borrow_and_update(), heard(false));
    (0..10).for_each(|number| speaker.say(&said(1, number)));
    told(&mut speakers).await;
    assert_eq!(**speakers.borrow_and_update(), heard(true));
    told(&mut speakers).await;
    assert_eq!(**speakers.borrow_and_update(), heard(false), "a while after the last word");
    engine.end_room(speaker.place.room).await;
    told(&mut speakers).await;
    assert!(speakers.borrow_and_update().is_empty());
    let [near, far] = &mut strangers;
    drive([&mut speaker, &mut listener, near, far], "goodbyes", |[speaker, listener, ..]| {
        speaker.closed && listener.closed
    });
    assert!(strangers.iter().all(|stranger| stranger.heard.is_empty() && !stranger.closed));
    assert!(!elsewhere.has_changed().unwrap());
}

#[tokio::test]
async fn a_socket_for_both_families_serves_both() {
    let engine = engine(&["--udp-listen", "[::]:0", "--public-addresses", "127.0.0.1,::1"]);
    let [four, six] = engine.addresses()[..] else { panic!("two addresses") };
    assert!(four.is_ipv4() && six.is_ipv6());
    let mut one = Client::open(&engine, place(1, 1), 3).await.unwrap();
    let mut two = Client::open_at("[::1]:0", &engine, place(1, 2), 3).await.unwrap();
    connect([&mut one, &mut two]);
    engine.set_gate(one.place, true).await;
    one.say(&said(1, 0));
    drive([&mut one, &mut two], "across", |[_, two]| two.payloads() == [said(1, 0)]);
}

#[tokio::test]
async fn the_end_of_the_engine_is_a_goodbye_to_all() {
    let engine = engine(&[]);
    let mut one = Client::open(&engine, place(1, 1), 3).await.unwrap();
    let mut two = Client::open(&engine, place(2, 2), 3).await.unwrap();
    connect([&mut one, &mut two]);
    drop(engine);
    drive([&mut one, &mut two], "goodbyes", |clients| clients.iter().all(|client| client.closed));
}
