//! The process's metrics in Prometheus's text format: installed once, whatever runs in the process.

use std::sync::OnceLock;

use metrics::{Unit, counter, describe_counter, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Seconds, from a call answered out of memory to a stream that lasts.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Makes what `metrics` records readable at every admin port of the process. Histograms whose name ends
/// in `_seconds` have buckets. What was recorded before is lost, so this comes first; again, it does nothing.
pub fn install() {
    recorder();
}

/// Everything recorded so far, in the text format.
pub fn render() -> String {
    recorder().render()
}

/// Folds what was recorded into buckets, which keeps memory bounded while nobody reads.
pub(crate) fn tidy() {
    recorder().run_upkeep();
}

fn recorder() -> &'static PrometheusHandle {
    RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        let builder = builder
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("metrics are recorded elsewhere: /metrics will be empty");
        }
        register();
        handle
    })
}

/// Says what every server measures.
fn register() {
    describe_histogram!(
        crate::observe::DURATION,
        Unit::Seconds,
        "How long calls took, streams until their end"
    );
    describe_counter!("gochat_tls_handshakes_failed_total", "TLS connections that did not come about");
    counter!("gochat_tls_handshakes_failed_total").absolute(0);
    describe_counter!("gochat_reload_failed_total", "Changed files that can't be used, by what they hold");
}
