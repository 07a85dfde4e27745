//! A service is killed in the middle of whatever it serves, again and again, and started again.

use gochat_rig::Deployment;

use super::{
    evening::Evening,
    killing::{Killing, Victim},
    ledger::plan,
    person::Way,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_serves_is_killed_at_any_of_its_commands() {
    let deployment = Deployment::of(plan().with_gates()).await;
    let killing = Killing::of(deployment, Victim::Server, 3).await;
    Evening::new(killing, Way::Sdk).pass().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_serves_people_who_call_by_http_is_killed() {
    let deployment = Deployment::of(plan().with_gates()).await;
    let killing = Killing::of(deployment, Victim::Server, 1).await;
    Evening::new(killing, Way::Http).pass().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_is_killed_while_people_call() {
    let deployment = Deployment::of(plan().with_gates()).await;
    let killing = Killing::of(deployment, Victim::Another("gateway"), 2).await;
    Evening::new(killing, Way::Http).pass().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_notifier_is_killed_while_people_call() {
    let deployment = Deployment::of(plan().with_gates()).await;
    let killing = Killing::of(deployment, Victim::Another("notifier"), 1).await;
    Evening::new(killing, Way::Sdk).pass().await;
}
