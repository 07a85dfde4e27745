//! The people of a scenario: logged in, in one room, each with a connection to raise a hand through.

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use gochat_proto::{
    account::{LoginRequest, account_service_client::AccountServiceClient},
    model::Place,
    room::{CreateRoomRequest, JoinRoomRequest, room_service_client::RoomServiceClient},
    stage::{LowerHandRequest, RaiseHandRequest, stage_service_client::StageServiceClient},
};
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use crate::server::{Server, connect};

/// How many enter at a time.
const ENTERING: usize = 32;

/// Who somebody is, and how it proves that.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) uid: u32,
    token: MetadataValue<Ascii>,
}

impl Session {
    /// What proves it, as HTTP says it.
    pub(crate) fn authorization(&self) -> anyhow::Result<&str> {
        Ok(self.token.to_str()?)
    }

    fn asks<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.token.clone());
        request
    }
}

/// Somebody who is in the room.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) session: Session,
    pub(crate) room_id: String,
    stage: StageServiceClient<Channel>,
    pub(crate) hand_up: bool,
}

impl Person {
    /// A call in this person's name.
    pub(crate) fn asks<T>(&self, message: T) -> Request<T> {
        self.session.asks(message)
    }

    /// Raises the hand or, where it is up, lowers it. Answers the place that this made.
    pub(crate) async fn turn_hand(&mut self) -> anyhow::Result<Place> {
        let room_id = self.room_id.clone();
        let place = if self.hand_up {
            let asked = self.asks(LowerHandRequest { room_id, ..Default::default() });
            self.stage.lower_hand(asked).await?.into_inner().place
        } else {
            let asked = self.asks(RaiseHandRequest { room_id, ..Default::default() });
            self.stage.raise_hand(asked).await?.into_inner().place
        };
        self.hand_up = !self.hand_up;
        place.context("an answer without a place")
    }
}

/// So many listeners in one room, over so many connections to the stage service.
pub(crate) async fn enter(server: &Server, people: usize, connections: usize) -> anyhow::Result<Vec<Person>> {
    let mut stages = Vec::new();
    for _ in 0..connections {
        stages.push(StageServiceClient::new(connect(&server.told.stage).await?));
    }
    let (room_id, sessions) = match &server.told.account_and_room {
        Some((account, room)) => listeners(account, room, people).await?,
        None => ("123456789".to_owned(), vec![nobody(); people]),
    };
    let with_stage = sessions.into_iter().zip(stages.iter().cycle());
    Ok(with_stage
        .map(|(session, stage)| Person {
            session,
            room_id: room_id.clone(),
            stage: stage.clone(),
            hand_up: false,
        })
        .collect())
}

fn nobody() -> Session {
    Session { uid: 0, token: MetadataValue::from_static("Bearer nobody") }
}

async fn listeners(account: &str, room: &str, people: usize) -> anyhow::Result<(String, Vec<Session>)> {
    let account = AccountServiceClient::new(connect(account).await?);
    let rooms = RoomServiceClient::new(connect(room).await?);
    let host = log_in(account.clone(), "host".to_owned()).await?;
    let asked = CreateRoomRequest {
        subject: "load".to_owned(),
        member_limit: u32::try_from(people + 1)?,
        client_id: "load".to_owned(),
        ..Default::default()
    };
    let made = rooms.clone().create_room(host.asks(asked)).await?.into_inner();
    let room_id = made.room.context("a room that is not described")?.room_id;
    let entering = stream::iter(0..people).map(|number| {
        let (account, mut rooms, room_id) = (account.clone(), rooms.clone(), room_id.clone());
        async move {
            let session = log_in(account, format!("listener-{number}")).await?;
            let asked = JoinRoomRequest { room_id, client_id: "load".to_owned(), ..Default::default() };
            rooms.join_room(session.asks(asked)).await?;
            anyhow::Ok(session)
        }
    });
    let sessions = entering.buffered(ENTERING).try_collect().await?;
    Ok((room_id, sessions))
}

async fn log_in(mut account: AccountServiceClient<Channel>, nick_name: String) -> anyhow::Result<Session> {
    let asked = LoginRequest { nick_name, ..Default::default() };
    let login = account.login(asked).await?.into_inner();
    Ok(Session { uid: login.uid, token: format!("Bearer {}", login.token).parse()? })
}
