//! The listener's role: joins the newest room, asks to speak, accepts the invitation, and leaves at Ctrl-C.
//!
//! `cargo run -p gochat-client --example listener -- [nick name] [http://host]`
#![expect(clippy::print_stdout, reason = "an example speaks to who runs it")]

use std::{env, error::Error};

use gochat_client::{Client, Endpoints, Kind, Page, Update};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let nick_name = args.next().unwrap_or_else(|| "listener".to_owned());
    let client = Client::connect(&args.next().map_or_else(Endpoints::default, |host| Endpoints::at(&host)))?;

    let listener = client.login(&nick_name, "").await?;
    let mut alive = listener.keep_alive();
    let rooms = listener.list_rooms(Page::of(1)).await?.rooms;
    let room = rooms.first().ok_or("no room is open; start the host first")?;
    let entered = listener.join_room(&room.room_id).await?;
    println!("{nick_name} listens to \"{}\" by {}", room.subject, room.host_name);

    let mut feed = listener.subscribe(&room.room_id).min(entered.place);
    listener.raise_hand(&room.room_id).await?;
    loop {
        let update = tokio::select! {
            update = feed.next() => update,
            lost = alive.lost() => return Err(format!("{lost:?}").into()),
            _ = tokio::signal::ctrl_c() => break,
        };
        let Some(update) = update else { return Ok(()) };
        let invitation = match update? {
            Update::Event { event: Kind::InvitationSent(sent), .. } => sent.invitation,
            Update::Invitation(invitation) => Some(invitation),
            other => {
                println!("{other:?}");
                None
            }
        };
        if let Some(invitation) = invitation {
            println!("{} invites to the stage: accepting", invitation.host_name);
            listener.respond(&room.room_id, &invitation.token, true).await?;
        }
    }
    listener.leave_room(&room.room_id).await?;
    listener.logout().await?;
    Ok(())
}
