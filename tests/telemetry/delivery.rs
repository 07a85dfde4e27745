//! How late events are is measured by one clock.

use gochat_rig::{AT_MOST, Deployment, until};
use serde_json::json;

use crate::people::Page;

async fn redis_time(deployment: &Deployment) -> f64 {
    let time = redis::cmd("TIME");
    let (seconds, micros): (u64, u64) = time.query_async(&mut deployment.redis.raw().await).await.unwrap();
    seconds as f64 + micros as f64 / 1e6
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_notifier_hears_late_is_measured_as_late() {
    let deployment = Deployment::start().await;
    let page = Page { deployment: &deployment, trace: String::new() };
    let mut meeting = page.meeting().await;
    let notifier = &deployment.notifiers[0];
    let measured =
        async |part: &str| notifier.metric(&format!("gochat_feed_lag_seconds_{part}")).await.unwrap();
    let (sum, count) = (measured("sum").await, measured("count").await);
    assert!(sum < count, "nothing was late by a second: {sum} s for {count} commits");

    notifier.signal("-STOP").await;
    let asked = json!({ "uid": meeting.guest.uid, "room_id": meeting.room, "type": 2 });
    page.call(Some(&meeting.guest), "operate_raise_hand", asked).await;
    let raised = redis_time(&deployment).await;
    until("a second to pass", AT_MOST, async || (redis_time(&deployment).await > raised + 1.0).then_some(()))
        .await;
    notifier.signal("-CONT").await;
    meeting.events.until("\"raise_hand\":2").await;
    let late = measured("sum").await - sum;
    assert!((1.0..AT_MOST.as_secs_f64()).contains(&late), "{late}");
}
