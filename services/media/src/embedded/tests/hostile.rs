//! The engine against those who lie, guess, flood and send junk.

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use str0m::{
    crypto,
    ice::{StunMessage, TransId},
};

use super::{
    client::{Client, connect, drive, place},
    engine, said,
};
use crate::engine::{MediaEngine, Refused};

/// A check of STUN's, signed or not.
pub(super) fn check(username: &str, password: Option<&str>) -> Vec<u8> {
    let sha1 = crypto::from_feature_flags().sha1_hmac_provider;
    let mut buffer = vec![0; 500];
    let message = StunMessage::binding_request(username, TransId::new(), true, 1, 1, true);
    let password = password.map(str::as_bytes);
    let length = message.to_bytes(password, &mut buffer, |key, parts| sha1.sha1_hmac(key, parts)).unwrap();
    buffer.truncate(length);
    buffer
}

#[tokio::test]
async fn who_may_not_be_heard_is_not_whatever_he_sends() {
    let engine = engine(&[]);
    let mut listener = Client::open(&engine, place(1, 1), 3).await.unwrap();
    let mut muted = Client::open(&engine, place(1, 2), 3).await.unwrap();
    let mut removed = Client::open(&engine, place(1, 3), 3).await.unwrap();
    let mut stale = Client::open(&engine, place(1, 4), 3).await.unwrap();
    let mut host = Client::open(&engine, place(1, 5), 3).await.unwrap();
    connect([&mut listener, &mut muted, &mut removed, &mut stale, &mut host]);
    for client in [&muted, &removed, &host] {
        engine.set_gate(client.place, true).await;
    }
    // Of another stay than its session's: nothing of its.
    engine.set_gate(crate::engine::Place { entry: gochat_domain::Entry(99), ..stale.place }, true).await;
    engine.set_gate(muted.place, false).await;
    engine.end_stay(removed.place).await;
    for liar in [&mut listener, &mut muted, &mut removed, &mut stale] {
        liar.deaf = true;
        (0..50).for_each(|number| liar.say(&said(liar.place.uid.get() as u8, number)));
        liar.deaf = false;
    }
    host.say(&said(5, 0));
    drive([&mut listener, &mut muted, &mut stale, &mut host], "the host", |[listener, muted, stale, _]| {
        [listener, muted, stale].iter().all(|client| !client.heard.is_empty())
    });
    for client in [&listener, &muted, &stale] {
        assert_eq!(client.payloads(), [said(5, 0)]);
    }
    assert!(host.heard.is_empty() && removed.heard.is_empty());
}

#[tokio::test]
async fn who_floods_is_capped_before_he_is_deciphered() {
    let engine = engine(&["--media-packets-per-second", "40"]);
    let mut one = Client::open(&engine, place(1, 1), 3).await.unwrap();
    let mut two = Client::open(&engine, place(1, 2), 3).await.unwrap();
    connect([&mut one, &mut two]);
    engine.set_gate(one.place, true).await;
    engine.set_gate(two.place, true).await;
    let began = Instant::now();
    for number in 0..500 {
        one.say(&said(1, number));
        two.turn();
    }
    // Another isn't hindered.
    two.say(&said(2, 0));
    drive([&mut one, &mut two], "the other", |[one, _]| !one.heard.is_empty());
    let most = 40 + (began.elapsed().as_secs_f64() * 40.0).ceil() as usize;
    assert!(!two.heard.is_empty() && two.heard.len() <= most, "{} of 500, not {most}", two.heard.len());
}

#[tokio::test]
async fn a_guess_is_not_answered() {
    let engine = engine(&[]);
    let mut client = Client::open(&engine, place(1, 1), 3).await.unwrap();
    connect([&mut client]);
    let (ufrag, password) = client.credentials();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.connect(engine.addresses()[0]).unwrap();
    stranger.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let check = |username: &str, password: Option<&str>| {
        stranger.send(&check(username, password)).unwrap();
    };
    check(&format!("{ufrag}:ours"), Some("a password that is only guessed"));
    check(&format!("{ufrag}:ours"), Some(&password));
    check("AAAABBBBCCCCDDDD:ours", Some(&password));
    check(&format!("{ufrag}:ours"), None);
    // A client's packet from an address that isn't proven.
    stranger.send(&[0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4]).unwrap();
    stranger.send(&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    assert!(stranger.recv(&mut [0; 2_000]).is_err(), "silence tells nothing");
}

#[tokio::test]
async fn checks_from_anywhere_are_few() {
    let engine = engine(&[]);
    let mut client = Client::open(&engine, place(1, 1), 3).await.unwrap();
    connect([&mut client]);
    let (ufrag, password) = client.credentials();
    let good = check(&format!("{ufrag}:{}", client.ufrag()), Some(&password));
    let began = Instant::now();
    let everywhere: Vec<_> = (0..200)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(engine.addresses()[0]).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.send(&good).unwrap();
            socket
        })
        .collect();
    // It comes after all of those.
    let mut other = Client::open(&engine, place(1, 2), 3).await.unwrap();
    connect([&mut other]);
    let answered = everywhere.iter().filter(|socket| socket.recv(&mut [0; 2_000]).is_ok()).count();
    let most = 41 + (began.elapsed().as_secs_f64() * 20.0).ceil() as usize;
    assert!((10..=most).contains(&answered), "{answered} of 200, not {most}");
}

#[tokio::test]
async fn junk_loses_nothing_of_a_call() {
    // The one whose name is misused may send as much as comes in it.
    let engine = engine(&["--media-packets-per-second", "100000"]);
    let mut one = Client::open(&engine, place(1, 1), 3).await.unwrap();
    let mut two = Client::open(&engine, place(1, 2), 3).await.unwrap();
    connect([&mut one, &mut two]);
    engine.set_gate(one.place, true).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.connect(engine.addresses()[0]).unwrap();
    let mut rng = SmallRng::seed_from_u64(7);
    let starts: [&[u8]; 6] = [
        &[],
        &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42],
        &[0x80, 111],
        &[0x80, 200],
        &[22, 254, 253],
        &[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 6, 0, 3],
    ];
    for number in 0..300 {
        for round in 0..200 {
            let mut junk = vec![0; rng.random_range(0..200)];
            rng.fill(&mut junk[..]);
            let start = starts[round % starts.len()];
            let length = start.len().min(junk.len());
            junk[..length].copy_from_slice(&start[..length]);
            // Some in the name of a client, from its own address.
            match round % 50 {
                0 if !junk.is_empty() => one.send_raw(&junk),
                _ => drop(stranger.send(&junk)),
            }
        }
        one.say(&said(1, number));
        drive([&mut one, &mut two], "what was said", |[_, two]| two.heard.len() > number);
    }
    assert_eq!(two.payloads(), (0..300).map(|number| said(1, number)).collect::<Vec<_>>());
    assert!(two.heard.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
    assert!(!one.closed);
}

#[tokio::test]
async fn as_many_as_are_allowed_and_no_more() {
    let engine = engine(&["--media-sessions", "3", "--media-sessions-per-room", "2"]);
    let one = Client::open(&engine, place(1, 1), 1).await.unwrap();
    Client::open(&engine, place(1, 2), 1).await.unwrap();
    let refused = |room, uid| {
        let engine = &engine;
        async move { Client::open(engine, place(room, uid), 1).await.err() }
    };
    assert_eq!(refused(1, 3).await, Some(Refused::TooMany), "of a room");
    assert_eq!(refused(1, 1).await, None, "but anew");
    assert_eq!(refused(2, 4).await, None);
    assert_eq!(refused(2, 5).await, Some(Refused::TooMany), "of the node");
    engine.end_room(one.place.room).await;
    assert_eq!(refused(2, 5).await, None, "once others are gone");
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_in_our_words() {
    let engine = engine(&[]);
    let whole = super::client::offering("127.0.0.1:9".parse().unwrap(), 2).offer;
    let refused = async |offer: String| match engine.create_session(place(1, 1), offer).await {
        Err(Refused::Offer(why)) => why,
        other => panic!("{other:?}"),
    };
    let both = refused(whole.replace("a=sendonly", "a=sendrecv")).await;
    assert_eq!(both, "each line must be either sendonly or recvonly");
    assert_eq!(refused(String::new()).await, "it has no line of audio");
    assert_eq!(refused("m=audio 9 a secret\r\n".into()).await, "it is no session description");
    assert_eq!(refused(whole.replace("m=audio", "m=video")).await, "only lines of audio are answered");
    let too_many = whole.clone() + &"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(33);
    assert_eq!(refused(too_many).await, "it has too many lines");
    assert_eq!(refused(whole.clone() + &"a=x\r\n".repeat(20_000)).await, "it is longer than 64 KiB");
    assert_eq!(
        refused(whole.replace("a=sendonly", "a=recvonly")).await,
        "it must have one sendonly line, and the rest recvonly"
    );
    assert_eq!(
        refused(whole.replace("opus/48000/2", "vorbis/48000/2")).await,
        "each of its lines must offer opus"
    );
    let (_, fingerprint) = whole.split_once("a=fingerprint:").unwrap();
    let fingerprint = format!("a=fingerprint:{}\r\n", fingerprint.lines().next().unwrap());
    assert_eq!(refused(whole.replace(&fingerprint, "")).await, "it can't be answered");
    assert!(engine.sessions(place(1, 1).room).await.is_empty());
}

#[tokio::test]
async fn a_panic_ends_one_session_alone() {
    let engine = engine(&[]);
    let mut one = Client::open(&engine, place(1, 1), 3).await.unwrap();
    let mut two = Client::open(&engine, place(1, 2), 3).await.unwrap();
    let mut three = Client::open(&engine, place(1, 3), 3).await.unwrap();
    connect([&mut one, &mut two, &mut three]);
    engine.set_gate(one.place, true).await;
    engine.set_gate(two.place, true).await;
    one.send_raw(crate::embedded::peer::POISON);
    two.say(&said(2, 0));
    drive([&mut two, &mut three], "the others", |[_, three]| three.payloads() == [said(2, 0)]);
    let mut places = engine.sessions(one.place.room).await;
    places.sort_by_key(|(place, _)| place.uid);
    assert_eq!(places, [(two.place, true), (three.place, false)]);
}
