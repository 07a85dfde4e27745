//! The gate's table: who presents what, and who it is found to be.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::FutureExt;
use tonic::Code;
use tonic_types::StatusExt;

use super::*;

const OPEN: &str = "/x/Open";
const USERS: &str = "/x/Users";
const BOTH: &str = "/x/Both";
const WITH_RIGHT: &str = "/x/WithRight";

const GATEWAY: &str = "dns:gateway.example.org";
const MEDIA: &str = "uri:spiffe://example.org/media";

fn table(path: &str, as_user: bool, as_service: Option<&[&str]>) -> bool {
    match path {
        OPEN => true,
        USERS => as_user,
        BOTH => as_user || as_service.is_some(),
        WITH_RIGHT => as_service.is_some_and(|rights| rights.contains(&"revoke-sessions")),
        _ => false,
    }
}

/// A gate that knows the user 7 by `seven`, the services `gateway` (which acts for users) and `media` by
/// their names and certificates, and can't tell whose `lost` is; with a count of the look-ups.
fn gate() -> (Gate, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let sessions = move |hash: Digest| {
        count.fetch_add(1, Ordering::Relaxed);
        let answer = match hash {
            hash if hash == digest("seven") => Ok(Some(7)),
            hash if hash == digest("lost") => Err(Unavailable),
            _ => Ok(None),
        };
        async move { answer }.boxed()
    };
    let tokens = ServiceTokens::none()
        .with("gateway", "gateway", true)
        .with("media", "media", false)
        .with_rights("watchman", "watchman", &["revoke-sessions"])
        .with_certificate("gateway", GATEWAY, true)
        .with_certificate("media", MEDIA, false);
    (Gate::new(table, sessions, tokens), asked)
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

async fn admit(path: &str, lines: &[(&'static str, &'static str)]) -> Result<Caller, (Code, String)> {
    admit_over(&[], path, lines).await
}

/// As [`admit`], over the connection of a peer with these names.
async fn admit_over(
    names: &[&str],
    path: &str,
    lines: &[(&'static str, &'static str)],
) -> Result<Caller, (Code, String)> {
    let admitted = gate().0.admit(path, &headers(lines), &Names::from_list(names)).await;
    admitted.map_err(|status| {
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.domain, "gochat");
        (status.code(), info.reason)
    })
}

fn service(name: &str, on_behalf_of: Option<u32>) -> Result<Caller, (Code, String)> {
    Ok(Caller::Service { name: name.into(), on_behalf_of })
}

fn seven() -> Result<Caller, (Code, String)> {
    Ok(Caller::User { subject: 7, digest: digest("seven") })
}

fn not_logged_in() -> Result<Caller, (Code, String)> {
    Err((Code::Unauthenticated, "NOT_LOGGED_IN".to_owned()))
}

fn not_permitted() -> Result<Caller, (Code, String)> {
    Err((Code::PermissionDenied, "NOT_PERMITTED".to_owned()))
}

const NONSENSE: [&str; 8] =
    ["Bearer unknown", "Basic seven", "seven", "Bearer", "Bearer ", "Bearer  seven", "Bearer sev\u{e9}n", ""];

#[tokio::test]
async fn nobody_may_call_what_is_open_to_anybody() {
    assert_eq!(admit(OPEN, &[]).await, Ok(Caller::Nobody));
    for path in [USERS, BOTH, "/x/Missing", ""] {
        assert_eq!(admit(path, &[]).await, not_logged_in(), "{path}");
    }
    for value in NONSENSE {
        assert_eq!(admit(OPEN, &[("authorization", value)]).await, Ok(Caller::Nobody), "{value}");
        assert_eq!(admit(USERS, &[("authorization", value)]).await, not_logged_in(), "{value}");
    }
}

#[tokio::test]
async fn a_user_is_known_by_its_token() {
    for path in [OPEN, USERS, BOTH] {
        assert_eq!(admit(path, &[("authorization", "Bearer seven")]).await, seven());
        assert_eq!(admit(path, &[("authorization", "bearer seven")]).await, seven());
    }
    assert_eq!(admit("/x/Missing", &[("authorization", "Bearer seven")]).await, not_permitted());
}

#[tokio::test]
async fn a_user_can_name_only_itself() {
    for (named, found) in [("7", seven()), ("8", not_logged_in()), ("07", not_logged_in())] {
        let lines = [("authorization", "Bearer seven"), ("gochat-on-behalf-of", named)];
        assert_eq!(admit(USERS, &lines).await, found, "{named}");
    }
}

#[tokio::test]
async fn power_over_users_takes_a_right_of_ones_own() {
    let with = |token| [("authorization", token)];
    assert_eq!(admit(WITH_RIGHT, &with("Bearer watchman")).await, service("watchman", None));
    assert_eq!(admit(WITH_RIGHT, &[]).await, not_logged_in());
    for token in ["Bearer gateway", "Bearer media", "Bearer seven"] {
        assert_eq!(admit(WITH_RIGHT, &with(token)).await, not_permitted(), "{token}");
    }
    assert_eq!(admit_over(&[GATEWAY], WITH_RIGHT, &[]).await, not_permitted());
    // It is of the service by itself, and no right to act for anybody.
    for token in ["Bearer gateway", "Bearer watchman"] {
        let lines = [("authorization", token), ("gochat-on-behalf-of", "7")];
        assert_eq!(admit(WITH_RIGHT, &lines).await, not_permitted(), "{token}");
    }
}

#[tokio::test]
async fn nobody_can_name_a_user() {
    for path in [OPEN, USERS] {
        assert_eq!(admit(path, &[("gochat-on-behalf-of", "7")]).await, not_logged_in());
        let lines = [("authorization", "Bearer unknown"), ("gochat-on-behalf-of", "7")];
        assert_eq!(admit(path, &lines).await, not_logged_in());
    }
}

#[tokio::test]
async fn a_service_acts_for_a_user_only_if_it_may() {
    let gateway = ("authorization", "Bearer gateway");
    let media = ("authorization", "Bearer media");
    let for_seven = ("gochat-on-behalf-of", "7");
    assert_eq!(admit(BOTH, &[gateway]).await, service("gateway", None));
    assert_eq!(admit(OPEN, &[gateway]).await, service("gateway", None));
    assert_eq!(admit(USERS, &[gateway]).await, not_permitted());
    assert_eq!(admit(USERS, &[gateway, for_seven]).await, service("gateway", Some(7)));
    assert_eq!(admit(BOTH, &[media]).await, service("media", None));
    assert_eq!(admit(BOTH, &[media, for_seven]).await, not_permitted());
    assert_eq!(admit(OPEN, &[media, for_seven]).await, not_permitted());
}

#[tokio::test]
async fn a_service_is_known_by_its_certificate_and_may_what_its_line_says() {
    let for_seven = ("gochat-on-behalf-of", "7");
    assert_eq!(admit_over(&[GATEWAY], BOTH, &[]).await, service("gateway", None));
    assert_eq!(admit_over(&[GATEWAY], USERS, &[]).await, not_permitted());
    assert_eq!(admit_over(&[GATEWAY], USERS, &[for_seven]).await, service("gateway", Some(7)));
    assert_eq!(admit_over(&["dns:other", MEDIA], BOTH, &[]).await, service("media", None));
    assert_eq!(admit_over(&[MEDIA], BOTH, &[for_seven]).await, not_permitted());
    for unknown in ["dns:example.org", "uri:gateway.example.org", "dns:spiffe://example.org/media"] {
        assert_eq!(admit_over(&[unknown], BOTH, &[]).await, not_logged_in(), "{unknown}");
        assert_eq!(admit_over(&[unknown], USERS, &[for_seven]).await, not_logged_in(), "{unknown}");
    }
}

#[tokio::test]
async fn what_is_presented_goes_before_the_certificate() {
    let (gateway, seven) = (("authorization", "Bearer gateway"), ("authorization", "Bearer seven"));
    let media = ("authorization", "Bearer media");
    assert_eq!(admit_over(&[GATEWAY], USERS, &[seven]).await, self::seven(), "as a user's call is handed on");
    let eight = ("gochat-on-behalf-of", "8");
    assert_eq!(admit_over(&[GATEWAY], USERS, &[seven, eight]).await, not_logged_in());
    for value in NONSENSE {
        let lines = [("authorization", value)];
        assert_eq!(admit_over(&[GATEWAY], BOTH, &lines).await, not_logged_in(), "{value}");
        assert_eq!(admit_over(&[GATEWAY], USERS, &[lines[0], eight]).await, not_logged_in(), "{value}");
    }
    assert_eq!(admit_over(&[GATEWAY], BOTH, &[gateway]).await, service("gateway", None));
    assert_eq!(admit_over(&["dns:other"], BOTH, &[gateway]).await, service("gateway", None));
    assert_eq!(admit_over(&[GATEWAY], BOTH, &[media]).await, not_logged_in(), "another's token");
    for lines in [&[][..], &[gateway]] {
        assert_eq!(admit_over(&[GATEWAY, MEDIA], OPEN, lines).await, not_logged_in(), "two services at once");
    }
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_everywhere() {
    let gateway = ("authorization", "Bearer gateway");
    for path in [OPEN, USERS] {
        assert_eq!(admit(path, &[("authorization", "Bearer seven"), gateway]).await, not_logged_in());
        assert_eq!(admit(path, &[gateway, gateway]).await, not_logged_in());
        let twice = [gateway, ("gochat-on-behalf-of", "7"), ("gochat-on-behalf-of", "7")];
        assert_eq!(admit(path, &twice).await, not_logged_in());
        for named in ["", "0", "-1", "+7", "07", " 7", "7 ", "7,8", "4294967296", "seven"] {
            let lines = [gateway, ("gochat-on-behalf-of", named)];
            assert_eq!(admit(path, &lines).await, not_logged_in(), "{named:?}");
        }
    }
    let largest = [gateway, ("gochat-on-behalf-of", "4294967295")];
    assert_eq!(admit(USERS, &largest).await, service("gateway", Some(u32::MAX)));
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_not_decided() {
    let unavailable = Err((Code::Unavailable, "UNAVAILABLE".to_owned()));
    assert_eq!(admit(USERS, &[("authorization", "Bearer lost")]).await, unavailable);
}

/// Whatever was wrong with what a caller said of itself, it is told the same.
#[tokio::test]
async fn refusals_tell_nothing_apart() {
    let (gate, _) = gate();
    let mut told = Vec::new();
    for lines in [
        &[][..],
        &[("authorization", "Bearer unknown")],
        &[("authorization", "Bearer seven"), ("gochat-on-behalf-of", "8")],
        &[("authorization", "Bearer seven"), ("authorization", "Bearer seven")],
        &[("gochat-on-behalf-of", "x")],
    ] {
        let status = gate.admit(USERS, &headers(lines), &Names::default()).await.unwrap_err();
        told.push((status.message().to_owned(), status.details().to_vec()));
    }
    told.dedup();
    assert_eq!(told.len(), 1);
}

#[tokio::test]
async fn a_revoked_session_is_looked_up_anew() {
    let (gate, asked) = gate();
    let seven = headers(&[("authorization", "Bearer seven")]);
    gate.admit(USERS, &seven, &Names::default()).await.unwrap();
    gate.admit(USERS, &seven, &Names::default()).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    for (revoked, looked_up) in [(Some(digest("other")), 1), (Some(digest("seven")), 2), (None, 3)] {
        gate.forget(revoked);
        gate.admit(USERS, &seven, &Names::default()).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), looked_up);
    }
    gate.admit(BOTH, &headers(&[("authorization", "Bearer gateway")]), &Names::default()).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 3, "a service isn't looked for among the sessions");
}
