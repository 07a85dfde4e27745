//! What is seen of the Redis that everything stands on, while it is at work.

use gochat_rig::{AT_MOST, Deployment, Plan, until};

async fn set(deployment: &Deployment, name: &str, value: &str) {
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg(name).arg(value);
    set.exec_async(&mut deployment.redis.raw().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_changes_is_noticed() {
    let plan = Plan { servers: vec!["stage"], ..Plan::services(0) };
    let mut deployment = Deployment::of(plan.with("GOCHAT_REDIS_CHECK_INTERVAL", "100ms")).await;
    assert_eq!(deployment.process("stage").metric("gochat_redis_persistent").await, Some(1.0));
    set(&deployment, "appendonly", "no").await;
    let stage = deployment.process("stage");
    let lost = async || (stage.metric("gochat_redis_persistent").await == Some(0.0)).then_some(());
    until("the loss of the append-only file to be seen", AT_MOST, lost).await;
    until("a warning", AT_MOST, async || stage.said().contains("loses every room").then_some(())).await;
    assert!(stage.readiness().await.is_some_and(|(status, _)| status == 200), "it serves all the same");

    set(&deployment, "maxmemory-policy", "allkeys-lru").await;
    let stage = deployment.process("stage");
    assert!(stage.until(503).await.contains("redis"));
    assert_eq!(stage.metric("gochat_redis_accepted").await, Some(0.0));
    set(&deployment, "maxmemory-policy", "noeviction").await;
    deployment.process("stage").until(200).await;
}
