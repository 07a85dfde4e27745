//! The feed: one connection for all channels that this process listens to. It is
//! subscribed again whenever it breaks; what may have been missed meanwhile is said.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{interval, sleep},
};

use crate::{Error, Result, keys::REVOKED};

/// Messages that wait for one listener; what comes when they are as many is dropped,
/// and repaired from the log.
const WAITING: usize = 1_024;
/// Orders that wait for the connection.
const ORDERS: usize = 1_024;
const CONNECT: Duration = Duration::from_secs(1);
const BETWEEN_TRIES: Duration = Duration::from_millis(200);
/// How often an idle connection is asked whether it still is one.
const PROBE: Duration = Duration::from_secs(1);

/// What a listener hears.
pub(crate) enum Message {
    /// A commit as it was published.
    Commit(Bytes),
    /// Messages may have been lost before this.
    Missed,
}

/// What is heard of sessions that ended.
pub(crate) enum Revoked<'a> {
    /// The digest of one.
    Session(&'a str),
    /// Some may have ended before this without a word.
    Unheard,
}

/// Called with whatever is heard of sessions that ended.
type OnRevoked = Arc<dyn Fn(Revoked<'_>) + Send + Sync>;

/// Told once a connection is lost; each connection has its own.
type Broken = Arc<Notify>;

/// A handle to the connection.
#[derive(Clone)]
pub(crate) struct Feed {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
}

enum Order {
    Subscribe(String, oneshot::Sender<()>),
    Unsubscribe(String),
}

#[derive(Default)]
struct Shared {
    channels: Mutex<HashMap<String, Vec<Slot>>>,
    revoked: Mutex<Option<OnRevoked>>,
    slots: AtomicU64,
}

struct Slot {
    id: u64,
    messages: mpsc::Sender<Bytes>,
    missed: Arc<Missed>,
}

#[derive(Default)]
struct Missed {
    flag: AtomicBool,
    wake: Notify,
}

impl Missed {
    fn set(&self) {
        self.flag.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

/// One channel, as one follower hears it. Unsubscribes when dropped.
pub(crate) struct Listener {
    channel: String,
    id: u64,
    messages: mpsc::Receiver<Bytes>,
    missed: Arc<Missed>,
    feed: Feed,
}

impl Listener {
    /// The next message. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Message {
        loop {
            if self.missed.flag.swap(false, Ordering::AcqRel) {
                return Message::Missed;
            }
            tokio::select! {
                biased;
                () = self.missed.wake.notified() => {}
                message = self.messages.recv() => match message {
                    Some(bytes) => return Message::Commit(bytes),
                    None => return Message::Missed,
                },
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.feed.shared.remove(&self.channel, self.id) {
            // A full queue leaves the channel subscribed: its messages find no slot, and
            // the next connection doesn't ask for it.
            let _ = self.feed.orders.try_send(Order::Unsubscribe(self.channel.clone()));
        }
    }
}

impl Feed {
    /// Starts the connection's task, which ends with the last handle.
    pub(crate) fn start(client: Client) -> Self {
        let (orders, queue) = mpsc::channel(ORDERS);
        let shared = Arc::new(Shared::default());
        tokio::spawn(run(client, shared.clone(), queue));
        Self { shared, orders }
    }

    /// Listens to a channel, once Redis has confirmed the subscription.
    pub(crate) async fn listen(&self, channel: String) -> Result<Listener> {
        let (messages, receiver) = mpsc::channel(WAITING);
        let missed = Arc::new(Missed::default());
        let id = self.shared.slots.fetch_add(1, Ordering::Relaxed);
        self.shared.add(&channel, Slot { id, messages, missed: missed.clone() });
        let listener =
            Listener { channel: channel.clone(), id, messages: receiver, missed, feed: self.clone() };
        let (confirm, confirmed) = oneshot::channel();
        let gone = |_| Error::Unavailable("the feed is not connected".to_owned());
        let ordered = self.orders.send_timeout(Order::Subscribe(channel, confirm), CONNECT).await;
        ordered.map_err(|_| Error::Unavailable("the feed is busy".to_owned()))?;
        tokio::time::timeout(CONNECT, confirmed)
            .await
            .map_err(|_| Error::Unavailable("the feed is not connected".to_owned()))?
            .map_err(gone)?;
        Ok(listener)
    }

    /// Has `act` called with each session that ends from now on, and whenever some may have ended unheard.
    pub(crate) fn on_revoked(&self, act: impl Fn(Revoked<'_>) + Send + Sync + 'static) {
        *lock(&self.shared.revoked) = Some(Arc::new(act));
    }
}

impl Shared {
    fn add(&self, channel: &str, slot: Slot) {
        lock(&self.channels).entry(channel.to_owned()).or_default().push(slot);
    }

    /// Whether nobody listens to the channel any more.
    fn remove(&self, channel: &str, id: u64) -> bool {
        let mut channels = lock(&self.channels);
        let Some(slots) = channels.get_mut(channel) else { return false };
        slots.retain(|slot| slot.id != id);
        let last = slots.is_empty();
        if last {
            channels.remove(channel);
        }
        last
    }

    fn is_wanted(&self, channel: &str) -> bool {
        lock(&self.channels).contains_key(channel)
    }

    fn revoked(&self, revoked: Revoked<'_>) {
        let act = lock(&self.revoked).clone();
        if let Some(act) = act {
            act(revoked);
        }
    }

    fn all_missed(&self) {
        self.revoked(Revoked::Unheard);
        for slot in lock(&self.channels).values().flatten() {
            slot.missed.set();
        }
    }

    /// Called by the connection for each push: must not wait.
    fn push(&self, info: PushInfo) {
        match (info.kind, info.data.as_slice()) {
            (PushKind::SMessage, [channel, Value::BulkString(payload)]) => {
                self.deliver(&text(channel), Bytes::copy_from_slice(payload));
            }
            (PushKind::Message, [_, payload]) => self.revoked(Revoked::Session(&text(payload))),
            _ => {}
        }
    }

    fn deliver(&self, channel: &str, payload: Bytes) {
        for slot in lock(&self.channels).get(channel).into_iter().flatten() {
            if slot.messages.try_send(payload.clone()).is_err() {
                metrics::counter!("gochat_feed_dropped_total").increment(1);
                slot.missed.set();
            }
        }
    }
}

/// Keeps a connection as long as anybody holds the feed.
async fn run(client: Client, shared: Arc<Shared>, mut orders: mpsc::Receiver<Order>) {
    loop {
        match connect(&client, &shared).await {
            Ok((connection, broken)) => {
                if serve(connection, &broken, &shared, &mut orders).await.is_none() {
                    return;
                }
                metrics::counter!("gochat_feed_lost_total").increment(1);
                tracing::warn!("feed connection lost");
            }
            Err(error) => {
                tracing::warn!(%error, "feed can't connect");
                sleep(BETWEEN_TRIES).await;
            }
        }
        if orders.is_closed() {
            return;
        }
    }
}

/// Connects, subscribes to all that is wanted, and says that something may be missing.
async fn connect(
    client: &Client,
    shared: &Arc<Shared>,
) -> redis::RedisResult<(MultiplexedConnection, Broken)> {
    let (pushes, broken) = (shared.clone(), Broken::default());
    let tell = broken.clone();
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(CONNECT))
        .set_push_sender(move |info: PushInfo| -> std::result::Result<(), std::convert::Infallible> {
            match info.kind {
                PushKind::Disconnection => tell.notify_one(),
                _ => pushes.push(info),
            }
            Ok(())
        });
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    redis::cmd("SUBSCRIBE").arg(REVOKED).exec_async(&mut connection).await?;
    let channels: Vec<String> = lock(&shared.channels).keys().cloned().collect();
    for channel in channels {
        redis::cmd("SSUBSCRIBE").arg(channel).exec_async(&mut connection).await?;
    }
    shared.all_missed();
    Ok((connection, broken))
}

/// Serves orders until the connection breaks; none when nobody holds the feed any more.
async fn serve(
    mut connection: MultiplexedConnection,
    broken: &Broken,
    shared: &Shared,
    orders: &mut mpsc::Receiver<Order>,
) -> Option<()> {
    let mut probe = interval(PROBE);
    loop {
        let answer: redis::RedisResult<()> = tokio::select! {
            order = orders.recv() => obey(&mut connection, shared, order?).await,
            _ = probe.tick() => redis::cmd("PING").exec_async(&mut connection).await,
            () = broken.notified() => return Some(()),
        };
        if let Err(error) = answer {
            tracing::warn!(%error, "feed connection does not answer");
            return Some(());
        }
    }
}

async fn obey(
    connection: &mut MultiplexedConnection,
    shared: &Shared,
    order: Order,
) -> redis::RedisResult<()> {
    match order {
        Order::Subscribe(channel, confirm) => {
            redis::cmd("SSUBSCRIBE").arg(channel).exec_async(connection).await?;
            // Who asked may have gone meanwhile.
            let _ = confirm.send(());
            Ok(())
        }
        Order::Unsubscribe(channel) if shared.is_wanted(&channel) => Ok(()),
        Order::Unsubscribe(channel) => redis::cmd("SUNSUBSCRIBE").arg(channel).exec_async(connection).await,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        _ => String::new(),
    }
}

/// Nothing in here is left half done by a panic.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
