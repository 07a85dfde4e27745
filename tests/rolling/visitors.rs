//! People who come by the SDK, stay for a few calls, and go. Nothing that they ask is asked twice.

use std::{fmt::Debug, time::Duration};

use gochat_client::{Backoff, Client, Endpoints, Error, MemberList, Page, Refusal};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::ledger::Ledger;

/// How often each of them comes.
const PACE: Duration = Duration::from_millis(300);

/// So many, each of whom keeps their connections from one visit to the next.
pub(crate) fn come(endpoints: &Endpoints, room_id: &str, people: usize, ledger: &Ledger) -> JoinSet<()> {
    let mut visits = JoinSet::new();
    for person in 0..people {
        let client = Client::connect(endpoints).unwrap().with_retries(Backoff::NONE);
        visits.spawn(come_and_go(client, room_id.to_owned(), person, ledger.clone()));
    }
    visits
}

async fn come_and_go(client: Client, room_id: String, person: usize, ledger: Ledger) {
    let mut turns = interval(PACE);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for visit in 0.. {
        turns.tick().await;
        if !ledger.goes_on() {
            return;
        }
        let name = format!("v{person} {visit}");
        if let Err(failed) = visited(&client, &name, &room_id, &ledger).await {
            ledger.failed(format!("{name}: {failed}"));
        }
    }
}

async fn visited(client: &Client, name: &str, room_id: &str, ledger: &Ledger) -> Result<(), String> {
    let visitor = client.login(name, "").await.map_err(|error| format!("login: {error}"))?;
    ledger.done("login");
    let note = |what, answer: Result<(), Error>| note(ledger, what, answer);
    note("heartbeat", visitor.heartbeat(None).await.map(drop))?;
    note("join", visitor.join_room(room_id).await.map(drop))?;
    note("raise hand", visitor.raise_hand(room_id).await.map(drop))?;
    note("members", visitor.members(room_id, MemberList::Hands, Page::of(50)).await.map(drop))?;
    note("mic", visitor.set_mic(room_id, false).await.map(drop))?;
    note("list rooms", visitor.list_rooms(Page::of(50)).await.map(drop))?;
    note("leave", visitor.leave_room(room_id).await.map(drop))?;
    note("logout", visitor.logout().await)
}

/// A refusal by the rules is an answer like any other; that nothing is known of the caller or the room is not.
fn note<T: Debug>(ledger: &Ledger, what: &'static str, answer: Result<T, Error>) -> Result<(), String> {
    match answer {
        Err(Error::Refused { refusal, message, .. })
            if matches!(refusal, Refusal::NotLoggedIn | Refusal::RoomNotFound) =>
        {
            Err(format!("{what}: {refusal:?}: {message}"))
        }
        Ok(_) | Err(Error::Refused { .. }) => {
            ledger.done(what);
            Ok(())
        }
        Err(failed) => Err(format!("{what}: {failed}")),
    }
}
