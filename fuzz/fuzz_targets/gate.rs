//! The headers by which a call says who makes it: nobody is taken for who showed no proof, or two.
#![no_main]

use std::{cell::OnceCell, pin::Pin, sync::LazyLock};

use gochat_chassis::{
    Caller, Gate, ServiceTokens, Unavailable, border,
    caller::{ON_BEHALF_OF, digest},
    request::{REQUEST_ID, RequestId},
};
use gochat_fuzz::headers;
use gochat_proto::may_call;
use http::{HeaderMap, header::AUTHORIZATION};
use libfuzzer_sys::{Corpus, fuzz_target};
use tokio::runtime::{Builder, Runtime};
use tonic::{Code, Status};

const PATHS: [&str; 6] = [
    "/gochat.account.v1.AccountService/Login",
    "/gochat.account.v1.AccountService/RevokeSessions",
    "/gochat.account.v1.AccountService/Stamp",
    "/gochat.room.v1.RoomService/JoinRoom",
    "/gochat.room.v1.RoomService/GetRoom",
    "/gochat.room.v1.RoomService/NoSuch",
];
const USER: u32 = 7;

/// How a session is looked up.
type Found = Pin<Box<dyn Future<Output = Result<Option<u32>, Unavailable>> + Send>>;

/// One user with the token `user`; services `web`, which may act for users, and `bot`, which may not.
static GATE: LazyLock<Gate> = LazyLock::new(|| {
    let tokens = ServiceTokens::none().with("web", "web", true).with("bot", "bot", false);
    let sessions =
        |asked| -> Found { Box::pin(async move { Ok((asked == digest("user")).then_some(USER)) }) };
    Gate::new(may_call, sessions, tokens)
});

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((kind, lines)) = data.split_first() else { return Corpus::Reject };
    let (headers, _) = headers(lines);
    let path = PATHS[usize::from(*kind) % PATHS.len()];
    let admitted = RUNTIME.with(|runtime| {
        let runtime =
            runtime.get_or_init(|| Builder::new_current_thread().build().expect("a runtime can be made"));
        runtime.block_on(border::admit(&GATE, path, &headers))
    });
    match admitted {
        Ok(caller) => proved(path, &headers, &caller),
        Err(refused) => refused_without_a_word(&refused),
    }
    request_id(&headers);
    Corpus::Keep
});

/// The token that the headers show, if there is one header for it and it is well formed.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let values: Vec<_> = headers.get_all(AUTHORIZATION).iter().collect();
    assert!(values.len() <= 1, "of two, none may be believed");
    let (scheme, token) = values.first()?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn proved(path: &str, headers: &HeaderMap, caller: &Caller) {
    let named: Vec<_> = headers.get_all(ON_BEHALF_OF).iter().map(|uid| uid.as_bytes()).collect();
    let subject = caller.subject().map(|uid| uid.to_string());
    match caller {
        Caller::Nobody => assert!(named.is_empty()),
        Caller::User { subject: USER, .. } => {
            assert_eq!(shown(headers), Some("user"));
            assert!(named.is_empty() || named == [b"7"]);
        }
        Caller::User { .. } => panic!("there is but one user"),
        Caller::Service { name, on_behalf_of } => {
            assert_eq!(shown(headers), Some(&**name));
            assert_eq!(named.first().copied(), subject.as_ref().map(String::as_bytes));
            assert!(named.len() <= 1 && (on_behalf_of.is_none() || &**name == "web"));
        }
    }
    let as_user = caller.subject().is_some();
    // Neither has a right of its own.
    let as_service = (caller.is_service() && !as_user).then_some([].as_slice());
    assert!(may_call(path, as_user, as_service), "{path} by {caller:?}");
}

/// Who is refused learns that, and nothing else.
fn refused_without_a_word(refused: &Status) {
    assert!(matches!(refused.code(), Code::Unauthenticated | Code::PermissionDenied), "{refused:?}");
    assert!(refused.message().len() <= 40, "{refused:?}");
}

/// What a request is called can stand in any line of a log.
fn request_id(headers: &HeaderMap) {
    let id = RequestId::of(headers);
    let plain = id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    assert!(plain && (1..=64).contains(&id.as_str().len()), "{id}");
    let again = RequestId::of(&HeaderMap::from_iter([(REQUEST_ID, id.header())]));
    assert_eq!(again.as_str(), id.as_str());
}
