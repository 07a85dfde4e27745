//! A session as the stream that tonic reads: no task of its own; a reader that does not
//! read holds up nobody, and is brought up to date from the view when it reads again.

use std::time::Duration;

use futures::{Stream, stream};
use gochat_chassis::Shutdown;
use gochat_domain::RoomId;
use gochat_proto::notifier::{GoodbyeReason, SubscribeResponse};
use gochat_store::Result;
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until},
};
use tonic::Status;

use crate::{
    Config,
    hub::Hub,
    session::Session,
    view::{Ask, Frames, Joined},
};

/// How often counts are told at the most.
const COUNTS: Duration = Duration::from_secs(1);
/// Over how long those who are asked to come back spread.
const SPREAD_MS: u32 = 2_000;
/// How often in a row a slow reader is brought up to date before it is asked to go.
const CATCH_UPS: u32 = 3;

/// How fast streams tick and how old they get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    keep_alive: Duration,
    age: Duration,
}

impl Pace {
    pub(crate) fn of(config: &Config) -> Self {
        Self { keep_alive: config.keep_alive, age: config.stream_age }
    }

    /// The age of one stream: give or take a tenth.
    fn jittered_age(self) -> Duration {
        self.age.mul_f64(rand::random_range(0.9..1.1))
    }
}

/// One stream: a session and what it is fed from.
pub(crate) struct Feeding {
    hub: Hub,
    room: RoomId,
    uid: Option<u32>,
    session: Session,
    frames: Frames,
    shutdown: Shutdown,
    keep_alive: Interval,
    counts: Interval,
    old_at: Instant,
    catch_ups: u32,
}

impl Feeding {
    pub(crate) fn new(
        hub: Hub,
        room: RoomId,
        uid: Option<u32>,
        session: Session,
        frames: Frames,
        pace: Pace,
        shutdown: Shutdown,
    ) -> Self {
        let old_at = Instant::now() + pace.jittered_age();
        let (keep_alive, counts) = (ticks(pace.keep_alive), ticks(COUNTS));
        Self { hub, room, uid, session, frames, shutdown, keep_alive, counts, old_at, catch_ups: 0 }
    }

    /// The stream that the subscriber reads.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<SubscribeResponse, Status>> + Send {
        stream::unfold(self, |mut feeding| async move {
            let frame = feeding.next().await?;
            Some((Ok(frame), feeding))
        })
    }

    async fn next(&mut self) -> Option<SubscribeResponse> {
        loop {
            if let Some(frame) = self.session.pop() {
                return Some(frame);
            }
            if self.session.is_ended() {
                return None;
            }
            tokio::select! {
                biased;
                () = self.shutdown.triggered() => self.ask_to_return(GoodbyeReason::Draining),
                frame = self.frames.recv() => match frame {
                    Ok(frame) => {
                        self.catch_ups = 0;
                        self.session.take(&frame);
                    }
                    Err(RecvError::Lagged(missed)) => self.catch_up(missed).await,
                    Err(RecvError::Closed) => self.ask_to_return(GoodbyeReason::Draining),
                },
                _ = self.keep_alive.tick() => self.session.keep_alive(),
                _ = self.counts.tick() => self.session.tell_counts(),
                () = sleep_until(self.old_at) => self.ask_to_return(GoodbyeReason::MaxAge),
            }
        }
    }

    fn ask_to_return(&mut self, reason: GoodbyeReason) {
        self.session.goodbye(reason, rand::random_range(0..SPREAD_MS));
    }

    /// Brings a reader that fell behind up to date; after some times in a row it must go.
    async fn catch_up(&mut self, missed: u64) {
        metrics::counter!("gochat_slow_readers_total").increment(1);
        tracing::info!(room = %self.room, missed, "subscriber fell behind");
        self.catch_ups += 1;
        if self.catch_ups > CATCH_UPS {
            return self.ask_to_return(GoodbyeReason::TooSlow);
        }
        let (token, uid) = (Some(self.session.held()), self.uid);
        let joined = self.hub.join(self.room, |answer| Ask { token, min: None, uid, answer }).await;
        match joined {
            Ok(Joined::Resumed(missed, _, frames)) => {
                self.frames = frames;
                self.session.resume(self.session.held(), &missed);
            }
            Ok(Joined::Anew(base, frames)) => {
                self.frames = frames;
                self.session.take(&crate::view::Frame::Reset(base));
            }
            Ok(Joined::Gone) => self.session.take(&crate::view::Frame::Gone),
            Ok(Joined::Unavailable) | Err(_) => self.ask_to_return(GoodbyeReason::TooSlow),
        }
    }
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
