//! Killing: many do something at once, and in the middle of it one of those who serve them is
//! killed, and some of them die; then it is started again, and all must come right.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use gochat_rig::{Deployment, within};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::{
    ledger::{IN_THE_END, LATE, LEASE, Ledger, departures},
    person::Person,
};

/// How long an act may take.
const A_WHILE: Duration = Duration::from_secs(30);

/// Who is killed in each act, when it comes to one of its commands to Redis.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Victim {
    /// Whoever serves the act.
    Server,
    /// Somebody else; whoever serves the act loses its connections to Redis, and to who is killed.
    Another(&'static str),
}

/// What many do at once.
#[derive(Clone, Copy)]
pub(crate) struct Act {
    name: &'static str,
    served_by: &'static str,
    /// How many commands each of them costs in Redis.
    commands: usize,
}

pub(crate) const fn act(name: &'static str, served_by: &'static str, commands: usize) -> Act {
    Act { name, served_by, commands }
}

/// What one of them does.
pub(crate) type Doing = BoxFuture<'static, Result<(), String>>;

/// A deployment, and where the killing stands.
pub(crate) struct Killing {
    pub(crate) deployment: Deployment,
    pub(crate) ledger: Ledger,
    victim: Victim,
    rng: StdRng,
    pub(crate) round: usize,
    rounds: usize,
    /// When whoever ends leases, or carries heartbeats, came back last.
    back: i64,
    /// Who died, and must be gone.
    pub(crate) dead: Vec<u32>,
    kills: usize,
}

impl Killing {
    /// In so many rounds, with each act's killing at another moment in each of them.
    pub(crate) async fn of(deployment: Deployment, victim: Victim, rounds: usize) -> Self {
        let seed = rand::random();
        println!("the killing's seed is {seed}");
        let ledger = Ledger::of(&deployment).await;
        let back = ledger.now().await;
        let (rng, dead) = (StdRng::seed_from_u64(seed), Vec::new());
        Self { deployment, ledger, victim, rng, round: 0, rounds, back, dead, kills: 0 }
    }

    /// Begins the next round, if there is one.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.round += 1;
        if self.round > self.rounds {
            println!("{:?}: {} kills", self.victim, self.kills);
        }
        self.round <= self.rounds
    }

    /// Their clients end, with whatever they were about.
    pub(crate) fn die(&mut self, people: &mut Vec<Person>) {
        self.dead.extend(people.drain(..).map(|person| person.uid));
    }

    /// Has all of it done at once; kills in the middle, and starts again. Who is `dying` dies with it.
    pub(crate) async fn play(&mut self, act: Act, living: Vec<Doing>, dying: Vec<Doing>) {
        let count = living.len() + dying.len();
        let moments = count * act.commands;
        let moment = self.moment(moments);
        let when = format!("{} at {moment} of {moments}", act.name);
        let answers = Arc::new(watch::Sender::new(0));
        self.deployment.gate(act.served_by).stand_after(moment);
        let (mut living, dying) = (at_once(living, &answers), at_once(dying, &answers));
        let comes = timeout(A_WHILE, self.deployment.gate(act.served_by).stands()).await;
        let pending = count - *answers.borrow();
        self.kill(act, dying).await;
        assert!(comes.is_ok() && pending > 0, "{when}: {pending} were pending, {comes:?}");
        let rest = async {
            while let Some(answer) = living.join_next().await {
                answer.unwrap().unwrap_or_else(|why| panic!("{when}: {why}"));
            }
        };
        assert!(timeout(A_WHILE, rest).await.is_ok(), "{when} comes to its end");
    }

    /// Another part of the moments that there are in each round.
    fn moment(&mut self, moments: usize) -> usize {
        let (from, to) = (moments * (self.round - 1) / self.rounds, moments * self.round / self.rounds);
        1 + self.rng.random_range(from..to.max(from + 1))
    }

    async fn kill(&mut self, act: Act, dying: JoinSet<Result<(), String>>) {
        let name = match self.victim {
            Victim::Server => act.served_by,
            Victim::Another(name) => name,
        };
        self.deployment.process(name).kill().await;
        drop(dying);
        self.deployment.gate(act.served_by).close();
        self.deployment.gate(act.served_by).open();
        self.deployment.process(name).start_again();
        self.deployment.process(name).until(200).await;
        self.kills += 1;
        if name != "stage" {
            self.back = self.ledger.now().await;
        }
    }

    /// Nobody is seen of who died, soon after all is back; the living are where they were, and all
    /// that Redis holds is explained.
    pub(crate) async fn the_dead_are_gone(&mut self, living: BTreeSet<(u32, String)>) {
        let dead = std::mem::take(&mut self.dead);
        let gone = within(IN_THE_END, async || {
            for uid in &dead {
                if !self.ledger.rooms_of(*uid).await.is_empty() {
                    return None;
                }
            }
            self.ledger.objections().await.is_empty().then_some(())
        });
        assert!(gone.await.is_some(), "of {dead:?}: {:#?}", self.ledger.objections().await);
        let rooms: BTreeSet<String> = living.iter().map(|(_, room)| room.clone()).collect();
        assert_eq!(self.ledger.open_rooms().await, rooms, "no other room is open");
        let mut inside = BTreeSet::new();
        for room in rooms {
            let left = departures(&self.deployment, &room).await;
            let late =
                left.iter().find(|left| dead.contains(&left.uid) && left.at > self.back + LEASE + LATE);
            assert_eq!(late, None, "all was back at {}", self.back);
            inside.extend(self.ledger.view(&room).await.roster.into_iter().map(|uid| (uid, room.clone())));
        }
        assert_eq!(inside, living, "who is alive is where they were");
    }
}

fn at_once(doings: Vec<Doing>, answers: &Arc<watch::Sender<usize>>) -> JoinSet<Result<(), String>> {
    let mut tasks = JoinSet::new();
    for doing in doings {
        let answers = answers.clone();
        tasks.spawn(async move {
            let answer = doing.await;
            answers.send_modify(|answers| *answers += 1);
            answer
        });
    }
    tasks
}
