//! The embedded engine: an audio SFU. Clients send it what they say, and get what the others say, by slot.

mod board;
#[cfg(feature = "fuzz")]
pub mod border;
mod bucket;
mod command;
mod config;
mod demux;
mod loudness;
mod meters;
mod offer;
mod peer;
mod rewrite;
mod room;
mod sessions;
mod slots;
mod socket;
#[cfg(test)]
mod tests;
mod turn;
mod worker;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    thread,
};

use anyhow::Context;
use gochat_domain::{RoomId, Uid};
use gochat_proto::media::{IceServer, Session, create_session_response};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

pub(crate) use self::board::Boards;
use self::{
    command::{Command, Which},
    meters::{Joined, Meters},
    offer::Answerer,
    peer::Came,
    sessions::Sessions,
    socket::{Socket, Waker},
    turn::Turn,
    worker::{Bounds, Worker},
};
pub use self::{config::EmbeddedArgs, turn::TurnArgs};
use crate::engine::{Heard, MediaEngine, Place, Refused};

/// Orders that wait for a thread; whoever gives one more waits himself.
const MOST_ORDERS: usize = 256;

/// The engine, and its threads' only commander: they end with it, and say goodbye to all clients.
pub(crate) struct Embedded {
    threads: Box<[MediaThread]>,
    answerer: Arc<Answerer>,
    boards: Arc<Boards>,
    turn: Option<Turn>,
    slots: u32,
    /// Sessions that may still be opened.
    sessions: Arc<Semaphore>,
    /// Offers that may be worked on at a time.
    answers: Semaphore,
    meters: Meters,
}

/// How a media thread is reached.
struct MediaThread {
    orders: mpsc::Sender<Command>,
    waker: Waker,
    addresses: Arc<[SocketAddr]>,
}

impl Embedded {
    /// Binds its ports and starts its threads. To be done once, where metrics are collected already.
    ///
    /// # Errors
    /// Where it can't work as it is configured.
    pub(crate) fn start(args: &EmbeddedArgs) -> anyhow::Result<Self> {
        args.check()?;
        let slots = u32::from(args.slots.get());
        let bounds = Bounds {
            slots,
            sessions_per_room: args.sessions_per_room.get() as usize,
            packets_per_second: args.packets_per_second.get(),
        };
        let advertised = args.advertised()?;
        let boards = Arc::<Boards>::default();
        let meters = Meters::register();
        let threads = (0..args.threads.get())
            .map(|number| {
                let (boards, meters) = (boards.clone(), meters.clone());
                let listen = args.listen(number);
                MediaThread::start(number, listen, &advertised, move |socket, addresses, orders| Worker {
                    socket,
                    addresses,
                    orders,
                    sessions: Sessions::default(),
                    boards,
                    bounds,
                    meters,
                    came: Came::default(),
                })
            })
            .collect::<anyhow::Result<_>>()?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            threads,
            answerer: Answerer::new(slots)?.into(),
            boards,
            turn: Turn::new(&args.turn)?,
            slots,
            sessions: Semaphore::new(args.most_sessions.get() as usize).into(),
            answers: Semaphore::new(cores),
            meters,
        })
    }

    /// Where clients are told to send their sound.
    #[cfg(test)]
    fn addresses(&self) -> Vec<SocketAddr> {
        self.threads.iter().flat_map(|thread| thread.addresses.iter().copied()).collect()
    }

    /// The thread that a room is on.
    fn thread(&self, room: RoomId) -> &MediaThread {
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        &self.threads[(hasher.finish() % self.threads.len() as u64) as usize]
    }

    /// Has a room's thread do something. None where the thread is no more.
    async fn order<T>(&self, room: RoomId, order: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (done, answer) = oneshot::channel();
        let thread = self.thread(room);
        thread.orders.send(order(done)).await.ok()?;
        thread.waker.wake();
        answer.await.ok()
    }

    async fn open(&self, place: Place, offer: String) -> Result<Session, Refused> {
        let counted = self.sessions.clone().try_acquire_owned().map_err(|_| {
            self.meters.joined(Joined::Refused);
            Refused::TooMany
        })?;
        let answering = self.answers.acquire().await.map_err(|_| Refused::Unavailable)?;
        let (answerer, addresses) = (self.answerer.clone(), self.thread(place.room).addresses.clone());
        let answer = tokio::task::spawn_blocking(move || answerer.answer(&offer, &addresses));
        let mut agreed = answer.await.map_err(|_| Refused::Unavailable)??;
        drop(answering);
        let session = Session {
            session_id: agreed.session.clone(),
            answer_sdp: std::mem::take(&mut agreed.sdp),
            slots: std::mem::take(&mut agreed.mids),
        };
        let agreed = Box::new(agreed);
        self.order(place.room, |done| Command::Join { place, agreed, counted, done })
            .await
            .unwrap_or(Err(Refused::Unavailable))?;
        Ok(session)
    }
}

impl MediaThread {
    fn start(
        number: u16,
        listen: SocketAddr,
        advertised: &[IpAddr],
        worker: impl FnOnce(Socket, Arc<[SocketAddr]>, mpsc::Receiver<Command>) -> Worker + Send + 'static,
    ) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind(listen)
            .with_context(|| format!("GOCHAT_MEDIA_UDP_LISTEN: cannot listen on {listen} over udp"))?;
        let port = socket.local_addr()?.port();
        let addresses: Arc<[_]> = advertised.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        let (waker, wakes) = Socket::waker().context("making a media thread's waker")?;
        let (orders, ordered) = mpsc::channel(MOST_ORDERS);
        let told = addresses.clone();
        let work = move || match Socket::new(socket, wakes) {
            Ok(socket) => worker(socket, told, ordered).run(),
            Err(error) => tracing::error!(%error, "a media thread can't work"),
        };
        thread::Builder::new()
            .name(format!("media-{number}"))
            .spawn(work)
            .context("starting a media thread")?;
        tracing::info!(%listen, ?addresses, "sound is received");
        Ok(Self { orders, waker, addresses })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        for thread in std::mem::take(&mut self.threads) {
            // Without anybody who gives orders, it ends when it looks up.
            drop(thread.orders);
            thread.waker.wake();
        }
    }
}

impl MediaEngine for Embedded {
    const NAME: &'static str = "embedded";

    async fn create_session(
        &self,
        place: Place,
        offer: String,
    ) -> Result<create_session_response::Result, Refused> {
        self.open(place, offer).await.map(create_session_response::Result::Session)
    }

    async fn end_session(&self, room: RoomId, uid: Uid, session: &str) {
        let which = Which::Session(session.to_owned());
        self.order(room, |done| Command::End { room, uid, which, done }).await;
    }

    async fn set_gate(&self, place: Place, open: bool) {
        self.order(place.room, |done| Command::Gate { place, open, done }).await;
    }

    async fn end_stay(&self, place: Place) {
        let Place { room, uid, entry } = place;
        self.order(room, |done| Command::End { room, uid, which: Which::Stay(entry), done }).await;
    }

    async fn end_room(&self, room: RoomId) {
        self.order(room, |done| Command::EndRoom { room, done }).await;
    }

    async fn sessions(&self, room: RoomId) -> Vec<(Place, bool)> {
        self.order(room, |done| Command::Sessions { room, done }).await.unwrap_or_default()
    }

    fn speakers(&self, room: RoomId) -> watch::Receiver<Arc<[Heard]>> {
        self.boards.of(room).subscribe()
    }

    fn ice_servers(&self, uid: Uid) -> Vec<IceServer> {
        self.turn.iter().map(|turn| turn.credentials(uid)).collect()
    }

    fn slots(&self) -> u32 {
        self.slots
    }
}
