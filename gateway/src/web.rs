//! The browser client at `/` and under `/web/`: its files are in the program, and need nothing from elsewhere.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};

use crate::Gateway;

/// The page runs what it brings, calls where it came from, and writes no markup from text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; media-src 'self' blob: mediastream:; form-action 'none'; \
    base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
/// Of all that a browser could give to a page, the microphone alone.
const PERMISSIONS: &str = "microphone=(self), camera=(), geolocation=(), display-capture=()";
/// Kept, and asked for again each time: a file's name stays when it changes.
const KEPT: &str = "no-cache";

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// A file of the client, as it is sent.
#[derive(Clone, Copy)]
struct Asset {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($kind:ident $name:literal)*) => {
        [$(Asset {
            path: concat!("/web/", $name),
            kind: $kind,
            bytes: include_bytes!(concat!("../web/", $name)),
        }),*]
    };
}

/// The page at `/`; all the rest goes by its name.
const PAGE: Asset = Asset { path: "/", kind: HTML, bytes: include_bytes!("../web/index.html") };
const ASSETS: &[Asset] = &assets! {
    STYLE "room.css"
    STYLE "style.css"
    IMAGE "icon.svg"
    SCRIPT "main.js"
    SCRIPT "acts.js"
    SCRIPT "alone.js"
    SCRIPT "api.js"
    SCRIPT "events.js"
    SCRIPT "invitation.js"
    SCRIPT "lobby.js"
    SCRIPT "login.js"
    SCRIPT "media.js"
    SCRIPT "microphone.js"
    SCRIPT "playback.js"
    SCRIPT "presence.js"
    SCRIPT "room.js"
    SCRIPT "roster.js"
    SCRIPT "voice.js"
    SCRIPT "words.js"
    SCRIPT "view/avatar.js"
    SCRIPT "view/controls.js"
    SCRIPT "view/dialog.js"
    SCRIPT "view/element.js"
    SCRIPT "view/icons.js"
    SCRIPT "view/members.js"
    SCRIPT "view/menu.js"
    SCRIPT "view/notice.js"
    SCRIPT "view/page.js"
    SCRIPT "view/stage.js"
};

/// The client's routes.
pub(crate) fn router() -> Router<Gateway> {
    [PAGE].iter().chain(ASSETS).fold(Router::new(), |router, asset| {
        let (asset, etag) = (*asset, etag(asset.bytes));
        router.route(asset.path, get(async move |headers: HeaderMap| answer(asset, &etag, &headers)))
    })
}

fn answer(asset: Asset, etag: &HeaderValue, headers: &HeaderMap) -> Response {
    let fixed = HeaderValue::from_static;
    let about = [
        (ETAG, etag.clone()),
        (CACHE_CONTROL, fixed(KEPT)),
        (CONTENT_SECURITY_POLICY, fixed(POLICY)),
        (HeaderName::from_static("permissions-policy"), fixed(PERMISSIONS)),
        (REFERRER_POLICY, fixed("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (HeaderName::from_static("cross-origin-opener-policy"), fixed("same-origin")),
    ];
    if held(headers, etag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(CONTENT_TYPE, asset.kind)], asset.bytes).into_response()
}

/// Whether the browser has it as it is (RFC 9110, section 13.1.2).
fn held(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).any(|tag| tag == "*" || tag == etag)
}

/// The same for the same bytes, at every gateway of a version. Weak: it may be sent compressed.
fn etag(bytes: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let tag = format!("W/\"{:016x}\"", hasher.finish());
    HeaderValue::try_from(tag).unwrap_or_else(|_| HeaderValue::from_static("*"))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    fn names(folder: &str, prefix: &str) -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        files.map(|entry| format!("{prefix}{}", entry.file_name().to_str().unwrap())).collect()
    }

    #[test]
    fn every_file_is_served_and_small() {
        let mut found = names("web", "/web/");
        found.append(&mut names("web/view", "/web/view/"));
        found.remove("/web/index.html");
        let served: BTreeSet<String> = ASSETS.iter().map(|asset| asset.path.to_owned()).collect();
        assert_eq!(found, served);
        for Asset { path, bytes, .. } in ASSETS {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!(lines <= 301, "{path} has {lines} lines: split it by subject");
        }
    }

    /// Names are shown as text alone, and nothing is fetched from elsewhere: the policy forbids it, and no file tries.
    #[test]
    fn no_file_writes_markup_or_names_another_site() {
        for Asset { path, bytes, .. } in [PAGE].iter().chain(ASSETS) {
            let text = std::str::from_utf8(bytes).unwrap();
            for word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "style=",
                "onclick=",
            ] {
                assert!(!text.contains(word), "{path}: {word}");
            }
            let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"), "{path}");
        }
    }

    #[test]
    fn what_is_held_is_not_sent_again() {
        let tag = etag(b"a");
        let asking =
            |list: &'static str| HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(list))]);
        assert_ne!(tag, etag(b"b"));
        assert!(!held(&HeaderMap::new(), &tag) && !held(&asking("W/\"0\""), &tag));
        assert!(held(&asking("*"), &tag));
        let list = format!("\"x\", {}", tag.to_str().unwrap());
        assert!(held(&HeaderMap::from_iter([(IF_NONE_MATCH, list.parse().unwrap())]), &tag));
        let status = |headers: HeaderMap| answer(PAGE, &etag(PAGE.bytes), &headers).status();
        assert_eq!(
            (status(HeaderMap::new()), status(asking("*"))),
            (StatusCode::OK, StatusCode::NOT_MODIFIED)
        );
    }
}
