//! Voice: by which entry somebody is in a room, and which node has the room's media.

use std::time::Duration;

use gochat_domain::{Entry, Refusal, RoomId, Uid, rules::Load};
use redis::cmd;

use crate::{Result, Store};

/// Which node has a room's media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaNode {
    /// The one that asks, by a number that goes up each time that the room is taken.
    Here(u64),
    /// Another; or another process at the same address.
    Elsewhere(String),
}

impl Store {
    /// By which entry somebody is in a room that is open. One read.
    ///
    /// # Errors
    /// [`Refusal::RoomNotFound`], [`Refusal::NotInRoom`].
    pub async fn entry_in(&self, room: RoomId, uid: Uid) -> Result<Entry> {
        let loaded = self.load(room, &Load::people([uid]), None).await?.loaded;
        loaded.open()?;
        let member = loaded.people.get(&uid).and_then(|person| person.member.as_ref());
        Ok(member.ok_or(Refusal::NotInRoom)?.entry)
    }

    /// Whether a room is there and open. One read.
    ///
    /// # Errors
    /// [`Refusal::RoomNotFound`].
    pub async fn is_open(&self, room: RoomId) -> Result<()> {
        self.load(room, &Load::default(), None).await?.loaded.open()?;
        Ok(())
    }

    /// Takes a room's media for the node at `url`, or keeps it by the `number` that it was taken by (0 for none),
    /// until so long from now.
    pub async fn claim_media(
        &self,
        room: RoomId,
        url: &str,
        number: u64,
        lease: Duration,
    ) -> Result<MediaNode> {
        let mut call = self.scripts.claim.prepare_invoke();
        call.key(self.keys(room).media()).arg(url).arg(number).arg(lease.as_millis() as u64);
        let (here, answer): (bool, String) = self.redis.write("claim", &call).await?;
        match answer.parse() {
            Ok(number) if here => Ok(MediaNode::Here(number)),
            _ => Ok(MediaNode::Elsewhere(answer)),
        }
    }

    /// Gives up a room's media, if it is still held by this number.
    pub async fn release_media(&self, room: RoomId, url: &str, number: u64) -> Result<()> {
        let mut call = self.scripts.hold.prepare_invoke();
        call.key(self.keys(room).media()).arg(format!("{number} {url}")).arg(0);
        Ok(self.redis.write("hold", &call).await?)
    }

    /// The address of the node that has a room's media; none where nobody has.
    pub async fn media_node(&self, room: RoomId) -> Result<Option<String>> {
        let held: Option<String> = self.redis.command(cmd("GET").arg(self.keys(room).media())).await?;
        Ok(held.as_deref().and_then(|held| held.split_once(' ')).map(|(_, url)| url.to_owned()))
    }
}
