//! The people of the room: a host and guests on stage, and listeners.

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, stream};
use gochat_client::{Client, Endpoints, Kind, NewRoom, Session, Update};

use crate::server::Server;

/// How many enter at a time.
const ENTERING: usize = 32;

/// Those on stage first, the host before all.
pub(super) struct People {
    pub(super) room_id: String,
    pub(super) speakers: usize,
    sessions: Vec<Session>,
}

impl People {
    pub(super) async fn enter(server: &Server, speakers: usize, listeners: usize) -> anyhow::Result<Self> {
        let (account, room) = server.told.account_and_room.clone().context("a server without rooms")?;
        let (stage, notifier) = (server.told.stage.clone(), server.told.notifier.clone());
        let client = Client::connect(&Endpoints { account, room, stage, notifier, ..Endpoints::default() })?;
        let all = speakers + listeners;
        let host = client.login("host", "").await?;
        let room = NewRoom {
            member_limit: u32::try_from(all)?,
            seat_limit: u32::try_from(speakers)?,
            ..NewRoom::from("sound")
        };
        let room_id = host.create_room(room).await?.room.room_id;
        let entering = stream::iter(1..all).map(|number| {
            let (client, room_id) = (client.clone(), room_id.clone());
            async move {
                let member = client.login(&format!("member {number}"), "").await?;
                member.join_room(&room_id).await?;
                anyhow::Ok(member)
            }
        });
        let members: Vec<Session> = entering.buffered(ENTERING).try_collect().await?;
        for guest in &members[..speakers - 1] {
            host.invite(&room_id, guest.uid()).await?;
            step_up(guest, &room_id).await?;
        }
        let sessions = std::iter::once(host).chain(members).collect();
        Ok(Self { room_id, speakers, sessions })
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter()
    }
}

/// Accepts the invitation that the guest's stream begins with.
async fn step_up(guest: &Session, room_id: &str) -> anyhow::Result<()> {
    let mut feed = guest.subscribe(room_id);
    while let Some(update) = feed.next().await {
        let invitation = match update? {
            Update::Event { event: Kind::InvitationSent(sent), .. } => sent.invitation,
            Update::Invitation(invitation) => Some(invitation),
            _ => None,
        };
        if let Some(invitation) = invitation {
            guest.respond(room_id, &invitation.token, true).await?;
            return Ok(());
        }
    }
    bail!("no invitation came");
}
