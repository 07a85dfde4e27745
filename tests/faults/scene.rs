//! A deployment with people at work in its rooms and subscribers who record what they get; in
//! the end all is judged by what Redis says had happened.

mod telling;

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use clap::Parser;
use gochat_client::{Roster, Session};
use gochat_proto::model::Commit;
use gochat_rig::{Deployment, Plan, until, within};
use gochat_store::{Store, StoreArgs, keys::RoomKeys};
use prost::Message;
use redis::AsyncCommands;

use crate::{
    actors::Actors,
    cast::{Assembly, BySdk, Cast, Recorder, Recorders},
    cut::Audience,
    history::History,
    judge::{Expect, Verdict, has_caught_up, judge, replays},
    scene::telling::tell,
};

/// How long all have, once nothing happens any more, to hold what there is.
pub(crate) const SETTLES: Duration = Duration::from_secs(20);
/// How long a wave of deeds may take.
const A_WHILE: Duration = Duration::from_secs(30);
/// As the store has it if nothing is said.
const PARTITIONS: u16 = 64;

/// Everything together. All of it ends when it is dropped.
pub(crate) struct Scene {
    pub(crate) deployment: Deployment,
    pub(crate) rooms: Vec<String>,
    pub(crate) history: History,
    pub(crate) recorders: Recorders,
    hosts: HashMap<String, Session>,
    actors: Actors,
    by_sdk: Vec<BySdk>,
    /// Redis went back: a person may be in the room by an entry of before the one they made last.
    pub(crate) went_back: bool,
    _alive: Vec<gochat_client::KeepAlive>,
}

/// Services whose logs keep all, whose leases outlast any fault, and whose streams speak each
/// second. Notifiers keep no more of a log in memory than they usually do.
pub(crate) fn plan(notifiers: usize) -> Plan {
    let knobs = [
        ("GOCHAT_KEEP_ALIVE", "1s"),
        ("GOCHAT_INVITATION", "1h"),
        ("GOCHAT_LOG_LEAST", "1000000"),
        ("GOCHAT_LOG_MOST", "1000000"),
        ("GOCHAT_LEASE", "120s"),
        ("GOCHAT_SESSION", "10m"),
    ];
    let plan = Plan::services(notifiers).telling_notifiers(&["--log-least", "256", "--log-most", "4096"]);
    knobs.iter().fold(plan, |plan, (name, value)| plan.with(name, value))
}

impl Scene {
    /// So many notifiers, and everybody at work.
    pub(crate) async fn open(notifiers: usize, cast: Cast) -> Self {
        Self::with(plan(notifiers), cast).await
    }

    pub(crate) async fn with(plan: Plan, cast: Cast) -> Self {
        let deployment = Deployment::of(plan).await;
        let Assembly { rooms, parts, recorders, by_sdk, alive } =
            Assembly::of(cast, &deployment.endpoints()).await;
        let hosts = parts.iter().filter(|part| part.is_host);
        let hosts = hosts.map(|part| (part.room_id.clone(), part.session.clone())).collect();
        let recorders = Recorders::new(recorders.into());
        let (entered_by, notifier) = (recorders.clone(), deployment.endpoints().notifier);
        let on_entry = std::sync::Arc::new(move |session: &_, entered: &_| {
            entered_by.lock().unwrap().push(Recorder::of(&notifier, session, entered, Roster::All));
        });
        let actors = Actors::start(parts, cast.pace, seed(), on_entry);
        let history = History::default();
        let went_back = false;
        Self { deployment, rooms, history, recorders, hosts, actors, by_sdk, went_back, _alive: alive }
    }

    /// Lets so many deeds be done.
    pub(crate) async fn plays(&self, deeds: u64) {
        let enough = self.actors.done() + deeds;
        until("deeds", A_WHILE, async || (self.actors.done() >= enough).then_some(())).await;
    }

    /// What failed until now may have.
    pub(crate) fn forgive(&self) {
        self.actors.failed();
    }

    /// Nobody does anything until `goes_on`.
    pub(crate) async fn halts(&mut self) {
        self.actors.pause().await;
    }

    pub(crate) fn goes_on(&mut self) {
        self.actors.resume();
    }

    /// Reads what had happened in each room until now: to be called before Redis forgets it.
    pub(crate) async fn remember(&mut self) {
        for room_id in &self.rooms {
            let log = log(&self.deployment, room_id).await;
            self.history.add(room_id, log);
        }
    }

    /// Halts, and waits until every subscriber holds all there is; the judge tells who didn't.
    pub(crate) async fn settle(&mut self, at_most: Duration) {
        self.halts().await;
        self.remember().await;
        within(at_most, async || self.is_level().then_some(())).await;
    }

    fn is_level(&self) -> bool {
        self.behind() == 0 && self.by_sdk.iter().all(|follower| self.sees_all(follower))
    }

    /// How many recorders don't yet hold what was remembered last.
    pub(crate) fn behind(&self) -> usize {
        let recorders = self.recorders.lock().unwrap();
        let behind = |recorder: &&Recorder| {
            let Recorder { subscriber, room_id, audience } = recorder;
            let (held, view) = (*subscriber.held().borrow(), subscriber.view());
            !subscriber.is_over() && !has_caught_up(&self.history, room_id, *audience, held, view.as_ref())
        };
        recorders.iter().filter(behind).count()
    }

    /// Who opened a room.
    pub(crate) fn host_of(&self, room_id: &str) -> &Session {
        &self.hosts[room_id]
    }

    fn sees_all(&self, follower: &BySdk) -> bool {
        let holds = follower.holds();
        let audience = Audience { uid: Some(follower.uid), roster: Roster::All };
        let held = holds.token.parse().ok();
        has_caught_up(&self.history, &follower.room_id, audience, held, holds.view.as_ref())
    }

    /// What the judge says, once all has settled: the sum of what was in the records.
    pub(crate) async fn verdict(mut self, expect: Expect) -> Verdict {
        self.settle(SETTLES).await;
        let failed = self.actors.failed();
        assert!(failed.is_empty(), "calls failed: {failed:?}");
        let (verdict, objections) = self.judged(expect).await;
        let said = self.deployment.notifiers.iter().map(|notifier| notifier.said());
        let said: Vec<String> = said.map(|said| last_lines(&said)).collect();
        assert!(
            objections.is_empty(),
            "{} objections:\n{}\nnotifiers: {}",
            objections.len(),
            objections[..objections.len().min(5)].join("\n"),
            said.join("\n--\n")
        );
        println!("{} deeds; {verdict:?}", self.actors.done());
        verdict
    }

    /// What was in the records, and what the judge objects to.
    pub(crate) async fn judged(&mut self, expect: Expect) -> (Verdict, Vec<String>) {
        let mut objections = self.replayed().await;
        for follower in &self.by_sdk {
            if !self.sees_all(follower) {
                let holds = follower.holds();
                let (held, ended) = (holds.token, holds.ended);
                objections.push(format!("the SDK in {} holds {held}, ended {ended:?}", follower.room_id));
            }
        }
        let mut sum = Verdict::default();
        let recorders = std::mem::take(&mut *self.recorders.lock().unwrap());
        for recorder in recorders {
            let mut record = recorder.subscriber.stop().await;
            if self.went_back {
                record.entry = 0;
            }
            match judge(&record, &self.history, expect) {
                Ok(verdict) => add(&mut sum, verdict),
                Err(objection) => objections.push(tell(&objection, &record)),
            }
        }
        (sum, objections)
    }

    /// Rooms whose logs don't lead to what the store holds.
    async fn replayed(&self) -> Vec<String> {
        let store = Store::open(store_args(&self.deployment.redis.url())).await.unwrap();
        let mut objections = Vec::new();
        for room_id in &self.rooms {
            let read = async || store.snapshot(room_id.parse().unwrap()).await.ok().flatten();
            let snapshot = until("a snapshot", SETTLES, read).await;
            if let Err(wrong) = replays(&self.history, room_id, &snapshot) {
                objections.push(format!("room {room_id}: {wrong:?}"));
            }
        }
        objections
    }
}

/// The commits that a room's log has.
pub(crate) async fn log(deployment: &Deployment, room_id: &str) -> Vec<Commit> {
    type Logged = (String, Vec<(String, Vec<u8>)>);
    let keys = RoomKeys::new(room_id.parse().unwrap(), PARTITIONS);
    let logged: Vec<Logged> = deployment.redis.raw().await.xrange_all(keys.log()).await.unwrap();
    logged.iter().map(|(_, fields)| Commit::decode(fields[0].1.as_slice()).unwrap()).collect()
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) fn store_args(url: &str) -> StoreArgs {
    Flags::parse_from(["test", "--redis-url", url]).store
}

/// Another one for each scene, so that tests differ and each can be told which it had.
fn seed() -> u64 {
    static SCENES: AtomicU64 = AtomicU64::new(0);
    rand::random::<u32>() as u64 + (SCENES.fetch_add(1, Ordering::Relaxed) << 32)
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn add(sum: &mut Verdict, verdict: Verdict) {
    sum.commits += verdict.commits;
    sum.events += verdict.events;
    sum.private += verdict.private;
    sum.snapshots += verdict.snapshots;
    sum.gone_back += verdict.gone_back;
    sum.resumes += verdict.resumes;
    sum.keep_alives += verdict.keep_alives;
    sum.goodbyes += verdict.goodbyes;
    sum.breaks += verdict.breaks;
    sum.unanswered += verdict.unanswered;
}
