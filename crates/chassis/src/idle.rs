//! Connections that end by themselves: one whose peer doesn't say its first words in time, and one on which nothing has moved for a while.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};
use tonic::transport::server::Connected;

/// The first words of a connection, in bytes: the preface of HTTP/2 (RFC 9113, section 3.4). From then on the
/// protocol has time limits of its own.
const GREETING: usize = 24;

/// Reading fails with `TimedOut` once the first words have taken longer than the limit, however many of them came.
pub(crate) struct Greeted<I> {
    io: I,
    /// Nothing once they are said.
    awaited: Option<Awaited>,
}

struct Awaited {
    said: usize,
    alarm: Pin<Box<Sleep>>,
}

impl<I> Greeted<I> {
    pub(crate) fn new(io: I, limit: Duration) -> Self {
        Self { io, awaited: Some(Awaited { said: 0, alarm: Box::pin(sleep(limit)) }) }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Greeted<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, awaited } = self.get_mut();
        let Some(Awaited { said, alarm }) = awaited else { return Pin::new(io).poll_read(cx, buffer) };
        if alarm.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(io).poll_read(cx, buffer);
        *said += buffer.filled().len() - before;
        if *said >= GREETING {
            *awaited = None;
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Greeted<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl<I: Connected> Connected for Greeted<I> {
    type ConnectInfo = I::ConnectInfo;

    fn connect_info(&self) -> I::ConnectInfo {
        self.io.connect_info()
    }
}

/// Reading and writing fail with `TimedOut` once neither has got anywhere for the limit.
pub(crate) struct Idle<I> {
    io: I,
    limit: Duration,
    moved_at: Instant,
    // Behind the last move rather than set anew with each: a glance at the clock is cheaper.
    alarm: Pin<Box<Sleep>>,
}

impl<I: Unpin> Idle<I> {
    pub(crate) fn new(io: I, limit: Duration) -> Self {
        Self { io, limit, moved_at: Instant::now(), alarm: Box::pin(sleep(limit)) }
    }

    fn unless_idle<T>(
        &mut self,
        cx: &mut Context<'_>,
        io: impl FnOnce(Pin<&mut I>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let done = io(Pin::new(&mut self.io), cx);
        if done.is_ready() {
            self.moved_at = Instant::now();
            return done;
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            let end = self.moved_at + self.limit;
            if end <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.alarm.as_mut().reset(end);
        }
        Poll::Pending
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Idle<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().unless_idle(cx, |io, cx| io.poll_read(cx, buffer))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Idle<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().unless_idle(cx, |io, cx| io.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().unless_idle(cx, |io, cx| io.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    // A flush of nothing moves nothing.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn what_moves_lives_and_what_rests_ends() {
        let began = Instant::now();
        let (io, mut peer) = duplex(64);
        let mut idle = Idle::new(io, LIMIT);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(LIMIT - Duration::from_secs(1));
            for _ in 0..4 {
                ticks.tick().await;
                peer.write_u8(7).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        for _ in 0..4 {
            assert_eq!(idle.read_u8().await.unwrap(), 7);
        }
        assert_eq!(idle.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 3 * 59 + 60);
    }

    #[tokio::test(start_paused = true)]
    async fn first_words_come_in_time_or_not_at_all() {
        let began = Instant::now();
        let (io, mut peer) = duplex(64);
        let mut greeted = Greeted::new(io, LIMIT);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(5));
            loop {
                ticks.tick().await;
                peer.write_u8(b'P').await.unwrap();
            }
        });
        let mut seen = Vec::new();
        while let Ok(byte) = greeted.read_u8().await {
            seen.push(byte);
            assert!(began.elapsed() <= LIMIT, "each came soon, the greeting did not");
        }
        assert_eq!((seen.len(), began.elapsed()), (12, LIMIT));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_greeted_may_be_silent() {
        let (io, mut peer) = duplex(64);
        let mut greeted = Greeted::new(io, LIMIT);
        peer.write_all(&[b'P'; GREETING]).await.unwrap();
        greeted.read_exact(&mut [0; GREETING]).await.unwrap();
        let more = async {
            let mut ticks = tokio::time::interval(2 * LIMIT);
            ticks.tick().await;
            ticks.tick().await;
            peer.write_u8(7).await.unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            byte = greeted.read_u8() => assert_eq!(byte.unwrap(), 7),
            () = more => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (io, _peer) = duplex(1);
        let mut idle = Idle::new(io, LIMIT);
        assert_eq!(idle.write_all(b"two").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
