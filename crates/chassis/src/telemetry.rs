//! What a process says of itself: logs on standard error, and traces where a collector is named.

use std::{
    io::{self, IsTerminal},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Context;
use clap::ValueEnum;
use opentelemetry::{Key, global, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, filter_fn},
    fmt,
    layer::SubscriberExt,
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt,
};

use crate::metrics;

/// How long the last traces may take to be sent off.
const LAST_TRACES: Duration = Duration::from_secs(2);

const SERVICE_NAME: Key = Key::from_static_str("service.name");

static STARTED: AtomicBool = AtomicBool::new(false);

/// What is logged and traced, and how.
#[derive(clap::Args, Clone, Debug)]
pub struct TelemetryArgs {
    /// What is logged: a level, or a list such as `info,gochat_room=debug`. While the process runs, SIGUSR1 adds
    /// what GoChat itself says at debug, and SIGUSR2 goes back to this.
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

/// Starts logs, metrics and, if a collector is named, traces as `gochat-<name>`, unless OTEL_SERVICE_NAME says
/// another. Once in a process: again, or where somebody else already receives what is logged, it changes nothing.
/// From then on SIGUSR1 and SIGUSR2 change what is logged. Needs a Tokio runtime, a multi-threaded one if there are
/// traces.
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
        layer.with_filter(filter_fn(is_traced).with_max_level_hint(LevelFilter::DEBUG))
    });
    let log = EnvFilter::try_new(&args.log).context("what is to be logged")?;
    let (log, change) = reload::Layer::new(log);
    // Whatever the level, what a line belongs to is known.
    let logged = log.or(filter_fn(is_our_span).with_max_level_hint(LevelFilter::INFO));
    let lines = lines(args.log_format).with_filter(logged);
    if tracing_subscriber::registry().with(lines).with(spans).try_init().is_err() {
        return Ok(Guard::default());
    }
    follow_signals(change, args.log.clone()).context("cannot listen for signals")?;
    Ok(Guard { traces })
}

/// Has the log say more from SIGUSR1 on, and what was configured from SIGUSR2 on.
fn follow_signals(change: reload::Handle<EnvFilter, Registry>, configured: String) -> io::Result<()> {
    let (mut more, mut back) = (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?);
    tokio::spawn(async move {
        loop {
            let log = tokio::select! {
                Some(()) = more.recv() => format!("{configured},gochat=debug"),
                Some(()) = back.recv() => configured.clone(),
                else => return,
            };
            match EnvFilter::try_new(&log).map(|filter| change.reload(filter)) {
                Ok(Ok(())) => tracing::info!(log, "what is logged has changed"),
                _ => tracing::warn!(log, "what is logged can't be changed to this"),
            }
        }
    });
    Ok(())
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

/// Spans of libraries aren't exported: those of the exporter itself would never end. Nor is what is only of use
/// while something is looked for.
fn is_traced(of: &Metadata<'_>) -> bool {
    let least = if of.is_span() { Level::DEBUG } else { Level::INFO };
    of.target().starts_with("gochat") && *of.level() <= least
}

fn is_our_span(of: &Metadata<'_>) -> bool {
    of.is_span() && of.target().starts_with("gochat") && *of.level() <= Level::INFO
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
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource(name)).build())
}

/// What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say; where they name nothing, our own name.
fn resource(name: &str) -> Resource {
    let said = Resource::builder().build();
    match said.get(&SERVICE_NAME) {
        Some(named) if !named.as_str().starts_with("unknown_service") => said,
        _ => Resource::builder().with_service_name(format!("gochat-{name}")).build(),
    }
}

fn filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
