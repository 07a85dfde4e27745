//! Who calls, and what goes upstream in their name.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use serde::{Deserialize, de::DeserializeOwned};
use tonic::metadata::{Ascii, MetadataValue};

use crate::{
    error::{Failure, ReturnCode},
    json,
};

/// How long a service may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Somebody who calls a method. Nothing is judged here: the services are told who
/// says to be whom, and refuse what doesn't agree.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    authorization: Option<MetadataValue<Ascii>>,
    on_behalf_of: Option<u32>,
}

impl Caller {
    /// Somebody without a name, as for a login.
    pub(crate) fn anonymous() -> Self {
        Self { authorization: None, on_behalf_of: None }
    }

    /// The holder of the request's token, who says to be `uid`. Fails with 80012
    /// without a token, or where nobody can have that uid.
    pub(crate) fn identified(headers: &HeaderMap, uid: Option<i64>) -> Result<Self, Failure> {
        let stranger = || Failure::new(ReturnCode::NotLoggedIn, "not logged in");
        let authorization = headers.get(AUTHORIZATION).and_then(metadata).ok_or_else(stranger)?;
        let on_behalf_of = match uid {
            Some(uid) => Some(u32::try_from(uid).ok().filter(|uid| *uid != 0).ok_or_else(stranger)?),
            None => None,
        };
        Ok(Self { authorization: Some(authorization), on_behalf_of })
    }

    /// A message for a service, in the caller's name.
    pub(crate) fn request<M>(&self, message: M) -> tonic::Request<M> {
        let mut request = self.stream_request(message);
        request.set_timeout(PATIENCE);
        request
    }

    /// As [`Self::request`], for a stream: its length is not limited.
    pub(crate) fn stream_request<M>(&self, message: M) -> tonic::Request<M> {
        let mut request = tonic::Request::new(message);
        let headers = request.metadata_mut();
        if let Some(authorization) = &self.authorization {
            headers.insert("authorization", authorization.clone());
        }
        if let Some(uid) = self.on_behalf_of {
            headers.insert("gochat-on-behalf-of", uid.into());
        }
        request
    }
}

fn metadata(value: &HeaderValue) -> Option<MetadataValue<Ascii>> {
    MetadataValue::try_from(value.as_bytes()).ok()
}

/// A call of a method by somebody who is logged in.
#[derive(Debug)]
pub(crate) struct Call<T> {
    pub(crate) caller: Caller,
    pub(crate) uid: i64,
    pub(crate) body: T,
}

#[derive(Deserialize)]
struct Named {
    uid: i64,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Call<T> {
    type Rejection = Failure;

    async fn from_request(mut request: Request, _state: &S) -> Result<Self, Failure> {
        let headers = std::mem::take(request.headers_mut());
        let bytes = json::body(&headers, request).await?;
        let Named { uid } = json::parse(&bytes)?;
        let body = json::parse(&bytes)?;
        Ok(Self { caller: Caller::identified(&headers, Some(uid))?, uid, body })
    }
}

/// A call of a method that is open to anybody.
#[derive(Debug)]
pub(crate) struct OpenCall<T> {
    pub(crate) caller: Caller,
    pub(crate) body: T,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OpenCall<T> {
    type Rejection = Failure;

    async fn from_request(mut request: Request, _state: &S) -> Result<Self, Failure> {
        let headers = std::mem::take(request.headers_mut());
        Ok(Self { caller: Caller::anonymous(), body: json::parse(&json::body(&headers, request).await?)? })
    }
}
