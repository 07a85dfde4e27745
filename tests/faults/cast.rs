//! Who is in the rooms: hosts and others who act, listeners who only follow, and services that look on.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use gochat_client::{Backoff, Client, Endpoints, Entered, KeepAlive, Roster, Session, Subscription};
use gochat_proto::view::RoomView;
use gochat_rig::SERVICE_TOKEN;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use crate::{
    actors::Part,
    cut::Audience,
    subscriber::{self, Connect, Subscriber, each_to, over},
};

/// A connection that says nothing for so long is lost: servers speak each second here.
const SILENCE: Duration = Duration::from_secs(5);

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cast {
    pub(crate) rooms: usize,
    /// In each room; the first is its host.
    pub(crate) actors: usize,
    /// In each room. The first follows by the SDK, the second from below the stage.
    pub(crate) listeners: usize,
    /// Of each room.
    pub(crate) observers: usize,
    /// Each actor does one thing in so much time.
    pub(crate) pace: Duration,
    /// How many bytes the avatar of an actor has, which each event about them carries.
    pub(crate) avatar: usize,
}

impl Cast {
    /// 20 actors in 5 rooms; with the listeners and observers, 50 subscribers.
    pub(crate) const USUAL: Self =
        Self { rooms: 5, actors: 4, listeners: 5, observers: 1, pace: Duration::from_millis(100), avatar: 0 };
}

/// A subscriber that records, and whom it is for.
pub(crate) struct Recorder {
    pub(crate) subscriber: Subscriber,
    pub(crate) room_id: String,
    pub(crate) audience: Audience,
}

/// Grows with each entry into a room.
pub(crate) type Recorders = Arc<Mutex<Vec<Recorder>>>;

impl Recorder {
    /// Follows as somebody who has entered.
    pub(crate) fn of(notifier: &str, session: &Session, entered: &Entered, roster: Roster) -> Self {
        Self::start(subscriber::Subscription {
            token: session.token().unwrap().to_owned(),
            uid: Some(session.uid()),
            entry: entered.member.entry,
            roster,
            min: Some(entered.place),
            ..looking_on(each_to(notifier), &entered.room.room_id)
        })
    }

    /// Follows as a service that looks on.
    pub(crate) fn observer(notifier: &str, room_id: &str) -> Self {
        Self::start(looking_on(each_to(notifier), room_id))
    }

    /// Many services that look on, over so many connections.
    pub(crate) fn crowd(notifier: &str, room_id: &str, size: usize, connections: usize) -> Vec<Self> {
        let endpoint = Endpoint::from_shared(notifier.to_owned()).unwrap();
        let channels: Vec<Channel> = (0..connections).map(|_| endpoint.connect_lazy()).collect();
        let over = channels.iter().cycle().take(size).map(over);
        over.map(|connect| Self::start(looking_on(connect, room_id))).collect()
    }

    fn start(asked: subscriber::Subscription) -> Self {
        let room_id = asked.room_id.clone();
        let audience = Audience { uid: asked.uid, roster: asked.roster };
        Self { subscriber: Subscriber::start(asked), room_id, audience }
    }
}

fn looking_on(connect: Connect, room_id: &str) -> subscriber::Subscription {
    subscriber::Subscription {
        connect,
        token: SERVICE_TOKEN.to_owned(),
        uid: None,
        entry: 0,
        room_id: room_id.to_owned(),
        roster: Roster::All,
        min: None,
        silence: SILENCE,
    }
}

/// A listener who follows by the SDK.
pub(crate) struct BySdk {
    pub(crate) room_id: String,
    pub(crate) uid: u32,
    holds: Arc<Mutex<Holds>>,
    _task: JoinSet<()>,
}

/// What the SDK says.
#[derive(Clone, Default)]
pub(crate) struct Holds {
    pub(crate) token: String,
    pub(crate) view: Option<RoomView>,
    pub(crate) ended: Option<String>,
}

impl BySdk {
    fn start(session: &Session, entered: &Entered) -> Self {
        let room_id = entered.room.room_id.clone();
        let feed = session.subscribe(&room_id).min(entered.place).silence(SILENCE);
        let holds = Arc::<Mutex<Holds>>::default();
        let mut task = JoinSet::new();
        task.spawn(keep(feed, holds.clone()));
        Self { room_id, uid: session.uid(), holds, _task: task }
    }

    pub(crate) fn holds(&self) -> Holds {
        self.holds.lock().unwrap().clone()
    }
}

async fn keep(mut feed: Subscription, holds: Arc<Mutex<Holds>>) {
    let ended = loop {
        let update = feed.next().await;
        let mut holds = holds.lock().unwrap();
        holds.token = feed.resume_token().to_owned();
        holds.view = feed.view().cloned();
        match update {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error.to_string(),
            None => break "over".to_owned(),
        }
    };
    holds.lock().unwrap().ended = Some(ended);
}

/// Everybody in their places.
#[derive(Default)]
pub(crate) struct Assembly {
    pub(crate) rooms: Vec<String>,
    pub(crate) parts: Vec<Part>,
    pub(crate) recorders: Vec<Recorder>,
    pub(crate) by_sdk: Vec<BySdk>,
    pub(crate) alive: Vec<KeepAlive>,
}

impl Assembly {
    /// Logs everybody in, opens the rooms, has all join, and has those who don't act follow.
    pub(crate) async fn of(cast: Cast, endpoints: &Endpoints) -> Self {
        let mut assembly = Self::default();
        for room in 0..cast.rooms {
            assembly.fill(room, cast, endpoints).await;
        }
        assembly
    }

    async fn fill(&mut self, room: usize, cast: Cast, endpoints: &Endpoints) {
        let notifier = &endpoints.notifier;
        let avatar = "a".repeat(cast.avatar);
        let host = self.login(endpoints, format!("host {room}"), &avatar).await;
        let opened = host.create_room(format!("room {room}")).await.unwrap();
        let room_id = opened.room.room_id.clone();
        let mut actors = vec![(host, opened)];
        for n in 1..cast.actors {
            actors.push(self.enter(endpoints, format!("actor {room}.{n}"), &avatar, &room_id).await);
        }
        let mut listeners = Vec::new();
        for n in 0..cast.listeners {
            let (session, entered) = self.enter(endpoints, format!("lis {room}.{n}"), "", &room_id).await;
            listeners.push(session.uid());
            match n {
                0 => self.by_sdk.push(BySdk::start(&session, &entered)),
                1 => self.recorders.push(Recorder::of(notifier, &session, &entered, Roster::Stage)),
                _ => self.recorders.push(Recorder::of(notifier, &session, &entered, Roster::All)),
            }
        }
        for _ in 0..cast.observers {
            self.recorders.push(Recorder::observer(notifier, &room_id));
        }
        let guests: Vec<u32> = actors[1..].iter().map(|(session, _)| session.uid()).collect();
        for (n, (session, entered)) in actors.into_iter().enumerate() {
            let others = guests.iter().chain(&listeners).copied().collect();
            let (room_id, actors) = (room_id.clone(), guests.clone());
            self.parts.push(Part { session, room_id, entered, is_host: n == 0, others, actors });
        }
        self.rooms.push(room_id);
    }

    async fn login(&mut self, endpoints: &Endpoints, name: String, avatar: &str) -> Session {
        // A busy machine may leave a call unanswered in its time: what is tried again is done once.
        let client = Client::connect(endpoints).unwrap().with_retries(Backoff::CALLS);
        let session = client.login(&name, avatar).await.unwrap();
        self.alive.push(session.keep_alive());
        session
    }

    async fn enter(
        &mut self,
        endpoints: &Endpoints,
        name: String,
        avatar: &str,
        room_id: &str,
    ) -> (Session, Entered) {
        let session = self.login(endpoints, name, avatar).await;
        let entered = session.join_room(room_id).await.unwrap();
        (session, entered)
    }
}
