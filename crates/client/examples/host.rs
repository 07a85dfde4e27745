//! The host's role: opens a room, invites whoever raises a hand, and closes the room at Ctrl-C.
//!
//! `cargo run -p gochat-client --example host -- [nick name] [http://host]`
#![expect(clippy::print_stdout, reason = "an example speaks to who runs it")]

use std::{env, error::Error};

use gochat_client::{ChangeCause, Client, Endpoints, Kind, Update};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let nick_name = args.next().unwrap_or_else(|| "host".to_owned());
    let client = Client::connect(&args.next().map_or_else(Endpoints::default, |host| Endpoints::at(&host)))?;

    let host = client.login(&nick_name, "").await?;
    let mut alive = host.keep_alive();
    let entered = host.create_room("come and speak").await?;
    let room_id = &entered.room.room_id;
    println!("{nick_name} (user {}) hosts room {room_id}", host.uid());

    let mut feed = host.subscribe(room_id).min(entered.place);
    loop {
        let update = tokio::select! {
            update = feed.next() => update,
            lost = alive.lost() => return Err(format!("{lost:?}").into()),
            _ = tokio::signal::ctrl_c() => break,
        };
        let Some(update) = update else { return Ok(()) };
        let Update::Event { event, .. } = update? else { continue };
        println!("{event:?}");
        if let Kind::MemberChanged(changed) = event
            && changed.cause() == ChangeCause::HandRaised
            && let Some(member) = changed.member
        {
            println!("{} asks to speak: inviting", member.nick_name);
            host.invite(room_id, member.uid).await?;
        }
    }
    host.close_room(room_id).await?;
    host.logout().await?;
    Ok(())
}
