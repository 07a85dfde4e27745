//! Clients are killed, in every place that a client can have; each is gone when its lease is, with
//! all that it held.

use std::collections::BTreeSet;

use gochat_client::{CloseReason, Kind, LeaveReason};
use gochat_rig::{AT_MOST, Deployment, until, within};
use tokio::time::sleep;

use super::{
    ledger::{IN_THE_END, LATE, LEASE, Ledger, departures, plan},
    mortal::Mortal,
    person::{Deed, Person, Way, Where},
};
use crate::scene::log;

/// By how much a heartbeat that was on its way may have moved the end of a lease.
const ON_ITS_WAY: i64 = 2_000;

struct Killed {
    mortal: Mortal,
    at: i64,
    /// By when its lease ends, in the room that it was in; none where it was on the move.
    ends: Option<i64>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_killed_is_gone_when_the_lease_is() {
    let deployment = Deployment::of(plan()).await;
    let ledger = Ledger::of(&deployment).await;
    let at = Where::of(&deployment);
    let host = Person::login(Way::Sdk, at.clone(), "host".to_owned()).await;
    let other = Person::login(Way::Sdk, at, "other".to_owned()).await;
    for (person, subject) in [(&host, "here"), (&other, "there")] {
        person.caller.clone().does(Deed::Create(subject.to_owned())).await.unwrap();
    }
    let here = ledger.held(host.uid).await.unwrap();
    let there = ledger.held(other.uid).await.unwrap();
    // The services have just started, and end no lease before they have run for one.
    let started = ledger.now().await;
    until("the first lease to pass", 2 * AT_MOST, async || {
        (ledger.now().await > started + LEASE).then_some(())
    })
    .await;
    for round in 0..2 {
        let mortals = everywhere(&deployment, &ledger, &host, &here, &there, round).await;
        let hosted = mortals[0].room.clone();
        let killed = all_die(&ledger, mortals).await;
        gone(&deployment, &ledger, &killed, &[&here, &there]).await;
        closed_for_loss(&deployment, &ledger, &killed[0], &hosted).await;
        let open = BTreeSet::from([here.clone(), there.clone()]);
        assert_eq!(ledger.open_rooms().await, open);
        for (room, person) in [(&here, &host), (&there, &other)] {
            let view = ledger.view(room).await;
            assert_eq!((view.roster, view.hands, view.stage), (vec![person.uid], vec![], vec![person.uid]));
        }
        assert_eq!(ledger.objections().await, Vec::<String>::new());
    }
}

/// A host of a room with somebody in it, and in the room of a host who lives: a listener, one who asks to
/// speak, one who is invited, one who speaks, and two who go from room to room.
async fn everywhere(
    deployment: &Deployment,
    ledger: &Ledger,
    host: &Person,
    here: &str,
    there: &str,
    round: usize,
) -> Vec<Mortal> {
    let start =
        async |name: &str, part: &[&str]| Mortal::start(deployment, &format!("{name} {round}"), part).await;
    let lost_host = start("lost host", &["host"]).await;
    let room = lost_host.room.clone();
    let mortals = vec![
        lost_host,
        start("its guest", &["listen", &room]).await,
        start("listener", &["listen", here]).await,
        start("asker", &["ask", here]).await,
        start("invited", &["listen", here]).await,
        start("speaker", &["speak", here]).await,
        start("wanderer", &["wander", here, there]).await,
        start("another", &["wander", there, here]).await,
    ];
    for invited in &mortals[4..6] {
        host.caller.clone().does(Deed::Invite(here.to_owned(), invited.uid)).await.unwrap();
    }
    until("the speaker on stage", AT_MOST, async || {
        ledger.view(here).await.stage.contains(&mortals[5].uid).then_some(())
    })
    .await;
    mortals
}

/// At different moments.
async fn all_die(ledger: &Ledger, mortals: Vec<Mortal>) -> Vec<Killed> {
    let mut killed = Vec::new();
    for mut mortal in mortals {
        sleep(std::time::Duration::from_millis(rand::random_range(0..300))).await;
        mortal.dies().await;
        let at = ledger.now().await;
        let ends = ledger.lease_of(&mortal.room, mortal.uid).await;
        killed.push(Killed { mortal, at, ends });
    }
    killed
}

/// All have left each of these rooms, neither before their leases ended nor late.
async fn gone(deployment: &Deployment, ledger: &Ledger, killed: &[Killed], rooms: &[&String]) {
    let nobody = within(IN_THE_END, async || {
        for dead in killed {
            if !ledger.rooms_of(dead.mortal.uid).await.is_empty() {
                return None;
            }
        }
        Some(())
    });
    assert!(nobody.await.is_some(), "nobody is seen any more who died");
    for room in rooms {
        for left in departures(deployment, room).await {
            let Some(dead) = killed.iter().find(|dead| dead.mortal.uid == left.uid) else { continue };
            if left.reason == LeaveReason::Lost {
                let ends = dead.ends.filter(|_| dead.mortal.room == **room);
                let right =
                    left.at >= ends.unwrap_or(dead.at) && left.at <= dead.at + LEASE + ON_ITS_WAY + LATE;
                assert!(right, "{left:?}, killed at {}, lease until {ends:?}", dead.at);
                println!("gone {:?} ms after the lease", ends.map(|ends| left.at - ends));
            }
        }
    }
}

/// The room of a host who was killed has closed, with the reason, when that host's lease ended.
async fn closed_for_loss(deployment: &Deployment, ledger: &Ledger, host: &Killed, room: &str) {
    assert!(ledger.view(room).await.closed);
    let commits = log(deployment, room).await;
    let end = commits.last().unwrap();
    let reason = end.events.iter().find_map(|event| match &event.kind {
        Some(Kind::RoomClosed(closed)) => Some(closed.reason()),
        _ => None,
    });
    assert_eq!(reason, Some(CloseReason::HostLost), "{end:?}");
    let right = host.ends.is_some_and(|ends| (ends..=ends + LATE).contains(&end.committed_at));
    assert!(right, "closed at {}, the lease was until {:?}", end.committed_at, host.ends);
}
