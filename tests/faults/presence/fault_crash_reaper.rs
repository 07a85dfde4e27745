//! Two of three who end leases are killed while they do: the third ends what is left, and nobody's
//! twice.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, stream};
use gochat_client::LeaveReason;
use gochat_domain::{ClientId, NickName};
use gochat_rig::{Deployment, Process, until, within};
use gochat_store::{Login, Store, StoreArgs};

use super::{
    ledger::{IN_THE_END, LATE, LEASE, Ledger, departures, plan},
    person::{Deed, Person, Way, Where},
};
use crate::scene::store_args;

/// So many rooms, and so many in each who go silent at once.
const ROOMS: usize = 4;
const SILENT: usize = 250;
/// How many of them enter at a time.
const AT_A_TIME: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_are_killed_in_a_sweep() {
    let mut deployment = Deployment::of(plan()).await;
    let mut one = deployment.one_more("room", &[]).await.process;
    let mut another = deployment.one_more("room", &[]).await.process;
    let ledger = Ledger::of(&deployment).await;
    let (hosts, rooms) = hosts(&deployment, &ledger).await;
    // As the first go.
    let crowd = Crowd::enters(&deployment, &ledger, &rooms, 0).await;
    crowd.goes(&ledger, 1).await;
    kill([&mut one, &mut another]).await;
    crowd.is_gone(&deployment, &ledger).await;
    for process in [&mut one, &mut another] {
        process.start_again();
        process.until(200).await;
    }
    // As half have gone.
    let crowd = Crowd::enters(&deployment, &ledger, &rooms, 1).await;
    crowd.goes(&ledger, ROOMS * SILENT / 2).await;
    kill([deployment.process("room"), &mut one]).await;
    crowd.is_gone(&deployment, &ledger).await;
    for host in hosts {
        assert_eq!(host.lost(), None, "who goes on heartbeating stays");
    }
}

async fn kill(two: [&mut Process; 2]) {
    for process in two {
        process.kill().await;
    }
}

async fn hosts(deployment: &Deployment, ledger: &Ledger) -> (Vec<Person>, Vec<String>) {
    let (mut hosts, mut rooms) = (Vec::new(), Vec::new());
    for n in 0..ROOMS {
        let host = Person::login(Way::Sdk, Where::of(deployment), format!("host {n}")).await;
        host.caller.clone().does(Deed::Create(format!("room {n}"))).await.unwrap();
        rooms.push(ledger.held(host.uid).await.unwrap());
        hosts.push(host);
    }
    (hosts, rooms)
}

/// As the deployment's services have it.
fn args(deployment: &Deployment) -> StoreArgs {
    let lease = Duration::from_millis(LEASE as u64);
    let most = 1_000_000;
    StoreArgs { lease, log_least: most, log_most: most, ..store_args(&deployment.redis.url()) }
}

/// Who entered these rooms, and was never heard of again.
struct Crowd<'a> {
    rooms: &'a [String],
    /// By uid, between which moments they entered.
    entered: BTreeMap<u32, (i64, i64)>,
}

impl<'a> Crowd<'a> {
    async fn enters(deployment: &Deployment, ledger: &Ledger, rooms: &'a [String], round: usize) -> Self {
        let store = Store::open(args(deployment)).await.unwrap();
        let enter = |n: usize| {
            let (store, room) = (&store, &rooms[n % rooms.len()]);
            async move {
                let nick_name = NickName::parse(&format!("{round}.{n}")).unwrap();
                let login = Login { nick_name, avatar: String::new(), external: None };
                let uid = store.login(&login).await.unwrap().uid;
                let before = ledger.now().await;
                store.join(uid, room.parse().unwrap(), ClientId::default(), None).await.unwrap();
                (uid.get(), (before, ledger.now().await))
            }
        };
        let entered = stream::iter(0..ROOMS * SILENT).map(enter).buffer_unordered(AT_A_TIME).collect().await;
        Self { rooms, entered }
    }

    async fn inside(&self, ledger: &Ledger) -> usize {
        let mut inside = 0;
        for room in self.rooms {
            inside += ledger.members(room).await - 1;
        }
        inside
    }

    /// Waits until so many have gone, which must not be all.
    async fn goes(&self, ledger: &Ledger, many: usize) {
        until("the sweep", IN_THE_END, async || {
            (self.inside(ledger).await <= self.entered.len() - many).then_some(())
        })
        .await;
    }

    async fn is_gone(&self, deployment: &Deployment, ledger: &Ledger) {
        let left = self.inside(ledger).await;
        println!("{left} of {} were in yet when two were killed", self.entered.len());
        assert!(left > 0, "they were killed in the sweep");
        let gone = within(IN_THE_END, async || (self.inside(ledger).await == 0).then_some(()));
        assert!(gone.await.is_some(), "all are gone");
        let mut left = BTreeMap::new();
        for room in self.rooms {
            for departure in departures(deployment, room).await {
                if self.entered.contains_key(&departure.uid) {
                    assert_eq!(left.insert(departure.uid, departure), None, "nobody leaves twice");
                }
            }
        }
        assert!(left.keys().eq(self.entered.keys()), "each departure is told of");
        for (uid, (before, after)) in &self.entered {
            let departure = left[uid];
            let right = (before + LEASE..=after + LEASE + LATE).contains(&departure.at);
            assert!(right && departure.reason == LeaveReason::Lost, "entered at {before}: {departure:?}");
        }
        let latest = self.entered.iter().map(|(uid, (_, after))| left[uid].at - after - LEASE).max();
        println!("the last was gone {} ms after the lease", latest.unwrap());
        assert_eq!(ledger.objections().await, Vec::<String>::new());
    }
}
