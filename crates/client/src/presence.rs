//! The heartbeat: what keeps a user logged in, and in their room, while it is held.

use std::time::Duration;

use gochat_proto::model::Refusal;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use crate::{Error, Session, session::Heartbeat};

/// One heartbeat that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(2);
/// A failed heartbeat is tried again after so many seconds, by chance.
const AGAIN: std::ops::Range<f64> = 0.25..0.75;
/// No server makes us call more often than this.
const SHORTEST: Duration = Duration::from_millis(100);

/// Whether the heartbeats still hold what they should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nothing is known to be lost.
    Kept,
    /// The user is no longer in the room. Stays so until a heartbeat holds another one.
    RoomLost {
        /// Which one.
        room_id: String,
    },
    /// The user is no longer logged in, and no heartbeat will change that.
    SessionLost,
}

/// A heartbeat at work. It stops when this is dropped.
#[derive(Debug)]
#[must_use = "the heartbeat stops when this is dropped"]
pub struct KeepAlive {
    presence: watch::Receiver<Presence>,
    task: AbortHandle,
}

impl Session {
    /// Calls the account service at once, and then as often as it says, until what
    /// this returns is dropped. Holds the session, and the room that this session
    /// last created or joined. A call that failed is made again within a second.
    pub fn keep_alive(&self) -> KeepAlive {
        let (sender, presence) = watch::channel(Presence::Kept);
        let task = tokio::spawn(beat(self.clone(), sender)).abort_handle();
        KeepAlive { presence, task }
    }
}

impl KeepAlive {
    /// As the last heartbeat found it.
    pub fn presence(&self) -> Presence {
        self.presence.borrow().clone()
    }

    /// Waits until something is lost, and says what. At once, if it already is.
    pub async fn lost(&mut self) -> Presence {
        match self.presence.wait_for(|presence| *presence != Presence::Kept).await {
            Ok(presence) => presence.clone(),
            // The task ends by itself only with the session.
            Err(_) => Presence::SessionLost,
        }
    }

    /// Every change, to be awaited elsewhere.
    pub fn watch(&self) -> watch::Receiver<Presence> {
        self.presence.clone()
    }
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What an answer means for the next heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// All is well; call again after this time.
    Kept(Duration),
    RoomGone,
    SessionGone,
    Failed,
}

fn judge(answer: &Result<Heartbeat, Error>, room_named: bool) -> Verdict {
    match answer {
        Ok(heartbeat) => Verdict::Kept(heartbeat.interval.max(SHORTEST)),
        Err(error) => match error.refusal() {
            Some(Refusal::NotLoggedIn) => Verdict::SessionGone,
            Some(Refusal::RoomNotFound | Refusal::NotInRoom) if room_named => Verdict::RoomGone,
            _ => Verdict::Failed,
        },
    }
}

async fn beat(session: Session, presence: watch::Sender<Presence>) {
    loop {
        let started = Instant::now();
        let belief = session.stay.belief();
        let answer = session.heartbeat_within(belief.room_id.as_deref(), Some(PATIENCE)).await;
        let next = match judge(&answer, belief.room_id.is_some()) {
            Verdict::Kept(interval) => {
                if belief.room_id.is_some() {
                    presence.send_if_modified(|held| change(held, Presence::Kept));
                }
                started + interval
            }
            // The session may not have been renewed; the next one names no room.
            Verdict::RoomGone => {
                if session.stay.lost(&belief) {
                    let room_id = belief.room_id.unwrap_or_default();
                    presence.send_replace(Presence::RoomLost { room_id });
                }
                started + SHORTEST
            }
            Verdict::SessionGone => {
                presence.send_replace(Presence::SessionLost);
                return;
            }
            Verdict::Failed => {
                tracing::debug!(uid = session.uid(), ?answer, "heartbeat failed, trying again");
                Instant::now() + Duration::from_secs_f64(rand::random_range(AGAIN))
            }
        };
        sleep_until(next).await;
    }
}

fn change(held: &mut Presence, to: Presence) -> bool {
    let news = *held != to;
    *held = to;
    news
}

#[cfg(test)]
mod tests {
    use gochat_proto::{
        account::{HeartbeatRequest, HeartbeatResponse},
        status,
    };

    use super::*;
    use crate::stand_in::StandIn;

    fn refused(refusal: Refusal) -> Result<Heartbeat, Error> {
        Err(status::refuse(refusal, "").into())
    }

    #[test]
    fn only_clear_words_end_anything() {
        assert_eq!(judge(&refused(Refusal::NotLoggedIn), true), Verdict::SessionGone);
        assert_eq!(judge(&refused(Refusal::NotInRoom), true), Verdict::RoomGone);
        assert_eq!(judge(&refused(Refusal::RoomNotFound), true), Verdict::RoomGone);
        assert_eq!(judge(&refused(Refusal::RoomNotFound), false), Verdict::Failed);
        assert_eq!(judge(&refused(Refusal::Unavailable), true), Verdict::Failed);
        assert_eq!(judge(&refused(Refusal::Internal), true), Verdict::Failed);
    }

    #[test]
    fn a_server_sets_the_pace_within_reason() {
        let answer = |interval| Ok(Heartbeat { interval, room_id: None, roster_revision: 0, place: None });
        let ten = Duration::from_secs(10);
        assert_eq!(judge(&answer(ten), true), Verdict::Kept(ten));
        assert_eq!(judge(&answer(Duration::ZERO), true), Verdict::Kept(SHORTEST));
    }

    const ROOM: &str = "100000001";

    fn beaten() -> HeartbeatResponse {
        HeartbeatResponse { interval_ms: 100, ..HeartbeatResponse::default() }
    }

    #[tokio::test]
    async fn beats_as_the_server_says_and_names_the_room() {
        let mut server = StandIn::start().await;
        let session = server.session().await;
        let alive = session.keep_alive();
        assert_eq!(server.host::<HeartbeatRequest>(beaten()).await.room_id, "");
        let first = Instant::now();
        session.stay.moving().arrived(ROOM);
        assert_eq!(server.host::<HeartbeatRequest>(beaten()).await.room_id, ROOM);
        assert!(first.elapsed() >= Duration::from_millis(80), "not sooner than asked");
        assert_eq!(alive.presence(), Presence::Kept);
    }

    #[tokio::test]
    async fn a_failed_beat_is_tried_again_within_a_second() {
        let mut server = StandIn::start().await;
        let session = server.session().await;
        let alive = session.keep_alive();
        let visit = server.visit().await;
        let failed = Instant::now();
        visit.refuse(Refusal::Unavailable);
        server.host::<HeartbeatRequest>(HeartbeatResponse { interval_ms: 10_000, ..beaten() }).await;
        assert!(failed.elapsed() < Duration::from_secs(1), "{:?}", failed.elapsed());
        assert_eq!(alive.presence(), Presence::Kept, "unavailable is not lost");
    }

    #[tokio::test]
    async fn a_lost_room_is_told_and_the_session_kept() {
        let mut server = StandIn::start().await;
        let session = server.session().await;
        session.stay.moving().arrived(ROOM);
        let mut alive = session.keep_alive();
        server.visit().await.refuse(Refusal::NotInRoom);
        assert_eq!(alive.lost().await, Presence::RoomLost { room_id: ROOM.into() });
        assert_eq!(server.host::<HeartbeatRequest>(beaten()).await.room_id, "");
        assert_eq!(alive.presence(), Presence::RoomLost { room_id: ROOM.into() }, "until there is another");
        session.stay.moving().arrived("100000002");
        let mut watch = alive.watch();
        server.host::<HeartbeatRequest>(beaten()).await;
        watch.wait_for(|presence| *presence == Presence::Kept).await.unwrap();
    }

    #[tokio::test]
    async fn a_lost_session_ends_it() {
        let mut server = StandIn::start().await;
        let session = server.session().await;
        let mut alive = session.keep_alive();
        server.visit().await.refuse(Refusal::NotLoggedIn);
        assert_eq!(alive.lost().await, Presence::SessionLost);
        given_up(&session).await;
        assert_eq!(alive.lost().await, Presence::SessionLost);
        assert!(server.is_quiet());
    }

    #[tokio::test]
    async fn stops_when_dropped() {
        let mut server = StandIn::start().await;
        let session = server.session().await;
        let alive = session.keep_alive();
        server.host::<HeartbeatRequest>(beaten()).await;
        drop(alive);
        given_up(&session).await;
    }

    /// Waits until nobody but the test holds the session.
    async fn given_up(session: &Session) {
        let alone = async {
            while std::sync::Arc::strong_count(&session.stay) > 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), alone).await.expect("the heartbeat goes on");
    }
}
