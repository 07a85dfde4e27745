//! Every documented path, one line each, and what surrounds them all.

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{
    Method, StatusCode,
    header::{HeaderName, RETRY_AFTER},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowHeaders, AllowOrigin, Any as AnyOrigin, CorsLayer},
};

use crate::{
    Gateway, account,
    config::Origins,
    error::{Failure, ReturnCode},
    events, observe, room, stage,
};

/// The longest body that is read, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// How long a browser may keep the answer to a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// The documented API.
pub(crate) fn router(gateway: Gateway, origins: &Origins) -> Router {
    surrounded(methods(), gateway, origins)
}

fn methods() -> Router<Gateway> {
    Router::new()
        .route("/chat_room/login", post(account::login))
        .route("/chat_room/logout", post(account::logout))
        .route("/chat_room/heartbeat", post(account::heartbeat))
        .route("/chat_room/get_room_list", post(room::get_room_list))
        .route("/chat_room/create_room", post(room::create_room))
        .route("/chat_room/login_room", post(room::login_room))
        .route("/chat_room/quit_room", post(room::quit_room))
        .route("/chat_room/close_room", post(room::close_room))
        .route("/chat_room/get_attendee_list", post(room::get_attendee_list))
        .route("/chat_room/get_raise_hand_list", post(room::get_raise_hand_list))
        .route("/chat_room/get_stateful_list", post(room::get_stateful_list))
        .route("/chat_room/operate_raise_hand", post(stage::operate_raise_hand))
        .route("/chat_room/set_user_info", post(stage::set_user_info))
        .route("/chat_room/invite_onstage", post(stage::invite_onstage))
        .route("/chat_room/response_onstage_invite", post(stage::response_onstage_invite))
        .route("/chat_room/events", get(events::events))
}

fn surrounded(methods: Router<Gateway>, gateway: Gateway, origins: &Origins) -> Router {
    methods
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(gateway.clone(), observe::observe))
        .layer(cors(origins))
        .with_state(gateway)
}

async fn unknown_path() -> Failure {
    Failure::transport(StatusCode::NOT_FOUND, "there is no such path")
}

async fn wrong_method() -> Failure {
    Failure::transport(StatusCode::METHOD_NOT_ALLOWED, "the path is served for another method")
}

/// A fault of ours. The panic hook has logged where.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Failure::new(ReturnCode::Fault, "internal fault").into_response()
}

/// Pages of these origins may call. Nothing that a browser adds by itself identifies
/// anybody, so whatever headers a page sends are let through.
fn cors(origins: &Origins) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([HeaderName::from_static("x-request-id"), RETRY_AFTER])
        .max_age(PREFLIGHT_AGE);
    match origins {
        Origins::All => layer.allow_origin(AnyOrigin),
        Origins::These(list) => layer.allow_origin(AllowOrigin::list(list.iter().cloned())),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use clap::Parser;
    use gochat_chassis::Shutdown;
    use http::Request;
    use tower::ServiceExt;

    use super::*;
    use crate::{Config, upstream::Upstreams};

    #[tokio::test]
    async fn a_fault_of_ours_is_answered() {
        let config = Config::try_parse_from(["gochat-gateway"]).unwrap();
        let upstreams = Upstreams::new(&config.upstream).unwrap();
        let gateway = Gateway { upstreams, shutdown: Shutdown::new() };
        let faulty = Router::new().route("/", get(async || -> Response { panic!("on purpose") }));
        let router = surrounded(faulty, gateway, &Origins::All);
        let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.headers().contains_key("x-request-id"));
        let body = to_bytes(response.into_body(), BODY_LIMIT).await.unwrap();
        assert_eq!(body, r#"{"ret":{"code":100001,"message":"internal fault"}}"#);
    }
}
