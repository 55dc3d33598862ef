//! Everything that is measured → OpenMetrics, under names that begin with `ars_`.

mod encoder;
mod process;
mod requests;
mod verifier;

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use self::encoder::gauge;
use self::process::Process;
use self::requests::Routes;
use self::verifier::OfVerifier;
use super::server::OpenConnections;
use crate::Verifier;
use crate::metrics::Requests;

/// Everything that is measured, ready to be scraped.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    connections: Arc<OnceLock<OpenConnections>>,
}

impl Metrics {
    pub(crate) fn of(verifier: Verifier, requests: Arc<Requests>, version: &'static str) -> Self {
        let connections = Arc::default();
        let mut registry = Registry::with_prefix("ars");
        registry.register_collector(Box::new(Routes(requests)));
        registry.register_collector(Box::new(OfVerifier(verifier)));
        registry.register_collector(Box::new(Connections(Arc::clone(&connections))));
        registry.register_collector(Box::new(Process::started_now()));
        registry.register_collector(Box::new(Build { version }));
        Self {
            registry,
            connections,
        }
    }

    /// Measures the connections of the API from now on.
    pub(crate) fn watch(&self, connections: OpenConnections) {
        // The API has one listener, which starts once.
        drop(self.connections.set(connections));
    }

    /// The exposition text.
    ///
    /// # Errors
    /// Never in practice: the text is written to memory.
    pub(crate) fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[derive(Debug)]
struct Connections(Arc<OnceLock<OpenConnections>>);

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let open = self.0.get().map_or(0, OpenConnections::count);
        let help = "Connections to the API that are open";
        gauge(&mut encoder, "connections", help, None, open)
    }
}

/// Which build serves.
#[derive(Debug)]
struct Build {
    version: &'static str,
}

impl Collector for Build {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let info = Info::new([("version", self.version)]);
        let help = "The program that serves";
        info.encode(encoder.encode_descriptor("build", help, None, info.metric_type())?)
    }
}
