//! The task that relays a feed into a bounded queue.
//!
//! All streams of a gateway share few connections, and with them their flow control. So a
//! task of its own reads each of them, and gives up on a client that doesn't keep up.

use std::{pin::pin, time::Duration};

use futures::{Stream, StreamExt};
use gochat_chassis::{Shutdown, request::RequestId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tracing::Instrument;

use super::frame::Frame;
use crate::observe::Open;

/// Frames that wait for a client to read them.
const QUEUE: usize = 256;
/// How long a full queue is waited for. The stream then ends, and the client resumes from
/// the last frame that it has read.
const SLOW: Duration = Duration::from_secs(5);

/// What a feed brings, as a client reads it.
pub(crate) fn relayed(
    feed: impl Stream<Item = Vec<Frame>> + Send + 'static,
    room_id: String,
    shutdown: Shutdown,
) -> impl Stream<Item = Frame> + Send + 'static {
    let (queue, frames) = mpsc::channel(QUEUE);
    let relaying = relay(feed, room_id, queue, shutdown).in_current_span();
    match RequestId::current() {
        Some(id) => tokio::spawn(id.scope(relaying)),
        None => tokio::spawn(relaying),
    };
    ReceiverStream::new(frames)
}

async fn relay(
    feed: impl Stream<Item = Vec<Frame>>,
    room_id: String,
    queue: mpsc::Sender<Frame>,
    shutdown: Shutdown,
) {
    let _open = Open::new();
    let (mut feed, mut draining) = (pin!(feed), pin!(shutdown.triggered()));
    let mut drained = false;
    while !drained {
        let frames = tokio::select! {
            biased;
            () = queue.closed() => return,
            () = &mut draining => {
                drained = true;
                vec![Frame::away()]
            }
            came = feed.next() => match came {
                Some(frames) => frames,
                None => return,
            },
        };
        for frame in frames {
            if queue.send_timeout(frame, SLOW).await.is_err() {
                tracing::info!(room_id, "event stream ended: the client does not keep up");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::{super::frame::Content, *};

    async fn relayed_into(queue: mpsc::Sender<Frame>, feed: impl Stream<Item = Vec<Frame>>) {
        relay(feed, "123456789".into(), queue, Shutdown::new()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_given_up() {
        let (queue, frames) = mpsc::channel(QUEUE);
        relayed_into(queue, stream::repeat_with(|| vec![Frame::new(Content::KeepAlive)])).await;
        assert_eq!(frames.len(), QUEUE);
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_noticed() {
        let (queue, frames) = mpsc::channel(QUEUE);
        drop(frames);
        relayed_into(queue, stream::pending()).await;
    }

    #[tokio::test]
    async fn a_client_is_sent_away_while_its_feed_is_silent() {
        let (queue, mut frames) = mpsc::channel(QUEUE);
        let shutdown = Shutdown::new();
        shutdown.trigger();
        relay(stream::pending(), "123456789".into(), queue, shutdown).await;
        assert!(matches!(frames.recv().await.unwrap().content, Content::Retry(_)));
        assert_eq!(frames.recv().await, None);
    }
}
