//! What a process says of itself: logs on standard error, and traces where a collector is named.

use std::{
    io::{self, IsTerminal},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Context;
use clap::ValueEnum;
use opentelemetry::{global, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, fmt, layer::SubscriberExt, registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::metrics;

/// How long the last traces may take to be sent off.
const LAST_TRACES: Duration = Duration::from_secs(2);

static STARTED: AtomicBool = AtomicBool::new(false);

/// What is logged and traced, and how.
#[derive(clap::Args, Clone, Debug)]
pub struct TelemetryArgs {
    /// What is logged: a level, or a list such as `info,gochat_room=debug`.
    #[arg(long, env = "GOCHAT_LOG", default_value = "info", value_parser = filter)]
    pub log: String,
    /// How it is written.
    #[arg(long, env = "GOCHAT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// The OpenTelemetry collector that gets traces, such as http://127.0.0.1:4317 (OTLP over gRPC). None
    /// unless given. OTEL_TRACES_SAMPLER and its kin count too.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends off the last traces when dropped, which may take some seconds.
#[derive(Debug, Default)]
#[must_use = "traces are lost if it is dropped at once"]
pub struct Guard {
    traces: Option<SdkTracerProvider>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.traces.take().map(|traces| traces.shutdown_with_timeout(LAST_TRACES)) {
            tracing::warn!(%error, "the last traces were lost");
        }
    }
}

/// Starts logs, metrics and, if a collector is named, traces as `gochat-<name>`. Once in a process: again, or
/// where somebody else already receives what is logged, it changes nothing. Needs a multi-threaded Tokio
/// runtime if there are traces.
pub fn start(args: &TelemetryArgs, name: &str) -> anyhow::Result<Guard> {
    if STARTED.swap(true, Ordering::SeqCst) {
        return Ok(Guard::default());
    }
    metrics::install();
    global::set_text_map_propagator(TraceContextPropagator::new());
    let endpoint = args.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty());
    let traces = endpoint.map(|endpoint| exporter(endpoint, name)).transpose()?;
    let spans = traces.as_ref().map(|traces| {
        let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer("gochat"));
        layer.with_filter(filter_fn(is_ours))
    });
    let log = EnvFilter::try_new(&args.log).context("what is to be logged")?;
    let started =
        tracing_subscriber::registry().with(log).with(lines(args.log_format)).with(spans).try_init();
    if started.is_err() {
        return Ok(Guard::default());
    }
    Ok(Guard { traces })
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}

/// Spans of libraries aren't exported: those of the exporter itself would never end.
fn is_ours(of: &Metadata<'_>) -> bool {
    of.target().starts_with("gochat")
}

fn exporter(endpoint: &str, name: &str) -> anyhow::Result<SdkTracerProvider> {
    anyhow::ensure!(
        endpoint.starts_with("http://"),
        "not the address of a collector: {endpoint:?}; write it like http://127.0.0.1:4317"
    );
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .with_context(|| format!("cannot send traces to {endpoint}"))?;
    let resource = Resource::builder().with_service_name(format!("gochat-{name}")).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

fn filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
