//! Scenario `fanout`: a thousand subscribers of one room, and how fast what happens there reaches all of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use gochat_proto::notifier::{
    SubscribeRequest, SubscribeResponse, notifier_service_client::NotifierServiceClient,
    subscribe_response::Frame,
};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};
use tonic::Streaming;

use crate::{
    cast::{self, Person},
    measure::{Measured, measure},
    server::{Server, connect},
};

const SUBSCRIBERS: usize = 1_000;
const CONNECTIONS: usize = 10;
/// How many people act at a time; each goes on when all subscribers have what it did.
const IN_FLIGHT: [usize; 2] = [1, 32];
/// More than revisions are ever on their way.
const SLOTS: usize = 1_024;
/// How long one event may take to reach everybody.
const AT_MOST: Duration = Duration::from_secs(10);

/// Runs the scenario against one server: how many events were on their way at a time, and what was measured.
pub(crate) async fn run(server: &Server, length: Duration) -> anyhow::Result<Vec<(usize, Measured)>> {
    let mut people = cast::enter(server, SUBSCRIBERS, CONNECTIONS).await?;
    let arrivals = Arrivals::new();
    let fresh = server.told.account_and_room.is_some();
    let mut readers = subscribe(server, &people, fresh, &arrivals).await?;
    let mut all = Vec::new();
    for in_flight in IN_FLIGHT {
        let arrived = &arrivals;
        let run = measure(server, &mut people[..in_flight], length, |mut person| async move {
            let place = person.turn_hand().await?;
            arrived.everywhere(place.revision).await?;
            Ok(person)
        });
        let measured = tokio::select! {
            measured = run => measured?,
            Some(ended) = readers.join_next() => {
                ended??;
                bail!("a subscription ended");
            }
        };
        all.push((in_flight, Measured { deliveries: SUBSCRIBERS as u64, ..measured }));
    }
    Ok(all)
}

/// Begins all subscriptions; where they begin with a snapshot, each has read its own when this returns.
async fn subscribe(
    server: &Server,
    people: &[Person],
    snapshots: bool,
    arrivals: &Arrivals,
) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
    let mut readers = JoinSet::new();
    for group in people.chunks(SUBSCRIBERS / CONNECTIONS) {
        let mut notifier = NotifierServiceClient::new(connect(&server.told.notifier).await?);
        for person in group {
            let asked = SubscribeRequest { room_id: person.room_id.clone(), ..Default::default() };
            let mut frames = notifier.subscribe(person.asks(asked)).await?.into_inner();
            if snapshots {
                timeout(AT_MOST, begin(&mut frames)).await.context("no snapshot came")??;
            }
            readers.spawn(read(frames, arrivals.clone()));
        }
    }
    Ok(readers)
}

/// Reads the snapshot up to what follows it for the person alone.
async fn begin(frames: &mut Streaming<SubscribeResponse>) -> anyhow::Result<()> {
    loop {
        match frames.message().await?.and_then(|message| message.frame) {
            Some(Frame::Personal(_)) => return Ok(()),
            Some(Frame::Goodbye(why)) => bail!("turned away: {:?}", why.reason()),
            Some(_) => {}
            None => bail!("a subscription ended before it began"),
        }
    }
}

async fn read(mut frames: Streaming<SubscribeResponse>, arrivals: Arrivals) -> anyhow::Result<()> {
    while let Some(message) = frames.message().await? {
        match message.frame {
            Some(Frame::Commit(commit)) => arrivals.one(commit.revision),
            Some(Frame::Snapshot(_)) => bail!("a subscriber fell behind and was sent a snapshot"),
            Some(Frame::Goodbye(why)) => bail!("a subscriber was sent away: {:?}", why.reason()),
            _ => {}
        }
    }
    Ok(())
}

/// Who waits for a revision to have reached everybody, and how many have it, by revision.
#[derive(Clone)]
struct Arrivals(Arc<[Slot]>);

struct Slot {
    count: AtomicUsize,
    /// A permit for each time that everybody had it; taken by who caused it.
    complete: Semaphore,
}

impl Arrivals {
    fn new() -> Self {
        let empty = || Slot { count: AtomicUsize::new(0), complete: Semaphore::new(0) };
        Self((0..SLOTS).map(|_| empty()).collect())
    }

    fn slot(&self, revision: u64) -> &Slot {
        &self.0[usize::try_from(revision % SLOTS as u64).unwrap_or(0)]
    }

    fn one(&self, revision: u64) {
        let slot = self.slot(revision);
        if slot.count.fetch_add(1, Ordering::AcqRel) + 1 == SUBSCRIBERS {
            slot.count.store(0, Ordering::Release);
            slot.complete.add_permits(1);
        }
    }

    async fn everywhere(&self, revision: u64) -> anyhow::Result<()> {
        let complete = timeout(AT_MOST, self.slot(revision).complete.acquire()).await;
        complete.with_context(|| format!("revision {revision} did not reach everybody"))??.forget();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_revision_is_everywhere_when_all_have_it() {
        let arrivals = Arrivals::new();
        (1..SUBSCRIBERS).for_each(|_| arrivals.one(7));
        assert_eq!(arrivals.slot(7).complete.available_permits(), 0);
        arrivals.one(7);
        arrivals.everywhere(7).await.unwrap();
        assert_eq!(arrivals.slot(7).complete.available_permits(), 0);
    }
}
