//! The trusted issuers, which can be changed while tokens are verified.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError};

use super::audience::check_audience;
use super::introspection::Introspector;
use super::revoke::check_lifetimes;
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
    if tenants.tenant_of(token.issuer()?) != Some(&**tenant) {
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
        self.replace_issuers(&[], [issuer])
    }

    /// Trusts `issuers` instead of `former`, in one step. Issuers that are equal in both stay as they are, and so do all
    /// others that the verifier trusts.
    ///
    /// No request fails because of the change. An issuer whose keys are fetched from the same place as before keeps them,
    /// and new rules (audience, scopes, required claims, …) apply to tokens that were verified before, too. Where its keys
    /// come from another place, its tokens wait for the first fetch there. Tokens of issuers that are not listed any more
    /// are rejected, also those that were verified before.
    ///
    /// # Errors
    /// Those of [`VerifierBuilder::start`](super::VerifierBuilder::start); the issuers are then as they were.
    ///
    /// # Examples
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use actix_resource_server::{Issuer, Verifier};
    ///
    /// let tenant = || Issuer::discover("https://tenant.eu.auth0.com/");
    /// let former = tenant().audience("https://my/api").build()?;
    /// let verifier = Verifier::start([former.clone()])?;
    /// let renamed = tenant().audience("https://my/api/v2").build()?;
    /// verifier.replace_issuers(&[former], [renamed])?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn replace_issuers(
        &self,
        former: &[Issuer],
        issuers: impl IntoIterator<Item = Issuer>,
    ) -> io::Result<()> {
        let mut refresher = self
            .0
            .refresher
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = self.0.trust.load_full();
        let issuers: Vec<_> = issuers.into_iter().collect();
        let is_removed = |keys: &&Arc<IssuerKeys>| {
            former.contains(&keys.issuer) && !issuers.contains(&keys.issuer)
        };
        let (removed, mut trusted): (Vec<_>, Vec<_>) = before
            .issuers
            .iter()
            .cloned()
            .partition(|keys| is_removed(&keys));
        if self.0.origin.revocations.is_some() {
            check_lifetimes(&issuers)?;
        }
        let is_new = |issuer: &Issuer| {
            !(former.contains(issuer) && trusted.iter().any(|keys| keys.issuer == *issuer))
        };
        let added = issuers.iter().filter(|issuer| is_new(issuer)).cloned();
        let added = (before.next_id..).zip(added);
        let added: Vec<_> = added
            .map(|(id, issuer)| Arc::new(keys_of(issuer, id, &removed)))
            .collect();
        trusted.extend(added.iter().cloned());
        let next_id = added
            .last()
            .map_or(before.next_id, |last| last.id.saturating_add(1));
        let trust = Trust::of(trusted, next_id, &before.introspectors)?;
        self.fetch(&mut refresher, &added)?;
        self.0.trust.store(Arc::new(trust));
        removed.iter().for_each(|keys| keys.remove());
        Ok(())
    }

    /// Starts fetching the keys of these issuers.
    ///
    /// # Errors
    /// The operating system provides no thread for it.
    fn fetch(
        &self,
        refresher: &mut Option<KeyRefresher>,
        added: &[Arc<IssuerKeys>],
    ) -> io::Result<()> {
        let fetched = added.iter().filter(|keys| keys.is_fetched()).cloned();
        match refresher {
            Some(refresher) => fetched.for_each(|keys| refresher.add(keys)),
            None if added.iter().any(|keys| keys.needs_requests()) => {
                let counters = Arc::clone(&self.0.counters);
                let roots = self.0.roots.clone();
                *refresher = Some(KeyRefresher::start(fetched, counters, roots)?);
            }
            None => {}
        }
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

/// The keys of an issuer that is added; with those of a removed entry where they come from the same place.
fn keys_of(issuer: Issuer, id: u64, removed: &[Arc<IssuerKeys>]) -> IssuerKeys {
    let former = removed
        .iter()
        .find(|keys| keys.issuer.source == issuer.source);
    match former {
        Some(former) => IssuerKeys::replacing(former, issuer, id),
        None => IssuerKeys::new(issuer, id),
    }
}

fn without_slash(name: &str) -> &str {
    name.strip_suffix('/').unwrap_or(name)
}
