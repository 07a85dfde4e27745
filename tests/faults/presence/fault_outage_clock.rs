//! The clock of one of two who serve rooms is a minute ahead: nobody can tell, for Redis's decides.

use std::{fs, path::PathBuf, time::Duration};

use gochat_client::{Banned, Client, Endpoints, Entered, KeepAlive, Page, Refusal, Session};
use gochat_rig::{AT_MOST, Deployment, until, within};
use tokio::process::Command;

use super::{
    ledger::{IN_THE_END, LATE, LEASE, Ledger, departures, plan},
    mortal::Mortal,
};

/// How far a moment may be from when a test looks, in milliseconds.
const NEAR: i64 = 5_000;
/// How far ahead the one is, at the least.
const AHEAD: i64 = 50_000;
const BANNED: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_whose_clocks_differ_agree_on_everything() {
    let Some(library) = library() else {
        println!("skipped: faketime is not installed");
        return;
    };
    let mut deployment = Deployment::of(plan()).await;
    let loaded = library.display().to_string();
    let told = [("LD_PRELOAD", &*loaded), ("FAKETIME", "+60s"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let ahead = deployment.one_more("room", &told).await;
    let ledger = Ledger::of(&deployment).await;
    assert!(ahead.process.has_loaded(&library) && shown_by(&told).await > ledger.now().await + AHEAD);

    let endpoints = deployment.endpoints();
    let aside = Endpoints { room: format!("http://{}", ahead.address), ..endpoints.clone() };
    let [one, other] = [endpoints, aside].map(|at| Client::connect(&at).unwrap());
    let hosts = [Host::open(&one, "one", &ledger).await, Host::open(&other, "other", &ledger).await];
    see_the_same_list(&hosts, &ledger).await;
    for (host, strange) in [(&hosts[0], &other), (&hosts[1], &one)] {
        keep_out(host, strange, &ledger).await;
    }
    // Both end leases; then only the one whose clock is ahead.
    let here = hosts[0].room();
    let first = Mortal::start(&deployment, "first", &["listen", here]).await;
    let second = Mortal::start(&deployment, "second", &["listen", here]).await;
    lose(first, &deployment, &ledger).await;
    deployment.process("room").kill().await;
    lose(second, &deployment, &ledger).await;
    for host in &hosts {
        assert_eq!(
            ledger.rooms_of(host.session.uid()).await,
            [host.room()],
            "who goes on heartbeating stays"
        );
    }
    assert_eq!(ledger.objections().await, Vec::<String>::new());
}

/// The library of Debian's package `faketime`, where that is installed.
fn library() -> Option<PathBuf> {
    let places = fs::read_dir("/usr/lib").ok()?.filter_map(|place| Some(place.ok()?.path()));
    places.map(|place| place.join("faketime/libfaketime.so.1")).find(|library| library.exists())
}

/// The time that a process is shown which is told this, in milliseconds.
async fn shown_by(told: &[(&str, &str)]) -> i64 {
    let shown = Command::new("date").arg("+%s%3N").envs(told.iter().copied()).output().await.unwrap();
    String::from_utf8(shown.stdout).unwrap().trim().parse().unwrap()
}

struct Host {
    session: Session,
    entered: Entered,
    _alive: KeepAlive,
}

impl Host {
    /// Opens a room, which is of the moment that Redis shows.
    async fn open(client: &Client, name: &str, ledger: &Ledger) -> Self {
        let session = client.login(name, "").await.unwrap();
        let alive = session.keep_alive();
        let entered = session.create_room(name).await.unwrap();
        let now = ledger.now().await;
        for moment in [entered.room.created_at, entered.member.joined_at] {
            assert!((now - NEAR..=now).contains(&moment), "{moment} is not shortly before {now}");
        }
        Self { session, entered, _alive: alive }
    }

    fn room(&self) -> &str {
        &self.entered.room.room_id
    }
}

/// The one who opened a room later has it first in the list, whomever one asks.
async fn see_the_same_list(hosts: &[Host; 2], ledger: &Ledger) {
    assert!(hosts[0].entered.room.created_at < hosts[1].entered.room.created_at);
    let newest_first = [hosts[1].room(), hosts[0].room()];
    for host in hosts {
        until("a list that has both", AT_MOST, async || {
            let listed = host.session.list_rooms(Page::of(10)).await.unwrap().rooms;
            listed.iter().map(|room| &*room.room_id).eq(newest_first).then_some(())
        })
        .await;
    }
    assert_eq!(ledger.open_rooms().await.len(), hosts.len());
}

/// Somebody who asks the other one is kept out until the ban is over by Redis's clock, and no longer.
async fn keep_out(host: &Host, other: &Client, ledger: &Ledger) {
    let guest = other.login(&format!("of {}", host.session.nick_name()), "").await.unwrap();
    guest.join_room(host.room()).await.unwrap();
    let ban = Banned { lasts: Some(BANNED), reason: String::new() };
    let before = ledger.now().await;
    host.session.remove_member(host.room(), guest.uid(), Some(ban)).await.unwrap();
    let lasts = BANNED.as_millis() as i64;
    let over = before + lasts..=ledger.now().await + lasts;
    let entered =
        until("the end of the ban", 3 * AT_MOST, async || match guest.join_room(host.room()).await {
            Ok(entered) => Some(entered.member.joined_at),
            Err(error) => {
                assert_eq!(error.refusal(), Some(Refusal::Banned), "{error}");
                None
            }
        })
        .await;
    assert!(
        (*over.start()..=over.end() + NEAR).contains(&entered),
        "entered at {entered}, banned until {over:?}"
    );
    guest.logout().await.unwrap();
}

/// Who dies is gone when the lease is over by Redis's clock.
async fn lose(mut mortal: Mortal, deployment: &Deployment, ledger: &Ledger) {
    mortal.dies().await;
    let ends = ledger.lease_of(&mortal.room, mortal.uid).await.unwrap();
    assert!(ends <= ledger.now().await + LEASE);
    let left = within(IN_THE_END, async || {
        let left = departures(deployment, &mortal.room).await;
        left.into_iter().find(|left| left.uid == mortal.uid)
    });
    let at = left.await.expect("who died is gone").at;
    assert!((ends..=ends + LATE).contains(&at), "gone at {at}, the lease was until {ends}");
}
