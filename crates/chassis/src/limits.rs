//! What a call may cost at most: a place among those in flight, time until it is answered, the size of a
//! message; and what a panic costs: its own call alone.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures::FutureExt;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tokio::{sync::Semaphore, time::timeout};
use tonic::{Status, body::Body};

use crate::{
    ServerArgs,
    arriving::{Arriving, first_message},
    status,
};

/// The limits of one server. Clones are one and the same.
#[derive(Clone)]
pub(crate) struct Limits {
    in_flight: Arc<Semaphore>,
    time: Duration,
    message: u32,
}

impl Limits {
    pub(crate) fn new(args: &ServerArgs) -> Self {
        Self {
            in_flight: Arc::new(Semaphore::new(args.max_in_flight as usize)),
            time: args.request_timeout,
            message: args.max_message,
        }
    }

    /// Answers within the limits. A call has a place from its first message on. A stream is held to them until it begins, and to the size of a message
    /// as long as it lasts.
    pub(crate) async fn hold<F>(
        &self,
        request: Request<Body>,
        answer: impl FnOnce(Request<Body>) -> F,
    ) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        let mut request = request.map(|body| Arriving::new(Measured::new(body, self.message)));
        let answering = AssertUnwindSafe(async {
            // Who sends slowly takes nobody's place meanwhile.
            request.body_mut().until(first_message()).await;
            let Ok(_place) = self.in_flight.try_acquire() else {
                tracing::warn!("more calls at a time than allowed");
                return status::overloaded().into_http();
            };
            answer(request.map(Body::new)).await
        })
        .catch_unwind();
        match timeout(self.time, answering).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                tracing::error!("a call panicked");
                status::internal().into_http()
            }
            Err(_) => {
                tracing::warn!(limit = ?self.time, "a call took too long");
                status::too_slow().into_http()
            }
        }
    }
}

/// A request body whose messages are measured by their prefixes (a flag and four bytes of length, then the
/// message), before anybody makes room for them.
struct Measured {
    body: Body,
    most: u32,
    /// How much of the next prefix has come, and what its length says so far.
    prefix: usize,
    length: u32,
    /// Bytes of the current message still to come.
    rest: usize,
}

impl Measured {
    const PREFIX: usize = 5;

    fn new(body: Body, most: u32) -> Self {
        Self { body, most, prefix: 0, length: 0, rest: 0 }
    }

    /// Whether what came holds to the limit.
    fn admits(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let taken = self.rest.min(bytes.len());
                bytes.advance(taken);
                self.rest -= taken;
                continue;
            }
            let byte = bytes.get_u8();
            // The flag is shifted out by the four bytes that follow.
            self.length = self.length << 8 | u32::from(byte);
            self.prefix += 1;
            if self.prefix == Self::PREFIX {
                if self.length > self.most {
                    return false;
                }
                (self.rest, self.prefix) = (self.length as usize, 0);
            }
        }
        true
    }
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(bytes) = frame.data_ref()
            && !self.admits(bytes)
        {
            return Poll::Ready(Some(Err(status::too_large(self.most))));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(length.to_be_bytes());
        bytes.extend(vec![b'x'; length as usize]);
        bytes
    }

    #[test]
    fn each_message_is_measured_however_it_is_cut() {
        let stream = [message(4), message(0), message(3), message(4)].concat();
        for size in 1..stream.len() {
            let mut measured = Measured::new(Body::empty(), 4);
            assert!(stream.chunks(size).all(|chunk| measured.admits(chunk)), "in chunks of {size}");
            assert!(!message(5).chunks(size).all(|chunk| measured.admits(chunk)), "in chunks of {size}");
        }
    }

    #[test]
    fn a_prefix_alone_is_refused() {
        assert!(!Measured::new(Body::empty(), 64).admits(&[0, 0xff, 0xff, 0xff, 0xff]));
        assert!(!Measured::new(Body::empty(), 64).admits(&[1, 0, 0, 1, 0]));
    }
}
