//! The way in: connections to a deployment, before anybody has logged in.

use gochat_proto::account::LoginRequest;

use crate::{Backoff, Endpoints, Error, Service, Session, Tls, caller::Caller};

/// A deployment of GoChat, as nobody in particular. Cheap to clone; clones share
/// their connections, and so do the sessions made from it.
#[derive(Clone, Debug)]
pub struct Client {
    caller: Caller,
}

impl Client {
    /// Knows where the services are. Connections are made when they are first
    /// needed; those to `https://` addresses are believed by whom this machine believes.
    /// To be called within a tokio runtime.
    pub fn connect(endpoints: &Endpoints) -> Result<Self, Error> {
        Self::connect_by(endpoints, &Tls::new())
    }

    /// As [`Client::connect`], with another word about `https://` addresses. Fails where what was said can't be used.
    pub fn connect_by(endpoints: &Endpoints, tls: &Tls) -> Result<Self, Error> {
        Ok(Self { caller: Caller::anonymous(endpoints, tls)? })
    }

    /// Sets how calls are made again where no answer came; [`Backoff::CALLS`] if
    /// nothing is said. Mutations keep their request id, so none is done twice.
    #[must_use]
    pub fn with_retries(mut self, retries: Backoff) -> Self {
        self.caller.retries = retries;
        self
    }

    /// Takes a nick name (1–15 characters) and becomes a user. The avatar is an
    /// address or a name of a picture, or empty. The session ends unless
    /// [`Session::keep_alive`] holds it. Refusals: `NickNameInUse`.
    pub async fn login(&self, nick_name: &str, avatar: &str) -> Result<Session, Error> {
        let request = LoginRequest {
            nick_name: nick_name.to_owned(),
            avatar: avatar.to_owned(),
            external_id: String::new(),
        };
        Session::open(&self.caller, request).await
    }

    /// Calls as an internal service that is known by the certificate it shows ([`Tls::identity`]).
    pub fn as_certified_service(&self) -> Service {
        Service { caller: self.caller.clone() }
    }

    /// Calls as an internal service, by the token that was configured for it.
    pub fn as_service(&self, token: &str) -> Result<Service, Error> {
        Ok(Service { caller: self.caller.with_token(token)? })
    }
}
