//! An evening in several rooms, act by act: all that people can do, each done by many at once,
//! while somebody of those that serve them is killed and started again.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use futures::future::FutureExt;
use gochat_client::{Member, Role, RoomView};
use gochat_rig::within;

use super::{
    killing::{Doing, Killing, act},
    ledger::IN_THE_END,
    person::{Deed, Person, Way, Where},
};

/// How many rooms there are.
const TABLES: usize = 3;

/// The people of one room.
struct Table {
    room: String,
    host: Person,
    ann: Person,
    bob: Person,
    /// Goes on to the next room.
    guest: Person,
}

/// Everybody, and who is killed meanwhile.
pub(crate) struct Evening {
    killing: Killing,
    way: Way,
}

impl Evening {
    pub(crate) fn new(killing: Killing, way: Way) -> Self {
        Self { killing, way }
    }

    /// All of it, once for each part of the moments at which somebody can be killed.
    pub(crate) async fn pass(mut self) {
        while self.killing.goes_on() {
            let mut tables = self.opening().await;
            self.hands(&tables).await;
            self.stage(&tables).await;
            self.killing.the_dead_are_gone(seats(&tables)).await;
            self.moderation(&mut tables).await;
            self.ending(tables).await;
        }
    }

    /// Everybody logs in, opens or enters a room; some die while they do.
    async fn opening(&mut self) -> Vec<Table> {
        let mut people = self.log_in(TABLES * 6 + 2).await;
        let mut lonely = people.split_off(TABLES * 6);
        let mut sixes: Vec<Vec<Person>> = Vec::new();
        while !people.is_empty() {
            sixes.push(people.drain(..6).collect());
        }
        let opens = |person: &Person, name: String| doing(person, Deed::Create(name));
        let hosts = sixes.iter().enumerate().map(|(n, six)| opens(&six[0], format!("table {n}"))).collect();
        let alone = lonely.iter().map(|person| opens(person, "nobody's".to_owned())).collect();
        self.killing.play(act("create", "room", 4), hosts, alone).await;
        self.killing.die(&mut lonely);

        let mut tables: Vec<(String, Vec<Person>)> = Vec::new();
        for six in sixes {
            let room = self.killing.ledger.held(six[0].uid).await.expect("who opened a room holds it");
            tables.push((room, six));
        }
        let enters = |(room, six): &(String, Vec<Person>), who: std::ops::Range<usize>| -> Vec<Doing> {
            six[who].iter().map(|person| doing(person, Deed::Join(room.clone()))).collect()
        };
        let living = tables.iter().flat_map(|table| enters(table, 1..5)).collect();
        let dying = tables.iter().flat_map(|table| enters(table, 5..6)).collect();
        self.killing.play(act("join", "room", 4), living, dying).await;
        for (room, six) in &mut tables {
            for person in &six[..5] {
                self.is_in(person, room).await;
            }
            self.killing.die(&mut six.split_off(5));
        }
        self.moves(tables).await
    }

    /// One of each room goes on to the next one; another dies on the way.
    async fn moves(&mut self, mut tables: Vec<(String, Vec<Person>)>) -> Vec<Table> {
        let next = |n: usize| tables[(n + 1) % TABLES].0.clone();
        let goes = |n: usize, who: usize| doing(&tables[n].1[who], Deed::Join(next(n)));
        let living = (0..TABLES).map(|n| goes(n, 3)).collect();
        let dying = (0..TABLES).map(|n| goes(n, 4)).collect();
        self.killing.play(act("move", "room", 6), living, dying).await;
        let mut seated = Vec::new();
        for (n, (_, six)) in tables.iter().enumerate() {
            self.is_in(&six[3], &next(n)).await;
        }
        for (room, six) in &mut tables {
            self.killing.die(&mut six.split_off(4));
            let [host, ann, bob, guest] = <[Person; 4]>::try_from(std::mem::take(six)).ok().unwrap();
            seated.push(Table { room: room.clone(), host, ann, bob, guest });
        }
        seated
    }

    async fn hands(&mut self, tables: &[Table]) {
        let anns_and_bobs = |deed: fn(String) -> Deed| -> Vec<Doing> {
            let both =
                |table: &Table| [&table.ann, &table.bob].map(|who| doing(who, deed(table.room.clone())));
            tables.iter().flat_map(both).collect()
        };
        self.killing.play(act("raise", "stage", 2), anns_and_bobs(Deed::RaiseHand), vec![]).await;
        self.show("raised", tables, |table, view| {
            view.hands.len() == 2 && view.hands.contains(&table.ann.uid)
        })
        .await;
        self.killing.play(act("lower", "stage", 2), anns_and_bobs(Deed::LowerHand), vec![]).await;
        self.show("lowered", tables, |_, view| view.hands.is_empty()).await;
        at_peace(anns_and_bobs(Deed::RaiseHand)).await;
        self.killing
            .play(act("lower all", "stage", 2), by_hosts(tables, |_, room| Deed::LowerAllHands(room)), vec![])
            .await;
        self.show("all lowered", tables, |_, view| view.hands.is_empty()).await;
    }

    async fn stage(&mut self, tables: &[Table]) {
        let of_ann = by_hosts(tables, |table, room| Deed::Invite(room, table.ann.uid));
        let of_bob = || by_hosts(tables, |table, room| Deed::Invite(room, table.bob.uid));
        self.killing
            .play(act("invite", "stage", 2), of_ann.into_iter().chain(of_bob()).collect(), vec![])
            .await;
        let withdrawals = by_hosts(tables, |table, room| Deed::Withdraw(room, table.bob.uid));
        self.killing.play(act("withdraw", "stage", 2), withdrawals, vec![]).await;
        for table in tables {
            assert_eq!(
                self.killing.ledger.invitation(&table.room, table.bob.uid).await,
                None,
                "was withdrawn"
            );
        }
        at_peace(of_bob()).await;
        self.answers(tables).await;
        let anns = |deed: fn(String, bool) -> Deed, on: bool| -> Vec<Doing> {
            tables.iter().map(|table| doing(&table.ann, deed(table.room.clone(), on))).collect()
        };
        self.killing.play(act("mic off", "stage", 2), anns(Deed::SetMic, false), vec![]).await;
        self.show("off", tables, |table, view| !sounds(table, view)).await;
        at_peace(anns(Deed::SetMic, true)).await;
        let muting = by_hosts(tables, |table, room| Deed::SetMicOf(room, table.ann.uid, false));
        self.killing.play(act("mute one", "stage", 2), muting, vec![]).await;
        self.show("muted", tables, |table, view| !sounds(table, view)).await;
        at_peace(by_hosts(tables, |table, room| Deed::SetMicOf(room, table.ann.uid, true))).await;
        at_peace(anns(Deed::SetMic, true)).await;
        self.killing
            .play(act("mute all", "stage", 2), by_hosts(tables, |_, room| Deed::MuteAll(room)), vec![])
            .await;
        self.show("all muted", tables, |table, view| !sounds(table, view)).await;
        let down =
            tables.iter().map(|table| doing(&table.ann, Deed::LeaveStage(table.room.clone()))).collect();
        self.killing.play(act("step down", "stage", 2), down, vec![]).await;
        self.show("down", tables, |table, view| ann(table, view).role() == Role::Listener).await;
    }

    /// Ann comes on stage, Bob does not want to.
    async fn answers(&mut self, tables: &[Table]) {
        let mut answers = Vec::new();
        for table in tables {
            for (person, accept) in [(&table.ann, true), (&table.bob, false)] {
                let token =
                    self.killing.ledger.invitation(&table.room, person.uid).await.expect("is invited");
                answers.push(doing(person, Deed::Answer(table.room.clone(), token, accept)));
            }
        }
        self.killing.play(act("answer", "stage", 2), answers, vec![]).await;
        self.show("answered", tables, |table, view| {
            let spoken = [view.room.host_uid, table.ann.uid];
            view.stage == spoken && sounds(table, view)
        })
        .await;
        for table in tables {
            assert_eq!(
                self.killing.ledger.invitation(&table.room, table.bob.uid).await,
                None,
                "was declined"
            );
        }
    }

    async fn moderation(&mut self, tables: &mut [Table]) {
        let transfers = by_hosts(tables, |table, room| Deed::Transfer(room, table.ann.uid));
        self.killing.play(act("transfer", "room", 2), transfers, vec![]).await;
        for table in tables.iter_mut() {
            std::mem::swap(&mut table.host, &mut table.ann);
        }
        self.show("transferred", tables, |table, view| view.room.host_uid == table.host.uid).await;
        let bans = by_hosts(tables, |table, room| Deed::Ban(room, table.bob.uid));
        self.killing.play(act("ban", "room", 2), bans, vec![]).await;
        self.show("out", tables, |table, view| !view.members.contains_key(&table.bob.uid)).await;
        for table in tables.iter() {
            let refused = table.bob.caller.clone().does(Deed::Join(table.room.clone())).await;
            assert!(refused.is_err(), "who is banned stays out");
        }
        let unbans = by_hosts(tables, |table, room| Deed::Unban(room, table.bob.uid));
        self.killing.play(act("unban", "room", 2), unbans, vec![]).await;
        at_peace(tables.iter().map(|table| doing(&table.bob, Deed::Join(table.room.clone())))).await;
    }

    /// All leave, in each of the ways that there are; then nothing is left.
    async fn ending(&mut self, tables: Vec<Table>) {
        let leaves = tables.iter().map(|table| doing(&table.ann, Deed::Leave(table.room.clone()))).collect();
        self.killing.play(act("leave", "room", 3), leaves, vec![]).await;
        self.show("left", &tables, |table, view| !view.members.contains_key(&table.ann.uid)).await;
        let hosts_and_bobs = |table: &Table| {
            [&table.host, &table.bob].map(|who| doing(who, Deed::Heartbeat(table.room.clone())))
        };
        self.killing
            .play(act("heartbeat", "account", 3), tables.iter().flat_map(hosts_and_bobs).collect(), vec![])
            .await;
        let out = tables.iter().flat_map(|table| [&table.guest, &table.ann]);
        self.killing
            .play(act("logout", "account", 4), out.map(|who| doing(who, Deed::Logout)).collect(), vec![])
            .await;
        self.killing.dead.extend(tables.iter().flat_map(|table| [table.guest.uid, table.ann.uid]));
        let stay = seats(&tables).into_iter().filter(|(uid, _)| !self.killing.dead.contains(uid)).collect();
        self.killing.the_dead_are_gone(stay).await;
        let closes = by_hosts(&tables, |_, room| Deed::Close(room));
        self.killing.play(act("close", "room", 2), closes, vec![]).await;
        assert_eq!(self.killing.ledger.open_rooms().await, BTreeSet::new(), "all is closed");
        let dropped =
            within(IN_THE_END, async || self.killing.ledger.objections().await.is_empty().then_some(()))
                .await;
        assert!(dropped.is_some(), "{:#?}", self.killing.ledger.objections().await);
        for person in tables.iter().flat_map(|table| [&table.host, &table.bob]) {
            assert_eq!(person.lost().filter(|lost| !lost.contains("RoomLost")), None, "is logged in");
        }
    }

    async fn log_in(&mut self, count: usize) -> Vec<Person> {
        let (at, way, round) = (Where::of(&self.killing.deployment), self.way, self.killing.round);
        let people = Arc::new(Mutex::new(Vec::new()));
        let logins = (0..count).map(|n| {
            let (at, people) = (at.clone(), people.clone());
            async move {
                let person = Person::login(way, at, format!("{round}.{n}")).await;
                people.lock().unwrap().push(person);
                Ok(())
            }
            .boxed()
        });
        self.killing.play(act("login", "account", 3), logins.collect(), vec![]).await;
        std::mem::take(&mut *people.lock().unwrap())
    }

    /// Who was told to be in is in, and heartbeats will hold the place.
    async fn is_in(&self, person: &Person, room: &str) {
        let (view, held) = (self.killing.ledger.view(room).await, self.killing.ledger.held(person.uid).await);
        assert!(view.members.contains_key(&person.uid), "{} is not in {room}", person.uid);
        assert_eq!(held.as_deref(), Some(room), "{} is in, but does not hold it", person.uid);
    }

    /// What the rooms of all tables hold.
    async fn show(&self, what: &str, tables: &[Table], shows: impl Fn(&Table, &RoomView) -> bool) {
        for table in tables {
            let view = self.killing.ledger.view(&table.room).await;
            assert!(shows(table, &view), "{what}: {view:#?}");
        }
    }
}

/// Who is where after all have moved.
fn seats(tables: &[Table]) -> BTreeSet<(u32, String)> {
    let seats = tables.iter().enumerate().flat_map(|(n, table)| {
        let next = &tables[(n + 1) % tables.len()].room;
        let at_home = [&table.host, &table.ann, &table.bob].map(|who| (who.uid, table.room.clone()));
        at_home.into_iter().chain([(table.guest.uid, next.clone())])
    });
    seats.collect()
}

fn ann<'a>(table: &Table, view: &'a RoomView) -> &'a Member {
    &view.members[&table.ann.uid]
}

fn sounds(table: &Table, view: &RoomView) -> bool {
    ann(table, view).mic.is_some_and(|mic| mic.on && !mic.muted_by_host)
}

fn doing(person: &Person, deed: Deed) -> Doing {
    person.caller.clone().does(deed).boxed()
}

fn by_hosts(tables: &[Table], deed: impl Fn(&Table, String) -> Deed) -> Vec<Doing> {
    tables.iter().map(|table| doing(&table.host, deed(table, table.room.clone()))).collect()
}

/// Has it done while nobody is killed.
async fn at_peace(doings: impl IntoIterator<Item = Doing>) {
    for answer in futures::future::join_all(doings).await {
        answer.unwrap();
    }
}
