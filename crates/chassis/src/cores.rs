//! One server on several threads, each with a runtime of its own: connections are dealt out to them, and they end together.

use std::{
    cell::Cell,
    future::{self, Future},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use futures::{
    Stream, StreamExt,
    future::{BoxFuture, join_all},
    stream::FuturesUnordered,
};
use tokio::{
    runtime::{self, Runtime},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::codegen::StdError;

use crate::connection::{Connection, Detached, Incoming};

/// Connections on their way to one core. When every core's queue is full, nothing is accepted, and peers
/// wait in the system's backlog.
const QUEUE: usize = 64;
/// How long threads that were told to end are waited for.
const LAST_WORK: Duration = Duration::from_secs(1);

thread_local! {
    static CORE: Cell<usize> = const { Cell::new(0) };
}

/// Which core of a server the current thread is, from 0, where one serves
/// [on cores](crate::Server::on_cores); 0 on any other thread. A service may keep something per core by it.
pub fn core() -> usize {
    CORE.get()
}

/// Runs `server` once on each of `cores` threads, and deals the connections out to them until `stop`.
///
/// A server gets its core's connections. They end with `stop`, all that were accepted before included; then it
/// finishes them and returns. The cores' runtimes go on until every server has. One that returns before,
/// fails or panics ends all: that is an error. Dropping the future ends the threads too.
pub(crate) async fn serve<S, F>(
    name: &str,
    cores: usize,
    incoming: Incoming,
    stop: &CancellationToken,
    server: S,
) -> anyhow::Result<()>
where
    S: FnOnce(Handed) -> F + Clone + Send + 'static,
    F: Future<Output = Result<(), StdError>>,
{
    let over = CancellationToken::new();
    let _over = over.clone().drop_guard();
    let (mut dealer, mut ends, mut gone) = (Dealer::default(), Ends::new(), Vec::new());
    for number in 0..cores {
        let started = start(name, number, over.clone(), server.clone());
        let core = started.with_context(|| format!("cannot start core {number}"))?;
        dealer.seats.push(core.seat);
        ends.push(core.ended);
        gone.push(core.gone);
    }
    let outcome = follow(dealer, incoming, stop, &mut ends).await;
    over.cancel();
    if timeout(LAST_WORK, join_all(gone)).await.is_err() {
        tracing::warn!(server = name, "a core is held up and is left behind");
    }
    outcome
}

/// How the server of each core ended.
type Ends = FuturesUnordered<BoxFuture<'static, anyhow::Result<()>>>;

async fn follow(
    dealer: Dealer,
    incoming: Incoming,
    stop: &CancellationToken,
    ends: &mut Ends,
) -> anyhow::Result<()> {
    tokio::select! {
        Some(ended) = ends.next() => {
            ended?;
            anyhow::bail!("a core ended by itself");
        }
        // With the dealer, the listener is closed and the cores' queues end.
        _ = stop.run_until_cancelled(dealer.deal(incoming)) => {}
    }
    while let Some(ended) = ends.next().await {
        ended?;
    }
    Ok(())
}

/// The connections of one core, on its runtime.
pub(crate) struct Handed(mpsc::Receiver<Detached>);

impl Stream for Handed {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let attach = |detached: Detached| detached.attach().inspect_err(lost);
        self.0.poll_recv(cx).map(|handed| handed.map(attach))
    }
}

/// Gives each connection to the core that has the fewest; of several such, in turn.
#[derive(Default)]
struct Dealer {
    seats: Vec<Seat>,
    turn: usize,
}

/// Where a core gets its connections. Each that is open holds `open`.
struct Seat {
    queue: mpsc::Sender<Detached>,
    open: Arc<()>,
}

impl Dealer {
    async fn deal(mut self, mut incoming: Incoming) {
        loop {
            let (connection, _) = incoming.next().await;
            let seat = self.next();
            match connection.detach(seat.open.clone()) {
                // Refused only by a core that has ended, and with it the server.
                Ok(detached) => drop(seat.queue.send(detached).await),
                Err(error) => lost(&error),
            }
        }
    }

    /// A core whose queue is full comes last, however few it has.
    fn next(&mut self) -> &Seat {
        let cores = self.seats.len();
        let load = |number: &usize| {
            let seat = &self.seats[*number];
            (seat.queue.capacity() == 0, Arc::strong_count(&seat.open))
        };
        let in_turn = (self.turn..self.turn + cores).map(|number| number % cores);
        let number = in_turn.min_by_key(load).unwrap_or_default();
        self.turn = number + 1;
        &self.seats[number]
    }
}

fn lost(error: &io::Error) {
    tracing::warn!(%error, "a connection was lost on the way to its core");
}

/// A core that runs.
struct Core {
    seat: Seat,
    ended: BoxFuture<'static, anyhow::Result<()>>,
    /// Fails once the thread is at its end, which is all it does.
    gone: oneshot::Receiver<()>,
}

fn start<S, F>(name: &str, number: usize, over: CancellationToken, server: S) -> io::Result<Core>
where
    S: FnOnce(Handed) -> F + Send + 'static,
    F: Future<Output = Result<(), StdError>>,
{
    let name = format!("gochat-{name}-{number}");
    let (queue, handed) = mpsc::channel(QUEUE);
    let (tell, ended) = oneshot::channel();
    let (going, gone) = oneshot::channel();
    thread::Builder::new().name(name.clone()).spawn(move || {
        let _going: oneshot::Sender<()> = going;
        CORE.set(number);
        match runtime(name, number) {
            Ok(runtime) => run(runtime, &over, async { tell.send(server(Handed(handed)).await) }),
            // Heard unless all is over.
            Err(error) => drop(tell.send(Err(error.into()))),
        }
    })?;
    let ended = Box::pin(async move {
        match ended.await {
            Ok(outcome) => {
                outcome.map_err(anyhow::Error::from_boxed).with_context(|| format!("core {number} failed"))
            }
            Err(_) => anyhow::bail!("core {number} panicked"),
        }
    });
    Ok(Core { seat: Seat { queue, open: Arc::default() }, ended, gone })
}

/// A core's runtime. Its threads for work that blocks are the core's as well.
fn runtime(name: String, number: usize) -> io::Result<Runtime> {
    runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name(name)
        .on_thread_start(move || CORE.set(number))
        .build()
}

/// Runs a core until all is over: what was spawned here may be of use to the other cores when `serving` has ended.
fn run<T>(runtime: Runtime, over: &CancellationToken, serving: impl Future<Output = T>) {
    runtime.block_on(over.run_until_cancelled(async {
        let _told = serving.await;
        future::pending::<()>().await;
    }));
    runtime.shutdown_background();
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::{
        net::{TcpListener, TcpStream},
        sync::{Mutex, Notify},
        task::{JoinHandle, spawn_blocking, yield_now},
        time::Instant,
    };

    use super::*;
    use crate::connection::Cutter;

    struct World {
        address: SocketAddr,
        stop: CancellationToken,
        serving: JoinHandle<anyhow::Result<()>>,
        _cutter: Cutter,
    }

    /// Two cores, each of which runs `server`.
    async fn two<S, F>(server: S) -> World
    where
        S: FnOnce(Handed) -> F + Clone + Send + 'static,
        F: Future<Output = Result<(), StdError>> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (incoming, cutter) = Incoming::new(listener, 10, None);
        let stop = CancellationToken::new();
        let told = stop.clone();
        let serving = tokio::spawn(async move { serve("test", 2, incoming, &told, server).await });
        World { address, stop, serving, _cutter: cutter }
    }

    async fn all(mut handed: Handed) -> Result<(), StdError> {
        while handed.next().await.is_some() {}
        Ok(())
    }

    /// Why the server ended.
    async fn error(world: World) -> String {
        format!("{:#}", world.serving.await.unwrap().unwrap_err())
    }

    #[tokio::test]
    async fn a_core_that_panics_ends_the_server() {
        let world = two(|handed| async {
            assert_eq!(core(), 0, "as the test wants");
            all(handed).await
        });
        assert_eq!(error(world.await).await, "core 1 panicked");
    }

    #[tokio::test]
    async fn a_core_that_fails_or_ends_by_itself_ends_the_server() {
        let failing = two(|handed| async {
            if core() == 1 {
                return Err("no luck".into());
            }
            all(handed).await
        });
        assert_eq!(error(failing.await).await, "core 1 failed: no luck");
        let ending = two(|handed| async { if core() == 0 { Ok(()) } else { all(handed).await } });
        assert_eq!(error(ending.await).await, "a core ended by itself");
    }

    #[tokio::test]
    async fn a_failure_after_the_stop_is_told() {
        let world = two(|handed| async {
            all(handed).await?;
            if core() == 1 { Err("no luck".into()) } else { Ok(()) }
        })
        .await;
        world.stop.cancel();
        assert_eq!(error(world).await, "core 1 failed: no luck");
    }

    #[tokio::test]
    async fn connections_that_were_accepted_before_the_stop_are_served() {
        let (queued, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let world = two({
            let (queued, go_on) = (queued.clone(), go_on.clone());
            |mut handed: Handed| async move {
                if core() == 1 {
                    return all(handed).await;
                }
                while handed.0.is_empty() {
                    yield_now().await;
                }
                queued.notify_one();
                go_on.notified().await;
                handed.next().await.ok_or("the connection is gone")??;
                all(handed).await
            }
        })
        .await;
        let _peer = TcpStream::connect(world.address).await.unwrap();
        queued.notified().await;
        world.stop.cancel();
        while TcpStream::connect(world.address).await.is_ok() {}
        go_on.notify_one();
        world.serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_a_core_spawned_lives_until_all_have_ended() {
        let (ask, asked) = mpsc::channel::<oneshot::Sender<usize>>(1);
        let asked = Arc::new(Mutex::new(Some(asked)));
        let world = two(|handed| async move {
            if core() == 0 {
                let mut asked = asked.lock().await.take().ok_or("taken")?;
                tokio::spawn(async move {
                    while let Some(answer) = asked.recv().await {
                        let _ = answer.send(core());
                    }
                });
                return all(handed).await;
            }
            all(handed).await?;
            // Core 0 has ended as well, or is about to.
            timeout(Duration::from_millis(100), ask.closed()).await.expect_err("the task lives");
            let (answer, answered) = oneshot::channel();
            ask.send(answer).await?;
            assert_eq!(answered.await?, 0);
            Ok(())
        })
        .await;
        world.stop.cancel();
        world.serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn work_that_blocks_is_of_its_core() {
        let world = two(|handed| async move {
            assert_eq!(spawn_blocking(core).await?, core());
            all(handed).await
        })
        .await;
        world.stop.cancel();
        let stopped = Instant::now();
        world.serving.await.unwrap().unwrap();
        assert!(stopped.elapsed() < LAST_WORK, "the threads were told to end");
        assert_eq!(core(), 0);
    }

    #[test]
    fn the_fewest_come_first_and_of_those_the_next_in_turn() {
        let seat = |_| {
            let (queue, handed) = mpsc::channel(1);
            (Seat { queue, open: Arc::default() }, handed)
        };
        let (seats, _queues): (Vec<_>, Vec<_>) = (0..3).map(seat).unzip();
        let mut dealer = Dealer { seats, turn: 0 };
        let mut next =
            |times| -> Vec<_> { (0..times).map(|_| (dealer.next().open.clone(), dealer.turn - 1)).collect() };
        let numbers = |dealt: &[(Arc<()>, usize)]| dealt.iter().map(|dealt| dealt.1).collect::<Vec<_>>();
        let mut open = next(5);
        assert_eq!(numbers(&open), [0, 1, 2, 0, 1]);
        // One of core 0 ends: it has as few as core 2, whose turn it is.
        open.remove(0);
        open.extend(next(3));
        assert_eq!(numbers(&open), [1, 2, 0, 1, 2, 0, 1]);
    }

    #[test]
    fn a_core_whose_queue_is_full_comes_last() {
        let (queue, _first) = mpsc::channel(1);
        let _taken = queue.clone().try_reserve_owned().unwrap();
        let first = Seat { queue, open: Arc::default() };
        let (queue, _second) = mpsc::channel(1);
        let second = Seat { queue, open: Arc::default() };
        let _open = second.open.clone();
        let mut dealer = Dealer { seats: vec![first, second], turn: 0 };
        dealer.next();
        assert_eq!(dealer.turn, 2, "core 1 was chosen");
    }
}
