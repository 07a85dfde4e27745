//! A session as the stream that tonic reads: no task of its own; a reader that does not
//! read holds up nobody, and is brought up to date from the view when it reads again.

use std::{pin::Pin, time::Duration};

use futures::{Stream, stream};
use gochat_chassis::Shutdown;
use gochat_domain::RoomId;
use gochat_proto::{
    model::{Place, Refusal},
    notifier::GoodbyeReason,
    status,
};
use gochat_store::Result;
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, Sleep, sleep_until, timeout},
};
use tonic::Status;

use crate::{
    Config,
    hub::Hub,
    meters::Open,
    ready::Ready,
    relay::Frames,
    session::{Session, Taken},
    streams,
    view::{Ask, Joined},
};

/// How often counts are told at the most.
const COUNTS: Duration = Duration::from_secs(1);
/// Over how long those who are asked to come back spread.
const SPREAD_MS: u32 = 2_000;
/// How often a slow reader is brought up to date before it is asked to go …
const CATCH_UPS: u32 = 3;
/// … each time within so long of the one before.
const IN_A_ROW: Duration = Duration::from_secs(10);
/// How long a place to go on from is waited for before it is asked for again.
const PATIENCE: Duration = Duration::from_secs(2);
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// How fast streams tick and how old they get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    keep_alive: Duration,
    age: Duration,
    /// Nobody need come back before this node has stopped taking calls.
    drain_delay: Duration,
}

impl Pace {
    pub(crate) fn of(config: &Config) -> Self {
        let drain_delay = config.server.connections.drain_delay;
        Self { keep_alive: config.keep_alive, age: config.stream_age, drain_delay }
    }

    /// The age of one stream: give or take a tenth.
    fn jittered_age(self) -> Duration {
        self.age.mul_f64(rand::random_range(0.9..1.1))
    }
}

/// When a stream has something to say though nothing happens.
struct Clock {
    keep_alive: Instant,
    counts: Option<Instant>,
    old: Instant,
    /// At the first of these.
    timer: Pin<Box<Sleep>>,
}

impl Clock {
    fn new(pace: Pace, counts: bool) -> Self {
        let now = Instant::now();
        let (keep_alive, old) = (now + pace.keep_alive, now + pace.jittered_age());
        let timer = Box::pin(sleep_until(keep_alive.min(old)));
        let mut clock = Self { keep_alive, counts: counts.then(|| now + COUNTS), old, timer };
        clock.wind();
        clock
    }

    fn wind(&mut self) {
        let first = self.keep_alive.min(self.old);
        self.timer.as_mut().reset(self.counts.map_or(first, |counts| counts.min(first)));
    }
}

/// How often in a row a reader fell behind.
#[derive(Debug, Default)]
struct Lags {
    count: u32,
    last: Option<Instant>,
}

impl Lags {
    /// It fell behind again: whether it may stay.
    fn another(&mut self, now: Instant) -> bool {
        let in_a_row = self.last.is_some_and(|last| now < last + IN_A_ROW);
        self.count = if in_a_row { self.count + 1 } else { 1 };
        self.last = Some(now);
        self.count <= CATCH_UPS
    }
}

/// One stream: a session and what it is fed from.
pub(crate) struct Feeding {
    hub: Hub,
    room: RoomId,
    uid: Option<u32>,
    session: Session,
    frames: Frames,
    pace: Pace,
    clock: Clock,
    lags: Lags,
    /// Something is missing: a place to go on from has to be asked for.
    behind: bool,
    /// What the call ends with, after the goodbye.
    end: Option<Status>,
    _open: Open,
}

impl Feeding {
    pub(crate) fn new(
        (hub, room, uid): (Hub, RoomId, Option<u32>),
        session: Session,
        frames: Frames,
        pace: Pace,
        shutdown: &Shutdown,
    ) -> Self {
        let clock = Clock::new(pace, session.counts());
        let lags = Lags::default();
        let mut feeding = Self {
            hub,
            room,
            uid,
            session,
            frames,
            pace,
            clock,
            lags,
            behind: false,
            end: None,
            _open: Open::new(),
        };
        if shutdown.is_triggered() {
            feeding.drain();
        }
        feeding
    }

    /// The stream that the subscriber reads. It has its place as long as it is open.
    pub(crate) fn into_stream(
        self,
        place: streams::Place,
    ) -> impl Stream<Item = Result<Ready, Status>> + Send {
        stream::unfold((self, place), |(mut feeding, place)| async move {
            let frame = feeding.next().await?;
            Some((frame, (feeding, place)))
        })
    }

    async fn next(&mut self) -> Option<Result<Ready, Status>> {
        loop {
            if let Some(frame) = self.session.pop() {
                return Some(Ok(frame));
            }
            if self.session.is_ended() {
                return self.end.take().map(Err);
            }
            if self.behind {
                self.catch_up().await;
                continue;
            }
            tokio::select! {
                biased;
                () = &mut self.clock.timer => self.tick(),
                frame = self.frames.next() => match frame.map(|frame| self.session.take(&frame)) {
                    Ok(Taken::Well) => {}
                    Ok(Taken::Gap) | Err(RecvError::Closed) => self.behind = true,
                    Ok(Taken::Draining) => self.drain(),
                    Err(RecvError::Lagged(missed)) => self.fell_behind(missed),
                },
            }
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if now >= self.clock.old {
            self.ask_to_return(GoodbyeReason::MaxAge, Duration::ZERO);
        }
        if now >= self.clock.keep_alive {
            self.session.keep_alive();
            self.clock.keep_alive = now + self.pace.keep_alive;
        }
        if let Some(counts) = self.clock.counts.as_mut().filter(|counts| now >= **counts) {
            *counts = now + COUNTS;
            self.session.tell_counts();
        }
        self.clock.wind();
    }

    fn drain(&mut self) {
        self.ask_to_return(GoodbyeReason::Draining, self.pace.drain_delay);
    }

    fn ask_to_return(&mut self, reason: GoodbyeReason, after: Duration) {
        let after = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
        self.session.goodbye(reason, after.saturating_add(rand::random_range(0..SPREAD_MS)));
    }

    /// The reader was too slow for its queue: it is brought up to date; after some times in a
    /// row it must go.
    fn fell_behind(&mut self, missed: u64) {
        metrics::counter!("gochat_slow_readers_total").increment(1);
        tracing::info!(room = %self.room, uid = self.uid, missed, "subscriber fell behind");
        if self.lags.another(Instant::now()) {
            self.behind = true;
            return;
        }
        self.ask_to_return(GoodbyeReason::TooSlow, Duration::ZERO);
        self.end = Some(status::refuse(Refusal::TooSlow, "the stream is not read fast enough"));
    }

    /// Asks where to go on from; again after a while where there is no telling. Meanwhile the
    /// stream says that it is alive.
    async fn catch_up(&mut self) {
        let (token, uid) = (Some(self.session.held()), self.uid);
        let joining = self.hub.join(self.room, |answer| Ask { token, min: None, uid, answer });
        match timeout(PATIENCE, joining).await {
            Ok(Ok((joined, frames))) if !matches!(joined, Joined::Unavailable) => {
                self.frames = frames;
                self.behind = false;
                self.go_on(joined);
            }
            _ => {
                tokio::time::sleep(BETWEEN_TRIES).await;
                self.tick();
            }
        }
    }

    fn go_on(&mut self, joined: Joined) {
        let from: Place = self.session.held();
        match joined {
            Joined::Resumed(missed, base) => {
                metrics::counter!("gochat_gaps_repaired_total", "source" => "ring").increment(1);
                self.session.resume(from, &missed, &base);
            }
            Joined::Anew(base) => self.session.start_over(&base),
            Joined::Gone | Joined::Unavailable => self.session.goodbye(GoodbyeReason::RoomClosed, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_falls_behind_again_and_again_must_go() {
        let (mut lags, now) = (Lags::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        let stays: Vec<bool> = [0, 5, 9, 12].into_iter().map(|second| lags.another(at(second))).collect();
        assert_eq!(stays, [true, true, true, false]);
        let mut patient = Lags::default();
        assert!([0, 11, 22, 33, 44].into_iter().all(|second| patient.another(at(second))));
    }
}
