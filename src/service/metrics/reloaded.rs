//! How settings and certificates change while the service runs.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;

use super::encoder::{LabelValue, counters, gauge};
use crate::service::reload::Reloads;
use crate::service::server::Tls;

#[derive(Debug)]
pub(crate) struct Reloaded {
    pub(crate) reloads: Reloads,
    pub(crate) tls: Option<Tls>,
}

impl Collector for Reloaded {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let reloads = self.reloads.counts();
        let reloads = reloads.map(|(outcome, count)| ([("outcome", LabelValue(outcome))], count));
        let help = "Times that the settings were read again while the service ran";
        counters(&mut encoder, "settings_reloads", help, reloads)?;
        let Some(validity) = self.tls.as_ref().and_then(Tls::validity) else {
            return Ok(());
        };
        let help = "When the certificate of the service expires, in seconds since 1970";
        let (name, unit) = ("tls_certificate_expiry", Some(&Unit::Seconds));
        gauge(&mut encoder, name, help, unit, validity.until())
    }
}
