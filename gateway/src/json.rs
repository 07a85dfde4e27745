//! The envelope: JSON bodies in, `{"ret":{"code","message"},"data"}` out.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{Failure, ReturnCode};

/// What every method answers, whether it succeeded or not.
#[derive(Serialize)]
pub(crate) struct Envelope<'a, T> {
    ret: Ret<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
}

#[derive(Serialize)]
struct Ret<'a> {
    code: u32,
    message: &'a str,
}

impl<'a, T> Envelope<'a, T> {
    pub(crate) fn new(code: u32, message: &'a str, data: Option<T>) -> Self {
        Self { ret: Ret { code, message }, data }
    }
}

impl<T: Serialize> IntoResponse for Envelope<'_, T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// What a handler gives back.
pub(crate) type Answer<T> = Result<T, Failure>;

/// Success with something to tell.
pub(crate) struct Data<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        Envelope::new(0, "succeed", Some(self.0)).into_response()
    }
}

/// Success with nothing to tell: no `data`.
pub(crate) struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        Envelope::<()>::new(0, "succeed", None).into_response()
    }
}

/// Reads the body that came with `headers`, which must be JSON where there is one. Fails with HTTP 413
/// above the limit, 415 for another media type.
pub(crate) async fn body(headers: &HeaderMap, request: Request) -> Result<Bytes, Failure> {
    let body = Bytes::from_request(request, &()).await.map_err(|refused| {
        tracing::debug!(error = refused.body_text(), "body not read");
        Failure::transport(refused.status(), "the body could not be read, or is too long")
    })?;
    if !is_json(headers) && !body.is_empty() {
        let message = "the body must be application/json";
        return Err(Failure::transport(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    Ok(body)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// A body's parameters. Fails with 80001 for anything but an object with all that `T`
/// needs, of the right types; members that `T` doesn't know are passed over.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Failure::new(ReturnCode::BadParameter, "the body must be a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| Failure::new(ReturnCode::BadParameter, error.to_string()))
}

/// The documented way to say yes and no: 1 off, no, lower, reject; 2 on, yes, raise, accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) enum Switch {
    Off,
    On,
}

impl TryFrom<u64> for Switch {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        match number {
            1 => Ok(Self::Off),
            2 => Ok(Self::On),
            _ => Err("expected 1 or 2"),
        }
    }
}

/// A switch as a number.
pub(crate) fn switch(on: bool) -> u8 {
    if on { 2 } else { 1 }
}
