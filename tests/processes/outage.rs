//! Redis is lost while the services run, and comes back.

use std::{fmt::Debug, future::Future, time::Duration};

use gochat_client::Error;
use tokio::time::timeout;

use gochat_rig::Deployment;

/// A caller is promised an answer within 2 s; the rest is for machines that are busy with other tests.
const ANSWERED: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn services_say_that_redis_is_lost_and_go_on_when_it_is_back() {
    let mut deployment = Deployment::start().await;
    let client = deployment.client();
    let host = client.login("host", "").await.unwrap();
    let room = host.create_room("tea").await.unwrap().room.room_id;
    let lea = client.login("lea", "").await.unwrap();
    lea.join_room(&room).await.unwrap();

    deployment.redis.kill().await;
    unavailable(lea.room(&room)).await;
    unavailable(lea.raise_hand(&room)).await;
    unavailable(client.login("leo", "")).await;
    for service in deployment.services() {
        let missing = service.until(503).await;
        assert!(missing.contains("redis"), "{}: {missing}", service.name);
    }

    deployment.redis.start_again().await;
    for service in deployment.services() {
        service.until(200).await;
    }
    assert_eq!(lea.room(&room).await.unwrap().0.subject, "tea");
    lea.raise_hand(&room).await.unwrap();
    client.login("leo", "").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn services_answer_though_redis_does_not() {
    let deployment = Deployment::start().await;
    let client = deployment.client();
    let host = client.login("host", "").await.unwrap();
    let room = host.create_room("tea").await.unwrap().room.room_id;

    deployment.redis.signal("-STOP").await;
    unavailable(host.room(&room)).await;
    unavailable(host.lower_all_hands(&room)).await;
    unavailable(client.login("lea", "")).await;
    for service in deployment.services() {
        let missing = service.until(503).await;
        assert!(missing.contains("redis"), "{}: {missing}", service.name);
    }

    deployment.redis.signal("-CONT").await;
    for service in deployment.services() {
        service.until(200).await;
    }
    assert_eq!(host.room(&room).await.unwrap().0.subject, "tea");
    host.lower_all_hands(&room).await.unwrap();
}

/// The call is answered in time, and says that there is no telling.
async fn unavailable<T: Debug>(call: impl Future<Output = Result<T, Error>>) {
    let answer = timeout(ANSWERED, call).await.expect("is answered in time");
    assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
}
