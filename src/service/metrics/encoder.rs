//! Numbers → samples of OpenMetrics.

use std::fmt::{self, Write};

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
    MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::metrics::{BOUNDS, Distribution};

/// The value of a label, escaped, which the encoder leaves to its caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabelValue<'v>(pub(super) &'v str);

impl EncodeLabelValue for LabelValue<'_> {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => encoder.write_str("\\\\")?,
                '"' => encoder.write_str("\\\"")?,
                '\n' => encoder.write_str("\\n")?,
                character => encoder.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// The labels of a sample.
pub(super) type Labels<'l, const N: usize> = [(&'static str, LabelValue<'l>); N];

/// A counter without labels.
pub(super) fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    count: u64,
) -> fmt::Result {
    let counter = ConstCounter::new(count);
    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
}

/// A gauge without labels.
pub(super) fn gauge<N>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: N,
) -> fmt::Result
where
    ConstGauge<N>: EncodeMetric,
{
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?)
}

/// A counter with labels.
pub(super) fn counters<'l, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, count) in samples {
        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// A gauge with the label `issuer`.
pub(super) fn gauge_by_issuer<'l, N: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    samples: impl IntoIterator<Item = (&'l str, N)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    for (issuer, value) in samples {
        let labels = [("issuer", LabelValue(issuer))];
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}

/// A histogram of seconds, or one of a family.
pub(super) fn histogram(encoder: &mut MetricEncoder<'_>, durations: &Distribution) -> fmt::Result {
    let bounds = BOUNDS
        .iter()
        .map(|bound| std::time::Duration::from_nanos(*bound).as_secs_f64());
    // The encoder's name for no bound.
    let bounds = bounds.chain([f64::MAX]);
    let buckets: Vec<_> = bounds.zip(durations.buckets).collect();
    let (sum, count) = (durations.sum.as_secs_f64(), durations.count());
    encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Debug)]
    struct Routes;

    impl Collector for Routes {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let route = ("route", LabelValue("/{id:\\d+}/\"\n"));
            counters(&mut encoder, "requests", "Requests", [([route], 7)])
        }
    }

    #[test]
    fn label_values_are_escaped() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Routes));
        let mut encoded = String::new();
        text::encode(&mut encoded, &registry).unwrap();
        let sample = encoded.lines().find(|line| !line.starts_with('#'));
        let expected = "requests_total{route=\"/{id:\\\\d+}/\\\"\\n\"} 7";
        assert_eq!(sample, Some(expected));
    }
}
