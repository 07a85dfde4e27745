//! The gate before every call: finds out who calls, and lets pass what the table allows.

use std::sync::Arc;

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use tonic::Status;

use super::{
    Caller, Digest, ServiceTokens, Unavailable,
    cache::Sessions,
    tokens::{Ambiguous, Known, digest},
};
use crate::{status, tls::Names};

/// The header in which a service names the user that it acts for.
pub const ON_BEHALF_OF: HeaderName = HeaderName::from_static("gochat-on-behalf-of");

/// No token of anybody is longer.
const MAX_TOKEN: usize = 256;

/// The table: whether an RPC, named by its HTTP/2 path, is open to a caller that is or acts for a user, to one that is
/// a service by itself and has these rights of its line in the file of service tokens, or (neither) to anybody.
pub type MayCall = fn(path: &str, as_user: bool, as_service: Option<&[&str]>) -> bool;

/// Authenticates callers and refuses what they may not call. Clones are one and the same.
///
/// A caller presents at most one `authorization: Bearer <token>`. Its SHA-256 is looked for among the
/// service tokens, then among the sessions, whose answers are remembered for some seconds. A service may
/// name the user that it acts for in `gochat-on-behalf-of: <uid>`, if its token allows that.
///
/// A service that presents no token is known by its certificate. What a call presents goes before the connection that it
/// comes over, so that a service can hand on what its users present: a user's session is the user, and an
/// unknown token is nobody's. A service token over a connection that is another service's is refused.
#[derive(Clone)]
pub struct Gate {
    may_call: MayCall,
    tokens: Arc<ServiceTokens>,
    sessions: Sessions,
}

/// What a caller says of itself: that it has no token, one, or something that can't be one.
enum Presented {
    Nothing,
    Token(Digest),
    Nonsense,
}

/// The caller said something of itself that can't be true.
struct Contradiction(&'static str);

/// Who calls, and the rights of one that is a service.
struct Found {
    caller: Caller,
    rights: Option<Arc<[&'static str]>>,
}

impl From<Caller> for Found {
    /// No service.
    fn from(caller: Caller) -> Self {
        Self { caller, rights: None }
    }
}

/// Why a caller isn't found out.
enum Unknown {
    Contradiction(&'static str),
    MayNotActForUsers,
    Unavailable,
}

impl From<Contradiction> for Unknown {
    fn from(Contradiction(what): Contradiction) -> Self {
        Self::Contradiction(what)
    }
}

impl From<Ambiguous> for Unknown {
    fn from(_: Ambiguous) -> Self {
        Self::Contradiction("a certificate has the names of several services")
    }
}

impl From<Unavailable> for Unknown {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl Gate {
    /// `sessions` answers whose session a token's SHA-256 is.
    pub fn new(
        may_call: MayCall,
        sessions: impl Fn(Digest) -> BoxFuture<'static, Result<Option<u32>, Unavailable>> + Send + Sync + 'static,
        tokens: ServiceTokens,
    ) -> Self {
        Self { may_call, tokens: Arc::new(tokens), sessions: Sessions::new(Box::new(sessions)) }
    }

    /// Forgets a session, because it was revoked: from now on its token is looked up anew. With nothing, where
    /// any may have been revoked unheard: all.
    pub fn forget(&self, session: Option<Digest>) {
        match session {
            Some(digest) => self.sessions.forget(&digest),
            None => self.sessions.forget_all(),
        }
    }

    /// Who makes a call with these headers, over the connection of a peer with these names, if it may make it.
    pub(crate) async fn admit(
        &self,
        path: &str,
        headers: &HeaderMap,
        names: &Names,
    ) -> Result<Caller, Box<Status>> {
        let Found { caller, rights } = self.identify(headers, names).await.map_err(|unknown| {
            Box::new(match unknown {
                Unknown::Contradiction(what) => {
                    tracing::debug!(what, "caller refused");
                    status::not_logged_in()
                }
                Unknown::MayNotActForUsers => status::not_permitted(),
                Unknown::Unavailable => status::unavailable(),
            })
        })?;
        let as_user = caller.subject().is_some();
        let as_service = rights.as_deref().filter(|_| !as_user);
        if (self.may_call)(path, as_user, as_service) {
            return Ok(caller);
        }
        Err(Box::new(match caller {
            Caller::Nobody => status::not_logged_in(),
            _ => status::not_permitted(),
        }))
    }

    async fn identify(&self, headers: &HeaderMap, names: &Names) -> Result<Found, Unknown> {
        let on_behalf_of = on_behalf_of(headers)?;
        let digest = match presented(headers)? {
            Presented::Token(digest) => digest,
            Presented::Nonsense => return nobody(on_behalf_of),
            Presented::Nothing => {
                return match self.tokens.certified(names)? {
                    Some(service) => as_service(service, on_behalf_of),
                    None => nobody(on_behalf_of),
                };
            }
        };
        if let Some(service) = self.tokens.find(&digest) {
            let certified = self.tokens.certified(names)?;
            return match certified.is_none_or(|other| other.name == service.name) {
                true => as_service(service, on_behalf_of),
                false => Err(Unknown::Contradiction("a service presents another's token")),
            };
        }
        match self.sessions.find(digest).await? {
            Some(subject) if on_behalf_of.is_none_or(|named| named == subject) => {
                Ok(Caller::User { subject, digest }.into())
            }
            Some(_) => Err(Unknown::Contradiction("a user names another user")),
            None => nobody(on_behalf_of),
        }
    }
}

fn nobody(on_behalf_of: Option<u32>) -> Result<Found, Unknown> {
    match on_behalf_of {
        None => Ok(Caller::Nobody.into()),
        Some(_) => Err(Unknown::Contradiction("nobody names a user")),
    }
}

fn as_service(service: Known, on_behalf_of: Option<u32>) -> Result<Found, Unknown> {
    if on_behalf_of.is_some() && !service.acts_for_users() {
        tracing::warn!(service = &*service.name, "a service that may not act for users tried to");
        return Err(Unknown::MayNotActForUsers);
    }
    let Known { name, rights } = service;
    Ok(Found { caller: Caller::Service { name, on_behalf_of }, rights: Some(rights) })
}

fn presented(headers: &HeaderMap) -> Result<Presented, Contradiction> {
    let Some(value) = only(headers, &AUTHORIZATION)? else {
        return Ok(Presented::Nothing);
    };
    Ok(bearer(value).map_or(Presented::Nonsense, |token| Presented::Token(digest(token))))
}

/// The token of `Bearer <token>` (RFC 6750, section 2.1).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let plain = token.bytes().all(|byte| byte.is_ascii_graphic());
    let is_token = plain && (1..=MAX_TOKEN).contains(&token.len());
    (scheme.eq_ignore_ascii_case("bearer") && is_token).then_some(token)
}

/// The user named in `gochat-on-behalf-of`, in plain decimal: no sign, no leading zero.
fn on_behalf_of(headers: &HeaderMap) -> Result<Option<u32>, Contradiction> {
    let Some(value) = only(headers, &ON_BEHALF_OF)? else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|text| text.starts_with(|first| matches!(first, '1'..='9')));
    match text.and_then(|text| text.parse().ok()) {
        Some(subject) => Ok(Some(subject)),
        None => Err(Contradiction("what stands in gochat-on-behalf-of isn't a user")),
    }
}

/// The one value of a header: two might mean different things to different readers.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Contradiction> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Contradiction("a header stands twice")),
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
