//! A request's body that has come as far as it takes to answer, so that who sends slowly holds up nobody but itself.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body, of which the beginning was read ahead.
pub(crate) struct Arriving<B: Body> {
    body: B,
    ahead: VecDeque<Result<Frame<Bytes>, B::Error>>,
    ended: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Arriving<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, ahead: VecDeque::new(), ended: false }
    }

    /// Reads ahead until `enough` says so of the data that came last, or the body ends or fails. What is kept
    /// has the size of what was read.
    pub(crate) async fn until(&mut self, mut enough: impl FnMut(&Bytes) -> bool) {
        loop {
            match poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await {
                Some(Ok(frame)) => {
                    let enough = frame.data_ref().is_none_or(&mut enough);
                    self.ahead.push_back(Ok(frame));
                    if enough {
                        return;
                    }
                }
                Some(Err(error)) => return self.ahead.push_back(Err(error)),
                None => {
                    self.ended = true;
                    return;
                }
            }
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Arriving<B>
where
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let arriving = self.get_mut();
        match arriving.ahead.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None if arriving.ended => Poll::Ready(None),
            None => Pin::new(&mut arriving.body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && (self.ended || self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.ahead.is_empty() && !self.ended { self.body.size_hint() } else { SizeHint::new() }
    }
}

/// Says of the data of a gRPC body, piece by piece, whether its first message has come whole: a flag, four bytes of
/// length, the message.
pub(crate) fn first_message() -> impl FnMut(&Bytes) -> bool {
    let (mut prefix, mut seen) = (Vec::with_capacity(5), 0);
    move |bytes| {
        let missing = (5 - prefix.len()).min(bytes.len());
        prefix.extend_from_slice(&bytes[..missing]);
        seen += bytes.len();
        match prefix[..] {
            [_, a, b, c, d] => seen >= 5 + u32::from_be_bytes([a, b, c, d]) as usize,
            _ => false,
        }
    }
}

/// Says of the data of a body, piece by piece, whether more than so many bytes have come.
pub(crate) fn more_than(most: usize) -> impl FnMut(&Bytes) -> bool {
    let mut seen = 0;
    move |bytes| {
        seen += bytes.len();
        seen > most
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body as AnyBody, to_bytes};
    use futures::{FutureExt, StreamExt, stream};

    use super::*;

    #[tokio::test]
    async fn what_was_read_ahead_comes_first_and_nothing_is_lost() {
        for most in [0, 4, 100] {
            let pieces = ["one", "two", "six"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
            let mut arriving = Arriving::new(AnyBody::from_stream(stream::iter(pieces)));
            arriving.until(more_than(most)).await;
            let whole = to_bytes(AnyBody::new(arriving), 100).await.unwrap();
            assert_eq!(whole, "onetwosix");
        }
    }

    #[test]
    fn the_first_message_is_waited_for_however_it_is_cut() {
        let message = [0, 0, 0, 0, 3, b'a', b'b', b'c', 0];
        for size in 1..=8 {
            let mut whole = first_message();
            let at = message.chunks(size).position(|piece| whole(&Bytes::copy_from_slice(piece))).unwrap();
            assert_eq!(at, 7 / size, "in pieces of {size}");
        }
        let part = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(&[0, 0]))]);
        let mut arriving = Arriving::new(AnyBody::from_stream(part.chain(stream::pending())));
        assert!(arriving.until(first_message()).now_or_never().is_none(), "it hasn't come");
    }
}
