//! Requests, their durations and rejections, by route.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::encoder::{LabelValue, Labels, counters, histogram};
use crate::metrics::{METHODS, RejectionReason, Requests, RouteTotals, STATUS_CLASSES};

#[derive(Debug)]
pub(super) struct Routes(pub(super) Arc<Requests>);

impl Collector for Routes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let totals: Vec<_> = self.0.totals().collect();
        let help = "Requests that were answered";
        let answered = totals.iter().flat_map(answered);
        counters(&mut encoder, "http_requests", help, answered)?;
        let help = "Requests that were rejected";
        let rejected = totals.iter().flat_map(rejected);
        counters(&mut encoder, "rejections", help, rejected)?;
        let help = "Time from the last byte of a request's head to its response";
        let (name, kind) = ("http_request_duration", MetricType::Histogram);
        let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?;
        for of in &totals {
            let labels = [("route", LabelValue(of.route))];
            histogram(&mut family.encode_family(&labels)?, &of.durations)?;
        }
        Ok(())
    }
}

/// Those methods and classes that have occurred.
fn answered<'t>(of: &'t RouteTotals<'_>) -> impl Iterator<Item = (Labels<'t, 3>, u64)> {
    let methods = METHODS.iter().zip(&of.answered);
    methods.flat_map(|(method, by_class)| {
        let classes = STATUS_CLASSES.iter().zip(by_class);
        let occurred = classes.filter(|(_, count)| **count > 0);
        occurred.map(|(class, count)| {
            let labels = [
                ("route", LabelValue(of.route)),
                ("method", LabelValue(method)),
                ("status", LabelValue(class)),
            ];
            (labels, *count)
        })
    })
}

/// All reasons where tokens are taken, so that the first rejection is seen as an increase; else those that have occurred.
fn rejected<'t>(of: &'t RouteTotals<'_>) -> impl Iterator<Item = (Labels<'t, 2>, u64)> {
    let reasons = RejectionReason::ALL.iter().zip(of.rejected);
    let listed = reasons.filter(|(_, count)| of.takes_tokens || *count > 0);
    listed.map(|(reason, count)| {
        let labels = [
            ("route", LabelValue(of.route)),
            ("reason", LabelValue(reason.label())),
        ];
        (labels, count)
    })
}
