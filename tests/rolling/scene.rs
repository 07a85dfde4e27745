//! Everybody at work on a cluster, and what becomes of it in the end.

use std::{sync::Arc, time::Duration};

use clap::Parser;
use gochat_client::{KeepAlive, Presence, Roster};
use gochat_proto::model::Commit;
use gochat_rig::{until, within};
use gochat_store::{Store, StoreArgs, keys::RoomKeys};
use prost::Message;
use redis::AsyncCommands;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    actors::Actors,
    cast::{Assembly, BySdk, Cast, Recorder, Recorders},
    cluster::Cluster,
    cut::Audience,
    follower::{Follower, Over},
    history::History,
    judge::{Expect, has_caught_up, judge, replays},
    ledger::Ledger,
    records::{self, Verdict},
    visitors,
    web::{self, Person},
};

/// How long all have, once nothing happens any more, to hold what there is; and so many deeds to be done.
const A_WHILE: Duration = Duration::from_secs(20);
/// As the manifests have it.
const PARTITIONS: u16 = 64;
const CAST: Cast =
    Cast { rooms: 2, actors: 4, listeners: 4, observers: 1, pace: Duration::from_millis(150), avatar: 0 };
/// How many come and go by the SDK, and by HTTP.
const VISITORS: usize = 3;
/// Those who stay in the first room, and come by HTTP.
const RESIDENTS: [Over; 4] = [Over::Sse, Over::WebSocket, Over::Sse, Over::WebSocket];

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    store: StoreArgs,
}

/// All of it ends when it is dropped.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    ledger: Ledger,
    rooms: Vec<String>,
    history: History,
    actors: Actors,
    recorders: Recorders,
    by_sdk: Vec<BySdk>,
    alive: Vec<KeepAlive>,
    residents: Vec<(Person, Follower)>,
    at_work: Vec<JoinSet<()>>,
}

impl Scene {
    /// Everybody in their places, and at work.
    pub(crate) async fn open() -> Self {
        let cluster = Cluster::start().await;
        let (endpoints, ledger) = (cluster.endpoints(), Ledger::new());
        let Assembly { rooms, parts, recorders, by_sdk, alive } = Assembly::of(CAST, &endpoints).await;
        let recorders = Recorders::new(recorders.into());
        let (entered_by, notifier) = (recorders.clone(), endpoints.notifier.clone());
        let on_entry = Arc::new(move |session: &_, entered: &_| {
            entered_by.lock().unwrap().push(Recorder::of(&notifier, session, entered, Roster::All));
        });
        let actors = Actors::start(parts, CAST.pace, rand::random(), on_entry);
        let (base, room_id) = (cluster.web(), rooms[0].clone());
        let (residents, staying) = residents(&base, &room_id, "res", &ledger).await;
        let at_work = vec![
            staying,
            web::come(&base, &room_id, VISITORS, &ledger),
            visitors::come(&endpoints, &room_id, VISITORS, &ledger),
        ];
        let history = History::default();
        Self { cluster, ledger, rooms, history, actors, recorders, by_sdk, alive, residents, at_work }
    }

    /// More people come to stay.
    pub(crate) async fn settle(&mut self) {
        let name = format!("set {}", self.residents.len());
        let (settlers, staying) = residents(&self.cluster.web(), &self.rooms[0], &name, &self.ledger).await;
        self.residents.extend(settlers);
        self.at_work.push(staying);
    }

    /// Lets so many deeds be done by those who act.
    pub(crate) async fn plays(&self, deeds: u64) {
        let enough = self.actors.done() + deeds;
        until("deeds", A_WHILE, async || (self.actors.done() >= enough).then_some(())).await;
    }

    /// Everybody comes to rest; then no call has failed, and nobody has missed anything.
    pub(crate) async fn ends_well(mut self) {
        self.ledger.call_it_a_day();
        for people in std::mem::take(&mut self.at_work) {
            people.join_all().await;
        }
        self.actors.pause().await;
        for room_id in &self.rooms {
            self.history.add(room_id, log(&self.cluster, room_id).await);
        }
        within(A_WHILE, async || self.is_level().then_some(())).await;
        let (done, mut failed) = self.ledger.read();
        println!("{} deeds of actors; {done:?}", self.actors.done());
        failed.extend(self.actors.failed().into_iter().map(|failed| format!("an actor: {failed}")));
        failed.extend(self.wronged().await);
        failed.extend(self.lost());
        let (count, all) = (failed.len(), failed.join("\n"));
        assert!(failed.is_empty(), "{count} went wrong:\n{all}\n{}", self.cluster.cradle.complaints());
    }

    /// Whether all hold all there is; the judge tells who doesn't.
    fn is_level(&self) -> bool {
        let recorders = self.recorders.lock().unwrap();
        let level = |recorder: &Recorder| {
            let Recorder { subscriber, room_id, audience } = recorder;
            let (held, view) = (*subscriber.held().borrow(), subscriber.view());
            subscriber.is_over() || has_caught_up(&self.history, room_id, *audience, held, view.as_ref())
        };
        recorders.iter().all(level) && self.by_sdk.iter().all(|follower| self.sees_all(follower))
    }

    fn sees_all(&self, follower: &BySdk) -> bool {
        let holds = follower.holds();
        let audience = Audience { uid: Some(follower.uid), roster: Roster::All };
        let held = holds.token.parse().ok();
        has_caught_up(&self.history, &follower.room_id, audience, held, holds.view.as_ref())
    }

    /// What each of those who follow has to object to.
    async fn wronged(&mut self) -> Vec<String> {
        let mut wronged = self.replayed().await;
        wronged.extend(self.by_sdk_and_http().await);
        let expect = Expect { goodbye: true, ..Expect::default() };
        let (mut resumes, mut goodbyes) = (0, 0);
        let recorders = std::mem::take(&mut *self.recorders.lock().unwrap());
        for recorder in recorders {
            match judge(&recorder.subscriber.stop().await, &self.history, expect) {
                Ok(verdict) if verdict.unanswered + verdict.breaks > 0 => {
                    wronged.push(format!("a stream failed: {verdict:?}"));
                }
                Ok(verdict) => {
                    resumes += verdict.resumes;
                    goodbyes += verdict.goodbyes;
                }
                Err(objection) => wronged.push(objection.to_string()),
            }
        }
        println!("{goodbyes} goodbyes, {resumes} streams taken up where the last one ended");
        assert!(resumes > 0 && goodbyes >= resumes, "streams were moved");
        wronged
    }

    /// Rooms whose logs don't lead to what the store holds.
    async fn replayed(&self) -> Vec<String> {
        let flags = Flags::parse_from(["test", "--redis-url", &self.cluster.redis.url()]);
        let store = Store::open(flags.store).await.unwrap();
        let mut wronged = Vec::new();
        for room_id in &self.rooms {
            let snapshot = store.snapshot(room_id.parse().unwrap()).await.unwrap().unwrap();
            if let Err(wrong) = replays(&self.history, room_id, &snapshot) {
                wronged.push(format!("room {room_id}: {wrong:?}"));
            }
        }
        wronged
    }

    /// What this release has lost of what the later one wrote.
    fn lost(&self) -> Vec<String> {
        let Verdict { counted, kept, lost } = records::judge(&self.cluster.redis.written());
        println!("one field more was written {counted} times, and kept {kept} times");
        assert!(counted > 0 && kept > 0, "both releases wrote what the later one began");
        lost
    }

    async fn by_sdk_and_http(&self) -> Vec<String> {
        let mut wronged = Vec::new();
        for follower in self.by_sdk.iter().filter(|follower| !self.sees_all(follower)) {
            let holds = follower.holds();
            wronged.push(format!("by the SDK {} is held, ended {:?}", holds.token, holds.ended));
        }
        let lost = self.alive.iter().filter(|alive| alive.presence() == Presence::SessionLost);
        wronged.extend(lost.map(|_| "a session was lost".to_owned()));
        for (person, follower) in &self.residents {
            let level = within(A_WHILE, async || {
                let listed = web::attendees(person, &self.rooms[0]).await?;
                (follower.attendees() == listed).then_some(())
            });
            if level.await.is_none() {
                let (over, known) = (follower.over, follower.attendees());
                wronged.push(format!("by {over:?} {known:?} is known"));
            }
            println!("by {:?} {} snapshots", follower.over, follower.snapshots());
        }
        wronged
    }
}

async fn residents(
    base: &str,
    room_id: &str,
    name: &str,
    ledger: &Ledger,
) -> (Vec<(Person, Follower)>, JoinSet<()>) {
    let (mut residents, mut staying) = (Vec::new(), JoinSet::new());
    for (n, over) in RESIDENTS.into_iter().enumerate() {
        let person = Person::login(base, &format!("{name} {n}"), ledger).await.unwrap();
        person.call("login_room", json!({ "room_id": room_id })).await.unwrap();
        let follower = Follower::start(&person, room_id, over, ledger);
        staying.spawn(web::stays(person.clone(), room_id.to_owned()));
        residents.push((person, follower));
    }
    (residents, staying)
}

/// The commits that a room's log has.
async fn log(cluster: &Cluster, room_id: &str) -> Vec<Commit> {
    type Logged = (String, Vec<(String, Vec<u8>)>);
    let keys = RoomKeys::new(room_id.parse().unwrap(), PARTITIONS);
    let logged: Vec<Logged> = cluster.redis.raw().await.xrange_all(keys.log()).await.unwrap();
    logged.iter().map(|(_, fields)| Commit::decode(fields[0].1.as_slice()).unwrap()).collect()
}
