//! Counters → OpenMetrics.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::Verifier;
use crate::metrics::{Counters, Fetched, Introspected, RejectionReason};

/// Everything that is measured, ready to be scraped.
#[derive(Debug)]
pub(crate) struct Metrics(Registry);

impl Metrics {
    pub(crate) fn of(verifier: Verifier) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Counted(verifier)));
        Self(registry)
    }

    /// The exposition text.
    ///
    /// # Errors
    /// Never in practice: the text is written to memory.
    pub(crate) fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}

#[derive(Debug)]
struct Counted(Verifier);

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counters = self.0.counters();
        for (name, help, read) in COUNTERS {
            single(&mut encoder, name, help, read(counters))?;
        }
        let rejected = RejectionReason::ALL.iter();
        let rejected = rejected.map(|&reason| (reason.label(), counters.rejected(reason)));
        let help = "Requests whose caller was rejected";
        family(&mut encoder, "access_refused", help, "reason", rejected)?;
        let fetched = Fetched::ALL.iter();
        let fetched = fetched.map(|&outcome| (outcome.label(), counters.fetched(outcome)));
        let help = "Fetches of an issuer's keys";
        family(&mut encoder, "keys_fetched", help, "outcome", fetched)?;
        let introspected = Introspected::ALL.iter();
        let introspected =
            introspected.map(|&outcome| (outcome.label(), counters.introspected(outcome)));
        let help = "Calls of introspection endpoints";
        family(
            &mut encoder,
            "introspections",
            help,
            "outcome",
            introspected,
        )?;
        unready(&mut encoder, &self.0)?;
        ages(&mut encoder, &self.0)
    }
}

/// A counter without labels: name, help and value.
type Plain = (&'static str, &'static str, fn(&Counters) -> u64);

const COUNTERS: [Plain; 6] = [
    (
        "introspections_denied",
        "Requests whose token was not introspected because of the limits of calls",
        Counters::introspections_denied,
    ),
    (
        "access_granted",
        "Requests whose caller was accepted",
        Counters::granted,
    ),
    (
        "keys_awaited",
        "Requests that waited for a fetch of keys",
        Counters::awaited_keys,
    ),
    (
        "keys_unknown",
        "Tokens that named a key which was not there",
        Counters::unknown_keys,
    ),
    (
        "keys_refresh_denied",
        "Unknown keys for which no fetch was spent",
        Counters::refreshes_denied,
    ),
    (
        "keys_unusable",
        "Published keys that could not be used",
        Counters::unusable_keys,
    ),
];

fn unready(encoder: &mut DescriptorEncoder<'_>, verifier: &Verifier) -> fmt::Result {
    let gauge = ConstGauge::new(i64::try_from(verifier.unready().len()).unwrap_or(i64::MAX));
    let help = "Issuers whose keys have not been fetched yet";
    gauge.encode(encoder.encode_descriptor("issuers_unready", help, None, gauge.metric_type())?)
}

/// The label is the issuer as it is configured, so that their number is that of the settings.
fn ages(encoder: &mut DescriptorEncoder<'_>, verifier: &Verifier) -> fmt::Result {
    let help = "How long ago an issuer's keys last came";
    let kind = ConstGauge::new(0.0_f64).metric_type();
    let mut family = encoder.encode_descriptor("keys_age", help, Some(&Unit::Seconds), kind)?;
    // Of several entries of one issuer, the one with the oldest keys.
    let mut oldest = BTreeMap::<String, Duration>::new();
    for (issuer, age) in verifier.key_ages() {
        if let Some(age) = age {
            let known = oldest.entry(issuer).or_default();
            *known = age.max(*known);
        }
    }
    for (issuer, age) in oldest {
        ConstGauge::new(age.as_secs_f64()).encode(family.encode_family(&[("issuer", issuer)])?)?;
    }
    Ok(())
}

fn single(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, count: u64) -> fmt::Result {
    let counter = ConstCounter::new(count);
    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
}

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    counts: impl Iterator<Item = (&'static str, u64)>,
) -> fmt::Result {
    let kind = ConstCounter::new(0_u64).metric_type();
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (value, count) in counts {
        ConstCounter::new(count).encode(family.encode_family(&[(label, value)])?)?;
    }
    Ok(())
}
