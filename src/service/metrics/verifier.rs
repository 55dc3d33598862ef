//! What the verifier counts: tokens, keys, introspection, and the replay store.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::encoder::{LabelValue, counter, counters, gauge, gauge_by_issuer, histogram};
use crate::Verifier;
use crate::metrics::{Counters, EndedStream, EventKind, EventOutcome, Fetched, Introspected};

#[derive(Debug)]
pub(super) struct OfVerifier(pub(super) Verifier);

impl Collector for OfVerifier {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counted = self.0.counters();
        for (name, help, read) in COUNTERS {
            counter(&mut encoder, name, help, read(counted))?;
        }
        let introspected = Introspected::ALL.iter().map(|&outcome| {
            let labels = [("outcome", LabelValue(outcome.label()))];
            (labels, counted.introspected(outcome))
        });
        let help = "Calls of introspection endpoints";
        counters(&mut encoder, "introspections", help, introspected)?;
        let help = "Issuers whose keys have not been fetched yet";
        let unready = self.0.unready().len();
        gauge(&mut encoder, "issuers_unready", help, None, unready)?;
        self.revocations(&mut encoder)?;
        self.streams(&mut encoder)?;
        self.key_sets(&mut encoder)?;
        self.token_cache(&mut encoder)?;
        self.replay_store(&mut encoder)
    }
}

impl OfVerifier {
    fn revocations(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Some(revocations) = self.0.revocations() else {
            return Ok(());
        };
        let counted = self.0.counters();
        let help = "Cut-offs that were recorded";
        counter(encoder, "revocations", help, counted.revocations())?;
        let help = "Cut-offs that are kept";
        gauge(
            encoder,
            "revocation_cut_offs",
            help,
            None,
            revocations.len(),
        )?;
        let help = "Whether the store of revocations is available";
        let available = usize::from(revocations.is_complete());
        gauge(encoder, "revocation_store_available", help, None, available)?;
        let events = EventKind::ALL.iter().flat_map(|&kind| {
            EventOutcome::ALL.iter().map(move |&outcome| {
                let kind_label = ("kind", LabelValue(kind.label()));
                let outcome_label = ("outcome", LabelValue(outcome.label()));
                let count = counted.security_events(kind, outcome);
                ([kind_label, outcome_label], count)
            })
        });
        let help = "Logout tokens and security events that were received";
        counters(encoder, "security_events", help, events)
    }

    fn streams(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counted = self.0.counters();
        let help = "Streams that are open";
        gauge(encoder, "open_streams", help, None, counted.open_streams())?;
        let ended = EndedStream::ALL.iter().map(|&reason| {
            let labels = [("reason", LabelValue(reason.label()))];
            (labels, counted.ended_streams(reason))
        });
        let help = "Streams that have ended with the access of their callers";
        counters(encoder, "ended_streams", help, ended)
    }

    /// The label is the issuer as it is configured, so that their number is that of the settings. Of several entries of one
    /// issuer, the age is that of the oldest keys.
    fn key_sets(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut by_issuer = BTreeMap::<String, KeySets>::new();
        for of in self.0.key_sets() {
            let sets = by_issuer.entry(of.issuer).or_default();
            sets.age = sets.age.max(of.age);
            sets.usable = sets.usable.saturating_add(of.usable);
            for (total, (_, count)) in sets.fetches.iter_mut().zip(of.fetches) {
                *total = total.saturating_add(count);
            }
        }
        let sets = || {
            by_issuer
                .iter()
                .map(|(issuer, sets)| (issuer.as_str(), sets))
        };
        let ages = sets().filter_map(|(issuer, sets)| Some((issuer, sets.age?.as_secs_f64())));
        let help = "Time since the last fetch that brought an issuer's keys";
        gauge_by_issuer(encoder, "key_set_age", help, Some(&Unit::Seconds), ages)?;
        let usable = sets().map(|(issuer, sets)| (issuer, sets.usable));
        let help = "Keys of an issuer that can verify tokens";
        gauge_by_issuer(encoder, "usable_keys", help, None, usable)?;
        let fetches = sets().flat_map(|(issuer, sets)| {
            let outcomes = Fetched::ALL.iter().zip(sets.fetches);
            outcomes.map(move |(outcome, count)| {
                let issuer = ("issuer", LabelValue(issuer));
                ([issuer, ("outcome", LabelValue(outcome.label()))], count)
            })
        });
        let help = "Fetches of an issuer's keys";
        counters(encoder, "key_set_fetches", help, fetches)
    }

    fn token_cache(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let size = self.0.token_cache_size().unwrap_or_default();
        let help = "Verified tokens in the cache";
        gauge(encoder, "token_cache_entries", help, None, size.entries)?;
        let help = "Memory of the token cache";
        gauge(encoder, "token_cache", help, Some(&Unit::Bytes), size.bytes)
    }

    fn replay_store(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Some(durations) = self.0.senders().replay_durations() else {
            return Ok(());
        };
        let help = "Time until the replay store answered whether a DPoP proof was used before";
        let (name, kind) = ("replay_store_duration", MetricType::Histogram);
        let mut encoder = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?;
        histogram(&mut encoder, &durations)
    }
}

/// The keys of all entries of one issuer.
#[derive(Debug, Default)]
struct KeySets {
    age: Option<Duration>,
    usable: usize,
    fetches: [u64; Fetched::ALL.len()],
}

/// A counter without labels: name, help and value.
type Plain = (&'static str, &'static str, fn(&Counters) -> u64);

const COUNTERS: [Plain; 8] = [
    (
        "access_granted",
        "Requests whose caller was accepted",
        Counters::granted,
    ),
    (
        "key_set_waits",
        "Requests that waited for a fetch of keys",
        Counters::awaited_keys,
    ),
    (
        "unknown_key_ids",
        "Tokens whose key was not in the issuer's set",
        Counters::unknown_keys,
    ),
    (
        "key_set_refreshes_denied",
        "Tokens with an unknown key for which no fetch was permitted",
        Counters::refreshes_denied,
    ),
    (
        "unusable_keys",
        "Published keys that cannot verify tokens, counted at each fetch",
        Counters::unusable_keys,
    ),
    (
        "introspections_denied",
        "Requests whose token was not introspected because of the limits of calls",
        Counters::introspections_denied,
    ),
    (
        "token_cache_hits",
        "Tokens whose verification was found in the cache",
        Counters::cached_tokens,
    ),
    (
        "token_cache_misses",
        "Tokens that were not found in the cache",
        Counters::uncached_tokens,
    ),
];

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use std::time::SystemTime;

    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::test_kit::{SigningKey, TokenBuilder};
    use crate::{Algorithm, CutOff, Issuer, Revocations};

    const ISSUER: &str = "https://issuer.example/";

    fn verifier(revocations: Option<Revocations>) -> Verifier {
        let issuer = Issuer::with_secret(ISSUER, &"s".repeat(32), Algorithm::Hs256)
            .audience("api")
            .event_audience("client")
            .max_token_age(Duration::from_secs(60));
        let builder = match revocations {
            Some(revocations) => Verifier::builder().revocations(revocations),
            None => Verifier::builder(),
        };
        builder.start([issuer.build().unwrap()]).unwrap()
    }

    /// The samples about revocation.
    fn samples(verifier: &Verifier) -> Vec<String> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(OfVerifier(verifier.clone())));
        let mut encoded = String::new();
        text::encode(&mut encoded, &registry).unwrap();
        let lines = encoded.lines();
        let lines = lines.filter(|line| {
            ["revocation", "security"]
                .iter()
                .any(|of| line.starts_with(of))
        });
        lines.map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn revocations_and_events_are_measured_where_tokens_can_be_revoked() {
        assert!(samples(&verifier(None)).is_empty());
        let verifier = verifier(Some(Revocations::in_memory(2)));
        let cut_off = CutOff::subject(ISSUER, "ada", SystemTime::now());
        verifier.revoke(&[cut_off]).await.unwrap();
        let key = SigningKey::from_secret(&"s".repeat(32), Algorithm::Hs256);
        let token = TokenBuilder::logout_token(ISSUER, "client", &key);
        let full = token.clone().claim("sub", "joe").claim("jti", "other");
        for token in [token.clone().without("jti"), token.clone(), token, full] {
            let _ = verifier.receive_logout_token(&token.build()).await;
        }
        let _ = verifier.receive_security_event("").await;
        let event = |kind: &str, outcome: &str, count: u64| {
            format!("security_events_total{{kind=\"{kind}\",outcome=\"{outcome}\"}} {count}")
        };
        let expected = [
            "revocations_total 2".to_owned(),
            "revocation_cut_offs 2".to_owned(),
            "revocation_store_available 1".to_owned(),
            event("logout", "accepted", 1),
            event("logout", "repeated", 1),
            event("logout", "rejected", 1),
            event("logout", "unavailable", 1),
            event("security_event", "accepted", 0),
            event("security_event", "repeated", 0),
            event("security_event", "rejected", 1),
            event("security_event", "unavailable", 0),
        ];
        assert_eq!(samples(&verifier), expected);
    }
}
