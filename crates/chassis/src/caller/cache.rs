//! Sessions that were looked up a moment ago, so that a call seldom costs a read.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{
    FutureExt,
    future::{self, BoxFuture, Shared},
};
use moka::sync::Cache;
use tokio::sync::oneshot;

use super::{Digest, Unavailable};

/// How long an answer is taken for granted. A revocation doesn't wait for it: see [`Sessions::forget`].
const TRUSTED: Duration = Duration::from_secs(5);
/// Sessions remembered at most; about 10 MB.
const CAPACITY: u64 = 100_000;

pub(super) type Answer = Result<Option<u32>, Unavailable>;
type Waiting = Shared<BoxFuture<'static, Answer>>;
pub(super) type LookUp = dyn Fn(Digest) -> BoxFuture<'static, Answer> + Send + Sync;

/// Looks sessions up, remembers those that exist, and asks once for callers who ask at the same time.
#[derive(Clone)]
pub(super) struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    look_up: Box<LookUp>,
    known: Cache<Digest, u32>,
    under_way: Mutex<HashMap<Digest, Flight>>,
    flights: AtomicU64,
}

/// A look-up under way. Only the flight that is still registered may leave its answer in the cache.
#[derive(Clone)]
struct Flight {
    number: u64,
    answer: Waiting,
}

impl Sessions {
    pub(super) fn new(look_up: Box<LookUp>) -> Self {
        let known = Cache::builder().max_capacity(CAPACITY).time_to_live(TRUSTED).build();
        let inner = Inner { look_up, known, under_way: Mutex::default(), flights: AtomicU64::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// Whose session it is, if it is one.
    pub(super) async fn find(&self, digest: Digest) -> Answer {
        if let Some(subject) = self.inner.known.get(&digest) {
            return Ok(Some(subject));
        }
        self.board(digest).await
    }

    /// The answer of the look-up under way, or of a new one.
    fn board(&self, digest: Digest) -> Waiting {
        let mut under_way = self.inner.under_way();
        // It may have landed since.
        if let Some(subject) = self.inner.known.get(&digest) {
            return future::ready(Ok(Some(subject))).boxed().shared();
        }
        if let Some(flight) = under_way.get(&digest) {
            return flight.answer.clone();
        }
        let number = self.inner.flights.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        let answer = told.map(|told| told.unwrap_or(Err(Unavailable))).boxed().shared();
        under_way.insert(digest, Flight { number, answer: answer.clone() });
        // A landing takes the lock, and may come at once.
        drop(under_way);
        self.take_off(Landing {
            inner: self.inner.clone(),
            digest,
            number,
            answer: Err(Unavailable),
            tell: Some(tell),
        });
        answer
    }

    /// Looks up in a task of its own, so that the look-up ends even if nobody waits for it any more.
    fn take_off(&self, landing: Landing) {
        tokio::spawn(async move {
            let answer = (landing.inner.look_up)(landing.digest).await;
            landing.with(answer);
        });
    }

    /// Forgets a session at once: calls that come from now on are looked up anew, and a look-up that is
    /// under way leaves nothing behind.
    pub(super) fn forget(&self, digest: &Digest) {
        let mut under_way = self.inner.under_way();
        under_way.remove(digest);
        self.inner.known.invalidate(digest);
    }

    /// Forgets all at once, as [`Sessions::forget`] does one.
    pub(super) fn forget_all(&self) {
        let mut under_way = self.inner.under_way();
        under_way.clear();
        self.inner.known.invalidate_all();
    }
}

impl Inner {
    fn under_way(&self) -> MutexGuard<'_, HashMap<Digest, Flight>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a look-up, however it ends: one that panicked, or never ran, has found nothing out.
struct Landing {
    inner: Arc<Inner>,
    digest: Digest,
    number: u64,
    answer: Answer,
    tell: Option<oneshot::Sender<Answer>>,
}

impl Landing {
    fn with(mut self, answer: Answer) {
        self.answer = answer;
    }

    /// Leaves the answer in the cache, unless the session was forgotten meanwhile.
    fn remember(&self) {
        let mut under_way = self.inner.under_way();
        if under_way.get(&self.digest).is_none_or(|flight| flight.number != self.number) {
            return;
        }
        under_way.remove(&self.digest);
        if let Ok(Some(subject)) = self.answer {
            self.inner.known.insert(self.digest, subject);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.remember();
        if let Some(tell) = self.tell.take() {
            // Whoever asked may have gone.
            let _ = tell.send(self.answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    const TOKEN: Digest = [7; 32];

    /// Sessions whose look-ups wait in `asked` until the test answers them.
    fn sessions() -> (Sessions, mpsc::Receiver<oneshot::Sender<Answer>>) {
        let (ask, asked) = mpsc::channel(16);
        let look_up = move |_| {
            let (answer, answered) = oneshot::channel();
            ask.try_send(answer).unwrap();
            async { answered.await.unwrap() }.boxed()
        };
        (Sessions::new(Box::new(look_up)), asked)
    }

    fn find(sessions: &Sessions) -> tokio::task::JoinHandle<Answer> {
        let sessions = sessions.clone();
        tokio::spawn(async move { sessions.find(TOKEN).await })
    }

    #[tokio::test]
    async fn a_session_is_looked_up_once() {
        let (sessions, mut asked) = sessions();
        let (one, two) = (find(&sessions), find(&sessions));
        let answer = asked.recv().await.unwrap();
        tokio::task::yield_now().await;
        answer.send(Ok(Some(1))).unwrap();
        assert_eq!((one.await.unwrap(), two.await.unwrap()), (Ok(Some(1)), Ok(Some(1))));
        assert_eq!(sessions.find(TOKEN).await, Ok(Some(1)));
        assert!(asked.try_recv().is_err(), "nothing more was asked");
    }

    #[tokio::test]
    async fn only_what_exists_is_remembered() {
        let (sessions, mut asked) = sessions();
        for answer in [Ok(None), Err(Unavailable), Ok(Some(1))] {
            let finding = find(&sessions);
            asked.recv().await.unwrap().send(answer).unwrap();
            assert_eq!(finding.await.unwrap(), answer);
        }
    }

    #[tokio::test]
    async fn what_is_forgotten_is_asked_again() {
        let (sessions, mut asked) = sessions();
        let finding = find(&sessions);
        asked.recv().await.unwrap().send(Ok(Some(1))).unwrap();
        finding.await.unwrap().unwrap();
        sessions.forget(&TOKEN);
        let finding = find(&sessions);
        asked.recv().await.unwrap().send(Ok(None)).unwrap();
        assert_eq!(finding.await.unwrap(), Ok(None));
    }

    #[tokio::test]
    async fn a_look_up_does_not_overtake_a_revocation() {
        let (sessions, mut asked) = sessions();
        let before = find(&sessions);
        let stale = asked.recv().await.unwrap();
        sessions.forget(&TOKEN);
        let after = find(&sessions);
        let fresh = asked.recv().await.expect("a call that comes after the revocation is looked up anew");
        stale.send(Ok(Some(1))).unwrap();
        before.await.unwrap().unwrap();
        let joined = find(&sessions);
        tokio::task::yield_now().await;
        assert!(!joined.is_finished(), "the stale answer isn't remembered");
        fresh.send(Ok(None)).unwrap();
        assert_eq!((after.await.unwrap(), joined.await.unwrap()), (Ok(None), Ok(None)));
    }

    #[tokio::test]
    async fn when_all_are_forgotten_no_look_up_overtakes_that_either() {
        let (sessions, mut asked) = sessions();
        let finding = find(&sessions);
        asked.recv().await.unwrap().send(Ok(Some(1))).unwrap();
        finding.await.unwrap().unwrap();
        sessions.forget_all();
        let before = find(&sessions);
        let stale = asked.recv().await.expect("what was known is looked up anew");
        sessions.forget_all();
        stale.send(Ok(Some(1))).unwrap();
        before.await.unwrap().unwrap();
        let after = find(&sessions);
        asked.recv().await.expect("the stale answer isn't remembered").send(Ok(None)).unwrap();
        assert_eq!(after.await.unwrap(), Ok(None));
    }

    #[tokio::test]
    async fn a_look_up_ends_though_nobody_waits_for_it() {
        let (sessions, mut asked) = sessions();
        let impatient = find(&sessions);
        let answer = asked.recv().await.unwrap();
        impatient.abort();
        answer.send(Ok(Some(1))).unwrap();
        assert_eq!(sessions.find(TOKEN).await, Ok(Some(1)));
        assert!(sessions.inner.under_way().is_empty());
        assert!(asked.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_look_up_that_panics_is_no_answer() {
        let (sessions, mut asked) = sessions();
        let finding = find(&sessions);
        drop(asked.recv().await.unwrap());
        assert_eq!(finding.await.unwrap(), Err(Unavailable));
        let finding = find(&sessions);
        asked.recv().await.unwrap().send(Ok(Some(1))).unwrap();
        assert_eq!(finding.await.unwrap(), Ok(Some(1)));
    }
}
