//! Log lines as JSON to standard error; and where `traces` is set, spans of requests and jobs to a collector of OpenTelemetry. A span
//! says what a log line may say: routes, states, ids of jobs and names of datasets, never a program and never a value.

use std::io;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::Config;

/// Spans of this target are exported, whatever the log's filter says.
pub(crate) const SPANS: &str = "hq_server::span";

/// Why nothing can be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// The filter.
    #[error("log is no filter as `info,hq_server=debug`: {0}")]
    Filter(#[from] ParseError),
    /// The collector.
    #[error("traces: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// Something writes already.
    #[error(transparent)]
    Begun(#[from] TryInitError),
}

/// What is written, until this ends: spans that wait are sent then.
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Begins to write.
    ///
    /// # Errors
    /// See [`TelemetryError`].
    pub(crate) fn begin(config: &Config) -> Result<Self, TelemetryError> {
        let filter = EnvFilter::try_new(&config.log)?;
        let log = tracing_subscriber::fmt::layer().json().with_writer(io::stderr).with_filter(filter);
        let provider = config.traces.as_deref().map(provider).transpose()?;
        let spans = provider.as_ref().map(|provider| {
            let only = tracing_subscriber::filter::filter_fn(|found| found.target() == SPANS);
            tracing_opentelemetry::layer().with_tracer(provider.tracer("hq-server")).with_filter(only)
        });
        tracing_subscriber::registry().with(log).with(spans).try_init()?;
        Ok(Self(provider))
    }
}

fn provider(endpoint: &str) -> Result<SdkTracerProvider, ExporterBuildError> {
    // The one provider of this program; without this the HTTP client has none. It may be set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    let exporter = exporter.with_endpoint(endpoint).build()?;
    let resource = Resource::builder().with_service_name("hq-server").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.0 {
            // A collector that went away misses the last spans.
            let _ = provider.shutdown();
        }
    }
}
