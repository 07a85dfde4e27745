//! Whether the store and the model agree: on answers, on commits with every event in them, and on
//! the state that they leave.

use std::collections::BTreeSet;
use std::fmt::Debug;

use gochat_domain::{RoomId, Uid, rules::Due};
use gochat_proto::model::{Commit, Invitation};
use gochat_store::{DueEntry, keys};
use redis::AsyncCommands;

use crate::{
    act::{Answered, Chance},
    house::House,
    real::{Real, Trouble},
};

/// What the two don't agree on; none where they do.
pub(crate) type Agreed = Result<(), String>;

fn same<T: PartialEq + Debug>(what: &str, store: &T, model: &T) -> Agreed {
    if store == model { Ok(()) } else { Err(format!("{what}\n  store: {store:?}\n  model: {model:?}")) }
}

/// The answer to a deed, and what it made.
pub(crate) fn on_deed(
    store: &Answered,
    model: &Answered,
    commits: &[Commit],
    bounds: (i64, i64),
    house: &House,
) -> Agreed {
    same("answer", store, model)?;
    let sorted = |commits: &[Commit]| {
        let mut commits = commits.to_vec();
        commits.sort_by(|one, other| one.room_id.cmp(&other.room_id));
        commits
    };
    same("commits", &sorted(commits), &sorted(&house.told))?;
    let (before, after) = bounds;
    let out = commits.iter().find(|commit| !(before..=after).contains(&commit.committed_at));
    out.map_or(Ok(()), |commit| Err(format!("{commit:?} was not made from {before} to {after}")))?;
    house.impossible.first().map_or(Ok(()), |told| Err(told.clone()))
}

/// What of chance is compared by itself.
pub(crate) fn parts(chance: &Chance) -> (Vec<Commit>, (i64, i64)) {
    (chance.commits.clone(), (chance.before, chance.after))
}

/// What has passed its deadline, and when that was.
pub(crate) fn on_ended(store: &[DueEntry], house: &mut House, now: i64) -> Agreed {
    let found: BTreeSet<(RoomId, Due)> = store.iter().map(|entry| (entry.room, entry.due)).collect();
    same("deadlines that have passed", &found, &house.ended(now).into_iter().collect())?;
    let wrong = store.iter().find(|entry| !house.learn(entry.room, entry.due, entry.deadline.0));
    wrong.map_or(Ok(()), |entry| Err(format!("{entry:?} ends at another time")))
}

/// Everything that is there: rooms as they are shown, invitations, deadlines, what is held.
pub(crate) async fn on_state(real: &mut Real, house: &mut House) -> Result<Agreed, Trouble> {
    let now = real.time().await?;
    for room in &house.rooms {
        let snapshot = real.store.snapshot(room.id).await?;
        let (view, closing, invitations) = match snapshot {
            None => (None, None, Vec::new()),
            Some(snapshot) => {
                let invitations = snapshot.invitations.iter().map(Invitation::of).collect();
                (Some(snapshot.view), snapshot.closing, invitations)
            }
        };
        let expected = (!room.gone).then(|| room.view());
        let standing: Vec<_> = room.invitations.keys().filter_map(|uid| room.standing(*uid, now)).collect();
        let mut sent: Vec<Invitation> = standing.into_iter().map(|standing| standing.sent.clone()).collect();
        sent.sort_by_key(|sent| (sent.sent_at, sent.target_uid));
        let agreed = same("room", &view, &expected)
            .and_then(|()| same("invitations", &invitations, &sent))
            .and_then(|()| same("closing", &closing, &room.closing.clone().filter(|_| !room.gone)));
        if agreed.is_err() {
            return Ok(agreed);
        }
    }
    if let agreed @ Err(_) = on_held(real, house).await? {
        return Ok(agreed);
    }
    on_due(real, house).await
}

async fn on_held(real: &mut Real, house: &House) -> Result<Agreed, Trouble> {
    for user in &house.users {
        let held: Option<String> = real.raw.hget(keys::user(user.uid), "held").await?;
        let told = |(entry, room): (u64, Option<RoomId>)| {
            format!("{entry} {}", room.map(|room| room.to_string()).unwrap_or_default())
        };
        if let agreed @ Err(_) = same("what is held", &(user.uid, held), &(user.uid, user.held.map(told))) {
            return Ok(agreed);
        }
    }
    Ok(Ok(()))
}

async fn on_due(real: &mut Real, house: &mut House) -> Result<Agreed, Trouble> {
    let mut found: BTreeSet<(RoomId, Due)> = BTreeSet::new();
    let mut late = None;
    for partition in 0..real.store.args().partitions {
        let due: Vec<(String, i64)> = real.raw.zrange_withscores(keys::due(partition), 0, -1).await?;
        for (name, deadline) in due {
            let Some((room, due)) = keys::parse_due(&name) else {
                return Ok(Err(format!("{name} is no deadline")));
            };
            found.insert((room, due));
            if !house.learn(room, due, deadline) {
                late = Some(format!("{name} ends at another time"));
            }
        }
    }
    let agreed = same("deadlines", &found, &house.ended(i64::MAX).into_iter().collect());
    Ok(agreed.and_then(|()| late.map_or(Ok(()), Err)))
}

/// Whose uid is whose, for who reads a trace.
pub(crate) fn cast(uids: &[Uid]) -> String {
    let told: Vec<String> = uids.iter().enumerate().map(|(who, uid)| format!("{who} is {uid}")).collect();
    told.join(", ")
}
