//! All that is known beside the verdict: the token's contents, whom the server trusts, the time.

use std::time::Duration;

use serde_json::Value;

use super::contents::Contents;
use crate::issuer::{Issuer, Source};
use crate::keys::discovery;
use crate::verifier::Unready;

/// One token before one server.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) contents: Contents,
    pub(super) issuers: &'a [Issuer],
    /// Whether the issuer is the development issuer.
    pub(super) development: bool,
    /// Why an issuer's keys are not there, for those where they are not.
    pub(super) unready: Vec<Unready>,
    /// Since 1970.
    pub(super) now: Duration,
}

impl Case<'_> {
    /// The issuer that the token names, up to a trailing slash; of several entries the one that its audience chooses.
    pub(super) fn issuer(&self) -> Option<&Issuer> {
        let named = self.contents.issuer()?;
        let is_named = |issuer: &&Issuer| match &issuer.source {
            Source::Discovery {
                name: None,
                base_url,
                ..
            } => discovery::names(named, base_url),
            Source::Discovery {
                name: Some(name), ..
            }
            | Source::Configured { name, .. } => name == named,
        };
        let audience = self.contents.audience();
        let is_meant = |issuer: &&Issuer| {
            let mut accepted = issuer.audience.iter();
            accepted.any(|accepted| audience.contains(&accepted.as_str()))
        };
        let mut entries = self.issuers.iter().filter(is_named);
        entries.clone().find(is_meant).or_else(|| entries.next())
    }

    /// Every audience that would do, of the token's issuer or of all.
    pub(super) fn accepted_audience(&self) -> Vec<&str> {
        match self.issuer() {
            Some(issuer) => issuer.audience.iter().map(String::as_str).collect(),
            None => {
                let audiences = self.issuers.iter().flat_map(|issuer| &issuer.audience);
                audiences.map(String::as_str).collect()
            }
        }
    }

    pub(super) fn has_maximal_age(&self) -> bool {
        self.issuer()
            .is_some_and(|issuer| issuer.max_token_age.is_some())
    }

    /// Whether `typ` is one that only strict mode refuses.
    pub(super) fn has_plain_type(&self) -> bool {
        match self.contents.parameter("typ") {
            None => true,
            Some(Value::String(named)) => named.eq_ignore_ascii_case("JWT"),
            Some(_) => false,
        }
    }
}
