//! A stream of notifications as a client reads it: server-sent events, or frames of a WebSocket.

use futures::{StreamExt, stream::BoxStream};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

/// How notifications are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Sse,
    WebSocket,
}

/// A notification.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) id: Option<String>,
    pub(crate) event: String,
    pub(crate) body: Value,
}

/// A stream that is open.
pub(crate) enum Listening {
    Sse { bytes: BoxStream<'static, reqwest::Result<Vec<u8>>>, unread: String },
    WebSocket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
}

impl Listening {
    /// Opens a stream; where there is no token, in the name that the address says.
    pub(crate) async fn begin(over: Over, http: &reqwest::Client, url: &str, token: &str) -> Self {
        match over {
            Over::Sse => Self::sse(http, url, token).await,
            Over::WebSocket => Self::websocket(url, token).await,
        }
    }

    async fn sse(http: &reqwest::Client, url: &str, token: &str) -> Self {
        let request = http.get(url);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let bytes = answer.bytes_stream().map(|chunk| chunk.map(|bytes| bytes.to_vec()));
        Self::Sse { bytes: bytes.boxed(), unread: String::new() }
    }

    /// Says the token as a browser can.
    async fn websocket(url: &str, token: &str) -> Self {
        let mut request = url.replacen("http", "ws", 1).into_client_request().unwrap();
        if !token.is_empty() {
            let protocols = format!("gochat.events, gochat.bearer.{token}").parse().unwrap();
            request.headers_mut().insert("sec-websocket-protocol", protocols);
        }
        Self::WebSocket(Box::new(connect_async(request).await.unwrap().0))
    }

    /// The next notification; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        match self {
            Self::Sse { bytes, unread } => next_event(bytes, unread).await,
            Self::WebSocket(socket) => loop {
                match socket.next().await?.unwrap() {
                    Message::Text(text) => return Some(frame(&text)),
                    Message::Close(_) => return None,
                    _ => {}
                }
            },
        }
    }

    /// Reads to the end, which doesn't ask to come back.
    pub(crate) async fn ends(self) {
        match self {
            Self::Sse { mut bytes, mut unread } => {
                while let Some(chunk) = bytes.next().await {
                    unread.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
                }
                assert!(!unread.contains("retry:"), "{unread}");
            }
            Self::WebSocket(mut socket) => loop {
                if let Message::Close(close) = socket.next().await.unwrap().unwrap() {
                    return assert_eq!(close.unwrap().code, CloseCode::Normal);
                }
            },
        }
    }
}

async fn next_event(
    bytes: &mut BoxStream<'static, reqwest::Result<Vec<u8>>>,
    unread: &mut String,
) -> Option<Told> {
    loop {
        if let Some((block, rest)) = unread.split_once("\n\n") {
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.map(|value| value.trim_start().to_owned())
            };
            let (id, told) = (field("id"), field("data").zip(field("event")));
            *unread = rest.to_owned();
            if let Some((data, event)) = told {
                return Some(Told { id, event, body: serde_json::from_str(&data).unwrap() });
            }
            continue;
        }
        unread.push_str(std::str::from_utf8(&bytes.next().await?.unwrap()).unwrap());
    }
}

fn frame(text: &str) -> Told {
    let mut frame: Value = serde_json::from_str(text).unwrap();
    let id = frame.get("id").map(|id| id.as_str().unwrap().to_owned());
    Told { id, event: frame["event"].as_str().unwrap().to_owned(), body: frame["data"].take() }
}
