//! Calls by gRPC-Web, framed by hand over plain HTTP/1.1, as a page in a browser makes them.

use futures::StreamExt;
use prost::Message;
use reqwest::{Method, RequestBuilder, Response, header::HeaderMap};

use crate::world::World;

const WEB: &str = "--grpc-web true --grpc-web-origins https://chat.example.org";
const PAGE: &str = "https://chat.example.org";
/// The flag of a frame that holds trailers.
const TRAILERS: u8 = 0x80;

/// A message of gRPC: a flag, four bytes of length, and what it says.
fn framed(text: &str) -> Vec<u8> {
    let message = text.to_owned().encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    frame
}

/// A request with `text`, over HTTP/1.1 alone, from a page.
fn asks(world: &World, method: &str, text: &str) -> RequestBuilder {
    asks_as("application/grpc-web+proto", world, method).body(framed(text))
}

/// A request that is still without its body.
fn asks_as(content_type: &str, world: &World, method: &str) -> RequestBuilder {
    let url = format!("http://{}/test.v1.Probe/{method}", world.service);
    reqwest::Client::new().post(url).header("origin", PAGE).header("content-type", content_type)
}

/// What comes next in an answer: its text, or its trailers.
#[derive(Debug, PartialEq)]
enum Told {
    Message(String),
    Trailers(String),
}

/// Takes the first frame off what has come, if all of it has.
fn next(came: &mut Vec<u8>) -> Option<Told> {
    let prefix = came.first_chunk::<5>()?;
    let end = 5 + u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    let flag = prefix[0];
    let frame = came.get(5..end)?.to_vec();
    came.drain(..end);
    Some(match flag {
        TRAILERS => Told::Trailers(String::from_utf8(frame).unwrap()),
        _ => Told::Message(String::decode(frame.as_slice()).unwrap()),
    })
}

/// Every frame of an answer that ends.
async fn all(answer: Response) -> Vec<Told> {
    assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_11));
    assert_eq!(answer.headers()["content-type"], "application/grpc-web+proto");
    let mut came = answer.bytes().await.unwrap().to_vec();
    let told = std::iter::from_fn(|| next(&mut came)).collect();
    assert!(came.is_empty(), "not a frame: {came:?}");
    told
}

/// Names separated by commas, in the order of the alphabet.
fn names<'a>(headers: &'a HeaderMap, header: &str) -> Vec<&'a str> {
    let mut names: Vec<_> = headers[header].to_str().unwrap().split(',').map(str::trim).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_page_calls_through_the_gate_and_reads_message_and_trailers_in_the_body() {
    let world = World::start(WEB).await;
    let asked = asks(&world, "Who", "").bearer_auth("x").header("x-request-id", "id-1");
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], PAGE);
    assert_eq!(answer.headers()["x-request-id"], "id-1");
    let [Told::Message(who), Told::Trailers(trailers)] = &all(answer).await[..] else { panic!("two frames") };
    assert_eq!(who, "user 7, id-1");
    assert!(trailers.lines().any(|line| line == "grpc-status:0"), "{trailers:?}");
}

#[tokio::test]
async fn a_refusal_stands_in_headers_that_the_page_may_read() {
    let world = World::start(WEB).await;
    let answer = asks(&world, "Who", "").send().await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "16");
    let readable = ["grpc-message", "grpc-status", "grpc-status-details-bin", "x-request-id"];
    assert_eq!(names(answer.headers(), "access-control-expose-headers"), readable);
    assert!(readable.iter().all(|name| answer.headers().contains_key(*name)));
    assert_eq!(all(answer).await, []);
}

#[tokio::test]
async fn a_refusal_after_the_first_message_stands_in_the_body() {
    let world = World::start(WEB).await;
    let answer = asks(&world, "Fail", "").send().await.unwrap();
    let [Told::Message(first), Told::Trailers(trailers)] = &all(answer).await[..] else {
        panic!("two frames")
    };
    assert_eq!(first, "first");
    assert!(trailers.contains("grpc-status:7\r\n") && trailers.contains("grpc-message:no%20more\r\n"));
}

#[tokio::test]
async fn a_stream_comes_message_by_message() {
    let world = World::start_on(2, WEB).await;
    let mut body = asks(&world, "Stream", "").send().await.unwrap().bytes_stream();
    let mut came = Vec::new();
    for expected in ["first", "second"] {
        let told = loop {
            match next(&mut came) {
                Some(told) => break told,
                None => came.extend(body.next().await.unwrap().unwrap()),
            }
        };
        assert_eq!(told, Told::Message(expected.to_owned()));
        world.release();
    }
}

#[tokio::test]
async fn the_limits_are_those_of_every_call() {
    let world = World::start(&format!("{WEB} --max-message 16 --request-timeout 50ms")).await;
    let too_large = asks(&world, "Who", &"x".repeat(17)).bearer_auth("x").send().await.unwrap();
    assert_eq!(too_large.headers()["grpc-status"], "3");
    // The same in base64, which is what a `-text` request is.
    let text = asks_as("application/grpc-web-text", &world, "Who").bearer_auth("x");
    let too_large = text.body("AAAAABMKEXh4eHh4eHh4eHh4eHh4eHh4").send().await.unwrap();
    assert_eq!(too_large.headers()["grpc-status"], "3");
    let too_slow = asks(&world, "Hang", "").send().await.unwrap();
    assert_eq!(too_slow.headers()["grpc-status"], "4");
}

#[tokio::test]
async fn only_pages_of_the_origins_named_may_ask() {
    let world = World::start(WEB).await;
    let preflight = |origin: &'static str| {
        let url = format!("http://{}/test.v1.Probe/Who", world.service);
        let asks = reqwest::Client::new().request(Method::OPTIONS, url).header("origin", origin);
        let asks = asks.header("access-control-request-method", "POST");
        asks.header("access-control-request-headers", "authorization,content-type,x-grpc-web").send()
    };
    let allowed = preflight(PAGE).await.unwrap();
    assert_eq!(
        (allowed.status().as_u16(), &allowed.headers()["access-control-allow-origin"]),
        (200, &PAGE.parse().unwrap())
    );
    let headers = names(allowed.headers(), "access-control-allow-headers");
    assert_eq!(headers, ["authorization", "content-type", "x-grpc-web"]);
    assert!(!allowed.headers().contains_key("access-control-allow-credentials"));
    let stranger = preflight("https://elsewhere.example.org").await.unwrap();
    assert!(!stranger.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn grpc_goes_on_beside_it_and_nothing_else_is_answered() {
    let world = World::start(WEB).await;
    let stream = world.stream().await;
    let plain = asks_as("application/grpc", &world, "Who").body(framed("")).send().await.unwrap();
    assert_eq!(plain.status(), 400);
    drop(stream);
}

#[tokio::test]
async fn it_is_off_unless_switched_on() {
    let world = World::start("").await;
    assert!(asks(&world, "Hang", "").send().await.is_err(), "HTTP/1.1 was answered");
}
