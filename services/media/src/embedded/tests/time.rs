//! A session's ends by time alone, in virtual time: no socket and no thread.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use str0m::{
    Event, Input, Output, Rtc,
    change::SdpAnswer,
    net::{Protocol, Receive},
};
use tokio::sync::{Semaphore, watch};

use super::{
    client::{Offering, offering, place},
    hostile::check,
};
use crate::embedded::{
    bucket::Bucket,
    offer::Answerer,
    peer::{COMES_WITHIN, Came, Over, Peer, SILENT_FOR},
    room::{Room, TOLD_EVERY},
    sessions::Sessions,
};

const CLIENT: &str = "127.0.0.1:1001";
const SERVER: &str = "127.0.0.1:1002";

/// A client and its session, with nothing in between.
struct Pair {
    peer: Peer,
    rtc: Rtc,
    answer: String,
    client: SocketAddr,
    server: SocketAddr,
    now: Instant,
    connected: bool,
}

/// A user's session, its client, and the answer that it got.
fn peer(uid: u32, now: Instant) -> (Peer, Rtc, String) {
    let Offering { offer, mut rtc, pending, .. } = offering(CLIENT.parse().unwrap(), 2);
    let mut agreed = Answerer::new(2).unwrap().answer(&offer, &[SERVER.parse().unwrap()]).unwrap();
    let answer = std::mem::take(&mut agreed.sdp);
    rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer).unwrap()).unwrap();
    let counted = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    (Peer::new(place(1, uid), agreed, Bucket::new(100, 100, now), counted, now), rtc, answer)
}

impl Pair {
    fn new() -> Self {
        let (client, server) = (CLIENT.parse().unwrap(), SERVER.parse().unwrap());
        let now = Instant::now();
        let (peer, rtc, answer) = peer(1, now);
        Self { peer, rtc, answer, client, server, now, connected: false }
    }

    /// Lets the client and the session talk for a while; or, where the client is gone, the session alone.
    fn pass(&mut self, time: Duration, client_is_there: bool) -> Result<(), Over> {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(50);
            let mut came = Came::default();
            self.peer.step(self.now, &mut came)?;
            let mut to_client = came.datagrams;
            if !client_is_there {
                continue;
            }
            self.rtc.handle_input(Input::Timeout(self.now)).unwrap();
            loop {
                for (_, datagram) in to_client.drain(..) {
                    let receive = Receive::new(Protocol::Udp, self.server, self.client, &datagram).unwrap();
                    self.rtc.handle_input(Input::Receive(self.now, receive)).unwrap();
                }
                let mut to_server = Vec::new();
                loop {
                    match self.rtc.poll_output().unwrap() {
                        Output::Timeout(_) => break,
                        Output::Transmit(transmit) => to_server.push(transmit.contents),
                        Output::Event(event) => self.connected |= matches!(event, Event::Connected),
                    }
                }
                if to_server.is_empty() {
                    break;
                }
                for datagram in to_server {
                    let mut came = Came::default();
                    self.peer.receive(self.client, self.server, &datagram, self.now, &mut came)?;
                    to_client.extend(came.datagrams);
                }
            }
        }
        Ok(())
    }
}

#[test]
fn a_client_that_does_not_come_is_not_waited_for() {
    let mut pair = Pair::new();
    assert_eq!(pair.pass(COMES_WITHIN - Duration::from_millis(100), false), Ok(()));
    assert_eq!(pair.pass(Duration::from_millis(200), false), Err(Over::Late));
}

#[test]
fn a_client_that_is_there_stays_though_it_says_nothing() {
    let mut pair = Pair::new();
    assert_eq!(pair.pass(4 * SILENT_FOR, true), Ok(()));
    assert!(pair.connected);
}

#[test]
fn a_client_that_is_gone_is_noticed() {
    let mut pair = Pair::new();
    pair.pass(Duration::from_secs(5), true).unwrap();
    assert!(pair.connected);
    assert_eq!(pair.pass(SILENT_FOR - Duration::from_secs(4), false), Ok(()));
    assert_eq!(pair.pass(Duration::from_secs(4), false), Err(Over::Gone));
}

#[test]
fn only_a_check_that_is_signed_proves_an_address() {
    let mut pair = Pair::new();
    pair.pass(Duration::from_secs(1), true).unwrap();
    let elsewhere = "127.0.0.1:1003".parse().unwrap();
    let (ours, theirs) = (pair.peer.ufrag.clone(), pair.rtc.direct_api().local_ice_credentials().ufrag);
    let (_, password) = pair.answer.split_once("a=ice-pwd:").unwrap();
    let password = password.split_whitespace().next().unwrap();
    for (theirs, password, proves) in
        [(&*theirs, password, true), ("AAAA", password, false), (&*theirs, "guessed", false)]
    {
        let mut came = Came::default();
        let check = check(&format!("{ours}:{theirs}"), Some(password));
        pair.peer.receive(elsewhere, pair.server, &check, pair.now, &mut came).unwrap();
        assert_eq!(came.proved.is_some(), proves, "{theirs} {password}");
        assert_eq!(came.datagrams.is_empty(), !proves);
    }
}

#[test]
fn a_client_that_moves_all_the_time_is_no_client() {
    let mut pair = Pair::new();
    pair.pass(Duration::from_secs(1), true).unwrap();
    let (ours, theirs) = (pair.peer.ufrag.clone(), pair.rtc.direct_api().local_ice_credentials().ufrag);
    let (_, password) = pair.answer.split_once("a=ice-pwd:").unwrap();
    let password = password.split_whitespace().next().unwrap();
    let moves = (2_000..3_000).position(|port| {
        let check = check(&format!("{ours}:{theirs}"), Some(password));
        let from = SocketAddr::from(([127, 0, 0, 1], port));
        let mut came = Came::default();
        pair.peer.receive(from, pair.server, &check, pair.now, &mut came) == Err(Over::Gone)
    });
    assert!(moves.is_some_and(|moves| (50..=64).contains(&moves)), "{moves:?}");
}

/// As a packet of sound, for telling whose it is.
const SOUND: &[u8] = &[0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4];

fn sessions(users: u32, now: Instant) -> Sessions {
    let mut sessions = Sessions::default();
    for uid in 1..=users {
        sessions.enter(peer(uid, now).0, || Room::new(2, watch::Sender::new([].into())), now);
    }
    sessions
}

#[test]
fn nobody_takes_the_address_of_one_who_is_there() {
    let now = Instant::now();
    let mut sessions = sessions(2, now);
    let address = CLIENT.parse().unwrap();
    assert_eq!(sessions.meant(address, SOUND), None, "nobody proved it");
    sessions.prove(0, address, now);
    sessions.prove(1, address, now + Duration::from_secs(4));
    assert_eq!(sessions.meant(address, SOUND), Some(0));
    sessions.prove(1, address, now + SILENT_FOR / 2);
    assert_eq!(sessions.meant(address, SOUND), Some(1), "once nothing came from there for a while");
    assert!(sessions.get_mut(0).unwrap().addresses.is_empty());
    sessions.discard(1, now);
    assert_eq!(sessions.meant(address, SOUND), None, "gone with its session");
}

#[test]
fn a_room_is_told_of_at_one_pace_however_often_it_is_opened() {
    let start = Instant::now();
    let mut sessions = sessions(1, start);
    let place = place(1, 1);
    for round in 0..10 {
        let now = start + Duration::from_millis(round);
        sessions.discard(0, now);
        sessions.enter(peer(1, now).0, || Room::new(2, watch::Sender::new([].into())), now);
        sessions.set_gate(place, true, now);
        sessions.tell_due(now);
    }
    assert_eq!(sessions.tellings(), 10, "of the former ones, too");
    for passed in 10..TOLD_EVERY.as_millis() as u64 + 10 {
        sessions.tell_due(start + Duration::from_millis(passed));
    }
    assert_eq!(sessions.tellings(), 1);
}

#[test]
fn a_client_with_many_addresses_is_known_by_the_last_ones() {
    let now = Instant::now();
    let mut sessions = sessions(1, now);
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    (1..=100).for_each(|port| sessions.prove(0, address(port), now));
    let known: Vec<_> = (1..=100).filter(|port| sessions.meant(address(*port), SOUND).is_some()).collect();
    assert_eq!(known, (93..=100).collect::<Vec<_>>());
}
