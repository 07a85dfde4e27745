//! The bytes of an accepted connection, in plain text or in secret.

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use futures::FutureExt;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::{
    Names,
    server::{Acceptor, Handshake},
};

/// What an accepted connection is read from and written to. Of a secured one, the first of either shakes hands, on
/// the runtime that does it.
pub(crate) enum Wire {
    Plain(TcpStream),
    Secured { state: State, names: Arc<OnceLock<Names>> },
}

/// How far a secured connection is.
pub(crate) enum State {
    Fresh(TcpStream, Acceptor),
    ShakingHands(Handshake),
    Open(Box<TlsStream<TcpStream>>),
    Failed,
}

/// A wire on its way from one runtime to another.
pub(crate) struct Detached {
    stream: std::net::TcpStream,
    acceptor: Option<Acceptor>,
}

impl Wire {
    /// One on which nothing was said. Secured where there is an acceptor.
    pub(crate) fn new(stream: TcpStream, acceptor: Option<Acceptor>) -> Self {
        match acceptor {
            None => Self::Plain(stream),
            Some(acceptor) => Self::Secured { state: State::Fresh(stream, acceptor), names: Arc::default() },
        }
    }

    /// Takes it from this runtime. Fails once a handshake has begun.
    pub(crate) fn detach(self) -> io::Result<Detached> {
        let (stream, acceptor) = match self {
            Self::Plain(stream) => (stream, None),
            Self::Secured { state: State::Fresh(stream, acceptor), .. } => (stream, Some(acceptor)),
            Self::Secured { .. } => return Err(io::Error::other("hands are shaken already")),
        };
        Ok(Detached { stream: stream.into_std()?, acceptor })
    }

    /// Where the names of the peer's certificate stand once hands are shaken.
    pub(crate) fn names(&self) -> Arc<OnceLock<Names>> {
        match self {
            Self::Plain(_) => Arc::default(),
            Self::Secured { names, .. } => names.clone(),
        }
    }

    /// The socket, unless a handshake has it.
    pub(crate) fn socket(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(stream) | Self::Secured { state: State::Fresh(stream, _), .. } => Some(stream),
            Self::Secured { state: State::Open(stream), .. } => Some(stream.get_ref().0),
            Self::Secured { .. } => None,
        }
    }

    /// Shakes hands if that is still to be done.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Secured { state, names } = self else { return Poll::Ready(Ok(())) };
        if let State::Fresh(..) = state
            && let State::Fresh(stream, acceptor) = std::mem::replace(state, State::Failed)
        {
            *state = State::ShakingHands(acceptor.shake_hands(stream));
        }
        match state {
            State::ShakingHands(handshake) => {
                let done = ready!(handshake.poll_unpin(cx));
                *state = State::Failed;
                let stream = done?;
                let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                // Empty until now: nobody else sets it.
                let _ = names.set(shown.map(Names::of).unwrap_or_default());
                *state = State::Open(Box::new(stream));
                Poll::Ready(Ok(()))
            }
            State::Failed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            State::Fresh(..) | State::Open(_) => Poll::Ready(Ok(())),
        }
    }
}

impl Detached {
    /// Gives the wire to the runtime that this is called on.
    pub(crate) fn attach(self) -> io::Result<Wire> {
        Ok(Wire::new(TcpStream::from_std(self.stream)?, self.acceptor))
    }
}

/// Does the same on whichever stream there is, once hands are shaken.
macro_rules! on_stream {
    ($wire:ident, $cx:ident, $stream:ident => $io:expr) => {{
        let wire = $wire.get_mut();
        ready!(wire.poll_ready($cx))?;
        match wire {
            Wire::Plain(stream) => {
                let $stream = Pin::new(stream);
                $io
            }
            Wire::Secured { state: State::Open(stream), .. } => {
                let $stream = Pin::new(&mut **stream);
                $io
            }
            Wire::Secured { .. } => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }};
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_stream!(self, cx, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_stream!(self, cx, stream => stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self, cx, stream => stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, cx, stream => stream.poll_flush(cx))
    }

    /// One that never spoke needs no farewell.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secured { state: State::Open(stream), .. } => Pin::new(&mut **stream).poll_shutdown(cx),
            Self::Secured { .. } => Poll::Ready(Ok(())),
        }
    }
}
