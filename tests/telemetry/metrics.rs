//! What is exported is what `docs/metrics.md` says, by name, kind and labels.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use gochat_proto::media::{GetRoomMediaRequest, media_service_client::MediaServiceClient};
use gochat_rig::{AT_MOST, Deployment, Plan, Process, Replica, SERVICE_TOKEN, until};

use crate::people::Page;

/// Beside those that are told.
const OF_HISTOGRAMS: [&str; 2] = ["le", "quantile"];
/// No metric has more series than this in any process: no label takes what callers make up.
const SERIES: usize = 400;

/// A metric: its kind and its labels.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

/// What the table of the document says: | `name` | kind | `label`, `label` | meaning |
fn documented() -> Metrics {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `gochat_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        (
            cells[1].trim_matches('`').to_owned(),
            (cells[2].to_owned(), labels.filter(|it| !it.is_empty()).collect()),
        )
    })
    .collect()
}

/// What a process exports, added to what others do.
fn add(exported: &mut Metrics, text: &str) {
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) {
            exported.entry(name.to_owned()).or_insert_with(|| (kind.to_owned(), BTreeSet::new()));
        }
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, _)) = line.rsplit_once(' ') else { continue };
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let parts = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let whole = parts.filter(|whole| exported.contains_key(*whole)).unwrap_or(name);
        let Some((_, known)) = exported.get_mut(whole) else { panic!("no type: {line}") };
        let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once('='));
        known.extend(
            labels.map(|(label, _)| label.to_owned()).filter(|it| !OF_HISTOGRAMS.contains(&it.as_str())),
        );
    }
}

/// What all six export together once people have met there.
pub(crate) async fn exported() -> Metrics {
    let deployment = Deployment::of(Plan::whole()).await;
    let meeting = Page { deployment: &deployment, trace: String::new() }.meeting().await;
    let strange = reqwest::Client::new().post(deployment.url("made_up_by_a_caller"));
    assert_eq!(strange.send().await.unwrap().status(), 404);
    let lag = async || {
        deployment.notifiers[0].metric("gochat_feed_lag_seconds_count").await.filter(|lag| *lag > 0.0)
    };
    until("a delivery to be measured", AT_MOST, lag).await;
    let media = deployment.one_more("media", &[("GOCHAT_MEDIA_UDP_LISTEN", "127.0.0.1:0")]).await;
    look(&media, &meeting.room).await;
    let mut exported = Metrics::new();
    for process in deployment.servers.iter().chain(&deployment.notifiers).chain([&media.process]) {
        let text = process.metrics().await;
        few(process, &text);
        for secret in [&meeting.room, &meeting.host.uid.to_string(), &meeting.guest.uid.to_string()] {
            assert!(!text.contains(&format!("\"{secret}\"")), "a label of {}: {secret}", process.name);
        }
        assert!(!text.contains("made_up"), "{text}");
        add(&mut exported, &text);
    }
    exported
}

/// Asks what a room's media is, so that a media thread has something to do.
async fn look(media: &Replica, room: &str) {
    let mut client = MediaServiceClient::connect(format!("http://{}", media.address)).await.unwrap();
    let mut request = tonic::Request::new(GetRoomMediaRequest { room_id: room.to_owned() });
    let bearer = format!("Bearer {SERVICE_TOKEN}");
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    assert_eq!(client.get_room_media(request).await.unwrap().into_inner().sessions, 0);
    let round = async || {
        media.process.metric("gochat_media_round_seconds_count").await.filter(|rounds| *rounds > 0.0)
    };
    until("a round to be measured", AT_MOST, round).await;
}

fn few(process: &Process, text: &str) {
    let mut series = BTreeMap::<&str, usize>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        *series.entry(line.split(['{', ' ']).next().unwrap()).or_default() += 1;
    }
    let many: Vec<_> = series.into_iter().filter(|(_, count)| *count > SERIES).collect();
    assert!(many.is_empty(), "{}: {many:?}", process.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_exported_is_documented_and_the_other_way_round() {
    let (exported, documented) = (exported().await, documented());
    let names = |metrics: &Metrics| metrics.keys().cloned().collect::<BTreeSet<_>>();
    let (out, told) = (names(&exported), names(&documented));
    let undocumented: Vec<_> = out.difference(&told).collect();
    let missing: Vec<_> = told.difference(&out).collect();
    assert!(
        undocumented.is_empty() && missing.is_empty(),
        "undocumented {undocumented:?}, not exported {missing:?}"
    );
    for (name, is) in &exported {
        assert_eq!(is, &documented[name], "{name}");
    }
    crate::observability::names_only(&out);
}
