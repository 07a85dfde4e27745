//! Calls of any RPC by its path and with any headers: also those that no client of ours would make.

use futures::future;
use gochat_client::Refusal;
use gochat_proto::status;
use prost::bytes::{Buf, BufMut};
use tonic::{
    Code, Request, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::{Service, http::uri::PathAndQuery},
    metadata::{AsciiMetadataKey, AsciiMetadataValue},
    transport::{Channel, Endpoint},
};

use crate::world::soon;

/// Headers of a call, in order.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// The header that shows a token.
pub(crate) fn bearer(token: &str) -> Headers {
    vec![("authorization", format!("Bearer {token}"))]
}

/// A service's token, and the user that it calls for.
pub(crate) fn acting(token: &str, uid: u32) -> Headers {
    [bearer(token), vec![("gochat-on-behalf-of", uid.to_string())]].concat()
}

/// A connection to a server at `http://host:port`.
pub(crate) fn channel(url: &str) -> Channel {
    Endpoint::from_shared(url.to_owned()).unwrap().connect_lazy()
}

/// The first message that a call is answered with, or why there is none.
pub(crate) async fn call(
    channel: &Channel,
    path: &str,
    headers: &Headers,
    body: Vec<u8>,
) -> Result<Vec<u8>, Status> {
    let mut stream = open(channel, path, headers, body).await?;
    soon(path, stream.message()).await.map(|message| message.expect("an answer has a message"))
}

/// The messages that a call is answered with.
pub(crate) async fn open(
    channel: &Channel,
    path: &str,
    headers: &Headers,
    body: Vec<u8>,
) -> Result<Streaming<Vec<u8>>, Status> {
    let mut channel = channel.clone();
    soon("the connection", future::poll_fn(|cx| Service::poll_ready(&mut channel, cx))).await.unwrap();
    let mut request = Request::new(body);
    for (name, value) in headers {
        let name = AsciiMetadataKey::from_static(name);
        request.metadata_mut().append(name, AsciiMetadataValue::try_from(value.as_str()).unwrap());
    }
    let path = PathAndQuery::try_from(path).unwrap();
    let answer = soon("the answer", Grpc::new(channel).server_streaming(request, path, Bytes)).await;
    Ok(answer?.into_inner())
}

/// What became of a call, in a word: `ok`, a refusal of the contract, or a code of gRPC.
pub(crate) fn word(answer: &Result<Vec<u8>, Status>) -> String {
    match answer {
        Ok(_) => "ok".to_owned(),
        Err(told) => match status::refusal(told) {
            Some(refusal) => refusal.as_str_name().trim_start_matches("REFUSAL_").to_owned(),
            None => format!("{:?}: {}", told.code(), told.message()),
        },
    }
}

/// The caller wasn't known, and was told nothing else.
#[track_caller]
pub(crate) fn unknown(what: &str, answer: &Result<Vec<u8>, Status>) {
    let told = answer.as_ref().expect_err(what);
    assert_eq!(status::refusal(told), Some(Refusal::NotLoggedIn), "{what}: {told:?}");
    assert_eq!((told.code(), told.message()), (Code::Unauthenticated, "not logged in"), "{what}");
}

/// Messages as they are on the wire.
#[derive(Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; from.remaining()];
        from.copy_to_slice(&mut message);
        Ok(Some(message))
    }
}
