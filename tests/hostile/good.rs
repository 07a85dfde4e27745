//! Good clients: through the gateway and past it, at a steady pace, they do what people in a room do, and every call
//! of theirs has to succeed.

use std::time::{Duration, Instant};

use gochat_client::{MemberList, Page, Session};
use gochat_rig::Deployment;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// Between two calls of one client: fewer a second than the gateway's limit.
const PACE: Duration = Duration::from_millis(150);

type Times = Result<Vec<Duration>, String>;

pub(crate) struct Good {
    over: watch::Sender<bool>,
    clients: JoinSet<Times>,
}

impl Good {
    /// Somebody opens a room and says over HTTP that they are there; somebody looks who is there over gRPC.
    pub(crate) async fn start(deployment: &Deployment) -> Self {
        let client = deployment.client();
        let host = client.login("good host", "").await.unwrap();
        let room = host.create_room("tea").await.unwrap().room.room_id;
        let listener = client.login("good listener", "").await.unwrap();
        listener.join_room(&room).await.unwrap();
        let (over, watched) = watch::channel(false);
        let mut clients = JoinSet::new();
        let web = Web { http: reqwest::Client::new(), url: deployment.url("heartbeat") };
        clients.spawn(pace(watched.clone(), {
            let (web, host, room) = (web.clone(), host, room.clone());
            async move || web.heartbeat(&host, &room).await
        }));
        clients.spawn(pace(watched, async move || {
            listener.heartbeat(Some(&room)).await.map_err(|error| format!("heartbeat: {error:?}"))?;
            let members = listener.members(&room, MemberList::All, Page::default()).await;
            members.map(drop).map_err(|error| format!("members: {error:?}"))
        }));
        Self { over, clients }
    }

    /// Ends them; how many calls there were, and what 99 of 100 took at most. Fails where one failed.
    pub(crate) async fn end(mut self) -> (usize, Duration) {
        self.over.send_replace(true);
        let mut times = Vec::new();
        while let Some(client) = self.clients.join_next().await {
            times.extend(
                client.unwrap().unwrap_or_else(|failed| panic!("a good client's call failed: {failed}")),
            );
        }
        times.sort();

        (times.len(), times[times.len() * 99 / 100])
    }
}

#[derive(Clone)]
struct Web {
    http: reqwest::Client,
    url: String,
}

impl Web {
    async fn heartbeat(&self, who: &Session, room: &str) -> Result<(), String> {
        let asked = self.http.post(&self.url).bearer_auth(who.token().unwrap());
        let asked = asked.json(&json!({ "uid": who.uid(), "room_id": room }));
        let answer = asked.send().await.map_err(|error| format!("{error:?}"))?;
        let status = answer.status();
        let answer: Value = answer.json().await.map_err(|error| format!("{status}: {error:?}"))?;
        if answer["ret"]["code"] == 0 { Ok(()) } else { Err(format!("{status}: {answer}")) }
    }
}

/// Calls again and again until it is over, or one call fails.
async fn pace(over: watch::Receiver<bool>, call: impl AsyncFn() -> Result<(), String>) -> Times {
    let (mut ticks, mut times) = (interval(PACE), Vec::new());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The shortest attack has some calls beside or after it.
    while !*over.borrow() || times.len() < 5 {
        ticks.tick().await;
        let began = Instant::now();
        call()
            .await
            .map_err(|failed| format!("{failed}, after {:?} and {} calls", began.elapsed(), times.len()))?;
        times.push(began.elapsed());
    }
    Ok(times)
}
