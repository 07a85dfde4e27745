//! Accepted connections: bounded in number, and cut off when their time is over, whatever the peer does.

use std::{
    collections::HashMap,
    future, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    FutureExt, Stream,
    future::{AbortHandle, Abortable},
    stream,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tonic::transport::server::Connected;

use crate::tls::{self, Acceptor, Names, Wire};

/// How long to wait before accepting again when the system has no descriptor or memory to spare.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener's connections, in the order in which they come.
pub(crate) struct Incoming {
    listener: TcpListener,
    room: Arc<Semaphore>,
    tls: Option<Acceptor>,
    open: Arc<Mutex<Open>>,
}

/// Holds the connections of one listener open: they are cut when it is dropped.
pub(crate) struct Cutter {
    open: Arc<Mutex<Open>>,
}

/// How to cut each open connection. A cut stays: a connection that comes later is cut at once.
#[derive(Default)]
struct Open {
    next: u64,
    cut: bool,
    handles: HashMap<u64, AbortHandle>,
}

/// One connection. Reading and writing fail once it is cut.
pub(crate) struct Connection {
    wire: Wire,
    held: Held,
}

/// A connection on its way from one runtime to another. Cut meanwhile, it is cut when it arrives.
pub(crate) struct Detached {
    wire: tls::Detached,
    held: Held,
}

/// What a connection tells of the peer.
#[derive(Clone)]
pub(crate) struct Link {
    remote: Option<SocketAddr>,
    names: Arc<OnceLock<Names>>,
}

/// What a connection holds besides its socket, and gives back after it: how it is cut, its share in a
/// count, its place among those open at a time.
struct Held {
    cut: Abortable<future::Pending<()>>,
    number: u64,
    open: Arc<Mutex<Open>>,
    // Given back before the place, so that whoever gets the place finds the count right.
    counted: Option<Arc<()>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Incoming {
    /// At most `most` of the listener's connections are open at a time; more wait to be accepted. They are
    /// secured if `tls` says how.
    pub(crate) fn new(listener: TcpListener, most: u32, tls: Option<Acceptor>) -> (Self, Cutter) {
        let open = Arc::new(Mutex::new(Open::default()));
        let room = Arc::new(Semaphore::new(most as usize));
        (Self { listener, room, tls, open: open.clone() }, Cutter { open })
    }

    /// The next connection and its peer.
    pub(crate) async fn next(&mut self) -> (Connection, SocketAddr) {
        if self.room.available_permits() == 0 {
            tracing::warn!(listen = ?self.listener.local_addr().ok(), "no room for more connections");
        }
        // Fails only when the semaphore is closed, which nobody does.
        let place = self.room.clone().acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "cannot set TCP_NODELAY");
                    }
                    let wire = Wire::new(stream, self.tls.clone());
                    return (Connection::new(wire, place, self.open.clone()), peer);
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// The connections as tonic takes them. The listener is closed when the stream is dropped.
    pub(crate) fn into_stream(self) -> impl Stream<Item = io::Result<Connection>> {
        stream::unfold(self, |mut incoming| async {
            let (connection, _) = incoming.next().await;
            Some((Ok(connection), incoming))
        })
    }
}

/// Whether accepting failed for a reason that concerns one peer alone.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl axum::serve::Listener for Incoming {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        self.next().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Cutter {
    /// Cuts what is open now; a connection that comes later is served.
    pub(crate) fn cut_open(&self) {
        lock(&self.open).handles.drain().for_each(|(_, handle)| handle.abort());
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.cut = true;
        open.handles.drain().for_each(|(_, handle)| handle.abort());
    }
}

impl Connection {
    fn new(wire: Wire, place: Option<OwnedSemaphorePermit>, open: Arc<Mutex<Open>>) -> Self {
        let (handle, registration) = AbortHandle::new_pair();
        let number = lock(&open).admit(handle);
        let cut = Abortable::new(future::pending(), registration);
        Self { wire, held: Held { cut, number, open, counted: None, _place: place } }
    }

    /// Takes the connection from this runtime, before anything was read from it. It holds `counted` as long as it is open.
    pub(crate) fn detach(mut self, counted: Arc<()>) -> io::Result<Detached> {
        self.held.counted = Some(counted);
        Ok(Detached { wire: self.wire.detach()?, held: self.held })
    }

    /// Does `io` unless the connection is cut. Costs a glance while it goes on; only one that waits is
    /// registered to be woken by the cut.
    fn unless_cut<T>(
        &mut self,
        cx: &mut Context<'_>,
        io: impl FnOnce(Pin<&mut Wire>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.held.cut.is_aborted() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let done = io(Pin::new(&mut self.wire), cx);
        if done.is_pending() && self.held.cut.poll_unpin(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        done
    }
}

impl Open {
    fn admit(&mut self, handle: AbortHandle) -> u64 {
        if self.cut {
            handle.abort();
        }
        self.next += 1;
        self.handles.insert(self.next, handle);
        self.next
    }
}

impl Detached {
    /// Gives the connection to the runtime that this is called on.
    pub(crate) fn attach(self) -> io::Result<Connection> {
        Ok(Connection { wire: self.wire.attach()?, held: self.held })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.open).handles.remove(&self.number);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().unless_cut(cx, |wire, cx| wire.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().unless_cut(cx, |wire, cx| wire.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().unless_cut(cx, |wire, cx| wire.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().unless_cut(cx, |wire, cx| wire.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().unless_cut(cx, |wire, cx| wire.poll_shutdown(cx))
    }
}

impl Connected for Connection {
    type ConnectInfo = Link;

    fn connect_info(&self) -> Link {
        let remote = self.wire.socket().and_then(|socket| socket.peer_addr().ok());
        Link { remote, names: self.wire.names() }
    }
}

impl Link {
    /// Where the peer is; nothing for one that is gone.
    pub(crate) fn remote_addr(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// What the peer's certificate calls it.
    pub(crate) fn names(&self) -> Names {
        self.names.get().cloned().unwrap_or_default()
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, net::TcpStream};

    use super::*;

    async fn listening(most: u32) -> (Incoming, Cutter, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (incoming, cutter) = Incoming::new(listener, most, None);
        (incoming, cutter, address)
    }

    #[tokio::test]
    async fn a_waiting_connection_is_cut() {
        let (mut incoming, cutter, address) = listening(2).await;
        let _peer = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = incoming.next().await;
        let reading = tokio::spawn(async move { connection.read_u8().await });
        tokio::task::yield_now().await;
        drop(cutter);
        assert_eq!(reading.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        let _late = TcpStream::connect(address).await.unwrap();
        let (mut late, _) = incoming.next().await;
        assert_eq!(late.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn one_more_waits_for_a_place() {
        let (mut incoming, _cutter, address) = listening(1).await;
        let _peers = (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        let first = incoming.next().await;
        assert!(incoming.next().now_or_never().is_none(), "there is no place for a second one");
        drop(first);
        incoming.next().await;
        assert!(lock(&incoming.open).handles.is_empty(), "closed connections are forgotten");
    }

    #[tokio::test]
    async fn a_connection_on_its_way_keeps_its_place_and_is_cut_when_it_arrives() {
        let (mut incoming, cutter, address) = listening(1).await;
        let _peers = (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        let counted = Arc::new(());
        let detached = incoming.next().await.0.detach(counted.clone()).unwrap();
        assert!(incoming.next().now_or_never().is_none(), "its place is still taken");
        drop(cutter);
        let mut arrived = detached.attach().unwrap();
        assert_eq!(arrived.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(Arc::strong_count(&counted), 2);
        drop(arrived);
        assert_eq!(Arc::strong_count(&counted), 1);
        incoming.next().await;
    }
}
