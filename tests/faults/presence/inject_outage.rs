//! People at home in their rooms, who do nothing but be there, while something of ours is away:
//! nobody may lose their place by that but who died meanwhile.

use std::time::Duration;

use futures::future::join_all;
use gochat_rig::{Deployment, within};
use tokio::time::sleep;

use super::{
    ledger::{IN_THE_END, LATE, LEASE, Ledger, departures, plan},
    mortal::Mortal,
    person::{Deed, Person, Way, Where},
};

/// How long something is away: a lease and ten seconds.
pub(crate) const LONG: Duration = Duration::from_secs(15);
/// How far the moment at which a test finds all back may be from when the services find it.
const SLOW: i64 = 1_500;

/// Some rooms, each with people who call in each way.
pub(crate) struct Home {
    /// Who goes away, for who reads what became of it.
    away: &'static str,
    pub(crate) deployment: Deployment,
    ledger: Ledger,
    rooms: Vec<(String, Vec<Person>)>,
    died: Vec<u32>,
}

impl Home {
    /// Two rooms; the host of one calls by the SDK, the other one's by HTTP.
    pub(crate) async fn open(away: &'static str) -> Self {
        let deployment = Deployment::of(plan()).await;
        let ledger = Ledger::of(&deployment).await;
        let mut rooms = Vec::new();
        for way in [Way::Sdk, Way::Http] {
            rooms.push(room(&deployment, &ledger, way).await);
        }
        Self { away, deployment, ledger, rooms, died: Vec::new() }
    }

    /// Something goes away and comes back; in between, for so long, somebody dies.
    pub(crate) async fn outlives(
        &mut self,
        time: Duration,
        goes: impl AsyncFnOnce(&mut Deployment),
        comes: impl AsyncFnOnce(&mut Deployment),
    ) {
        let (room, _) = &self.rooms[self.died.len() % self.rooms.len()];
        let name = format!("mortal {}", self.died.len());
        let mut mortal = Mortal::start(&self.deployment, &name, &["listen", room]).await;
        // Heartbeats have another phase each time.
        sleep(Duration::from_millis(rand::random_range(0..2_000))).await;
        goes(&mut self.deployment).await;
        sleep(time / 3).await;
        mortal.dies().await;
        sleep(time * 2 / 3).await;
        comes(&mut self.deployment).await;
        self.ledger = Ledger::of(&self.deployment).await;
        let back = self.ledger.now().await;
        self.died.push(mortal.uid);
        let spared = if time >= LONG { LEASE - SLOW } else { 0 };
        self.only_leaves(&mortal, back, spared).await;
    }

    /// The dead one goes, not before those who live had time to be heard, and all others stay.
    async fn only_leaves(&self, mortal: &Mortal, back: i64, spared: i64) {
        let left = within(IN_THE_END, async || {
            let left = departures(&self.deployment, &mortal.room).await;
            left.into_iter().find(|left| left.uid == mortal.uid)
        });
        let (left, view) = (left.await, self.ledger.view(&mortal.room).await);
        let left =
            left.unwrap_or_else(|| panic!("{}: {} died, and is not gone: {view:?}", self.away, mortal.uid));
        let settled = within(IN_THE_END, async || (self.ledger.overdue().await == 0).then_some(())).await;
        assert!(settled.is_some(), "what is due is done");
        for (room, people) in &self.rooms {
            let departed = departures(&self.deployment, room).await;
            let others = departed.iter().filter(|left| !self.died.contains(&left.uid)).collect::<Vec<_>>();
            assert!(
                others.is_empty(),
                "left {room} though they were there: {others:?}; all was back at {back}"
            );
            let view = self.ledger.view(room).await;
            assert!(!view.closed && view.members.len() == people.len(), "{view:?}");
            for person in people {
                assert_eq!(person.lost(), None, "{} was told so", person.uid);
                assert_eq!(self.ledger.held(person.uid).await.as_ref(), Some(room));
            }
        }
        assert_eq!(self.ledger.objections().await, Vec::<String>::new());
        let after = left.at - back;
        println!("{}: who died was gone {after} ms after the return", self.away);
        assert!((spared..=LEASE + LATE).contains(&after), "{}: gone {after} ms after the return", self.away);
    }
}

/// A host on stage, with somebody else on stage, somebody who asks to be, and somebody who listens.
async fn room(deployment: &Deployment, ledger: &Ledger, hosted: Way) -> (String, Vec<Person>) {
    let at = Where::of(deployment);
    let ways = [hosted, Way::Sdk, Way::Http, Way::Sdk, Way::Http];
    let logins = ways.into_iter().enumerate().map(|(n, way)| {
        let (at, name) = (at.clone(), format!("{hosted:?} {n}"));
        async move { Person::login(way, at, name).await }
    });
    let people = join_all(logins).await;
    let does = |n: usize, deed: Deed| people[n].caller.clone().does(deed);
    does(0, Deed::Create(format!("by {hosted:?}"))).await.unwrap();
    let room = ledger.held(people[0].uid).await.unwrap();
    for n in 1..people.len() {
        does(n, Deed::Join(room.clone())).await.unwrap();
    }
    does(0, Deed::Invite(room.clone(), people[1].uid)).await.unwrap();
    let token = ledger.invitation(&room, people[1].uid).await.unwrap();
    does(1, Deed::Answer(room.clone(), token, true)).await.unwrap();
    does(2, Deed::RaiseHand(room.clone())).await.unwrap();
    (room, people)
}
