//! The exact `iss` of an issuer that an operator names as the settings do.

use std::time::SystemTime;

use super::Verifier;
use crate::keys::{IssuerKeys, is_issuer};

/// Why no single issuer is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnresolvedIssuer {
    /// None has this name.
    Unknown,
    /// Several are meant, or any tenant of one.
    Several,
    /// Its document has not been fetched yet.
    Undetermined,
}

impl Verifier {
    /// The exact `iss` of the trusted issuer that is `named` by it, or by the URL that is configured; of the only one where
    /// none is named.
    pub(crate) fn exact_issuer(&self, named: Option<&str>) -> Result<String, UnresolvedIssuer> {
        let trust = self.0.trust.load();
        let mut issuers = trust.issuers.iter();
        if let Some(name) = named
            && issuers.any(|keys| keys.has_tenant(name) || keys.name().as_deref() == Some(name))
        {
            return Ok(name.to_owned());
        }
        let is_meant = |keys: &IssuerKeys| {
            named.is_none_or(|name| keys.issuer.label() == name || is_issuer(&keys.issuer, name))
        };
        let mut found = Err(UnresolvedIssuer::Unknown);
        for keys in trust.issuers.iter().filter(|keys| is_meant(keys)) {
            let name = match keys.name() {
                Some(name) => name,
                None if keys.issuer.tenants.is_some() => return Err(UnresolvedIssuer::Several),
                None => return Err(UnresolvedIssuer::Undetermined),
            };
            match &found {
                Ok(former) if *former != name => return Err(UnresolvedIssuer::Several),
                _ => found = Ok(name),
            }
        }
        found
    }

    /// The latest time of a cut-off for the issuer with this exact name: now, and the tolerance for its clock, which may be
    /// ahead. `None` if it is not trusted.
    #[must_use]
    pub fn latest_cut_off(&self, issuer: &str) -> Option<SystemTime> {
        self.now().checked_add(self.limits_of(issuer)?.tolerance)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Algorithm, Issuer};

    fn configured(name: &str) -> Issuer {
        let issuer = Issuer::with_secret(name, &"s".repeat(32), Algorithm::Hs256);
        let issuer = issuer
            .audience(name)
            .clock_tolerance(Duration::from_secs(7));
        issuer.build().expect("an issuer")
    }

    fn discovered() -> Issuer {
        let issuer = Issuer::discover("http://127.0.0.1:1/").audience("api");
        issuer.build().expect("an issuer")
    }

    #[test]
    fn one_issuer_need_not_be_named() {
        let verifier = Verifier::start([configured("a")]).expect("a verifier");
        for named in [None, Some("a")] {
            assert_eq!(verifier.exact_issuer(named), Ok("a".to_owned()));
        }
        assert_eq!(
            verifier.exact_issuer(Some("b")),
            Err(UnresolvedIssuer::Unknown)
        );
    }

    #[test]
    fn of_several_issuers_one_is_named() {
        let verifier = Verifier::start([configured("a"), configured("b")]).expect("a verifier");
        assert_eq!(verifier.exact_issuer(Some("b")), Ok("b".to_owned()));
        assert_eq!(verifier.exact_issuer(None), Err(UnresolvedIssuer::Several));
        let none = Verifier::start([]).expect("a verifier");
        assert_eq!(none.exact_issuer(None), Err(UnresolvedIssuer::Unknown));
    }

    #[test]
    fn the_name_of_a_discovered_issuer_is_not_guessed() {
        let verifier = Verifier::start([discovered()]).expect("a verifier");
        for named in [
            None,
            Some("http://127.0.0.1:1"),
            Some("http://127.0.0.1:1/"),
        ] {
            let expected = Err(UnresolvedIssuer::Undetermined);
            assert_eq!(verifier.exact_issuer(named), expected);
        }
    }

    #[test]
    fn of_many_tenants_one_is_named() {
        let issuer = Issuer::discover("http://127.0.0.1:1/common/v2.0")
            .name("http://127.0.0.1:1/{tenantid}/v2.0")
            .tenants(["*"])
            .audience("api");
        let verifier = Verifier::start([issuer.build().expect("an issuer")]).expect("a verifier");
        let tenant = "http://127.0.0.1:1/11111111-2222-3333-4444-555555555555/v2.0";
        assert_eq!(verifier.exact_issuer(Some(tenant)), Ok(tenant.to_owned()));
        assert_eq!(verifier.exact_issuer(None), Err(UnresolvedIssuer::Several));
    }

    #[test]
    fn a_cut_off_may_be_as_late_as_the_clock_of_the_issuer() {
        let verifier = Verifier::start([configured("a")]).expect("a verifier");
        let earliest = verifier.now() + Duration::from_secs(7);
        assert!(
            verifier
                .latest_cut_off("a")
                .is_some_and(|latest| latest >= earliest)
        );
        assert_eq!(verifier.latest_cut_off("b"), None);
    }
}
