//! A connection that ends by itself when nothing has moved on it for a while.

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
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (io, _peer) = duplex(1);
        let mut idle = Idle::new(io, LIMIT);
        assert_eq!(idle.write_all(b"two").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
