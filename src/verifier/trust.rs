//! The trusted issuers, which can be changed while tokens are verified.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError};

use super::audience::check_audience;
use super::introspection::Introspector;
use super::unverified::Unverified;
use super::validate::required;
use super::{Verifier, VerifyError};
use crate::issuer::{Issuer, check_distinct, same_issuers};
use crate::jose::compact::has_form_of_jwt;
use crate::keys::{IssuerKeys, KeyRefresher};

/// The issuers at one time.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) issuers: Vec<Arc<IssuerKeys>>,
    by_name: HashMap<String, usize>,
    /// The number of the next entry.
    next_id: u64,
    /// The issuers whose tokens are introspected.
    introspectors: Vec<Arc<Introspector>>,
    /// For each entry, the indices of all entries of the same issuer; the token's audience selects one.
    same_issuers: Vec<Vec<usize>>,
}

impl Trust {
    /// # Errors
    /// Two entries are the same issuer in two spellings, or share an audience.
    pub(super) fn new(issuers: impl IntoIterator<Item = Issuer>) -> io::Result<Self> {
        let numbered = (0..).zip(issuers);
        let issuers = numbered.map(|(id, issuer)| Arc::new(IssuerKeys::new(issuer, id)));
        let issuers: Vec<_> = issuers.collect();
        let next_id = issuers.last().map_or(0, |last| last.id.saturating_add(1));
        Self::of(issuers, next_id, &[])
    }

    /// Trusts `issuers`; those of them that `introspectors` introspect keep their limits and calls.
    fn of(
        issuers: Vec<Arc<IssuerKeys>>,
        next_id: u64,
        introspectors: &[Arc<Introspector>],
    ) -> io::Result<Self> {
        let configured: Vec<_> = issuers.iter().map(|keys| &keys.issuer).collect();
        check_distinct(&configured)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let names = issuers.iter().enumerate();
        let names =
            names.map(|(index, keys)| (without_slash(keys.issuer.label()).to_owned(), index));
        Ok(Self {
            introspectors: introspectors_of(&issuers, introspectors),
            by_name: names.collect(),
            next_id,
            same_issuers: same_issuers(&configured),
            issuers,
        })
    }

    /// The number of the next issuer.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id
    }

    /// The entry for a token: selected by `iss`, and by `aud` among several entries of one issuer.
    pub(super) fn entry_for(
        &self,
        token: &Unverified<'_>,
    ) -> Result<&Arc<IssuerKeys>, VerifyError> {
        let iss = token.issuer()?;
        let is = |index: &usize, is: fn(&IssuerKeys, &str) -> bool| {
            let keys = self.issuers.get(*index);
            keys.is_some_and(|keys| is(keys, iss))
        };
        let is_named = |index: &usize| is(index, IssuerKeys::is_named);
        let has_tenant = |index: &usize| is(index, IssuerKeys::has_tenant);
        // The index knows only configured names; a discovered one may differ, so that all entries are compared.
        let named = self
            .by_name
            .get(without_slash(iss))
            .copied()
            .filter(is_named)
            .or_else(|| (0..self.issuers.len()).find(is_named))
            .or_else(|| (0..self.issuers.len()).find(has_tenant))
            .ok_or(VerifyError::UnknownIssuer)?;
        let index = match self.same_issuers.get(named).map(Vec::as_slice) {
            None | Some([] | [_]) => named,
            Some(same) => {
                let same = same.iter().copied();
                self.entry_of_audience(
                    token,
                    same.filter(|index| is_named(index) || has_tenant(index)),
                )?
            }
        };
        let keys = self.issuers.get(index).ok_or(VerifyError::UnknownIssuer)?;
        check_tenant(&keys.issuer, token)?;
        Ok(keys)
    }

    /// Whether no entry is the token's issuer.
    pub(super) fn lacks_issuer(&self, token: &Unverified<'_>) -> bool {
        matches!(self.entry_for(token), Err(VerifyError::UnknownIssuer))
    }

    fn entry_of_audience(
        &self,
        token: &Unverified<'_>,
        entries: impl Iterator<Item = usize>,
    ) -> Result<usize, VerifyError> {
        let (mut meant, mut failure) = (None, None);
        for index in entries {
            let Some(keys) = self.issuers.get(index) else {
                continue;
            };
            match check_audience(&keys.issuer, token.payload()) {
                Ok(()) if meant.is_some() => return Err(VerifyError::SeveralAudiences),
                Ok(()) => meant = Some(index),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        meant.ok_or_else(|| failure.unwrap_or(VerifyError::WrongAudience))
    }

    /// The issuer that must introspect this token without reading it; `None` for a JWT, and for an opaque token that
    /// no issuer introspects.
    pub(super) fn introspector_of_opaque(&self, token: &str) -> Option<&Arc<Introspector>> {
        if self.introspectors.is_empty() || has_form_of_jwt(token) {
            return None;
        }
        let prefixed = self
            .introspectors
            .iter()
            .filter_map(|of| Some((of.matched_prefix(token)?, of)));
        // One prefix may begin with another one: the longest that matches decides.
        let of_prefix = prefixed.max_by_key(|(length, _)| *length).map(|(_, of)| of);
        of_prefix.or_else(|| self.introspectors.iter().find(|of| of.takes_others()))
    }

    /// The introspector of the issuer with this number.
    pub(super) fn introspector(&self, id: u64) -> Option<&Arc<Introspector>> {
        self.introspectors.iter().find(|of| of.keys.id == id)
    }

    /// Whether tokens of any issuer are introspected.
    pub(super) fn introspects(&self) -> bool {
        !self.introspectors.is_empty()
    }

    /// The entry with this number, unless it has been removed.
    pub(super) fn with_id(&self, id: u64) -> Option<&Arc<IssuerKeys>> {
        self.issuers.iter().find(|keys| keys.id == id)
    }
}

/// Checks the tenant of a token whose issuer has several: `tid` is that of `iss`, and is accepted.
fn check_tenant(issuer: &Issuer, token: &Unverified<'_>) -> Result<(), VerifyError> {
    let Some(tenants) = &issuer.tenants else {
        return Ok(());
    };
    let tenant = required(&token.claims().tenant_id, "tid")?;
    if tenants.tenant_of(token.issuer()?) != Some(tenant) {
        Err(VerifyError::OtherTenant)
    } else if tenants.accept(tenant) {
        Ok(())
    } else {
        Err(VerifyError::UnknownTenant)
    }
}

/// The introspectors of all issuers that have one, as far as possible those that there are.
fn introspectors_of(
    issuers: &[Arc<IssuerKeys>],
    known: &[Arc<Introspector>],
) -> Vec<Arc<Introspector>> {
    let introspector = |keys: &Arc<IssuerKeys>| {
        let known = known.iter().find(|known| known.keys.id == keys.id);
        known.cloned().or_else(|| Introspector::new(keys))
    };
    issuers.iter().filter_map(introspector).collect()
}

impl Verifier {
    /// Trusts another issuer from now on, and starts fetching its keys without waiting for them.
    ///
    /// # Errors
    /// Those of [`VerifierBuilder::start`](super::VerifierBuilder::start); the issuers are then as they were.
    ///
    /// # Examples
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use actix_resource_server::{Issuer, Verifier};
    ///
    /// let verifier = Verifier::start([])?;
    /// let tenant = Issuer::discover("https://tenant.eu.auth0.com/").audience("https://my/api").build()?;
    /// verifier.add_issuer(tenant)?;
    /// assert!(verifier.remove_issuer("https://tenant.eu.auth0.com/"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_issuer(&self, issuer: Issuer) -> io::Result<()> {
        let mut refresher = self
            .0
            .refresher
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = self.0.trust.load();
        let added = Arc::new(IssuerKeys::new(issuer, before.next_id));
        let mut issuers = before.issuers.clone();
        issuers.push(Arc::clone(&added));
        let trust = Trust::of(
            issuers,
            before.next_id.saturating_add(1),
            &before.introspectors,
        )?;
        if added.is_fetched() || added.issuer.introspection.is_some() {
            match &*refresher {
                Some(refresher) => refresher.add(Arc::clone(&added)),
                None => {
                    let counters = Arc::clone(&self.0.counters);
                    *refresher = Some(KeyRefresher::start(
                        [Arc::clone(&added)],
                        counters,
                        self.0.roots.clone(),
                    )?);
                }
            }
        }
        self.0.trust.store(Arc::new(trust));
        Ok(())
    }

    /// Trusts an issuer no longer: its tokens are rejected from now on, also those that were verified before, and its keys
    /// are no longer fetched. Returns whether there was one.
    ///
    /// `name` is its configured name or base URL, or the exact value of `iss`; all entries of that name are removed.
    pub fn remove_issuer(&self, name: &str) -> bool {
        let _change = self
            .0
            .refresher
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_meant = |keys: &Arc<IssuerKeys>| {
            keys.issuer.label() == name || keys.issuer.spelling == name || keys.is_named(name)
        };
        let before = self.0.trust.load();
        let (removed, kept): (Vec<_>, Vec<_>) = before.issuers.iter().cloned().partition(is_meant);
        // Issuers that are distinct together are distinct without some of them.
        let trust = Trust::of(kept, before.next_id, &before.introspectors);
        if let (false, Ok(trust)) = (removed.is_empty(), trust) {
            self.0.trust.store(Arc::new(trust));
        }
        removed.iter().for_each(|keys| keys.remove());
        !removed.is_empty()
    }
}

fn without_slash(name: &str) -> &str {
    name.strip_suffix('/').unwrap_or(name)
}
