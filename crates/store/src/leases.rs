//! Deadlines: which have passed, and what becomes of those whose room is gone.

use gochat_domain::{
    Change, Entry, Loaded, Millis, Refusal, RoomId, Uid,
    rules::{Due, Expire, ExpireInvitation, HostLoss, ReplaceHost},
};

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

/// What one look at a partition found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// The time there.
    pub now: Millis,
    /// The stamp that this reaper's sweep before left there; none where it is gone.
    pub former: Option<u64>,
    /// What is due, oldest first.
    pub due: Vec<DueEntry>,
}

/// One of those who sweep, by the number under which it leaves its stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaper(pub u64);

/// A partition's answer to a sweep: time, former stamp, deadlines.
type Answer = (i64, Option<String>, Vec<(String, i64)>);

impl Store {
    /// Redis's time.
    pub async fn now(&self) -> Result<Millis> {
        Ok(Millis(self.redis.time().await? / 1_000))
    }

    /// Reads the deadlines that have passed in each partition, at most so many of each, and
    /// leaves a stamp there. Its cost doesn't depend on how many have not passed.
    pub async fn sweep(&self, reaper: Reaper, stamp: u64, most: usize) -> Result<Vec<Sweep>> {
        let lease = self.args.lease.as_millis() as u64;
        let mut calls = redis::pipe();
        calls.load_script(&self.scripts.sweep).ignore();
        for partition in 0..self.args.partitions {
            let mut call = self.scripts.sweep.prepare_invoke();
            call.key(keys::due(partition)).key(keys::sweep_stamp(partition, reaper.0));
            calls.invoke_script(call.arg(stamp).arg(lease).arg(most));
        }
        let answers: Vec<Answer> = self.redis.write_all("sweep", &calls).await?;
        let read = |(now, former, due): Answer| Sweep {
            now: Millis(now),
            former: former.and_then(|stamp| stamp.parse().ok()),
            due: due.into_iter().filter_map(due_entry).collect(),
        };
        Ok(answers.into_iter().map(read).collect())
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
        Ok(self.redis.write("drop", &call).await?)
    }
}

fn due_entry((name, deadline): (String, i64)) -> Option<DueEntry> {
    let parsed = parse_due(&name);
    if parsed.is_none() {
        tracing::warn!(%name, "a deadline that is none");
    }
    parsed.map(|(room, due)| DueEntry { room, due, deadline: Millis(deadline) })
}

/// Whether anything was done.
fn anything(_: &Loaded, change: &Change) -> bool {
    !change.is_nothing()
}
