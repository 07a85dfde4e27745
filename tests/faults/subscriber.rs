//! A subscriber that trusts nobody: follows a room over bare gRPC, resumes by itself, and
//! records all it gets.

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gochat_proto::{
    model::{Place, Refusal},
    notifier::{
        Goodbye, Roster, SubscribeRequest, SubscribeResponse, notifier_service_client::NotifierServiceClient,
        subscribe_response::Frame,
    },
    status::refusal,
    view::RoomView,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tonic::{
    Request, Status, Streaming,
    transport::{Channel, Endpoint},
};

use crate::record::{End, Got, Holding, Record, What, asks_back};

/// How long to wait at first and at most before subscribing again; jitter takes up to half.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// What the connection and a stream may have on the way, so that a reader who stops is felt.
const WINDOW: u32 = 65_535;

/// Makes the connection of the next stream.
pub(crate) type Connect = Arc<dyn Fn() -> Channel + Send + Sync>;

/// A connection of its own for each stream, to `http://host:port`.
pub(crate) fn each_to(address: &str) -> Connect {
    let endpoint = Endpoint::from_shared(address.to_owned())
        .expect("an address that can be connected to")
        .connect_timeout(Duration::from_secs(2))
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    Arc::new(move || endpoint.connect_lazy())
}

/// One connection for all streams.
pub(crate) fn over(channel: &Channel) -> Connect {
    let channel = channel.clone();
    Arc::new(move || channel.clone())
}

/// Who follows which room.
#[derive(Clone)]
pub(crate) struct Subscription {
    pub(crate) connect: Connect,
    /// The bearer token of a person or a service.
    pub(crate) token: String,
    /// Whose it is; none for a service that looks on.
    pub(crate) uid: Option<u32>,
    /// The entry that JoinRoom or CreateRoom gave the person; 0 for an observer.
    pub(crate) entry: u64,
    pub(crate) room_id: String,
    pub(crate) roster: Roster,
    /// What the person's own entering answered.
    pub(crate) min: Option<Place>,
    /// A connection that says nothing for so long is lost.
    pub(crate) silence: Duration,
}

/// A subscriber at work. Ends by itself when there is nothing more to come for it.
pub(crate) struct Subscriber {
    mode: watch::Sender<Mode>,
    held: watch::Receiver<Option<Place>>,
    holding: Arc<Mutex<Holding>>,
    task: JoinHandle<Record>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Reading,
    Paused,
    Stopped,
}

impl Subscriber {
    /// Begins to follow.
    pub(crate) fn start(asked: Subscription) -> Self {
        let (mode, mode_seen) = watch::channel(Mode::Reading);
        let (held_told, held) = watch::channel(None);
        let holding = Arc::new(Mutex::new(Holding::new(asked.roster)));
        let record = Record {
            room_id: asked.room_id.clone(),
            uid: asked.uid,
            entry: asked.entry,
            roster: asked.roster,
            got: Vec::new(),
        };
        let following = Following {
            asked,
            began: Instant::now(),
            record,
            holding: holding.clone(),
            held: held_told,
            mode: mode_seen,
            anew: false,
            failed: 0,
        };
        let task = tokio::spawn(following.run());
        Self { mode, held, holding, task }
    }

    /// The place held, as it moves; closed when the subscriber has ended.
    pub(crate) fn held(&self) -> watch::Receiver<Option<Place>> {
        self.held.clone()
    }

    /// The room as the subscriber sees it.
    pub(crate) fn view(&self) -> Option<RoomView> {
        locked(&self.holding).view().cloned()
    }

    /// Whether it has ended by itself.
    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Stops reading; the connection stays.
    pub(crate) fn pause(&self) {
        self.mode.send_replace(Mode::Paused);
    }

    /// Reads again.
    pub(crate) fn resume(&self) {
        self.mode.send_replace(Mode::Reading);
    }

    /// Ends it, if it hasn't ended by itself, and hands out what it got.
    pub(crate) async fn stop(self) -> Record {
        self.mode.send_replace(Mode::Stopped);
        self.task.await.expect("a subscriber ends with its record")
    }
}

fn locked(holding: &Mutex<Holding>) -> MutexGuard<'_, Holding> {
    holding.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the subscriber's task works on.
struct Following {
    asked: Subscription,
    began: Instant,
    record: Record,
    holding: Arc<Mutex<Holding>>,
    held: watch::Sender<Option<Place>>,
    mode: watch::Receiver<Mode>,
    /// The token was refused: the next stream is asked for without one.
    anew: bool,
    /// Tries in a row that told nothing.
    failed: u32,
}

impl Following {
    async fn run(mut self) -> Record {
        loop {
            let (end, goodbye) = self.stream().await;
            self.note(What::Ended(end.clone()));
            if self.is_over(&end, goodbye.as_ref()) {
                return self.record;
            }
            let told = goodbye.map_or(0, |goodbye| goodbye.retry_after_ms);
            let rest = self.pause().max(Duration::from_millis(told.into()));
            if timeout(rest, stopped(&mut self.mode)).await.is_ok() {
                return self.record;
            }
        }
    }

    fn is_over(&mut self, end: &End, goodbye: Option<&Goodbye>) -> bool {
        let refused_token = matches!(end, End::Refused(Refusal::InvalidArgument, _)) && !self.anew;
        if refused_token {
            self.anew = true;
        }
        match (goodbye, end) {
            (Some(goodbye), _) => !asks_back(goodbye),
            (None, End::Stopped) => true,
            (None, End::Refused(refusal, _)) => match refusal {
                Refusal::NotInRoom | Refusal::RoomNotFound | Refusal::NotLoggedIn | Refusal::NotPermitted => {
                    true
                }
                Refusal::InvalidArgument => !refused_token,
                _ => false,
            },
            // A closed room has nothing more to tell.
            _ => locked(&self.holding).is_closed(),
        }
    }

    /// One stream, from its call to its end; with the goodbye, if one came.
    async fn stream(&mut self) -> (End, Option<Goodbye>) {
        let request = self.request();
        let mut notifier = NotifierServiceClient::new((self.asked.connect)());
        let answered = tokio::select! {
            answered = timeout(self.asked.silence, notifier.subscribe(request)) => answered,
            () = stopped(&mut self.mode) => return (End::Stopped, None),
        };
        match answered {
            Ok(Ok(response)) => self.read(response.into_inner()).await,
            Ok(Err(status)) => (end_of(&status, End::Unanswered), None),
            Err(_) => (End::Unanswered("no answer in time".to_owned()), None),
        }
    }

    fn request(&mut self) -> Request<SubscribeRequest> {
        let place = {
            let mut holding = locked(&self.holding);
            holding.begin();
            holding.place()
        };
        let token = place.filter(|_| !self.anew);
        let min = if token.is_some() { None } else { place.or(self.asked.min) };
        self.note(What::Asked { token, min });
        let mut request = Request::new(SubscribeRequest {
            room_id: self.asked.room_id.clone(),
            resume_token: token.map(Place::to_token).unwrap_or_default(),
            min,
            roster: self.asked.roster.into(),
            held: 0,
        });
        let bearer = format!("Bearer {}", self.asked.token);
        request.metadata_mut().insert("authorization", bearer.parse().expect("a token in ASCII"));
        request
    }

    async fn read(&mut self, mut frames: Streaming<SubscribeResponse>) -> (End, Option<Goodbye>) {
        let mut goodbye = None;
        loop {
            let mode = self.mode();
            let read = tokio::select! {
                read = timeout(self.asked.silence, frames.message()), if mode == Mode::Reading => read,
                _ = self.mode.changed(), if mode != Mode::Stopped => continue,
                else => return (End::Stopped, goodbye),
            };
            let end = match read {
                Ok(Ok(Some(SubscribeResponse { frame: Some(frame) }))) => {
                    if let Frame::Goodbye(said) = &frame {
                        goodbye = Some(said.clone());
                    }
                    self.take(frame);
                    continue;
                }
                // A kind of frame that a later contract may add.
                Ok(Ok(Some(SubscribeResponse { frame: None }))) => continue,
                Ok(Ok(None)) => End::Clean,
                Ok(Err(status)) => end_of(&status, End::Broken),
                Err(_) => End::Silent,
            };
            return (end, goodbye);
        }
    }

    /// What it is told to do; a handle that was dropped is as good as a stop.
    fn mode(&mut self) -> Mode {
        match self.mode.has_changed() {
            Ok(_) => *self.mode.borrow_and_update(),
            Err(_) => Mode::Stopped,
        }
    }

    fn take(&mut self, frame: Frame) {
        let place = {
            let mut holding = locked(&self.holding);
            holding.take(&frame);
            holding.place()
        };
        if !matches!(frame, Frame::Snapshot(_)) {
            (self.failed, self.anew) = (0, false);
        }
        self.note(What::Frame(frame));
        self.held.send_if_modified(|held| std::mem::replace(held, place) != place);
    }

    fn note(&mut self, what: What) {
        self.record.got.push(Got { at: self.began.elapsed(), what });
    }

    /// Twice as long after each try that told nothing, less up to a half.
    fn pause(&mut self) -> Duration {
        let (least, most) = PAUSES;
        let whole = least.saturating_mul(1 << self.failed.min(8)).min(most);
        self.failed += 1;
        whole.mul_f64(rand::random_range(0.5..1.0))
    }
}

/// Returns when the subscriber is to stop.
async fn stopped(mode: &mut watch::Receiver<Mode>) {
    let _ = mode.wait_for(|mode| *mode == Mode::Stopped).await;
}

/// An error's end: a refusal in our words, or something that went wrong on the way.
fn end_of(status: &Status, otherwise: impl Fn(String) -> End) -> End {
    match refusal(status) {
        Some(refusal) => End::Refused(refusal, status.message().to_owned()),
        None => otherwise(format!("{:?}: {}", status.code(), status.message())),
    }
}
