//! Deadlines: which have passed, and what becomes of those whose room is gone.

use gochat_domain::{
    Change, Entry, Loaded, Millis, Refusal, RoomId, Uid,
    rules::{Due, Expire, ExpireInvitation, HostLoss, ReplaceHost},
};
use redis::cmd;

use crate::{
    Committed, Error, Result, Store,
    keys::{self, due_name, parse_due},
};

/// A deadline that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueEntry {
    /// In which room.
    pub room: RoomId,
    /// Whose, and of what.
    pub due: Due,
    /// When.
    pub deadline: Millis,
}

/// What one look at every partition found.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// Redis's time.
    pub now: Millis,
    /// What is due, each partition's oldest first.
    pub due: Vec<DueEntry>,
}

impl Store {
    /// Redis's time.
    pub async fn now(&self) -> Result<Millis> {
        let (seconds, micros): (i64, i64) = self.redis.command(&cmd("TIME")).await?;
        Ok(Millis(seconds * 1_000 + micros / 1_000))
    }

    /// Reads the deadlines that have passed, at most so many of each partition. Its cost
    /// doesn't depend on how many have not.
    pub async fn sweep(&self, most: usize) -> Result<Sweep> {
        let now = self.now().await?;
        let mut read = redis::pipe();
        for partition in 0..self.args.partitions {
            read.zrangebyscore_limit_withscores(keys::due(partition), "-inf", now.0, 0, most as isize);
        }
        let partitions: Vec<Vec<(String, i64)>> = self.redis.pipeline(&read).await?;
        let due = partitions.into_iter().flatten().filter_map(|(name, deadline)| {
            let parsed = parse_due(&name);
            if parsed.is_none() {
                tracing::warn!(%name, "a deadline that is none");
            }
            parsed.map(|(room, due)| DueEntry { room, due, deadline: Millis(deadline) })
        });
        Ok(Sweep { now, due: due.collect() })
    }

    /// Does what a deadline that has passed asks for: an ordinary commit, guarded by the
    /// deadline, so that any number may do it at once. Says whether anything was done.
    pub async fn expire(&self, entry: DueEntry) -> Result<bool> {
        let DueEntry { room, due, deadline } = entry;
        let committed = match due {
            Due::Lease(uid, entry) => self.end_lease(room, uid, entry, deadline).await,
            Due::Invitation(target) => {
                self.transact(room, &ExpireInvitation { target, deadline }, None, anything).await
            }
        };
        match committed {
            Ok(committed) => Ok(committed.reply),
            // Renewed, or done by another, since it was seen.
            Err(Error::Conflict) => Ok(false),
            Err(Error::Refused(Refusal::RoomNotFound)) => self.drop_due(entry).await,
            Err(error) => Err(error),
        }
    }

    /// Ends a stay. The stage is looked at for a lost host alone, so that a crowd that goes
    /// silent neither reads it nor waits for it.
    async fn end_lease(
        &self,
        room: RoomId,
        uid: Uid,
        entry: Entry,
        deadline: Millis,
    ) -> Result<Committed<bool>> {
        let host_loss = self.args.host_loss;
        let expire = Expire { uid, entry, deadline, host_loss };
        let ended = self.transact(room, &expire, None, anything).await?;
        if ended.reply || host_loss == HostLoss::Close {
            return Ok(ended);
        }
        self.transact(room, &ReplaceHost { uid, entry, deadline }, None, anything).await
    }

    /// Forgets a deadline of a room that is gone.
    async fn drop_due(&self, entry: DueEntry) -> Result<bool> {
        let mut call = self.scripts.drop.prepare_invoke();
        call.key(self.keys(entry.room).due());
        call.arg(due_name(entry.room, entry.due)).arg(entry.deadline.0);
        Ok(self.redis.write(&call).await?)
    }
}

/// Whether anything was done.
fn anything(_: &Loaded, change: &Change) -> bool {
    !change.is_nothing()
}
