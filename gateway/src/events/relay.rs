//! One caller's subscription upstream, and the task that relays it into a bounded queue.
//!
//! All streams of a gateway share few connections, and with them their flow control. So a
//! task of its own reads each of them, and gives up on a client that doesn't keep up.

use std::{pin::pin, time::Duration};

use futures::{Stream, StreamExt, stream, stream::BoxStream};
use gochat_chassis::{Shutdown, request::RequestId};
use gochat_proto::{
    model::{Place, Refusal},
    notifier::{Roster, SubscribeRequest, SubscribeResponse},
    room::GetRoomRequest,
    status,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tracing::Instrument;

use super::{
    frame::Frame,
    session::{Next, Session, Step},
};
use crate::{
    caller::{Caller, PATIENCE},
    upstream::Upstreams,
};

/// Frames that wait for a client to read them.
const QUEUE: usize = 256;
/// How long a full queue is waited for. The stream then ends, and the client resumes from
/// the last frame that it has read.
const SLOW: Duration = Duration::from_secs(5);
/// How long a first frame is waited for before the answer begins: a refusal may come in
/// its stead. A stream that goes on where it was left may have nothing to say.
const FIRST_FRAME: Duration = Duration::from_millis(500);
/// The notifier is never silent for longer, unless the connection is lost: it says every
/// 10 s that it is there.
const SILENCE: Duration = Duration::from_secs(30);

type Feed = BoxStream<'static, Result<SubscribeResponse, Status>>;

/// A caller who follows a room.
pub(crate) struct Follower {
    pub(crate) upstreams: Upstreams,
    pub(crate) caller: Caller,
    pub(crate) room_id: String,
}

impl Follower {
    /// The frames from a resume token on, or from a snapshot on where it is empty. Fails
    /// with what the services refuse.
    pub(crate) async fn follow(
        mut self,
        resume_token: String,
        shutdown: Shutdown,
    ) -> Result<impl Stream<Item = Frame> + Send + 'static, Status> {
        let feed = self.begin(resume_token).await?;
        let (queue, frames) = mpsc::channel(QUEUE);
        let relaying = self.relay(feed, queue, shutdown).in_current_span();
        match RequestId::current() {
            Some(id) => tokio::spawn(id.scope(relaying)),
            None => tokio::spawn(relaying),
        };
        Ok(ReceiverStream::new(frames))
    }

    /// Documented calls answer no place, so a caller can't say which one the stream must
    /// have reached: the gateway asks, for who begins, and where the notifier may not
    /// have heard yet that the caller has come in.
    async fn begin(&mut self, resume_token: String) -> Result<Feed, Status> {
        if !resume_token.is_empty() {
            match self.subscribe(resume_token.clone(), None).await {
                Err(status) if status::refusal(&status) == Some(Refusal::NotInRoom) => {}
                other => return other,
            }
        }
        let request = self.caller.request(GetRoomRequest { room_id: self.room_id.clone() });
        let place = self.upstreams.room.get_room(request).await?.into_inner().place;
        self.subscribe(resume_token, place).await
    }

    async fn subscribe(&mut self, resume_token: String, min: Option<Place>) -> Result<Feed, Status> {
        let room_id = self.room_id.clone();
        let request = SubscribeRequest { room_id, resume_token, min, roster: Roster::All.into() };
        let mut notifier = self.upstreams.notifier();
        let answer = notifier.subscribe(self.caller.stream_request(request));
        let too_late = |_| gochat_chassis::status::unavailable();
        let mut frames = timeout(PATIENCE, answer).await.map_err(too_late)??.into_inner();
        let first = timeout(FIRST_FRAME, frames.message()).await.unwrap_or(Ok(None))?;
        Ok(stream::iter(first.map(Ok)).chain(frames).boxed())
    }

    async fn relay(mut self, mut feed: Feed, queue: mpsc::Sender<Frame>, shutdown: Shutdown) {
        let mut session = Session::default();
        let mut draining = pin!(shutdown.triggered());
        loop {
            let mut step = tokio::select! {
                biased;
                () = queue.closed() => return,
                () = &mut draining => come_back("draining"),
                came = timeout(SILENCE, feed.next()) => match came {
                    Ok(Some(Ok(SubscribeResponse { frame: Some(frame) }))) => session.take(frame),
                    // A kind of frame that is newer than this gateway.
                    Ok(Some(Ok(SubscribeResponse { frame: None }))) => continue,
                    Ok(Some(Err(status))) => come_back(status.message()),
                    Ok(None) => come_back("the notifier ended the stream without a word"),
                    Err(_) => come_back("the notifier is silent"),
                },
            };
            if let Next::Anew(place) = step.next {
                match self.subscribe(String::new(), Some(place)).await {
                    Ok(anew) => (feed, session) = (anew, Session::default()),
                    Err(status) => {
                        let end = come_back(status.message());
                        step.frames.extend(end.frames);
                        step.next = end.next;
                    }
                }
            }
            for frame in step.frames {
                if queue.send_timeout(frame, SLOW).await.is_err() {
                    tracing::info!(room_id = self.room_id, "event stream ended: the client does not keep up");
                    return;
                }
            }
            if step.next == Next::End {
                return;
            }
        }
    }
}

/// The end of a stream that is worth coming back to, spread over a while: it is seldom
/// the only one to end.
fn come_back(reason: &str) -> Step {
    tracing::info!(reason, "event stream ended, to be resumed");
    Step { frames: vec![away()], next: Next::End }
}

/// Says to come back in half a second to three.
pub(crate) fn away() -> Frame {
    Frame::retry(None, Duration::from_millis(rand::random_range(500..=3000)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use gochat_proto::notifier::{KeepAlive, subscribe_response};

    use super::{super::frame::Content, *};
    use crate::Config;

    fn follower() -> Follower {
        let config = Config::try_parse_from(["gochat-gateway"]).unwrap();
        let upstreams = Upstreams::new(&config.upstream).unwrap();
        Follower { upstreams, caller: Caller::anonymous(), room_id: "123456789".into() }
    }

    fn talkative() -> Feed {
        let alive = subscribe_response::Frame::KeepAlive(KeepAlive::default());
        stream::repeat_with(move || Ok(SubscribeResponse { frame: Some(alive.clone()) })).boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_notifier_is_a_lost_one() {
        let (queue, mut frames) = mpsc::channel(QUEUE);
        follower().relay(stream::pending().boxed(), queue, Shutdown::new()).await;
        assert!(matches!(frames.recv().await.unwrap().content, Content::Retry(_)));
        assert_eq!(frames.recv().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_given_up() {
        let (queue, frames) = mpsc::channel(QUEUE);
        follower().relay(talkative(), queue, Shutdown::new()).await;
        assert_eq!(frames.len(), QUEUE);
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_noticed() {
        let (queue, frames) = mpsc::channel(QUEUE);
        drop(frames);
        follower().relay(stream::pending().boxed(), queue, Shutdown::new()).await;
    }
}
