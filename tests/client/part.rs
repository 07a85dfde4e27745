//! The parts that a client can take, and how it tells that it has taken it.
#![expect(clippy::print_stdout, reason = "standard output is how a client says where it is")]

use anyhow::Context;
use clap::{Parser, Subcommand};
use gochat_client::{Client, Endpoints, Entered, Kind, Session, Update};

/// Who it is, and what it does.
#[derive(Parser)]
pub(crate) struct Part {
    /// Where account, room, stage and notifier are, as `http://host:port`.
    #[arg(long, num_args = 4)]
    at: Vec<String>,
    #[arg(long)]
    name: String,
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Opens a room.
    Host,
    /// Is in a room.
    Listen { room: String },
    /// Is in a room with the hand up.
    Ask { room: String },
    /// Is in a room, and accepts each invitation to its stage.
    Speak { room: String },
    /// Goes from each of two rooms to the other, and comes to no end.
    Wander { here: String, there: String },
}

impl Part {
    /// Heartbeats until the process ends. Writes `<uid> <room>` once it is in.
    pub(crate) async fn play(self) -> anyhow::Result<()> {
        let [account, room, stage, notifier] = <[String; 4]>::try_from(self.at)
            .map_err(|at| anyhow::anyhow!("four addresses are wanted, not {}", at.len()))?;
        let services = Endpoints { account, room, stage, notifier, ..Endpoints::default() };
        let client = Client::connect(&services)?;
        let session = client.login(&self.name, "").await.context("login")?;
        let _alive = session.keep_alive();
        match self.role {
            Role::Host => {
                let opened = session.create_room(self.name).await?;
                told(&session, &opened.room.room_id);
            }
            Role::Listen { room } => drop(enter(&session, &room).await?),
            Role::Ask { room } => {
                session.join_room(&room).await?;
                session.raise_hand(&room).await?;
                told(&session, &room);
            }
            Role::Speak { room } => {
                let entered = enter(&session, &room).await?;
                accept(&session, &entered).await?;
            }
            Role::Wander { here, there } => {
                enter(&session, &here).await?;
                for room in [there, here].iter().cycle() {
                    session.join_room(room).await?;
                }
            }
        }
        std::future::pending().await
    }
}

async fn enter(session: &Session, room: &str) -> anyhow::Result<Entered> {
    let entered = session.join_room(room).await?;
    told(session, room);
    Ok(entered)
}

fn told(session: &Session, room: &str) {
    println!("{} {room}", session.uid());
}

async fn accept(session: &Session, entered: &Entered) -> anyhow::Result<()> {
    let room = &entered.room.room_id;
    let mut feed = session.subscribe(room).min(entered.place);
    while let Some(update) = feed.next().await {
        let invitation = match update? {
            Update::Event { event: Kind::InvitationSent(sent), .. } => sent.invitation,
            Update::Invitation(invitation) => Some(invitation),
            _ => None,
        };
        if let Some(invitation) = invitation {
            session.respond(room, &invitation.token, true).await?;
        }
    }
    Ok(())
}
