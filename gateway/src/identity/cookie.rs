//! The cookie that says who a browser is: given at login, where the operator wants that, and believed from pages of
//! configured origins alone (RFC 6265; Fetch, section 3.2).

use axum::extract::FromRequestParts;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{COOKIE, ORIGIN, SET_COOKIE},
    request::Parts,
};

use super::args::CookieMode;
use crate::{Gateway, config::Origins, error::Failure};

/// Its name.
const NAME: &str = "gochat_token";
/// By which a browser says whether a page of another site made a request that has no origin.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who gets a cookie, and whose is believed.
#[derive(Clone, Debug)]
pub(crate) struct Cookies {
    same_site: Option<&'static str>,
    origins: Vec<HeaderValue>,
}

impl Cookies {
    /// Cookies of this mode, for pages of these origins. Where all are allowed, none is configured.
    pub(crate) fn new(mode: CookieMode, origins: &Origins) -> Self {
        let same_site = match mode {
            CookieMode::Off => None,
            CookieMode::Lax => Some("Lax"),
            CookieMode::None => Some("None"),
        };
        let origins = match origins {
            Origins::All => Vec::new(),
            Origins::These(list) => list.clone(),
        };
        Self { same_site, origins }
    }

    /// Whether there are cookies at all.
    pub(crate) fn are_on(&self) -> bool {
        self.same_site.is_some()
    }

    /// The token of a request's cookie, if it is to be believed. Of two nobody knows who set which: there is none then.
    pub(crate) fn token<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        if !self.are_on() || !self.may_use(headers) {
            return None;
        }
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut tokens = pairs.filter(|(name, _)| *name == NAME).map(|(_, token)| token);
        let token = tokens.next().filter(|token| !token.is_empty())?;
        tokens.next().is_none().then_some(token)
    }

    /// Whether a request comes from where the cookie may be used: a browser names the origin of every page that
    /// isn't the gateway's own, but for what it loads without letting the page read it.
    fn may_use(&self, headers: &HeaderMap) -> bool {
        let mut named = headers.get_all(ORIGIN).iter();
        match (named.next(), named.next()) {
            (None, _) => headers.get(SITE).is_none_or(|site| site != "cross-site"),
            (Some(origin), None) => self.origins.contains(origin),
            (Some(_), Some(_)) => false,
        }
    }

    fn line(&self, token: &str, more: &str) -> Option<[(HeaderName, HeaderValue); 1]> {
        let same_site = self.same_site?;
        let line = format!("{NAME}={token}; Path=/chat_room; HttpOnly; Secure; SameSite={same_site}{more}");
        let mut line = HeaderValue::from_str(&line).ok()?;
        line.set_sensitive(true);
        Some([(SET_COOKIE, line)])
    }
}

/// What an answer may do to the cookie of who asked.
pub(crate) struct CookieJar(Option<Cookies>);

/// A header of an answer, or none.
pub(crate) type CookieLine = Option<[(HeaderName, HeaderValue); 1]>;

impl CookieJar {
    /// Gives the cookie to a browser that may use it.
    pub(crate) fn give(&self, token: &str) -> CookieLine {
        self.0.as_ref()?.line(token, "")
    }

    /// Takes it from a browser that may use it.
    pub(crate) fn take(&self) -> CookieLine {
        self.0.as_ref()?.line("", "; Max-Age=0")
    }
}

impl FromRequestParts<Gateway> for CookieJar {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        let cookies = gateway.policy.cookies();
        Ok(Self(cookies.may_use(&parts.headers).then(|| cookies.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(mode: CookieMode) -> Cookies {
        Cookies::new(mode, &"https://a.example,https://b.example".parse().unwrap())
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_cookie_is_believed_from_configured_origins_alone() {
        let token = |cookies: &Cookies, more: &[(&'static str, &'static str)]| {
            let lines = [&[("cookie", "x=1; gochat_token=t; y=2")], more].concat();
            cookies.token(&headers(&lines)).map(str::to_owned)
        };
        let lax = cookies(CookieMode::Lax);
        for believed in [&[][..], &[("origin", "https://b.example")], &[("sec-fetch-site", "same-origin")]] {
            assert_eq!(token(&lax, believed).as_deref(), Some("t"), "{believed:?}");
            assert_eq!(token(&cookies(CookieMode::Off), believed), None, "{believed:?}");
        }
        let foreign = [
            &[("origin", "https://evil.example")][..],
            &[("origin", "https://a.example.evil.example")],
            &[("origin", "http://a.example")],
            &[("origin", "null")],
            &[("origin", "")],
            &[("sec-fetch-site", "cross-site")],
        ];
        for origin in foreign {
            assert_eq!(token(&lax, origin), None, "{origin:?}");
        }
        let mut twice = headers(&[("cookie", "gochat_token=t"), ("origin", "https://a.example")]);
        assert!(lax.token(&twice).is_some());
        twice.append(ORIGIN, HeaderValue::from_static("https://b.example"));
        assert_eq!(lax.token(&twice), None);
    }

    #[test]
    fn of_two_cookies_neither_is_believed() {
        let lax = cookies(CookieMode::Lax);
        for line in ["gochat_token=t; gochat_token=u", "gochat_token=", "gochat_tokens=t", "gochat_token"] {
            assert_eq!(lax.token(&headers(&[("cookie", line)])), None, "{line}");
        }
    }

    #[test]
    fn cookies_are_out_of_reach_of_pages_and_of_plain_connections() {
        let jar = CookieJar(Some(cookies(CookieMode::None)));
        let [(_, line)] = jar.give("t").unwrap();
        assert_eq!(line, "gochat_token=t; Path=/chat_room; HttpOnly; Secure; SameSite=None");
        let [(_, line)] = jar.take().unwrap();
        assert_eq!(line, "gochat_token=; Path=/chat_room; HttpOnly; Secure; SameSite=None; Max-Age=0");
        assert!(CookieJar(Some(cookies(CookieMode::Off))).give("t").is_none());
        assert!(CookieJar(None).give("t").is_none());
    }
}
