//! Whole requests of the documented API, with no services behind it: each is answered, in a bounded way, in its envelope.
#![no_main]

use axum::body::{Body, to_bytes};
use gochat_fuzz::{first_line, headers};
use gochat_gateway::border::Api;
use http::{Method, Request, Response, StatusCode, Uri, header::CONTENT_TYPE};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// The documented pages are the longest answers.
const LONGEST: usize = 512 * 1024;

thread_local! {
    static SERVED: (Runtime, Api) = {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let api = runtime.block_on(async { Api::new(Some("trusted")).expect("makes sense") });
        (runtime, api)
    };
}

// A method and a path with its query on the first line; headers; a body.
fuzz_target!(|data: &[u8]| -> Corpus {
    let (line, rest) = first_line(data);
    let Some(at) = line.iter().position(|byte| *byte == b' ') else { return Corpus::Reject };
    let (method, path) = (Method::from_bytes(&line[..at]), Uri::try_from(&line[at + 1..]));
    let (Ok(method), Ok(uri)) = (method, path) else { return Corpus::Reject };
    let (headers, body) = headers(rest);
    let mut request = Request::new(Body::from(body.to_vec()));
    *request.headers_mut() = headers;
    (*request.method_mut(), *request.uri_mut()) = (method, uri.clone());
    let preflight = request.method() == Method::OPTIONS;
    SERVED.with(|(runtime, api)| {
        runtime.block_on(async { check(uri.path(), preflight, api.answer(request).await).await })
    });
    Corpus::Keep
});

/// What a browser asks before a call is answered before the call is seen, and has no id.
async fn check(path: &str, preflight: bool, response: Response<Body>) {
    let (parts, body) = response.into_parts();
    assert!(preflight || parts.headers.contains_key("x-request-id"), "{parts:?}");
    let known = [200, 400, 404, 405, 408, 413, 415, 426];
    assert!(known.contains(&parts.status.as_u16()), "{parts:?}");
    let body = to_bytes(body, LONGEST).await.expect("an answer is bounded");
    let is_json = parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if path == "/openapi.json"
        || !is_json
        || parts.headers.contains_key("content-encoding")
        || body.is_empty()
    {
        return;
    }
    let answer: Value = serde_json::from_slice(&body).expect("is JSON");
    let code = answer["ret"]["code"].as_u64().expect("has a code");
    // Nobody is there to succeed.
    assert!(matches!(code, 80_001 | 80_012 | 100_001), "{answer}");
    assert!(answer["ret"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    if parts.status != StatusCode::OK {
        assert_ne!(code, 100_001, "a fault of ours: {answer}");
    }
}
