//! The keys of an entry that replaces another one of the same issuer, so that no token waits for a fetch.

use std::sync::Arc;

use super::{Ended, IssuerKeys, configured};
use crate::issuer::{Issuer, KeySource};

impl IssuerKeys {
    /// The keys of `issuer`, with those of `former` where both fetch them from the same place. Tokens that `former` has
    /// verified are verified again, because other rules may apply to them.
    pub(crate) fn replacing(former: &Self, issuer: Issuer, id: u64) -> Self {
        let keys = Self::new(issuer, id);
        if former.fetches_as(&keys.issuer) {
            keys.take_over(former);
        }
        keys
    }

    /// Whether the keys of `issuer` would be fetched from the same place.
    fn fetches_as(&self, issuer: &Issuer) -> bool {
        self.is_fetched()
            && self.issuer.source == issuer.source
            && self.issuer.http_hosts == issuer.http_hosts
    }

    fn take_over(&self, former: &Self) {
        let before = former.state();
        let current = former.current();
        let (Some(set), false) = (&*current, former.is_removed()) else {
            return;
        };
        let mut state = self.state();
        state.budget = before.budget.limited_to(self.issuer.fetching);
        state.problem.clone_from(&before.problem);
        state.noted = before.noted.clone();
        self.ended.send_replace(Ended {
            brought_keys: true,
            ..*former.ended.borrow()
        });
        self.discovered.store(former.discovered());
        let set = match self.issuer.keys() {
            None | Some(KeySource::JwksUri(_)) => Some(set.copied()),
            // Their algorithms may have changed.
            Some(keys) => configured(keys, &self.issuer.rules.algorithms, set.issuer().to_owned())
                .map(|own| own.replacing(None, set.generation())),
        };
        self.current.store(set.map(Arc::new));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::issuer::IssuerBuilder;
    use crate::jose::Algorithm;
    use crate::keys::FetchFailure;
    use crate::keys::jwk_set::KeySet;
    use crate::metrics::Counters;

    fn issuer(builder: IssuerBuilder) -> Issuer {
        builder.audience("api").build().expect("an issuer")
    }

    fn at(jwks_uri: &str) -> IssuerBuilder {
        Issuer::with_jwks_uri("a", jwks_uri)
    }

    fn fetched(builder: IssuerBuilder) -> IssuerKeys {
        let keys = IssuerKeys::new(issuer(builder), 0);
        let set = KeySet::of_secret("a".to_owned(), b"secret", &[Algorithm::Hs256]);
        keys.end_fetch(Instant::now(), Ok((Some(set), None)), &Counters::default());
        keys
    }

    const URI: &str = "https://a.example/keys";

    #[test]
    fn keys_from_the_same_place_are_taken_over_as_copies() {
        let former = fetched(at(URI));
        let later = IssuerKeys::replacing(&former, issuer(at(URI).strict(true)), 1);
        assert_eq!(later.unready(), None);
        assert!(later.age(Instant::now()).is_some());
        let [old, new] = [&former, &later].map(|keys| {
            let set = keys.current();
            let keys = set.as_ref().map(|set| set.named(None).to_vec());
            keys.expect("keys")
        });
        assert_eq!((old.len(), new.len()), (1, 1));
        assert!(!Arc::ptr_eq(&old[0], &new[0]));
    }

    #[test]
    fn keys_from_elsewhere_are_not_taken_over() {
        let former = fetched(at(URI));
        let hosts = |keys: IssuerBuilder| keys.allow_http_hosts(["keys"]);
        for other in [
            at("https://a.example/others"),
            hosts(at(URI)),
            Issuer::discover("https://a.example/"),
        ] {
            let later = IssuerKeys::replacing(&former, issuer(other), 1);
            assert!(later.current().is_none());
        }
        let none = IssuerKeys::new(issuer(at(URI)), 0);
        let later = IssuerKeys::replacing(&none, issuer(at(URI)), 1);
        assert!(later.current().is_none() && later.unready().is_some());
    }

    #[test]
    fn an_outage_goes_on_and_does_not_withdraw_the_keys_at_once() {
        let hour = Duration::from_secs(3600);
        let former = fetched(at(URI));
        for (longest_outage, kept) in [(hour, true), (Duration::ZERO, false)] {
            let later = issuer(at(URI).longest_outage(longest_outage));
            let later = IssuerKeys::replacing(&former, later, 1);
            let failure = Err(FetchFailure::NoJwksUri);
            later.end_fetch(Instant::now(), failure, &Counters::default());
            assert_eq!(later.current().is_some(), kept, "{longest_outage:?}");
        }
    }
}
