//! One trace leads from a call of the HTTP API through every process and Redis to the event that is delivered.

use std::collections::BTreeSet;

use gochat_proto::account::{LoginRequest, account_service_client::AccountServiceClient};
use gochat_rig::{AT_MOST, Deployment, Plan, until};
use serde_json::json;
use tonic::Request;

use crate::{
    collector::{Collector, Seen},
    people::Page,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
/// Of the commit's message: a field that is no part of the contract.
const CARRIED: [u8; 3] = [0xc2, 0x3e, 24];

/// Where only what a caller has begun is collected.
async fn deployment(collector: &str) -> Deployment {
    let plan = Plan::whole()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
        .with("OTEL_TRACES_SAMPLER", "parentbased_always_off")
        .with("OTEL_BSP_SCHEDULE_DELAY", "50");
    Deployment::of(plan).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named(service: &str, name: &str) -> impl Fn(&Seen) -> bool {
    move |seen| seen.service == service && seen.span.name == name
}

fn is_below(child: &Seen, parent: &Seen) -> bool {
    child.span.parent_span_id == parent.span.span_id && child.span.trace_id == parent.span.trace_id
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_a_call_to_the_event() {
    let (collector, url) = Collector::start().await;
    let deployment = deployment(&url).await;
    let page = Page { deployment: &deployment, trace: format!("00-{TRACE}-{CALLER}-01") };
    let meeting = page.meeting().await;
    drop(meeting.events);

    let asked = collector.span("the request", named("gochat-gateway", "POST operate_raise_hand")).await;
    assert_eq!(hex(&asked.span.parent_span_id), CALLER);
    assert_eq!(asked.attribute("http.response.status_code").as_deref(), Some("200"));
    let raised = |seen: &Seen| {
        named("gochat-stage", "gochat.stage.v1.StageService/RaiseHand")(seen) && is_below(seen, &asked)
    };
    let rpc = collector.span("the command", raised).await;
    for (key, value) in [
        ("rpc.system", "grpc"),
        ("rpc.service", "gochat.stage.v1.StageService"),
        ("rpc.method", "RaiseHand"),
        ("rpc.grpc.status_code", "0"),
    ] {
        assert_eq!(rpc.attribute(key).as_deref(), Some(value), "{key}");
    }
    let commit = |seen: &Seen| named("gochat-stage", "commit")(seen) && is_below(seen, &rpc);
    let commit = collector.span("the commit", commit).await;
    assert_eq!(commit.attribute("db.system.name").as_deref(), Some("redis"));
    let delivered = |seen: &Seen| named("gochat-notifier", "deliver")(seen) && is_below(seen, &rpc);
    let delivered = collector.span("the delivery", delivered).await;
    let links: Vec<_> = delivered.span.links.iter().map(|link| &link.span_id).collect();
    assert_eq!(links, [&rpc.span.span_id]);
    assert_eq!(delivered.attribute("room"), Some(meeting.room));

    let all = ["account", "gateway", "notifier", "room", "stage"].map(|name| format!("gochat-{name}"));
    let services = || collector.spans().into_iter().map(|seen| seen.service).collect::<BTreeSet<_>>();
    until("all five", AT_MOST, async || services().into_iter().eq(all.clone()).then_some(())).await;
    let streamed = named("gochat-notifier", "gochat.notifier.v1.NotifierService/Subscribe");
    collector.span("the stream, which has ended", streamed).await;
    let strange: Vec<_> = collector.spans();
    let strange = strange.iter().filter(|seen| hex(&seen.span.trace_id) != TRACE).collect::<Vec<_>>();
    assert!(strange.is_empty(), "what no caller has begun is not collected: {strange:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_collected_goes_through_redis_and_a_process_says_its_own_name() {
    let (collector, url) = Collector::start().await;
    let deployment = deployment(&url).await;
    let untraced = Page { deployment: &deployment, trace: String::new() };
    let mut meeting = untraced.meeting().await;
    let before = log(&deployment, &meeting.room).await;
    assert!(!before.is_empty() && !before.iter().any(|message| is_traced(message)));
    let traced = Page { deployment: &deployment, trace: format!("00-{TRACE}-{CALLER}-01") };
    traced.raise_hand(&mut meeting).await;
    let after = log(&deployment, &meeting.room).await;
    let traced: Vec<bool> = after[before.len()..].iter().map(|message| is_traced(message)).collect();
    assert_eq!(traced, [true, true], "up and down");

    let other = deployment.one_more("account", &[("OTEL_SERVICE_NAME", "concierge")]).await;
    let mut client = AccountServiceClient::connect(format!("http://{}", other.address)).await.unwrap();
    let mut login = Request::new(LoginRequest { nick_name: "cleo".into(), ..LoginRequest::default() });
    login.metadata_mut().insert("traceparent", format!("00-{TRACE}-{CALLER}-01").parse().unwrap());
    client.login(login).await.unwrap();
    collector.span("its login", named("concierge", "gochat.account.v1.AccountService/Login")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_repaired_from_the_log_belongs_to_its_command_too() {
    let (collector, url) = Collector::start().await;
    let deployment = deployment(&url).await;
    let untraced = Page { deployment: &deployment, trace: String::new() };
    let mut meeting = untraced.meeting().await;
    let notifier = &deployment.notifiers[0];
    let repaired = notifier.metric("gochat_gaps_repaired_total").await;
    notifier.signal("-STOP").await;
    deployment.redis.kill_feeds().await;
    let traced = Page { deployment: &deployment, trace: format!("00-{TRACE}-{CALLER}-01") };
    let asked = json!({ "uid": meeting.guest.uid, "room_id": meeting.room, "type": 2 });
    traced.call(Some(&meeting.guest), "operate_raise_hand", asked).await;
    notifier.signal("-CONT").await;
    meeting.events.until("\"raise_hand\":2").await;
    assert!(notifier.metric("gochat_gaps_repaired_total").await > repaired, "its message was lost");
    let delivered = collector.span("the delivery", named("gochat-notifier", "deliver")).await;
    let rpc = collector.span("the command", |seen| is_below(&delivered, seen)).await;
    assert_eq!(rpc.attribute("rpc.method").as_deref(), Some("RaiseHand"));
}

fn is_traced(message: &[u8]) -> bool {
    message.windows(CARRIED.len()).any(|part| part == CARRIED)
}

/// An entry of a log: its id, and its one field with its value, the message.
type Entry = (String, (Vec<u8>, Vec<u8>));

/// The messages of a room's log, the oldest first.
async fn log(deployment: &Deployment, room: &str) -> Vec<Vec<u8>> {
    let mut redis = deployment.redis.raw().await;
    let mut keys = redis::cmd("KEYS");
    let keys: Vec<String> = keys.arg(format!("*:log:{room}")).query_async(&mut redis).await.unwrap();
    let mut range = redis::cmd("XRANGE");
    let entries: Vec<Entry> = range.arg(&keys[0]).arg("-").arg("+").query_async(&mut redis).await.unwrap();
    entries.into_iter().map(|(_, (_, message))| message).collect()
}
