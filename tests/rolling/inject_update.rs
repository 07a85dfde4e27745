//! An update of everything, by the clocks of a cluster: one pod comes before one goes, and who goes is told so first.

use std::{mem, sync::Arc, time::Duration};

use futures::future::join_all;
use gochat_rig::Balancer;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    cluster::{Cluster, Cradle, Pod, Set},
    manifests::Terms,
};

/// How long callers are still sent to a pod that is to go: what names stand for is believed for so long.
const BELIEVED: Duration = Duration::from_secs(5);

/// Replaces every pod, all deployments at the same time; says how many went.
pub(crate) async fn update(Cluster { sets, cradle, .. }: &mut Cluster) -> usize {
    join_all(sets.iter_mut().map(|set| roll(set, cradle))).await.into_iter().sum()
}

/// Replaces the pods of one deployment: the next one comes once the last new one is ready, whether or not
/// those that were told to go have gone.
async fn roll(set: &mut Set, cradle: &Cradle) -> usize {
    let terms = set.terms;
    assert_eq!((terms.surge, terms.missing), (1, 0), "{}: one comes before one goes", terms.name);
    let mut going = JoinSet::new();
    for old in mem::take(&mut set.pods) {
        let new = cradle.pod(terms.name);
        let ready = timeout(terms.start, new.process.until(200)).await;
        assert!(ready.is_ok(), "gochat-{} is not there in time: {}", terms.name, new.process.said());
        set.balancer.put_in(new.address);
        set.pods.push(new);
        going.spawn(goes(old, terms, set.balancer.clone()));
    }
    going.join_all().await.len()
}

/// Ends a pod as a node does: it serves on while that gets about, is sent SIGTERM, and has the rest of its grace.
async fn goes(mut pod: Pod, terms: Terms, balancer: Arc<Balancer>) {
    sleep(BELIEVED).await;
    balancer.take_out(pod.address);
    sleep(terms.pre_stop.saturating_sub(BELIEVED)).await;
    let ended = timeout(terms.grace.saturating_sub(terms.pre_stop), pod.process.terminate()).await;
    let (name, said) = (terms.name, pod.process.said());
    let status = ended.unwrap_or_else(|_| panic!("gochat-{name} is killed in the end: {said}"));
    assert_eq!(status.code(), Some(0), "gochat-{name}: {said}");
    assert!(!said.contains("are cut"), "gochat-{name} cuts calls: {said}");
}
