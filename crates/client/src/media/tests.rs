//! Voice calls against a stand-in server, and another that it names.

use gochat_proto::{
    media::{
        self, CreateSessionRequest, CreateSessionResponse, Elsewhere, EndSessionRequest, EndSessionResponse,
        GetRoomMediaRequest, GetRoomMediaResponse, Provider, create_session_response::Result as Created,
    },
    model::Refusal,
};

use super::{IceServer, MediaProvider, MediaSession, OpenedMedia, RoomMedia};
use crate::{Error, stand_in::StandIn};

const ROOM: &str = "100000001";
const OFFER: &str = "v=0\r\ns=offer\r\n";

fn created(result: Created) -> CreateSessionResponse {
    CreateSessionResponse { result: Some(result) }
}

fn session() -> Created {
    Created::Session(media::Session {
        session_id: "c0ffee".into(),
        answer_sdp: "v=0\r\ns=answer\r\n".into(),
        slots: vec!["1".into(), "2".into()],
    })
}

fn at(server: &StandIn) -> Elsewhere {
    Elsewhere { url: server.address.clone() }
}

#[tokio::test]
async fn an_offer_is_answered_and_the_session_ended() {
    let mut server = StandIn::start().await;
    let user = server.session().await;
    let (opened, ()) = tokio::join!(user.open_media(ROOM, OFFER), async {
        let visit = server.visit().await;
        assert_eq!(visit.rpc, "create_session");
        assert_eq!(visit.metadata.get("authorization").unwrap(), "Bearer t");
        let asked: CreateSessionRequest = visit.question();
        assert_eq!((asked.room_id.as_str(), asked.offer_sdp.as_str()), (ROOM, OFFER));
        visit.answer(created(session()));
    });
    let expected = MediaSession {
        session_id: "c0ffee".into(),
        answer_sdp: "v=0\r\ns=answer\r\n".into(),
        slots: vec!["1".into(), "2".into()],
    };
    assert_eq!(opened, Ok(OpenedMedia::Session(expected)));
    let (ended, asked) = tokio::join!(
        user.end_media(ROOM, "c0ffee"),
        server.host::<EndSessionRequest>(EndSessionResponse::default())
    );
    assert_eq!(ended, Ok(()));
    assert_eq!((asked.room_id.as_str(), asked.session_id.as_str()), (ROOM, "c0ffee"));
}

#[tokio::test]
async fn a_provider_is_told_and_its_token_is_not_printed() {
    let mut server = StandIn::start().await;
    let user = server.session().await;
    let provider = Provider {
        kind: "livekit".into(),
        url: "wss://sfu.example".into(),
        token: "s3cret".into(),
        expires_at: 9,
    };
    let answer = created(Created::Provider(provider));
    let (opened, asked) =
        tokio::join!(user.open_media(ROOM, ""), server.host::<CreateSessionRequest>(answer));
    assert_eq!(asked.offer_sdp, "");
    let opened = opened.unwrap();
    assert!(!format!("{opened:?}").contains("s3cret"), "{opened:?}");
    let expected = MediaProvider {
        kind: "livekit".into(),
        url: "wss://sfu.example".into(),
        token: "s3cret".into(),
        expires_at: 9,
    };
    assert_eq!(opened, OpenedMedia::Provider(expected));
}

#[tokio::test]
async fn a_rooms_own_node_is_asked_where_it_is_named() {
    let (mut home, mut owner) = (StandIn::start().await, StandIn::start().await);
    let user = home.session().await;
    let elsewhere = created(Created::Elsewhere(at(&owner)));
    let (opened, _, ()) =
        tokio::join!(user.open_media(ROOM, OFFER), home.host::<CreateSessionRequest>(elsewhere), async {
            let visit = owner.visit().await;
            assert_eq!(visit.metadata.get("authorization").unwrap(), "Bearer t");
            assert_eq!(visit.question::<CreateSessionRequest>().offer_sdp, OFFER);
            visit.answer(created(session()));
        });
    assert!(matches!(opened, Ok(OpenedMedia::Session(_))), "{opened:?}");

    let elsewhere = EndSessionResponse { elsewhere: Some(at(&owner)) };
    let (ended, _, asked) = tokio::join!(
        user.end_media(ROOM, "c0ffee"),
        home.host::<EndSessionRequest>(elsewhere.clone()),
        owner.host::<EndSessionRequest>(EndSessionResponse::default()),
    );
    assert_eq!((ended, asked.session_id.as_str()), (Ok(()), "c0ffee"));

    // Two nodes that name each other are followed once.
    let back = EndSessionResponse { elsewhere: Some(at(&home)) };
    let (ended, _, _) = tokio::join!(
        user.end_media(ROOM, "c0ffee"),
        home.host::<EndSessionRequest>(elsewhere),
        owner.host::<EndSessionRequest>(back),
    );
    assert!(matches!(ended, Err(Error::Unavailable { .. })), "{ended:?}");
    assert!(home.is_quiet() && owner.is_quiet());
}

#[tokio::test]
async fn how_a_rooms_media_is_may_be_asked_by_users_and_services() {
    let mut server = StandIn::start().await;
    let user = server.session().await;
    let answer = GetRoomMediaResponse {
        engine: "embedded".into(),
        slots: 10,
        ice_servers: vec![media::IceServer {
            urls: vec!["turn:turn.example".into()],
            username: "9:7".into(),
            credential: "s3cret".into(),
        }],
        sessions: 3,
        elsewhere: None,
    };
    let (told, asked) =
        tokio::join!(user.room_media(ROOM), server.host::<GetRoomMediaRequest>(answer.clone()));
    assert_eq!(asked.room_id, ROOM);
    let expected = RoomMedia {
        engine: "embedded".into(),
        slots: 10,
        ice_servers: vec![IceServer {
            urls: vec!["turn:turn.example".into()],
            username: "9:7".into(),
            credential: "s3cret".into(),
        }],
        sessions: 3,
    };
    assert!(!format!("{told:?}").contains("s3cret"), "{told:?}");
    assert_eq!(told, Ok(expected));

    let service = server.client.as_service("key").unwrap();
    let (told, ()) = tokio::join!(service.room_media(ROOM), async {
        let visit = server.visit().await;
        assert_eq!(visit.metadata.get("authorization").unwrap(), "Bearer key");
        visit.answer(answer);
    });
    assert_eq!(told.unwrap().slots, 10);
}

#[tokio::test]
async fn refusals_come_through_and_media_that_is_nowhere_is_malformed() {
    let mut server = StandIn::start().await;
    let user = server.session().await;
    for refusal in [Refusal::RoomNotFound, Refusal::NotInRoom, Refusal::InvalidArgument] {
        let (opened, ()) = tokio::join!(user.open_media(ROOM, OFFER), async {
            server.visit().await.refuse(refusal);
        });
        assert_eq!(opened.unwrap_err().refusal(), Some(refusal));
    }
    let (opened, _) = tokio::join!(
        user.open_media(ROOM, OFFER),
        server.host::<CreateSessionRequest>(CreateSessionResponse { result: None })
    );
    assert!(matches!(opened, Err(Error::Malformed(_))), "{opened:?}");
}
