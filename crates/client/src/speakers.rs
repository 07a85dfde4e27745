//! Who speaks in a room, as it changes: a stream that is kept up.

#[cfg(test)]
mod tests;

use std::{mem, time::Duration};

use gochat_proto::media::{
    MediaEndedReason, Speaker, WatchSpeakersRequest, WatchSpeakersResponse, watch_speakers_response::Update,
};
use tokio::time::{Instant, sleep_until, timeout};
use tonic::Streaming;

use crate::{
    Backoff, Error,
    caller::Caller,
    media::{Client, astray},
};

/// How long a watch may take to begin.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a [`SpeakerFeed`] tells.
#[derive(Clone, Debug, PartialEq)]
pub enum SpeakerUpdate {
    /// All who can be heard by now, each with the slot that it is heard in, instead of all that was told before.
    Speakers(Vec<Speaker>),
    /// The node that the room's media was on goes away, or is lost: open it anew with
    /// [`crate::Session::open_media`]. The feed goes on by itself.
    Moved,
    /// It is over, and this is why. Nothing comes after it.
    Ended(MediaEndedReason),
}

/// Follows who speaks in a room, and who is heard in which slot: the whole each time, at most every 300 ms.
///
/// A lost connection is followed by another one, after a delay that doubles while none holds and is spread by
/// chance; where speakers have been told, [`SpeakerUpdate::Moved`] comes before.
#[derive(Debug)]
pub struct SpeakerFeed {
    caller: Caller,
    room_id: String,
    patience: Backoff,
    link: Link,
    /// Connections since anything was heard.
    failed: u32,
    /// Whether speakers have been told since the last loss.
    told: bool,
}

#[derive(Debug)]
enum Link {
    /// To be connected, not before this time.
    Down(Instant),
    /// The node is the one that another has named.
    Up {
        updates: Box<Streaming<WatchSpeakersResponse>>,
        named: bool,
    },
    Over,
}

impl SpeakerFeed {
    pub(crate) fn new(caller: Caller, room_id: &str) -> Self {
        Self {
            caller,
            room_id: room_id.to_owned(),
            patience: Backoff::SUBSCRIPTIONS,
            link: Link::Down(Instant::now()),
            failed: 0,
            told: false,
        }
    }

    /// How often, and after which times, a connection is tried again before an error is told;
    /// [`Backoff::SUBSCRIPTIONS`] if nothing is said.
    #[must_use]
    pub fn patience(mut self, patience: Backoff) -> Self {
        self.patience = patience;
        self
    }

    /// The next update; `None` once it is over. An error ends it too. May be given up while it waits: nothing
    /// is lost.
    pub async fn next(&mut self) -> Option<Result<SpeakerUpdate, Error>> {
        loop {
            let step = match &mut self.link {
                Link::Over => return None,
                Link::Down(until) => {
                    sleep_until(*until).await;
                    let home = self.caller.media.home();
                    self.connect(home, false).await
                }
                Link::Up { updates, named } => {
                    let named = *named;
                    match updates.message().await {
                        Ok(Some(came)) => self.take(came, named).await,
                        Ok(None) => self.lost(ended_silently()),
                        Err(status) => self.lost(status.into()),
                    }
                }
            };
            match step {
                Ok(None) => {}
                Ok(Some(update)) => return Some(Ok(update)),
                Err(error) => {
                    self.link = Link::Over;
                    return Some(Err(error));
                }
            }
        }
    }

    async fn connect(&mut self, mut node: Client, named: bool) -> Result<Option<SpeakerUpdate>, Error> {
        let request = self.caller.open_ended(WatchSpeakersRequest { room_id: self.room_id.clone() });
        match timeout(PATIENCE, node.watch_speakers(request)).await {
            Ok(Ok(answer)) => {
                self.link = Link::Up { updates: Box::new(answer.into_inner()), named };
                Ok(None)
            }
            Ok(Err(status)) => self.lost(status.into()),
            Err(_) => {
                self.lost(Error::Unavailable { message: "the media service did not answer".to_owned() })
            }
        }
    }

    async fn take(
        &mut self,
        WatchSpeakersResponse { update }: WatchSpeakersResponse,
        named: bool,
    ) -> Result<Option<SpeakerUpdate>, Error> {
        match update {
            Some(Update::Speakers(heard)) => {
                (self.failed, self.told) = (0, true);
                Ok(Some(SpeakerUpdate::Speakers(heard.speakers)))
            }
            Some(Update::Elsewhere(_)) if named => self.lost(astray()),
            Some(Update::Elsewhere(elsewhere)) => {
                // Given up while it waits for the other node, it begins anew with the first.
                self.link = Link::Down(Instant::now());
                let owner = self.caller.media.owner(&elsewhere)?;
                self.connect(owner, true).await
            }
            Some(Update::Ended(ended)) => match ended.reason() {
                reason @ (MediaEndedReason::RoomClosed | MediaEndedReason::Left) => {
                    self.link = Link::Over;
                    Ok(Some(SpeakerUpdate::Ended(reason)))
                }
                _ => self.lost(Error::Unavailable { message: "the room's media moves".to_owned() }),
            },
            // A kind that is newer than this client.
            None => Ok(None),
        }
    }

    /// Makes another connection due, or gives up with `error`; says that the media is lost where it was there.
    fn lost(&mut self, error: Error) -> Result<Option<SpeakerUpdate>, Error> {
        if !error.is_transient() {
            return Err(error);
        }
        let Some(delay) = self.patience.delay(self.failed, rand::random()) else { return Err(error) };
        tracing::debug!(room_id = %self.room_id, %error, ?delay, failed = self.failed, "watching who speaks again");
        self.failed += 1;
        self.link = Link::Down(Instant::now() + delay);
        Ok(mem::take(&mut self.told).then_some(SpeakerUpdate::Moved))
    }
}

fn ended_silently() -> Error {
    Error::Unavailable { message: "the watch ended without a word".to_owned() }
}
