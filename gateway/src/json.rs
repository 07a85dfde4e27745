//! The envelope: JSON bodies in, `{"ret":{"code","message"},"data"}` out.

use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::timeout;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ObjectBuilder, Schema, Type},
    },
};

use crate::error::{Failure, ReturnCode};

/// How long a body may take to come.
const BODY_TIME: Duration = Duration::from_secs(10);

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

/// The media type of what methods take.
const JSON: &str = "application/json";

/// Reads the body that came with `headers`, which must be JSON where there is one. Fails with HTTP 413
/// above the limit, 415 for another media type.
pub(crate) async fn body(headers: &HeaderMap, request: Request) -> Result<Bytes, Failure> {
    body_of(JSON, headers, request).await
}

/// As [`body`], for a body of another media type.
pub(crate) async fn body_of(
    media_type: &str,
    headers: &HeaderMap,
    request: Request,
) -> Result<Bytes, Failure> {
    if headers.contains_key(CONTENT_ENCODING) {
        let message = "a body may be compressed with gzip only";
        return Err(Failure::transport(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let Ok(read) = timeout(BODY_TIME, Bytes::from_request(request, &())).await else {
        return Err(Failure::transport(StatusCode::REQUEST_TIMEOUT, "the body took too long"));
    };
    let body = read.map_err(|refused| unread(&refused))?;
    if !is_of(media_type, headers) && !body.is_empty() {
        let message = format!("the body must be {media_type}");
        return Err(Failure::transport(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    Ok(body)
}

fn unread(refused: &BytesRejection) -> Failure {
    tracing::debug!(error = refused.body_text(), "body not read");
    match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Failure::transport(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long")
        }
        _ => Failure::new(ReturnCode::BadParameter, "the body could not be read"),
    }
}

fn is_of(media_type: &str, headers: &HeaderMap) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = said.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
}

/// A body's parameters. Fails with 80001 for anything but an object with all that `T`
/// needs, of the right types; members that `T` doesn't know are passed over.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Failure::new(ReturnCode::BadParameter, "the body must be a JSON object"));
    }
    serde_json::from_slice(body).map_err(|_| Failure::new(ReturnCode::BadParameter, why_not::<T>(body)))
}

/// What is wrong with a body, by the member that it is wrong in. Read anew: to keep count of members is only
/// worth it where one is wrong.
fn why_not<T: DeserializeOwned>(body: &[u8]) -> String {
    let mut reader = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) if error.inner().is_data() => {
            let (path, text) = (error.path().to_string(), error.inner().to_string());
            let text = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
            if path == "." { text.to_owned() } else { format!("{path}: {text}") }
        }
        Err(error) => error.inner().to_string(),
        Ok(_) => "the body must be one JSON object".to_owned(),
    }
}

/// The documented way to say yes and no: 1 off, no, lower, reject; 2 on, yes, raise, accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) enum Switch {
    Off,
    On,
}

impl PartialSchema for Switch {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([1, 2])).into()
    }
}

impl ToSchema for Switch {}

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

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let drops = stream::unfold(tokio::time::interval(Duration::from_secs(1)), |mut each| async {
            each.tick().await;
            Some((Ok::<_, std::io::Error>("x"), each))
        });
        let began = tokio::time::Instant::now();
        let request = Request::new(Body::from_stream(drops));
        let refused = body(&HeaderMap::new(), request).await.unwrap_err();
        assert_eq!(refused.into_response().status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(began.elapsed(), BODY_TIME);
    }
}
