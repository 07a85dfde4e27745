//! One caller's subscription upstream, which mends itself where a connection is lost.

use std::time::Duration;

use futures::{Stream, StreamExt, stream, stream::BoxStream};
use gochat_proto::{
    model::{Place, Refusal},
    notifier::{Roster, SubscribeRequest, SubscribeResponse, subscribe_response::Frame as Upstream},
    room::GetRoomRequest,
    status,
};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use super::{
    frame::Frame,
    held::Held,
    session::{Next, Session, Step},
    translations::Translations,
};
use crate::{
    caller::{Caller, PATIENCE},
    upstream::Upstreams,
};

/// How long a first frame is waited for before the answer begins: a refusal may come in
/// its stead. A stream that goes on where it was left may have nothing to say.
const FIRST_FRAME: Duration = Duration::from_millis(500);
/// The notifier is never silent for longer, unless the connection is lost: it says every
/// 10 s that it is there.
const SILENCE: Duration = Duration::from_secs(30);
/// How often a lost stream is asked for again before the client is sent away: within
/// about five seconds.
const TRIES: u32 = 6;
const FIRST_DELAY: Duration = Duration::from_millis(100);
pub(crate) const MOST_DELAY: Duration = Duration::from_secs(2);

type Frames = BoxStream<'static, Result<SubscribeResponse, Status>>;

/// A caller who follows a room.
pub(crate) struct Follower {
    pub(crate) upstreams: Upstreams,
    pub(crate) caller: Caller,
    pub(crate) room_id: String,
}

impl Follower {
    /// The frames from what is held on, or from a snapshot on for who begins. Fails
    /// with what the services refuse.
    pub(crate) async fn follow(mut self, held: Held, translations: Translations) -> Result<Feed, Status> {
        let frames = self.subscribe(&held).await?;
        let session = Session::new(held, translations);
        Ok(Feed { follower: self, frames, session, anew: None, failed: 0 })
    }

    /// Documented calls answer no place, so a caller can't say which one the stream must
    /// have reached: the gateway asks, for who begins, and where the notifier may not
    /// have heard yet that the caller has come in.
    async fn subscribe(&mut self, held: &Held) -> Result<Frames, Status> {
        if !held.is_empty() {
            match self.subscribe_from(held, None).await {
                Err(status) if status::refusal(&status) == Some(Refusal::NotInRoom) => {}
                other => return other,
            }
        }
        let request = self.caller.request(GetRoomRequest { room_id: self.room_id.clone() });
        let place = self.upstreams.room().get_room(request).await?.into_inner().place;
        self.subscribe_from(held, place).await
    }

    async fn subscribe_from(&self, held: &Held, min: Option<Place>) -> Result<Frames, Status> {
        let request = SubscribeRequest {
            room_id: self.room_id.clone(),
            resume_token: held.token().to_owned(),
            min,
            roster: Roster::All.into(),
            held: held.roster().into(),
        };
        let mut notifier = self.upstreams.notifier();
        let answer = notifier.subscribe(self.caller.stream_request(request));
        let too_late = |_| gochat_chassis::status::unavailable();
        let mut frames = timeout(PATIENCE, answer).await.map_err(too_late)??.into_inner();
        let first = timeout(FIRST_FRAME, frames.message()).await.unwrap_or(Ok(None))?;
        Ok(stream::iter(first.map(Ok)).chain(frames).boxed())
    }
}

/// A subscription upstream. It holds the place that was told last: a connection that is lost
/// is followed by another one from there, so that the client is told everything once.
pub(crate) struct Feed {
    follower: Follower,
    frames: Frames,
    session: Session,
    /// A snapshot is to be asked for, of this place or a later one.
    anew: Option<Place>,
    /// Tries since anything was heard that shows that a connection holds.
    failed: u32,
}

impl Feed {
    /// Frames for the client, up to the end. None of them is told before all of a step are
    /// there, so what is given up half-way is asked for again as a whole.
    pub(crate) fn into_frames(self) -> impl Stream<Item = Vec<Frame>> + Send {
        stream::unfold(Some(self), |feed| async move {
            let mut feed = feed?;
            let Step { frames, next } = feed.step().await;
            Some((frames, (next != Next::End).then_some(feed)))
        })
    }

    async fn step(&mut self) -> Step {
        loop {
            let lost = match self.read().await {
                // A kind of frame that is newer than this gateway.
                Ok(None) => continue,
                Ok(Some(frame)) => match self.take(frame) {
                    Step { next: Next::Broken, .. } => Lost::Connection("a snapshot without its beginning"),
                    step => return step,
                },
                Err(lost) => lost,
            };
            if let Err(lost) = self.mend(lost).await {
                return come_back(lost.reason());
            }
        }
    }

    /// The next frame; none for a kind that isn't known.
    async fn read(&mut self) -> Result<Option<Upstream>, Lost> {
        if let Some(place) = self.anew.take() {
            self.session.interrupted();
            self.frames = self.follower.subscribe_from(&Held::default(), Some(place)).await?;
        }
        match timeout(SILENCE, self.frames.next()).await {
            Ok(Some(came)) => Ok(came?.frame),
            Ok(None) => Err(Lost::Connection("the notifier ended the stream without a word")),
            Err(_) => Err(Lost::Connection("the notifier is silent")),
        }
    }

    fn take(&mut self, frame: Upstream) -> Step {
        // A notifier that gives snapshots and dies holds no better than one that is gone.
        if matches!(frame, Upstream::Commit(_) | Upstream::KeepAlive(_)) {
            self.failed = 0;
        }
        let step = self.session.take(frame);
        if let Next::Anew(place) = step.next {
            self.anew = Some(place);
        }
        step
    }

    /// Subscribes again from where the client was told, a few times. Fails with why the
    /// stream is lost for good.
    async fn mend(&mut self, mut lost: Lost) -> Result<(), Lost> {
        self.session.interrupted();
        while lost.may_be_mended() && self.failed < TRIES {
            let delay = delay(self.failed, rand::random());
            tracing::debug!(reason = lost.reason(), failed = self.failed, ?delay, "subscribing again");
            self.failed += 1;
            sleep(delay).await;
            match self.follower.subscribe(self.session.held()).await {
                Ok(frames) => {
                    self.frames = frames;
                    return Ok(());
                }
                Err(status) => lost = status.into(),
            }
        }
        Err(lost)
    }
}

/// How a stream upstream was lost.
#[derive(Debug)]
enum Lost {
    /// There is no telling why.
    Connection(&'static str),
    /// The notifier, or something in between, said so.
    Status(Status),
}

impl From<Status> for Lost {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl Lost {
    fn reason(&self) -> &str {
        match self {
            Self::Connection(how) => how,
            Self::Status(status) => status.message(),
        }
    }

    /// Whether another connection may well be better. Not so for a client that is too slow
    /// (RESOURCE_EXHAUSTED): it is its turn. Nor for a refusal, which it is told when it
    /// comes back.
    fn may_be_mended(&self) -> bool {
        let Self::Status(status) = self else { return true };
        matches!(
            status.code(),
            Code::Unavailable
                | Code::Cancelled
                | Code::Unknown
                | Code::Internal
                | Code::DeadlineExceeded
                | Code::Aborted
        )
    }
}

/// The end of a stream that is worth coming back to.
fn come_back(reason: &str) -> Step {
    tracing::info!(reason, "event stream ended, to be resumed");
    Step { frames: vec![Frame::away()], next: Next::End }
}

/// Between half of it and the whole, by chance: all streams of a notifier are lost together.
pub(crate) fn delay(failed: u32, chance: f64) -> Duration {
    let whole = FIRST_DELAY.saturating_mul(1 << failed.min(TRIES)).min(MOST_DELAY);
    whole.mul_f64(0.5 + chance / 2.0)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use clap::Parser;
    use gochat_proto::{
        model::Room,
        notifier::{KeepAlive, Personal, SnapshotPart},
    };

    use super::{super::frame::Content, *};
    use crate::{Config, upstream::PerCore};

    /// A feed whose notifier can't be reached any more.
    fn orphaned(frames: Frames) -> Feed {
        let config = Config::try_parse_from(["gochat-gateway", "--notifier-url=http://127.0.0.1:1"]).unwrap();
        let upstreams = PerCore::new(&config.upstream, config.connections.reload_interval, NonZeroUsize::MIN)
            .unwrap()
            .here();
        let follower = Follower { upstreams, caller: Caller::anonymous(), room_id: "123456789".into() };
        let session = Session::new(Held::read("2-000000000000000a"), Translations::default());
        Feed { follower, frames, session, anew: None, failed: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_notifier_is_a_lost_one_and_is_given_up_after_some_tries() {
        let mut feed = orphaned(stream::pending().boxed());
        let step = feed.step().await;
        assert!(matches!(step.frames[..], [Frame { content: Content::Retry(_), .. }]), "{step:?}");
        assert_eq!((step.next, feed.failed), (Next::End, TRIES));
    }

    #[tokio::test]
    async fn only_what_goes_on_shows_that_a_connection_holds() {
        let mut feed = orphaned(stream::pending().boxed());
        feed.failed = 3;
        let room = Some(Room::default());
        feed.take(Upstream::Snapshot(SnapshotPart { room, last: true, ..Default::default() }));
        feed.take(Upstream::Personal(Personal::default()));
        assert_eq!(feed.failed, 3);
        feed.take(Upstream::KeepAlive(KeepAlive::default()));
        assert_eq!(feed.failed, 0);
    }

    #[test]
    fn tries_are_spread_and_grow_apart() {
        let most: Vec<_> = (0..TRIES).map(|failed| delay(failed, 1.0).as_millis()).collect();
        assert_eq!(most, [100, 200, 400, 800, 1600, 2000]);
        assert_eq!(delay(0, 0.0), Duration::from_millis(50));
    }
}
