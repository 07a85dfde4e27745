//! A room with everybody in it who can stand to it in a way of their own.

use std::sync::atomic::{AtomicU32, Ordering};

use gochat_client::{Banned, Client, Place, Session};

use crate::world::{World, invited, soon};

/// The users who try each RPC.
pub(crate) const USERS: [&str; 6] = ["stranger", "listener", "guest", "host", "banned", "other host"];
const LISTENER: usize = 1;

/// Everybody, as they stand at the beginning of an attempt.
pub(crate) struct Cast {
    pub(crate) room: String,
    users: [Session; 6],
    /// A listener whose hand is up.
    pub(crate) asking: Session,
    /// A guest speaker whose microphone is on.
    pub(crate) speaker: Session,
    /// A listener who hasn't answered this invitation yet.
    pub(crate) invited: Session,
    pub(crate) invitation: String,
}

impl Cast {
    pub(crate) async fn new(world: &World) -> Self {
        let client = world.client();
        let mut users = Vec::new();
        for _ in USERS {
            users.push(somebody(&client).await);
        }
        let users: [Session; 6] = users.try_into().unwrap();
        let [_, listener, guest, host, banned, other] = &users;
        let room = host.create_room("tea").await.unwrap().room.room_id;
        other.create_room("coffee").await.unwrap();
        let [asking, speaker, invited] =
            [somebody(&client).await, somebody(&client).await, somebody(&client).await];
        for joins in [listener, guest, banned, &asking, &speaker, &invited] {
            joins.join_room(&room).await.unwrap();
        }
        host.remove_member(&room, banned.uid(), Some(Banned::default())).await.unwrap();
        asking.raise_hand(&room).await.unwrap();
        for speaks in [guest, &speaker] {
            let token = invite(host, speaks, &room).await;
            speaks.respond(&room, &token, true).await.unwrap();
        }
        let invitation = invite(host, &invited, &room).await;
        Self { room, users, asking, speaker, invited, invitation }
    }

    /// One of [`USERS`].
    pub(crate) fn uid(&self, user: usize) -> u32 {
        self.users[user].uid()
    }

    pub(crate) fn token(&self, user: usize) -> &str {
        self.users[user].token().unwrap()
    }

    /// The token of an invitation of one of [`USERS`], where such a person can be invited.
    pub(crate) async fn invitation_of(&self, user: usize) -> Option<String> {
        if user != LISTENER {
            return None;
        }
        Some(invite(&self.users[3], &self.users[user], &self.room).await)
    }

    pub(crate) fn banned(&self) -> u32 {
        self.uid(4)
    }

    /// Where the room stands; none where it is no more.
    pub(crate) async fn place(&self, world: &World) -> Option<Place> {
        world.onlooker.room(&self.room).await.ok().map(|(_, place)| place)
    }
}

/// Somebody whose name nobody has.
async fn somebody(client: &Client) -> Session {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    client.login(&format!("user {number}"), "").await.unwrap()
}

/// The token of an invitation, as its person is told it.
async fn invite(host: &Session, guest: &Session, room: &str) -> String {
    let place = host.invite(room, guest.uid()).await.unwrap().place;
    let mut feed = guest.subscribe(room).min(place);
    loop {
        let update = soon("the invitation", feed.next()).await.expect("the stream goes on").unwrap();
        if let Some(token) = invited(&update) {
            return token;
        }
    }
}
