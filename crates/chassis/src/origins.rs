//! The origins whose pages may call a server from a browser (CORS).

use std::str::FromStr;

use http::{HeaderValue, Uri};
use tower_http::cors::{AllowOrigin, Any};

/// The origins whose pages may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every origin.
    All,
    /// These alone: scheme, host and, where it isn't the scheme's own, port.
    These(Vec<HeaderValue>),
}

impl Origins {
    /// The rule that lets answers be read by pages of these origins.
    pub fn allow(&self) -> AllowOrigin {
        match self {
            Self::All => Any.into(),
            Self::These(list) => AllowOrigin::list(list.iter().cloned()),
        }
    }
}

impl FromStr for Origins {
    type Err = String;

    /// `*`, or origins separated by commas, like `https://chat.example.org`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "*" => Ok(Self::All),
            list => list.split(',').map(|one| origin(one.trim())).collect::<Result<_, _>>().map(Self::These),
        }
    }
}

/// An origin as browsers send it. What they would never send is refused, since it would match nothing.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let wrong = || format!("not an origin: {text:?}; write it like https://chat.example.org");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
    let bare = format!("{scheme}://{authority}");
    if bare != text || bare != bare.to_ascii_lowercase() || authority.as_str().contains('@') {
        return Err(wrong());
    }
    HeaderValue::from_str(text).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        assert_eq!("*".parse(), Ok(Origins::All));
        let two = ["https://chat.example.org", "http://localhost:3000"].map(HeaderValue::from_static);
        let list = "https://chat.example.org, http://localhost:3000";
        assert_eq!(list.parse(), Ok(Origins::These(two.to_vec())));
        let slashes = ["https://a.org/", "https://a.org/x", "https://a.org,", "https://a.org,*"];
        let others = ["", "true", "chat.example.org", "https://A.org", "https://u@a.org"];
        for text in slashes.into_iter().chain(others) {
            assert!(text.parse::<Origins>().is_err(), "{text:?}");
        }
    }
}
