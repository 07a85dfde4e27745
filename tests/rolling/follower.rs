//! Somebody who follows a room through the gateway, comes back as often as a stream says so, and knows in the end
//! what the list of attendees says, if nothing was lost on the way.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt, stream::BoxStream};
use serde_json::Value;
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, interval_at, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{
    ledger::Ledger,
    web::{Person, by_uid},
};

/// A stream that says nothing for so long is lost.
const SILENCE: Duration = Duration::from_secs(15);

/// How notifications are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Sse,
    WebSocket,
}

/// Follows until it is dropped.
pub(crate) struct Follower {
    pub(crate) over: Over,
    known: Arc<Mutex<Known>>,
    _task: JoinSet<()>,
}

impl Follower {
    pub(crate) fn start(person: &Person, room_id: &str, over: Over, ledger: &Ledger) -> Self {
        let known = Arc::<Mutex<Known>>::default();
        let mut task = JoinSet::new();
        let (person, url) = (person.clone(), format!("{}/events?room_id={room_id}", person.base));
        task.spawn(follow(person, url, over, known.clone(), ledger.clone()));
        Self { over, known, _task: task }
    }

    /// The attendees that were told of, by who they are.
    pub(crate) fn attendees(&self) -> Vec<Value> {
        by_uid(self.known.lock().unwrap().attendees.clone())
    }

    /// How many snapshots came.
    pub(crate) fn snapshots(&self) -> usize {
        self.known.lock().unwrap().snapshots
    }
}

/// What somebody knows who keeps what is told.
#[derive(Default)]
struct Known {
    attendees: Vec<Value>,
    /// The last revision that was for all.
    seq: u64,
    snapshots: usize,
    last_id: String,
}

impl Known {
    fn take(&mut self, told: Told) -> Result<(), String> {
        self.last_id = told.id.unwrap_or_else(|| self.last_id.clone());
        let data = &told.body["data"];
        let seq = data["seq"].as_u64();
        match (told.event.as_str(), seq, data["after"].as_u64()) {
            ("snapshot", Some(seq), _) if seq >= self.seq => {
                self.attendees = data["attendee_list"].as_array().cloned().unwrap_or_default();
                self.seq = seq;
                self.snapshots += 1;
            }
            // What is told in parts has one revision.
            ("room_extra_info", Some(seq), Some(after)) if after <= self.seq && seq >= self.seq => {
                self.seq = seq;
                data["users"].as_array().into_iter().flatten().for_each(|user| self.learn(user.clone()));
            }
            ("snapshot" | "room_extra_info", ..) => {
                return Err(format!("holds {}, and is told {} {}", self.seq, told.event, told.body));
            }
            _ => {}
        }
        Ok(())
    }

    fn learn(&mut self, mut user: Value) {
        self.attendees.retain(|other| other["uid"] != user["uid"]);
        let Some(fields) = user.as_object_mut() else { return };
        fields.remove("type");
        if fields.remove("delta").is_none_or(|delta| delta == 1) {
            self.attendees.push(user);
        }
    }
}

/// What a stream said.
enum Said {
    Told(Told),
    /// It ends, and asks to come back after so long.
    Retry(Duration),
    Nothing,
}

/// A notification, or an id alone.
struct Told {
    id: Option<String>,
    event: String,
    body: Value,
}

async fn follow(person: Person, url: String, over: Over, known: Arc<Mutex<Known>>, ledger: Ledger) {
    loop {
        let last_id = known.lock().unwrap().last_id.clone();
        let url = format!("{url}&last_event_id={last_id}");
        let rest = match one_stream(&person, &url, over, &known).await {
            Ok(rest) => rest,
            Err(failed) => {
                ledger.failed(format!("{over:?}: {failed}"));
                Duration::from_millis(500)
            }
        };
        ledger.done("come back to a stream");
        interval_at(Instant::now() + rest, SILENCE).tick().await;
    }
}

/// A stream from its call to its end; gives after how long to come back.
async fn one_stream(
    person: &Person,
    url: &str,
    over: Over,
    known: &Mutex<Known>,
) -> Result<Duration, String> {
    let open = async {
        match over {
            Over::Sse => sse(person, url).await,
            Over::WebSocket => websocket(person, url).await,
        }
    };
    let mut said = timeout(SILENCE, open).await.map_err(|_| "no answer in time")??;
    let mut retry = None;
    while let Some(next) = timeout(SILENCE, said.next()).await.map_err(|_| "silence")? {
        match next? {
            Said::Told(told) => known.lock().unwrap().take(told)?,
            Said::Retry(after) => retry = Some(after),
            Said::Nothing => {}
        }
    }
    retry.ok_or_else(|| "ended without asking back".to_owned())
}

type Saying = BoxStream<'static, Result<Said, String>>;

async fn sse(person: &Person, url: &str) -> Result<Saying, String> {
    let asked = person.http.get(url).bearer_auth(&person.token);
    let answer = asked.send().await.map_err(|error| format!("not begun: {error:?}"))?;
    let kind = answer.headers().get("content-type").cloned();
    if kind.is_none_or(|kind| kind != "text/event-stream") {
        return Err(format!("no stream: {} {:?}", answer.status(), answer.text().await));
    }
    let mut unread = String::new();
    let blocks = answer.bytes_stream().map(move |chunk| {
        let chunk = chunk.map_err(|error| format!("cut: {error:?}"))?;
        unread.push_str(&String::from_utf8_lossy(&chunk));
        let whole = unread.rfind("\n\n").map_or(0, |end| end + 2);
        let blocks: String = unread.drain(..whole).collect();
        Ok(blocks.split_terminator("\n\n").map(|block| Ok(block_of(block))).collect())
    });
    let flat =
        |read: Result<Vec<_>, String>| futures::stream::iter(read.unwrap_or_else(|failed| vec![Err(failed)]));
    Ok(blocks.flat_map(flat).boxed())
}

fn block_of(block: &str) -> Said {
    let field = |name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|value| value.trim_start().to_owned())
    };
    if let Some(after) = field("retry").and_then(|after| after.parse().ok()) {
        return Said::Retry(Duration::from_millis(after));
    }
    let body = field("data").and_then(|data| serde_json::from_str(&data).ok()).unwrap_or_default();
    Said::Told(Told { id: field("id"), event: field("event").unwrap_or_default(), body })
}

async fn websocket(person: &Person, url: &str) -> Result<Saying, String> {
    let mut request =
        url.replacen("http", "ws", 1).into_client_request().map_err(|wrong| wrong.to_string())?;
    let bearer = format!("Bearer {}", person.token).parse().map_err(|_| "a token that no header has")?;
    request.headers_mut().insert("authorization", bearer);
    let (socket, _) = connect_async(request).await.map_err(|error| format!("not begun: {error:?}"))?;
    let socket: WebSocketStream<MaybeTlsStream<TcpStream>> = socket;
    let frames = socket.map(|message| match message {
        Ok(Message::Text(text)) => Ok(frame_of(&text)),
        Ok(_) => Ok(Said::Nothing),
        Err(error) => Err(format!("cut: {error:?}")),
    });
    Ok(frames.boxed())
}

fn frame_of(text: &str) -> Said {
    let mut frame: Value = serde_json::from_str(text).unwrap_or_default();
    let event = frame["event"].as_str().unwrap_or_default().to_owned();
    if event == "retry" {
        return Said::Retry(Duration::from_millis(frame["data"]["after"].as_u64().unwrap_or_default()));
    }
    let id = frame["id"].as_str().map(str::to_owned);
    Said::Told(Told { id, event, body: frame["data"].take() })
}
