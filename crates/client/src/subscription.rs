//! A room as it happens: a stream that is kept up, and the view that it keeps.

mod fold;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, time::Duration};

use gochat_proto::{
    model::{Invitation, Place, Refusal, event::Kind},
    notifier::{GoodbyeReason, Roster, SubscribeRequest, SubscribeResponse},
    view::RoomView,
};
use tokio::time::{Instant, sleep_until, timeout};
use tonic::{Code, Status, Streaming};

use self::fold::{Fold, Next};
use crate::{Backoff, Error, caller::Caller};

/// A stream that says nothing for so long is lost: the server speaks every 10 s.
const SILENCE: Duration = Duration::from_secs(25);

/// What a subscription tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// The subscription has fallen behind. It goes on by itself.
    Lagged(Lag),
    /// The room as it is now stands in [`Subscription::view`], instead of all that
    /// was told before, invitations included: those that still stand follow. Any but
    /// the first is announced by [`Lag::Missed`].
    Snapshot,
    /// Something happened. The view already holds it, and all else that its commit brought.
    Event {
        /// Of the commit; several events may share it.
        revision: u64,
        /// When, in Unix milliseconds.
        committed_at: i64,
        /// Who caused it; 0 where nobody did.
        operator_uid: u32,
        /// The name of who caused it.
        operator_name: String,
        /// The only persons who were told; empty where everybody was.
        to: Vec<u32>,
        /// What happened.
        event: Kind,
    },
    /// After a snapshot: an invitation to the stage that the user has not answered.
    Invitation(Invitation),
    /// After a snapshot, to the host: invitations not yet answered, without their tokens.
    Outstanding(Vec<Invitation>),
    /// It is over, and this is why. Nothing comes after it.
    Ended(GoodbyeReason),
}

/// How a subscription has fallen behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// Events were missed and will not be told: the [`Update::Snapshot`] that comes
    /// next stands for them.
    Missed,
    /// The server ended the stream because updates are not taken fast enough. Nothing
    /// is missed by that: another connection goes on from the last place, or
    /// [`Lag::Missed`] and a snapshot follow.
    TooSlow,
}

/// Follows one room: every event meant for the caller, once, in order, or
/// [`Update::Lagged`] and a snapshot that stands for those that were missed.
///
/// A lost connection, and a server that asks to come back, are followed by another
/// connection that goes on from the last place; where that can't be, by a snapshot.
/// Between two connections lies what the server asked for, and a delay that doubles
/// while none holds and is spread by chance.
#[derive(Debug)]
pub struct Subscription {
    caller: Caller,
    room_id: String,
    min: Option<Place>,
    roster: Roster,
    patience: Backoff,
    silence: Duration,
    link: Link,
    /// Connections since anything was heard that shows that one holds.
    failed: u32,
    fold: Fold,
    ready: VecDeque<Update>,
}

#[derive(Debug)]
enum Link {
    /// To be connected, not before this time.
    Down(Instant),
    Up(Box<Streaming<SubscribeResponse>>),
    Over,
}

impl Subscription {
    pub(crate) fn new(caller: Caller, room_id: &str) -> Self {
        Self {
            caller,
            room_id: room_id.to_owned(),
            min: None,
            roster: Roster::All,
            patience: Backoff::SUBSCRIPTIONS,
            silence: SILENCE,
            link: Link::Down(Instant::now()),
            failed: 0,
            fold: Fold::default(),
            ready: VecDeque::new(),
        }
    }

    /// Begins no earlier than what the caller's own mutation answered, so that who
    /// has just joined is not taken for a stranger.
    #[must_use]
    pub fn min(mut self, place: Place) -> Self {
        self.min = Some(place);
        self
    }

    /// Whom the view shows; everybody, if nothing is said.
    #[must_use]
    pub fn roster(mut self, roster: Roster) -> Self {
        self.roster = roster;
        self
    }

    /// How often, and after which times, a connection is tried again before an error
    /// is told; [`Backoff::SUBSCRIPTIONS`] if nothing is said.
    #[must_use]
    pub fn patience(mut self, patience: Backoff) -> Self {
        self.patience = patience;
        self
    }

    /// How long a connection may say nothing before it counts as lost; 25 s if
    /// nothing is said. The server speaks every 10 s.
    #[must_use]
    pub fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// The room, as of the last update; `None` before the first snapshot.
    pub fn view(&self) -> Option<&RoomView> {
        self.fold.view()
    }

    /// Where the subscription stands, as another connection would be asked to go on
    /// from; empty before the first snapshot.
    pub fn resume_token(&self) -> &str {
        self.fold.token()
    }

    /// The next update; `None` once it is over. An error ends it too. May be given
    /// up while it waits: nothing is lost.
    pub async fn next(&mut self) -> Option<Result<Update, Error>> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Some(Ok(update));
            }
            let step = match &mut self.link {
                Link::Over => return None,
                Link::Down(until) => {
                    sleep_until(*until).await;
                    self.connect().await
                }
                Link::Up(frames) => match timeout(self.silence, frames.message()).await {
                    Ok(Ok(Some(frame))) => self.take(frame),
                    Ok(Ok(None)) => self.lost("the stream ended without a goodbye"),
                    Ok(Err(status)) => self.broken(status),
                    Err(_) => self.lost("the stream fell silent"),
                },
            };
            if let Err(error) = step {
                self.link = Link::Over;
                return Some(Err(error));
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let resume_token = self.fold.token().to_owned();
        let min = if resume_token.is_empty() { self.min } else { None };
        let request = self.caller.open_ended(SubscribeRequest {
            room_id: self.room_id.clone(),
            resume_token,
            min,
            roster: self.roster.into(),
            held: self.fold.roster().into(),
        });
        let mut notifier = self.caller.notifier.clone();
        match timeout(self.silence, notifier.subscribe(request)).await {
            Ok(Ok(answer)) => {
                self.link = Link::Up(Box::new(answer.into_inner()));
                Ok(())
            }
            Ok(Err(status)) => self.refused(status.into()),
            Err(_) => self.lost("the notifier did not answer"),
        }
    }

    fn take(&mut self, frame: SubscribeResponse) -> Result<(), Error> {
        match self.fold.frame(frame, &mut self.ready) {
            Next::Hold { sound } => {
                if sound {
                    self.failed = 0;
                }
                Ok(())
            }
            Next::ComeBack { after } => self.again(
                after,
                Error::Unavailable { message: "the notifier sends its streams away".to_owned() },
            ),
            Next::StartOver { held } => {
                self.min = held.or(self.min);
                self.again(Duration::ZERO, Error::Malformed("a stream that does not continue"))
            }
            Next::Over => {
                self.link = Link::Over;
                Ok(())
            }
        }
    }

    /// A stream ended with a status. A reader that is too slow is told so even where the
    /// goodbye, and when to come back, got lost.
    fn broken(&mut self, status: Status) -> Result<(), Error> {
        let error = Error::from(status);
        if is_too_slow(&error) && !self.fold.closed() {
            self.ready.push_back(Update::Lagged(Lag::TooSlow));
        }
        self.refused(error)
    }

    fn refused(&mut self, error: Error) -> Result<(), Error> {
        if error.is_transient() { self.again(Duration::ZERO, error) } else { Err(error) }
    }

    fn lost(&mut self, how: &str) -> Result<(), Error> {
        self.again(Duration::ZERO, Error::Unavailable { message: how.to_owned() })
    }

    /// Makes another connection due, no sooner than after `least`, or gives up with
    /// `error`. A closed room has nothing more to tell.
    fn again(&mut self, least: Duration, error: Error) -> Result<(), Error> {
        if self.fold.closed() {
            self.link = Link::Over;
            self.ready.push_back(Update::Ended(GoodbyeReason::RoomClosed));
            return Ok(());
        }
        let Some(delay) = self.patience.delay(self.failed, rand::random()) else {
            return Err(error);
        };
        let delay = least + delay;
        tracing::debug!(room_id = %self.room_id, %error, ?delay, failed = self.failed, "subscribing again");
        self.failed += 1;
        self.fold.interrupted();
        self.link = Link::Down(Instant::now() + delay);
        Ok(())
    }
}

fn is_too_slow(error: &Error) -> bool {
    matches!(
        error,
        Error::Refused { refusal: Refusal::TooSlow, .. }
            | Error::Transport { code: Code::ResourceExhausted, .. }
    )
}
