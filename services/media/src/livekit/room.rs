//! The task of one room: makes the calls that its plan wants, looks who is there, and tells who can be heard.

use std::{
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use gochat_domain::RoomId;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use super::{
    api::{Api, Failed},
    meters,
    plan::{Call, Outcome, Participant, Plan},
};
use crate::engine::Heard;

/// Calls at a time for one room; more wait, those that silence somebody the shortest.
const CALLS: usize = 16;
/// The longest between two looks while they fail.
const LOOK_AT_MOST: Duration = Duration::from_secs(10);

/// How often things are done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// LiveKit is asked who is there, whatever it told.
    pub(super) look: Duration,
    /// The same, where nobody is admitted any more.
    pub(super) look_after: Duration,
    /// The least between two looks.
    pub(super) between_looks: Duration,
    /// The least between two tellings of who can be heard.
    pub(super) between_news: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(3),
            look_after: Duration::from_secs(30),
            between_looks: Duration::from_millis(250),
            between_news: Duration::from_millis(300),
        }
    }
}

/// A room, for its task and for those who have something to tell it.
pub(super) struct Room {
    pub(super) name: String,
    plan: Mutex<Plan>,
    changed: Notify,
    board: watch::Sender<Arc<[Heard]>>,
}

impl Room {
    pub(super) fn new(id: RoomId, board: watch::Sender<Arc<[Heard]>>) -> Self {
        Self { name: id.to_string(), plan: Mutex::default(), changed: Notify::new(), board }
    }

    /// Changes what is wanted; its task goes by it at once.
    pub(super) fn tell<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        let told = change(&mut self.plan());
        self.changed.notify_one();
        told
    }

    pub(super) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room {
    /// Nobody is heard in a room that isn't seen to here.
    fn drop(&mut self) {
        self.board.send_if_modified(|heard| {
            let any = !heard.is_empty();
            *heard = [].into();
            any
        });
    }
}

/// What a room's task is at.
pub(super) struct Work {
    room: Arc<Room>,
    api: Arc<Api>,
    pace: Pace,
    calls: FuturesUnordered<BoxFuture<'static, (Call, Outcome)>>,
    look: Option<BoxFuture<'static, Result<Vec<Participant>, Failed>>>,
    /// When the last look was sent, and when the next is due whatever happens.
    looked: Option<Instant>,
    next_look: Instant,
    failed_looks: u32,
    told: Option<Instant>,
}

impl Work {
    pub(super) fn new(room: Arc<Room>, api: Arc<Api>, pace: Pace) -> Self {
        let (calls, now) = (FuturesUnordered::new(), Instant::now());
        let (looked, next_look) = (None, now + pace.look);
        Self { room, api, pace, calls, look: None, looked, next_look, failed_looks: 0, told: None }
    }

    /// Goes on until nothing is to be seen to, and `forget` agrees.
    pub(super) async fn run(mut self, forget: impl Fn() -> bool) {
        loop {
            let wake = self.begin(Instant::now());
            if self.room.plan().is_over() && self.calls.is_empty() && forget() {
                return;
            }
            tokio::select! {
                () = self.room.changed.notified() => {}
                Some((call, outcome)) = self.calls.next() => {
                    meters::called(call.label(), outcome);
                    self.room.plan().called(&call, outcome, Instant::now());
                }
                found = answer(&mut self.look) => self.looked(found, Instant::now()),
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Begins what is due; when something is again.
    fn begin(&mut self, now: Instant) -> Instant {
        let mut wakes = vec![self.begin_look(now)];
        let mut plan = self.room.plan();
        while self.calls.len() < CALLS
            && let Some(call) = plan.next(now)
        {
            let (api, room) = (self.api.clone(), self.room.clone());
            self.calls.push(
                async move {
                    let outcome = api.perform(&room.name, &call).await;
                    (call, outcome)
                }
                .boxed(),
            );
        }
        wakes.extend(plan.next_try(now));
        let heard = plan.heard();
        drop(plan);
        wakes.extend(self.publish(heard, now));
        wakes.into_iter().min().unwrap_or(self.next_look)
    }

    /// When the next look is due; none is while one is under way.
    fn begin_look(&mut self, now: Instant) -> Instant {
        let never = now + LOOK_AT_MOST;
        if self.look.is_some() {
            return never;
        }
        let earliest = self.looked.map_or(now, |at| at + self.pace.between_looks);
        let mut plan = self.room.plan();
        if plan.look_is_due() {
            self.next_look = self.next_look.min(earliest);
        }
        if now < self.next_look {
            return self.next_look;
        }
        plan.look_sent();
        let (api, room) = (self.api.clone(), self.room.clone());
        self.look = Some(async move { api.look(&room.name).await }.boxed());
        self.looked = Some(now);
        never
    }

    fn looked(&mut self, found: Result<Vec<Participant>, Failed>, now: Instant) {
        self.look = None;
        let mut plan = self.room.plan();
        match found {
            Ok(found) => {
                meters::called("look", Outcome::Done);
                plan.looked(found, now);
                self.failed_looks = 0;
                self.next_look = now + if plan.is_quiet() { self.pace.look_after } else { self.pace.look };
            }
            Err(failed) => {
                meters::called("look", Outcome::Failed);
                tracing::warn!(room = self.room.name, %failed, "livekit doesn't say who is there");
                let wait = self.pace.look.saturating_mul(1 << self.failed_looks.min(16)).min(LOOK_AT_MOST);
                self.failed_looks += 1;
                self.next_look = now + wait;
            }
        }
    }

    /// Tells who can be heard, if that has changed; when it is to be told, if that is later.
    fn publish(&mut self, heard: Vec<Heard>, now: Instant) -> Option<Instant> {
        if **self.room.board.borrow() == *heard {
            return None;
        }
        if let Some(due) = self.told.map(|at| at + self.pace.between_news).filter(|due| *due > now) {
            return Some(due);
        }
        self.room.board.send_replace(heard.into());
        self.told = Some(now);
        None
    }
}

/// The answer to a look, if one is under way.
async fn answer<T>(look: &mut Option<BoxFuture<'static, T>>) -> T {
    match look {
        Some(look) => look.await,
        None => pending().await,
    }
}
