//! Who speaks in a room, as `media` events: one watch of each room, whatever the number of its event streams.
//!
//! What a stream is told is the latest, whole: `{"room_id","speakers":[{"uid","slot","speaking"}]}`, `slot` being where
//! somebody is heard, if anywhere. Before what comes after a loss it is told `{"room_id","ended":"moved"}`: the room's
//! media is to be opened anew. These events have no `id`: nothing is resumed from them.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use futures::{Stream, StreamExt, stream};
use gochat_proto::media::{
    MediaEndedReason, Speaker, Speakers as Heard, WatchSpeakersRequest, WatchSpeakersResponse,
    watch_speakers_response::Update,
};
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::watch::{self, Receiver, Sender},
    time::{Instant, sleep, timeout},
};
use tonic::{Status, Streaming};

use super::{
    feed::{MOST_DELAY, delay},
    frame::{Content, Frame, Kind},
};
use crate::{
    caller::{Caller, PATIENCE},
    voice::{Client, Nodes},
};

/// What a gateway knows of who speaks. Clones are one and the same.
#[derive(Clone, Default)]
pub(crate) struct Speakers(Option<Arc<Watches>>);

struct Watches {
    /// The gateway itself.
    own: Caller,
    /// Those that have event streams.
    rooms: Mutex<HashMap<String, Arc<Sender<Present>>>>,
    /// Whether the last that was heard of a node was good.
    heard: AtomicBool,
}

/// What is known of a room by now.
#[derive(Clone, Debug, PartialEq)]
struct Present {
    /// How often its media was lost.
    moves: u64,
    moved: Arc<str>,
    /// None where nothing is known: before the first word, and after a loss.
    speakers: Option<Arc<str>>,
}

impl Speakers {
    /// To be watched by the gateway in its own name. Without one nothing can be, and nobody is told anything.
    pub(crate) fn watched_by(own: Option<Caller>) -> Self {
        Self(own.map(|own| Arc::new(Watches { own, rooms: Mutex::default(), heard: AtomicBool::new(true) })))
    }

    /// The frames that tell of a room from now on, beginning with the present. They never end before the gateway.
    pub(crate) fn in_room(
        &self,
        room_id: &str,
        nodes: Option<&Nodes>,
    ) -> impl Stream<Item = Frame> + Send + use<> {
        match (&self.0, nodes) {
            (Some(watches), Some(nodes)) => told(watches.join(room_id, nodes)).left_stream(),
            _ => stream::pending().right_stream(),
        }
    }
}

/// The frames of a room: when somebody reads, the latest.
fn told(mut present: Receiver<Present>) -> impl Stream<Item = Frame> + Send + 'static {
    let moves = present.borrow().moves;
    present.mark_changed();
    let frames = stream::unfold((present, moves), |(mut present, moves)| async move {
        present.changed().await.ok()?;
        let now = present.borrow_and_update().clone();
        let moved = (now.moves != moves).then_some(now.moved);
        let frames = moved.into_iter().chain(now.speakers).map(frame);
        Some((stream::iter(frames), (present, now.moves)))
    });
    frames.flatten()
}

fn frame(text: Arc<str>) -> Frame {
    Frame::new(Content::Notification(Kind::Media, text))
}

/// The frames of a stream up to its end, with those of `media` where it has nothing else to say. Who begins is told of
/// the room itself before.
pub(crate) fn beside(
    frames: impl Stream<Item = Frame> + Send + 'static,
    media: impl Stream<Item = Frame> + Send + 'static,
    mut begun: bool,
) -> impl Stream<Item = Frame> + Send + 'static {
    let (mut frames, mut media) = (Box::pin(frames), Box::pin(media.fuse()));
    stream::poll_fn(move |context| {
        let came = frames.poll_next_unpin(context);
        if came.is_ready() {
            begun = true;
        } else if begun && let Poll::Ready(Some(frame)) = media.poll_next_unpin(context) {
            return Poll::Ready(Some(frame));
        }
        came
    })
}

impl Watches {
    /// What is known of a room, kept up while anybody reads it.
    fn join(self: &Arc<Self>, room_id: &str, nodes: &Nodes) -> Receiver<Present> {
        let mut rooms = self.rooms();
        if let Some(room) = rooms.get(room_id) {
            return room.subscribe();
        }
        let moved = json!({ "room_id": room_id, "ended": "moved" }).to_string().into();
        let (room, present) = watch::channel(Present { moves: 0, moved, speakers: None });
        let room = Arc::new(room);
        rooms.insert(room_id.to_owned(), room.clone());
        tokio::spawn(self.clone().keep(room_id.to_owned(), nodes.clone(), room));
        present
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<String, Arc<Sender<Present>>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a room until nobody reads of it any more.
    async fn keep(self: Arc<Self>, room_id: String, nodes: Nodes, room: Arc<Sender<Present>>) {
        let mut following = pin!(self.follow(&room_id, &nodes, &room));
        loop {
            tokio::select! {
                () = &mut following => return,
                () = room.closed() => {}
            }
            let mut rooms = self.rooms();
            // Whoever came in between holds on to it.
            if room.receiver_count() == 0 {
                rooms.remove(&room_id);
                return;
            }
        }
    }

    /// Goes on for ever: what was lost is watched anew, less and less often where that doesn't help.
    async fn follow(&self, room_id: &str, nodes: &Nodes, room: &Sender<Present>) {
        let mut failed = 0;
        loop {
            let began = Instant::now();
            let over = self.watch(room_id, nodes, room).await;
            if began.elapsed() >= MOST_DELAY {
                failed = 0;
            }
            if tells(&over) {
                room.send_if_modified(Present::lose);
            }
            self.note(room_id, &over);
            sleep(delay(failed, rand::random())).await;
            failed = failed.saturating_add(1);
        }
    }

    /// One watch, of the node that the room's media is on, to its end.
    async fn watch(
        &self,
        room_id: &str,
        nodes: &Nodes,
        room: &Sender<Present>,
    ) -> Result<MediaEndedReason, Status> {
        let (mut node, mut sent_on) = (nodes.home().clone(), false);
        'node: loop {
            let question = WatchSpeakersRequest { room_id: room_id.to_owned() };
            let mut updates = self.begin(node.watching(), question).await?;
            while let Some(WatchSpeakersResponse { update }) = updates.message().await? {
                match update {
                    Some(Update::Speakers(heard)) => {
                        self.heard.store(true, Ordering::Relaxed);
                        room.send_if_modified(|present| present.hear(room_id, heard));
                    }
                    Some(Update::Elsewhere(elsewhere)) if !sent_on => {
                        (node, sent_on) = (nodes.owner(&elsewhere)?, true);
                        continue 'node;
                    }
                    Some(Update::Ended(ended)) => return Ok(ended.reason()),
                    // Two nodes name another, each.
                    Some(Update::Elsewhere(_)) => break,
                    // A kind that is newer than this gateway.
                    None => {}
                }
            }
            return Err(gochat_chassis::status::unavailable());
        }
    }

    async fn begin(
        &self,
        mut node: Client,
        question: WatchSpeakersRequest,
    ) -> Result<Streaming<WatchSpeakersResponse>, Status> {
        let answer = node.watch_speakers(self.own.stream_request(question));
        let too_late = |_| gochat_chassis::status::unavailable();
        Ok(timeout(PATIENCE, answer).await.map_err(too_late)??.into_inner())
    }

    /// Says how a watch ended; that nothing is heard of the service any more, once for all rooms.
    fn note(&self, room_id: &str, over: &Result<MediaEndedReason, Status>) {
        match over {
            Ok(reason) => tracing::debug!(room_id, ?reason, "a watch of who speaks ended"),
            Err(status) if self.heard.swap(false, Ordering::Relaxed) => {
                tracing::warn!(room_id, code = ?status.code(), reason = status.message(), "who speaks can't be watched");
            }
            Err(status) => tracing::debug!(room_id, code = ?status.code(), "who speaks can't be watched yet"),
        }
    }
}

/// Whether a watch that ended so leaves clients without their media, in a room that is still theirs.
fn tells(over: &Result<MediaEndedReason, Status>) -> bool {
    !matches!(over, Ok(MediaEndedReason::RoomClosed | MediaEndedReason::Left))
}

#[derive(Serialize)]
struct Told<'a> {
    room_id: &'a str,
    speakers: Vec<Talker>,
}

#[derive(Serialize)]
struct Talker {
    uid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<u32>,
    speaking: bool,
}

impl From<Speaker> for Talker {
    fn from(Speaker { uid, slot, speaking }: Speaker) -> Self {
        Self { uid, slot, speaking }
    }
}

impl Present {
    /// Takes who speaks by now; whether that is news.
    fn hear(&mut self, room_id: &str, heard: Heard) -> bool {
        let speakers = heard.speakers.into_iter().map(Talker::from).collect();
        let Ok(text) = serde_json::to_string(&Told { room_id, speakers }) else { return false };
        let news = self.speakers.as_deref() != Some(text.as_str());
        if news {
            self.speakers = Some(text.into());
        }
        news
    }

    /// The media is lost; whether that is news.
    fn lose(&mut self) -> bool {
        let news = self.speakers.take().is_some();
        self.moves += u64::from(news);
        news
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn present() -> (Sender<Present>, Receiver<Present>) {
        watch::channel(Present { moves: 0, moved: "moved".into(), speakers: None })
    }

    fn heard(uid: u32) -> Heard {
        Heard { speakers: vec![Speaker { uid, slot: Some(1), speaking: true }] }
    }

    /// What a reader is told who reads now, up to where there is nothing more to tell.
    fn read(frames: &mut (impl Stream<Item = Frame> + Unpin)) -> Vec<String> {
        let text = |frame: Frame| match frame.content {
            Content::Notification(Kind::Media, text) => text.to_string(),
            other => panic!("{other:?}"),
        };
        std::iter::from_fn(|| frames.next().now_or_never().flatten()).map(text).collect()
    }

    fn speaks(uid: u32) -> String {
        format!(r#"{{"room_id":"1","speakers":[{{"uid":{uid},"slot":1,"speaking":true}}]}}"#)
    }

    #[test]
    fn who_reads_late_is_told_the_latest_and_that_something_was_lost_before() {
        let (room, receiver) = present();
        let mut frames = Box::pin(told(receiver));
        assert!(read(&mut frames).is_empty(), "nothing is known yet");
        for uid in [7, 8] {
            room.send_if_modified(|present| present.hear("1", heard(uid)));
        }
        assert_eq!(read(&mut frames), [speaks(8)]);
        room.send_if_modified(|present| present.hear("1", heard(8)));
        assert!(read(&mut frames).is_empty(), "no news");
        room.send_if_modified(Present::lose);
        room.send_if_modified(Present::lose);
        room.send_if_modified(|present| present.hear("1", heard(9)));
        assert_eq!(read(&mut frames), ["moved".to_owned(), speaks(9)], "once, though it came late");
        let mut newcomer = Box::pin(told(room.subscribe()));
        assert_eq!(read(&mut newcomer), [speaks(9)], "what was lost before was not theirs");
        room.send_if_modified(Present::lose);
        assert_eq!((read(&mut frames), read(&mut newcomer)), (vec!["moved".into()], vec!["moved".into()]));
    }

    #[test]
    fn who_begins_is_told_of_the_room_before() {
        let (room, receiver) = present();
        room.send_if_modified(|present| present.hear("1", heard(7)));
        let (queue, main) = futures::channel::mpsc::channel(8);
        let mut queue = Some(queue);
        let mut frames = Box::pin(beside(main, told(receiver), false));
        assert!(frames.next().now_or_never().is_none());
        queue.as_mut().unwrap().try_send(Frame::new(Content::KeepAlive)).unwrap();
        assert_eq!(frames.next().now_or_never().unwrap(), Some(Frame::new(Content::KeepAlive)));
        assert_eq!(read(&mut frames), [speaks(7)]);
        queue.take();
        assert_eq!(frames.next().now_or_never(), Some(None), "the stream ends, whoever speaks");
        let mut resumed = Box::pin(beside(stream::pending(), told(room.subscribe()), true));
        assert_eq!(read(&mut resumed), [speaks(7)]);
    }
}
