//! Crowds: calls with tokens that nobody has, and logins, each from a thousand addresses.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use gochat_rig::{Redis, until};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use serde_json::{Value, json};

use crate::world::{World, calls, say};

const ADDRESSES: usize = 1_000;
const AT_A_TIME: usize = 64;
/// What lives longer than a session may be told by the number of rooms, never by that of callers.
const LASTING: usize = 1_000;

#[derive(Clone)]
struct Crowd {
    http: reqwest::Client,
    url: String,
}

impl Crowd {
    fn new(url: String) -> Self {
        // A connection that rests longer may be ended by the server in the moment it is used.
        let http = reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(1)).build();
        Self { http: http.unwrap(), url }
    }

    /// Makes so many calls, and says how often each return code, or else each HTTP status, came.
    async fn calls(&self, body: impl Fn(usize) -> Value) -> Vec<(i64, usize)> {
        let one = |number: usize| {
            let address = number % ADDRESSES;
            let asked = self
                .http
                .post(&self.url)
                .bearer_auth(format!("{:064x}", rand::random::<u128>()))
                .header("x-forwarded-for", format!("198.18.{}.{}", address / 250, address % 250 + 1))
                .json(&body(number));
            async move {
                let answer = asked.send().await.unwrap();
                let status = i64::from(answer.status().as_u16());
                match answer.json::<Value>().await {
                    Ok(answer) if status == 200 => answer["ret"]["code"].as_i64().unwrap(),
                    _ => status,
                }
            }
        };
        let codes: Vec<i64> = stream::iter(0..calls()).map(one).buffer_unordered(AT_A_TIME).collect().await;
        let mut counts = std::collections::BTreeMap::<i64, usize>::new();
        codes.into_iter().for_each(|code| *counts.entry(code).or_default() += 1);
        counts.into_iter().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_nobody_has_are_turned_down_and_leave_nothing_behind() {
    let world = World::start().await;
    let before = keys(&world.deployment.redis).await.len();
    let (crowd, began) = (Crowd::new(world.deployment.url("heartbeat")), Instant::now());
    let codes = crowd.calls(|number| json!({ "uid": number + 1, "room_id": "" })).await;
    say(&format!("forged: {codes:?}, {:.0} a second", calls() as f64 / began.elapsed().as_secs_f64()));
    assert_eq!(codes, [(80012, calls())], "all of them are not logged in");
    let deployment = world.survives("forged tokens").await;
    assert!(keys(&deployment.redis).await.len() <= before, "forged tokens leave keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_from_many_addresses_leave_nothing_that_lasts() {
    let world = World::start().await;
    let (crowd, began) = (Crowd::new(world.deployment.url("login")), Instant::now());
    let codes = crowd.calls(|number| json!({ "nick_name": format!("n{number}") })).await;
    say(&format!("logins: {codes:?}, {:.0} a second", calls() as f64 / began.elapsed().as_secs_f64()));
    assert!(codes.iter().all(|(code, _)| [0, 429].contains(code)), "{codes:?}");
    let deployment = world.survives("logins").await;
    let let_in = codes.first().map_or(0, |(_, logins)| *logins);
    all_expire(&deployment.redis, let_in).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_from_one_address_are_few_and_what_they_leave_goes_away() {
    let world = World::with(&[("GOCHAT_LEASE", "5s"), ("GOCHAT_SESSION", "10s")]).await;
    let crowd = Crowd::new(world.deployment.url("login"));
    let began = Instant::now();
    let one = |number: usize| {
        let asked = crowd.http.post(&crowd.url).json(&json!({ "nick_name": format!("o{number}") }));
        async move { asked.send().await.unwrap().status().as_u16() }
    };
    let codes: Vec<u16> = stream::iter(0..2_000).map(one).buffer_unordered(AT_A_TIME).collect().await;
    let let_in = codes.iter().filter(|code| **code == 200).count();
    let most = 10 * (began.elapsed().as_secs() as usize + 2);
    assert!(let_in <= most, "{let_in} logins from one address, at most {most} were due");
    let deployment = world.survives("logins from one address").await;
    until("names to expire", Duration::from_secs(30), async || {
        let left = keys(&deployment.redis).await.into_iter().filter(|key| key.starts_with("gochat:nick:"));
        // Those of the good clients may still be there.
        (left.count() <= 2).then_some(())
    })
    .await;
}

async fn keys(redis: &Redis) -> Vec<String> {
    let mut connection = redis.raw().await;
    let scanned = connection.scan_match::<_, String>("*").await.unwrap();
    scanned.map(|key| key.unwrap()).collect().await
}

/// Whatever a login leaves has an end: names, users and sessions each, and there are no more of them than logins.
async fn all_expire(redis: &Redis, logins: usize) {
    let all = keys(redis).await;
    let (of_logins, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|key| {
        ["gochat:nick:", "gochat:user:", "gochat:session:"].iter().any(|kind| key.starts_with(kind))
    });
    // Two good clients logged in as well.
    assert!(of_logins.len() <= 3 * (logins + 2), "{} keys of {logins} logins", of_logins.len());
    assert!(others.len() <= LASTING, "{} keys besides", others.len());
    say(&format!("logins left {} keys, {} others", of_logins.len(), others.len()));
    let mut connection = redis.raw().await;
    for some in of_logins.chunks(1_000) {
        for (key, left) in some.iter().zip(lives(&mut connection, some).await) {
            // -2: it has gone since.
            assert!(left != -1 && left <= 130_000, "{key} lives for {left} ms");
        }
    }
}

async fn lives(connection: &mut MultiplexedConnection, keys: &[String]) -> Vec<i64> {
    let mut asked = redis::pipe();
    keys.iter().for_each(|key| {
        asked.pttl(key);
    });
    asked.query_async(connection).await.unwrap()
}
