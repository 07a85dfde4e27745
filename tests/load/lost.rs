//! Scenario `lost`: ten thousand members of one room are past the ends of their leases at the same moment.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use gochat_proto::{
    model::event::Kind,
    notifier::{
        SubscribeRequest, SubscribeResponse, notifier_service_client::NotifierServiceClient,
        subscribe_response::Frame,
    },
};
use hdrhistogram::Histogram;
use redis::{AsyncCommands, aio::MultiplexedConnection};
use tokio::time::{Instant, timeout};
use tonic::Streaming;

use crate::{
    cast::{self, Person},
    measure::Measured,
    server::{Cpu, Server, connect},
};

/// All of them in one room.
pub(crate) const LOST: usize = 10_000;
const CONNECTIONS: usize = 1;
/// Beyond any run, in milliseconds.
const FAR: u64 = 4_000_000_000_000;
/// What the reaper spares people for after its start, and as much again.
const FIRST: Duration = Duration::from_secs(120);
const ALL: Duration = Duration::from_secs(60);

/// Runs the scenario: what is measured of each is from that moment until a subscriber is told that it is gone.
pub(crate) async fn run(server: &Server) -> anyhow::Result<Measured> {
    let people = cast::enter(server, LOST + 2, CONNECTIONS).await.context("entering")?;
    let [watcher, first, lost @ ..] = people.as_slice() else { bail!("too few people") };
    let leases = Leases::of(server).await?;
    leases.all_end_at(&people, FAR).await?;
    let mut notifier = NotifierServiceClient::new(connect(&server.told.notifier).await?);
    let asked = SubscribeRequest { room_id: watcher.room_id.clone(), ..Default::default() };
    let subscribed = notifier.subscribe(watcher.asks(asked)).await.context("subscribing")?;
    let mut frames = subscribed.into_inner();

    // When the first is gone, nobody is spared any more.
    leases.all_end_at(std::slice::from_ref(first), 1).await?;
    timeout(FIRST, gone(&mut frames)).await.context("nobody was given up")??;

    leases.all_end_at(lost, 1).await?;
    let (cpu_before, start) = (server.cpu()?, Instant::now());
    let latency = timeout(ALL, until_all_are_gone(&mut frames, start)).await.context("some were kept")??;
    let (seconds, cpu_after) = (start.elapsed().as_secs_f64(), server.cpu()?);
    ensure!(leases.left().await? == 2, "leases are left, or the host's or the watcher's isn't");
    let cpu = Cpu::between(cpu_before, cpu_after);
    Ok(Measured { seconds, latency, cpu, deliveries: 1 })
}

async fn until_all_are_gone(
    frames: &mut Streaming<SubscribeResponse>,
    start: Instant,
) -> anyhow::Result<Histogram<u64>> {
    let mut latency = Histogram::<u64>::new(3)?;
    while latency.len() < LOST as u64 {
        let left = gone(frames).await?;
        latency.record_n(u64::try_from(start.elapsed().as_micros())?, left)?;
    }
    Ok(latency)
}

/// How many the next commit says have left; waits for one that says so.
async fn gone(frames: &mut Streaming<SubscribeResponse>) -> anyhow::Result<u64> {
    loop {
        let message = frames.message().await?.context("the subscription ended")?;
        match message.frame {
            Some(Frame::Commit(commit)) => {
                let left = |kind: &Option<Kind>| matches!(kind, Some(Kind::MemberLeft(_)));
                let count = commit.events.iter().filter(|event| left(&event.kind)).count();
                if count > 0 {
                    return Ok(count as u64);
                }
            }
            Some(Frame::Goodbye(why)) => bail!("sent away: {:?}", why.reason()),
            _ => {}
        }
    }
}

/// The deadlines in the server's Redis, moved by hand: so everybody falls silent at one moment.
struct Leases {
    redis: MultiplexedConnection,
    sets: Vec<String>,
}

impl Leases {
    async fn of(server: &Server) -> anyhow::Result<Self> {
        let url = server.told.redis_url.as_deref().context("a server without redis")?;
        let mut redis = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        let sets = redis.keys("gochat:*:due").await?;
        Ok(Self { redis, sets })
    }

    async fn all_end_at(&self, people: &[Person], deadline: u64) -> anyhow::Result<()> {
        let who: std::collections::HashSet<String> =
            people.iter().map(|person| person.session.uid.to_string()).collect();
        let mut redis = self.redis.clone();
        for set in &self.sets {
            let names: Vec<String> = redis.zrange(set, 0, -1).await?;
            let theirs =
                names.iter().filter(|name| name.split('/').nth(2).is_some_and(|uid| who.contains(uid)));
            let scores: Vec<(u64, &String)> = theirs.map(|name| (deadline, name)).collect();
            if !scores.is_empty() {
                redis.zadd_multiple::<_, _, _, ()>(set, &scores).await?;
            }
        }
        Ok(())
    }

    async fn left(&self) -> anyhow::Result<usize> {
        let mut left = 0;
        for set in &self.sets {
            left += self.redis.clone().zcard::<_, usize>(set).await?;
        }
        Ok(left)
    }
}
