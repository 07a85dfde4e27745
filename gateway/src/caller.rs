//! Who calls, and what goes upstream in their name.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use gochat_proto::account::HeartbeatRequest;
use serde::{Deserialize, de::DeserializeOwned};
use tonic::metadata::{Ascii, MetadataValue};

use crate::{Gateway, error::Failure, json, rate::Who, upstream::Upstreams};

/// How long a service may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Somebody who calls a method. Nothing is judged here: the services are told who
/// says to be whom, and refuse what doesn't agree.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    authorization: Option<MetadataValue<Ascii>>,
    on_behalf_of: Option<u32>,
    believed: bool,
}

impl Caller {
    /// Somebody without a name, as for a login.
    pub(crate) fn anonymous() -> Self {
        Self { authorization: None, on_behalf_of: None, believed: false }
    }

    /// The holder of a token, who may say to be `uid`.
    pub(crate) fn proved(authorization: MetadataValue<Ascii>, uid: Option<u32>) -> Self {
        Self { authorization: Some(authorization), on_behalf_of: uid, believed: false }
    }

    /// Somebody who is believed to be `uid`, for whom the gateway acts by a token of its own. Every line of the
    /// request's log says so.
    pub(crate) fn believed(authorization: MetadataValue<Ascii>, uid: u32) -> Self {
        tracing::Span::current().record("believed_uid", uid);
        Self { authorization: Some(authorization), on_behalf_of: Some(uid), believed: true }
    }

    /// Whether nothing but the uid says who it is.
    pub(crate) fn is_believed(&self) -> bool {
        self.believed
    }

    /// Who the caller says to be.
    pub(crate) fn on_behalf_of(&self) -> Option<u32> {
        self.on_behalf_of
    }

    /// What goes upstream to prove it.
    pub(crate) fn authorization(&self) -> Option<&MetadataValue<Ascii>> {
        self.authorization.as_ref()
    }

    /// Fails with 80012 for a believed uid that isn't logged in: of somebody for whom a service acts, the
    /// services don't ask that themselves.
    pub(crate) async fn admit(self, up: &Upstreams) -> Result<Self, Failure> {
        if self.believed {
            self.confirm(up).await?;
        }
        Ok(self)
    }

    /// Fails with 80012 for who isn't logged in. Whoever asks is there, so it is a heartbeat that asks.
    pub(crate) async fn confirm(&self, up: &Upstreams) -> Result<(), Failure> {
        up.account().heartbeat(self.request(HeartbeatRequest::default())).await?;
        Ok(())
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
            let mut uid = MetadataValue::from(uid);
            // The next request is somebody else's: HTTP/2 need not remember it.
            uid.set_sensitive(true);
            headers.insert("gochat-on-behalf-of", uid);
        }
        request
    }
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

impl<T: DeserializeOwned + Send> FromRequest<Gateway> for Call<T> {
    type Rejection = Failure;

    async fn from_request(mut request: Request, gateway: &Gateway) -> Result<Self, Failure> {
        let headers = std::mem::take(request.headers_mut());
        let method = request.uri().path().to_owned();
        let bytes = json::body(&headers, request).await?;
        let Named { uid } = json::parse(&bytes)?;
        let body = json::parse(&bytes)?;
        let caller = gateway.policy.caller(&headers, uid)?;
        gateway.rates.admit(&method, &Who::of(&caller))?;
        let caller = caller.admit(&gateway.upstreams.here()).await?;
        Ok(Self { caller, uid, body })
    }
}

/// A call of a method that is open to anybody.
#[derive(Debug)]
pub(crate) struct OpenCall<T> {
    pub(crate) caller: Caller,
    pub(crate) body: T,
}

impl<T: DeserializeOwned> FromRequest<Gateway> for OpenCall<T> {
    type Rejection = Failure;

    async fn from_request(mut request: Request, gateway: &Gateway) -> Result<Self, Failure> {
        let client = gateway.rates.client(&request);
        gateway.rates.admit(request.uri().path(), &Who::Address(client))?;
        let headers = std::mem::take(request.headers_mut());
        Ok(Self { caller: Caller::anonymous(), body: json::parse(&json::body(&headers, request).await?)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_request_has_not_is_not_remembered_for_it() {
        let request = Caller::proved(MetadataValue::from_static("Bearer token"), Some(7)).request(());
        let named = request.metadata().get("gochat-on-behalf-of").unwrap();
        assert_eq!((named.to_str().unwrap(), named.is_sensitive()), ("7", true));
    }
}
