//! Every documented path, one line each, and what surrounds them all.

use std::any::Any;

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use gochat_chassis::http::Answers;
use http::StatusCode;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{DefaultPredicate, Predicate, SizeAbove},
    },
    cors::CorsLayer,
    decompression::RequestDecompressionLayer,
};

use crate::{
    Gateway, account,
    error::{
        Failure,
        ReturnCode::{self, *},
    },
    events, media,
    methods::Methods,
    moderation, observe,
    pages::Pages,
    room, stage, voice, web,
};

/// The longest body that is read, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// A shorter answer is not worth being compressed, in bytes.
const COMPRESSED_FROM: u64 = 1024;

/// What a method for hosts may answer.
const HOSTS: &[ReturnCode] = &[RoomNotFound, NotInRoom, NotPermitted];

/// The API, and the document about it.
pub(crate) fn service(gateway: Gateway, cors: CorsLayer) -> impl Answers {
    let (methods, mut document, names) = additions(documented(Methods::default())).into_parts();
    document.add_events("/chat_room/events");
    document.add_voice();
    let pages = Pages::new(document.into_json());
    let routes = methods
        .route("/chat_room/events", get(events::events))
        .route("/chat_room/media", post(voice::open))
        .route("/chat_room/media/info", get(voice::info))
        .route("/chat_room/media/{session}", delete(voice::end))
        .merge(pages.router());
    let routes = if gateway.web { routes.merge(web::router()) } else { routes };
    let names = names.into_iter().chain(voice::NAMES);
    surrounded(routes, observe::Names::of(names), gateway, cors)
}

#[rustfmt::skip]
fn documented(methods: Methods) -> Methods {
    methods
        .method("login", account::login, "Takes a nick name, and gives a uid and a token.", &[NickNameInUse])
        .method("logout", account::logout, "Ends the session, and the stay in a room.", &[])
        .method("heartbeat", account::heartbeat, "Says that the caller is still there.", &[RoomNotFound, NotInRoom])
        .method("get_room_list", room::get_room_list, "Open rooms, newest first.", &[])
        .method("create_room", room::create_room, "Opens a room; the caller enters as host, on stage.", &[NoRoomId])
        .method("login_room", room::login_room, "Enters a room; 80004 comes with the room as well.", &[RoomNotFound, RoomFull, AlreadyInRoom, Banned])
        .method("quit_room", room::quit_room, "Leaves a room; a host who leaves closes it.", &[RoomNotFound])
        .method("close_room", room::close_room, "Ends a room for all. Host only.", &[RoomNotFound, NotPermitted])
        .method("get_attendee_list", room::get_attendee_list, "A page of who is in the room.", &[RoomNotFound, NotInRoom])
        .method("get_raise_hand_list", room::get_raise_hand_list, "Raised hands, oldest first.", &[RoomNotFound, NotInRoom])
        .method("get_stateful_list", room::get_stateful_list, "Who is on stage, the host included.", &[RoomNotFound, NotInRoom])
        .method("operate_raise_hand", stage::operate_raise_hand, "Raises one's hand, or lowers it.", &[RoomNotFound, NotInRoom, AlreadyOnStage])
        .method("set_user_info", stage::set_user_info, "Switches a microphone, or takes off the stage.", &[RoomNotFound, NotInRoom, NotPermitted])
        .method("invite_onstage", stage::invite_onstage, "Invites a listener on stage. Host only.", &[RoomNotFound, NotInRoom, NotPermitted, StageFull, AlreadyOnStage])
        .method("response_onstage_invite", stage::response_onstage_invite, "Accepts or rejects an invitation.", &[RoomNotFound, NotInRoom, InvitationInvalid, StageFull])
        .method("misc/get_web_token", media::get_web_token, "A token for the media provider.", &[])
        .method("misc/get_event_ticket", account::get_event_ticket, "Stands in for the token in the address of one event stream.", &[])
}

#[rustfmt::skip]
fn additions(methods: Methods) -> Methods {
    methods
        .method("x/withdraw_invite", moderation::withdraw_invite, "Takes an invitation back. Host only.", HOSTS)
        .method("x/lower_hand", moderation::lower_hand, "Lowers somebody's hand. Host only, but for one's own.", HOSTS)
        .method("x/lower_all_hands", moderation::lower_all_hands, "Lowers every hand. Host only.", HOSTS)
        .method("x/mute_all", moderation::mute_all, "Mutes every guest speaker. Host only.", HOSTS)
        .method("x/remove_member", moderation::remove_member, "Takes somebody out, and may keep them out. Host only.", HOSTS)
        .method("x/unban", moderation::unban, "Lets somebody in again. Host only.", HOSTS)
        .method("x/get_ban_list", moderation::get_ban_list, "Who is kept out. Host only.", HOSTS)
        .method("x/transfer_host", moderation::transfer_host, "Makes another member the host. Host only.", HOSTS)
}

/// Around the router as a whole, not each route: there, every layer would be boxed and cloned with all that is
/// inside for every request. The first is the outermost.
fn surrounded(
    methods: Router<Gateway>,
    names: observe::Names,
    gateway: Gateway,
    cors: CorsLayer,
) -> impl Answers {
    let router =
        methods.fallback(unknown_path).method_not_allowed_fallback(wrong_method).with_state(gateway.clone());
    ServiceBuilder::new()
        .layer(cors)
        .layer_fn(|inner| observe::observed(gateway.clone(), names.clone(), inner))
        .map_response(|response: http::Response<_>| response.map(Body::new))
        .layer(
            CompressionLayer::new()
                .compress_when(DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_FROM))),
        )
        .layer(CatchPanicLayer::custom(panicked))
        // The limit is on what comes out. What is in another encoding is refused by who reads it.
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .service(router)
}

async fn unknown_path() -> Failure {
    Failure::transport(StatusCode::NOT_FOUND, "there is no such path")
}

async fn wrong_method() -> Failure {
    Failure::transport(StatusCode::METHOD_NOT_ALLOWED, "the path is served for another method")
}

/// A fault of ours. The panic hook has logged where.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Failure::new(Fault, "internal fault").into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use clap::Parser;
    use gochat_chassis::Shutdown;
    use http::Request;
    use tower::ServiceExt;

    use super::*;
    use crate::Config;

    #[tokio::test]
    async fn a_fault_of_ours_is_answered() {
        let config = Config::try_parse_from(["gochat-gateway"]).unwrap();
        let gateway = Gateway::new(&config, Shutdown::new()).unwrap();
        let faulty = Router::new().route("/", get(async || -> Response { panic!("on purpose") }));
        let service = surrounded(faulty, observe::Names::of([]), gateway, crate::cors::layer(&config));
        let response = service.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.headers().contains_key("x-request-id"));
        let body = to_bytes(response.into_body(), BODY_LIMIT).await.unwrap();
        assert_eq!(body, r#"{"ret":{"code":100001,"message":"internal fault"}}"#);
    }
}
