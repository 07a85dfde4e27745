//! What is logged: in which trace, and, by a signal, how much.

use std::time::Duration;

use gochat_rig::{AT_MOST, Deployment, Plan, Process, until};
use serde_json::{Value, json};

use crate::people::Page;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// As long as a line may be late.
const QUIET: Duration = Duration::from_millis(500);

fn lines(process: &Process) -> Vec<Value> {
    process.said().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn in_trace(process: &Process) -> usize {
    let traced = |line: &&Value| line["span"]["trace_id"] == TRACE && line["message"] == "rpc ended";
    lines(process).iter().filter(traced).count()
}

async fn changed(process: &Process, times: usize) {
    let said =
        || lines(process).iter().filter(|line| line["message"] == "what is logged has changed").count();
    until("the log to change", AT_MOST, async || (said() >= times).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_has_a_process_say_more_and_another_what_it_said_before() {
    let plan = Plan::whole()
        .with("GOCHAT_LOG", "warn,gochat_chassis::telemetry=info")
        .with("GOCHAT_LOG_FORMAT", "json");
    let mut deployment = Deployment::of(plan).await;
    let trace = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let mut meeting = Page { deployment: &deployment, trace: trace.clone() }.meeting().await;
    assert_eq!(in_trace(deployment.process("stage")), 0, "at the level that is configured");

    deployment.process("stage").signal("-USR1").await;
    changed(deployment.process("stage"), 1).await;
    Page { deployment: &deployment, trace: trace.clone() }.raise_hand(&mut meeting).await;
    let stage = deployment.process("stage");
    until("both calls", AT_MOST, async || (in_trace(stage) == 2).then_some(())).await;

    stage.signal("-USR2").await;
    changed(stage, 2).await;
    Page { deployment: &deployment, trace }.raise_hand(&mut meeting).await;
    let stage = deployment.process("stage");
    assert!(gochat_rig::within(QUIET, async || (in_trace(stage) > 2).then_some(())).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_line_belongs_to_is_known_at_every_level() {
    let mut deployment =
        Deployment::of(Plan::whole().with("GOCHAT_LOG", "warn").with("GOCHAT_LOG_FORMAT", "json")).await;
    let trace = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let meeting = Page { deployment: &deployment, trace: trace.clone() }.meeting().await;
    deployment.process("stage").kill().await;
    let asked = json!({ "uid": meeting.guest.uid, "room_id": meeting.room, "type": 2 });
    let page = Page { deployment: &deployment, trace };
    assert_eq!(page.answer(Some(&meeting.guest), "operate_raise_hand", asked).await["ret"]["code"], 100_001);
    let failed =
        |line: &Value| line["message"] == "upstream call failed" && line["span"]["trace_id"] == TRACE;
    let gateway = deployment.process("gateway");
    until("the failure", AT_MOST, async || lines(gateway).iter().any(failed).then_some(())).await;
}
