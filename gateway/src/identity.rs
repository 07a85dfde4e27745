//! Who a request is from: by a token, an event ticket, a cookie, or a uid that is believed.

mod args;
mod cookie;
mod hex;
mod ticket;

use std::time::{SystemTime, UNIX_EPOCH};

use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL},
};
use tonic::metadata::{Ascii, MetadataValue};

use crate::{
    caller::Caller,
    config::Origins,
    error::{Failure, ReturnCode},
};
pub use args::{CookieMode, IdentityArgs, Secret};
use cookie::Cookies;
pub(crate) use cookie::{CookieJar, CookieLine};
use ticket::{Bearer, Refused, Tickets};

/// The WebSocket subprotocol by which a browser, which can set no headers, says its token.
pub(crate) const BEARER_PROTOCOL: &str = "gochat.bearer.";

/// How long an event ticket is good for, in seconds.
pub(crate) const TICKET_SECONDS: u64 = ticket::LIFETIME_MS / 1000;

/// How callers may say who they are. The first that a request has counts: `Authorization`, the
/// subprotocol, the ticket, the cookie, the mere uid. What proves somebody goes to the services, which judge it.
pub(crate) struct Policy {
    cookies: Cookies,
    tickets: Tickets,
    /// The gateway's own token, where mere uids are believed.
    trusted: Option<MetadataValue<Ascii>>,
}

impl Policy {
    /// Fails where a file can't be read, or holds something else.
    pub(crate) fn new(args: &IdentityArgs, origins: &Origins) -> anyhow::Result<Self> {
        args.check(origins)?;
        let trusted = args.trusted()?.and_then(|token| bearer(token.expose()));
        if trusted.is_some() {
            tracing::warn!(
                "GOCHAT_GATEWAY_TRUST_UID is on: whoever can reach this gateway can act as anybody"
            );
        }
        let key = args.ticket_key()?.unwrap_or_else(rand::random);
        Ok(Self { cookies: Cookies::new(args.cookie, origins), tickets: Tickets::new(key), trusted })
    }

    /// The cookies that browsers are given.
    pub(crate) fn cookies(&self) -> &Cookies {
        &self.cookies
    }

    /// Who calls a method, and says to be `uid`. Fails with 80012.
    pub(crate) fn caller(&self, headers: &HeaderMap, uid: i64) -> Result<Caller, Failure> {
        let uid = number(uid)?;
        match authorization(headers)? {
            Some(value) => proved(metadata(value.as_bytes()), Some(uid)),
            None => self.by_cookie_or_uid(headers, Some(uid)),
        }
    }

    /// Who follows a room, and may say to be `uid`. Fails with 80012.
    pub(crate) fn watcher(
        &self,
        headers: &HeaderMap,
        ticket: Option<&str>,
        uid: Option<i64>,
    ) -> Result<Caller, Failure> {
        let uid = uid.map(number).transpose()?;
        if let Some(value) = authorization(headers)? {
            return proved(metadata(value.as_bytes()), uid);
        }
        if let Some(token) = protocols(headers).find_map(|name| name.strip_prefix(BEARER_PROTOCOL)) {
            return proved(bearer(token), uid);
        }
        match ticket {
            Some(ticket) => self.by_ticket(ticket, uid),
            None => self.by_cookie_or_uid(headers, uid),
        }
    }

    /// A ticket in the caller's name. Fails with 80012 where what was shown can't be told again: without it,
    /// the uid would be believed.
    pub(crate) fn ticket(&self, caller: &Caller) -> Result<String, Failure> {
        let uid = caller.on_behalf_of().ok_or_else(stranger)?;
        let own = caller.authorization().filter(|_| !caller.is_believed());
        let shown = |value: &MetadataValue<Ascii>| {
            value.to_str().ok().filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let authorization = own.map(|value| shown(value).ok_or_else(stranger)).transpose()?;
        let fault = || Failure::new(ReturnCode::Fault, "internal fault");
        self.tickets.issue(&Bearer { uid, authorization }, now()).ok_or_else(fault)
    }

    fn by_ticket(&self, ticket: &str, uid: Option<u32>) -> Result<Caller, Failure> {
        let bearer = self.tickets.take(ticket, now()).map_err(|refused| match refused {
            Refused::Invalid => Failure::new(ReturnCode::NotLoggedIn, "the ticket is not valid"),
            Refused::TooMany => {
                tracing::warn!("more event tickets in use than can be remembered");
                Failure::new(ReturnCode::Fault, "too many tickets at the moment, try again")
            }
        })?;
        if uid.is_some_and(|uid| uid != bearer.uid) {
            return Err(stranger());
        }
        match bearer.authorization {
            Some(authorization) => proved(metadata(authorization.as_bytes()), Some(bearer.uid)),
            None => self.believed(Some(bearer.uid)),
        }
    }

    fn by_cookie_or_uid(&self, headers: &HeaderMap, uid: Option<u32>) -> Result<Caller, Failure> {
        match self.cookies.token(headers) {
            Some(token) => proved(bearer(token), uid),
            None => self.believed(uid),
        }
    }

    /// Somebody whose uid is believed, where that is allowed.
    fn believed(&self, uid: Option<u32>) -> Result<Caller, Failure> {
        let (token, uid) = self.trusted.clone().zip(uid).ok_or_else(stranger)?;
        Ok(Caller::believed(token, uid))
    }
}

/// The subprotocols that a request offers.
pub(crate) fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// What a request has to prove who it is from; of two, who has passed it on may have believed the other: 80012.
fn authorization(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Failure> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(stranger()),
    }
}

/// Somebody with something to prove it by.
fn proved(authorization: Option<MetadataValue<Ascii>>, uid: Option<u32>) -> Result<Caller, Failure> {
    authorization.map(|authorization| Caller::proved(authorization, uid)).ok_or_else(stranger)
}

fn stranger() -> Failure {
    Failure::new(ReturnCode::NotLoggedIn, "not logged in")
}

/// A uid that somebody can have.
fn number(uid: i64) -> Result<u32, Failure> {
    u32::try_from(uid).ok().filter(|uid| *uid != 0).ok_or_else(stranger)
}

/// A token as the value of an `authorization` header; none where it has characters that no header may have.
/// What is sent upstream to show a token.
pub(crate) fn bearer(token: &str) -> Option<MetadataValue<Ascii>> {
    metadata(format!("Bearer {token}").as_bytes())
}

/// Marked as nothing to show.
fn metadata(value: &[u8]) -> Option<MetadataValue<Ascii>> {
    let mut value = MetadataValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Unix milliseconds by this machine's clock.
#[expect(clippy::disallowed_methods, reason = "at the edge: tickets run out by the clocks of the gateways")]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
