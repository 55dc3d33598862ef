//! Revocation: cut-offs are recorded, and tokens checked against them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::clock::since_epoch;
use super::{Verified, Verifier, VerifyError};
use crate::issuer::Issuer;
use crate::keys::IssuerKeys;
use crate::revocation::{CutOff, RevocationStatus, Revocations, RevokeError};

impl Verifier {
    /// Revokes the tokens that each of `cut_offs` describes: all cut-offs are recorded, or none. They apply from the return of
    /// this function on, here and, within a second, to all verifiers that share the store.
    ///
    /// # Errors
    /// [`RevokeError`]; nothing is revoked then, except that after [`RevokeError::Unavailable`] it may have been.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use actix_resource_server::{Algorithm, CutOff, Issuer, Revocations, Verifier};
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let secret = "s".repeat(32);
    /// let issuer = Issuer::with_secret("https://issuer.example/", &secret, Algorithm::Hs256)
    ///     .audience("https://my/api")
    ///     .max_token_age(Duration::from_secs(3600))
    ///     .build()?;
    /// let verifier = Verifier::builder()
    ///     .revocations(Revocations::in_memory(Revocations::MOST))
    ///     .start([issuer])?;
    /// // Also what the issuer, whose clock may be ahead, has just issued.
    /// let now = verifier.latest_cut_off("https://issuer.example/").ok_or("not trusted")?;
    /// let closed = CutOff::subject("https://issuer.example/", "auth0|123", now);
    /// verifier.revoke(&[closed]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn revoke(&self, cut_offs: &[CutOff]) -> Result<(), RevokeError> {
        let revocations = self.revocations().ok_or(RevokeError::NotConfigured)?;
        let now = since_epoch(self.now());
        let mut lifetime = Duration::ZERO;
        for cut_off in cut_offs {
            let limits = self.limits_of(cut_off.issuer());
            let limits = limits.ok_or(RevokeError::UnknownIssuer)?;
            if since_epoch(cut_off.until()) > now.saturating_add(limits.tolerance) {
                return Err(RevokeError::InFuture);
            }
            lifetime = lifetime.max(limits.lifetime());
        }
        revocations.record(cut_offs, lifetime, now).await?;
        let recorded = u64::try_from(cut_offs.len()).unwrap_or(u64::MAX);
        self.0.counters.revocations.add(recorded);
        Ok(())
    }

    /// The store of revocations, if the verifier has one.
    #[must_use]
    pub fn revocations(&self) -> Option<&Revocations> {
        self.0.origin.revocations.as_ref()
    }

    /// The times of all entries of the issuer with this exact name.
    pub(super) fn limits_of(&self, issuer: &str) -> Option<Limits> {
        let trust = self.0.trust.load();
        let is_named = |keys: &&Arc<IssuerKeys>| keys.is_named(issuer) || keys.has_tenant(issuer);
        let limits = trust.issuers.iter().filter(is_named);
        let limits = limits.map(|keys| Limits {
            max_token_age: keys.issuer.rules.max_token_age.unwrap_or_default(),
            tolerance: keys.issuer.rules.clock_tolerance,
        });
        limits.reduce(Limits::or)
    }

    /// The token, unless it is revoked.
    ///
    /// # Errors
    /// [`VerifyError::Revoked`], or [`VerifyError::RevocationUnknown`]; [`VerifyError::Malformed`] for a `sid` that no cut-off
    /// can name.
    #[inline]
    pub(crate) fn unrevoked(&self, verified: Arc<Verified>) -> Result<Arc<Verified>, VerifyError> {
        match &self.0.origin.revocations {
            Some(revocations) if !verified.is_checked_by(revocations) => {
                check_revoked(revocations, &verified)?;
                Ok(verified)
            }
            _ => Ok(verified),
        }
    }
}

#[cold]
fn check_revoked(revocations: &Revocations, verified: &Verified) -> Result<(), VerifyError> {
    if verified.has_malformed_session_id() {
        return Err(VerifyError::Malformed { claim: "sid" });
    }
    match revocations.check(|| verified.revocation_keys()) {
        RevocationStatus::Unrevoked(generation) => {
            verified.set_checked(generation);
            Ok(())
        }
        RevocationStatus::Revoked => Err(VerifyError::Revoked),
        RevocationStatus::Unknown => Err(VerifyError::RevocationUnknown),
    }
}

/// How long tokens of an issuer are valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    max_token_age: Duration,
    /// How far the issuer's clock may be ahead of this one.
    pub(super) tolerance: Duration,
}

impl Limits {
    fn or(self, other: Self) -> Self {
        Self {
            max_token_age: self.max_token_age.max(other.max_token_age),
            tolerance: self.tolerance.max(other.tolerance),
        }
    }

    /// How long after its `iat` a token is valid.
    fn lifetime(self) -> Duration {
        self.max_token_age.saturating_add(self.tolerance)
    }
}

/// Checks that cut-offs of these issuers can end.
///
/// # Errors
/// An issuer has no maximum age of tokens.
pub(super) fn check_lifetimes<'a>(issuers: impl IntoIterator<Item = &'a Issuer>) -> io::Result<()> {
    let mut issuers = issuers.into_iter();
    match issuers.find(|issuer| issuer.rules.max_token_age.is_none()) {
        Some(issuer) => {
            let label = issuer.label();
            let text = format!(
                "the issuer {label} needs a maximum age of tokens, since revocations are kept for as long"
            );
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
        None => Ok(()),
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::jose::Algorithm;
    use crate::test_kit::{SigningKey, TestClock, TokenBuilder};
    use crate::verifier::Ended;
    use crate::verifier::clock::Clock;

    const ISSUER: &str = "https://issuer.example/";
    const HOUR: Duration = Duration::from_secs(3600);

    fn issuer(max_token_age: Option<Duration>) -> Issuer {
        let issuer = Issuer::with_secret(ISSUER, &"s".repeat(32), Algorithm::Hs256).audience("api");
        let issuer = match max_token_age {
            Some(age) => issuer.max_token_age(age),
            None => issuer,
        };
        issuer.build().expect("an issuer")
    }

    fn token(issued_at: SystemTime) -> TokenBuilder {
        let key = SigningKey::from_secret(&"s".repeat(32), Algorithm::Hs256);
        TokenBuilder::new(ISSUER, "api", &key)
            .issued_at(issued_at)
            .claim("sub", "ada")
            .claim("sid", "session")
            .claim("jti", "id")
    }

    /// A verifier with a store of `most` cut-offs.
    fn verifier(clock: &TestClock, most: usize) -> Verifier {
        let clock = clock.clone();
        let builder = Verifier::builder()
            .clock(Clock::new(move || clock.now()))
            .revocations(Revocations::in_memory(most));
        builder.start([issuer(Some(HOUR))]).expect("a verifier")
    }

    /// Waits longer than the clock is read apart.
    async fn soon(ended: &mut (impl Future<Output = Ended> + Unpin)) -> Option<Ended> {
        let limit = Duration::from_secs(61);
        tokio::time::timeout(limit, ended).await.ok()
    }

    /// The beginning of a second.
    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    #[tokio::test]
    async fn a_token_is_rejected_from_its_revocation_on_cached_or_not() {
        for revoke in [CutOff::subject, CutOff::session, CutOff::token_id] {
            let clock = TestClock::at(noon());
            let verifier = verifier(&clock, 10);
            let [cached, fresh, later] = [0, 0, 1]
                .map(|second| token(noon() + Duration::from_secs(second)))
                .map(|token| token.build());
            let verify = |token: &str| verifier.verify(token, clock.now()).map(drop);
            for _ in 0..3 {
                assert_eq!(verify(&cached), Ok(()));
            }
            let values = ["ada", "session", "id"].map(|value| revoke(ISSUER, value, noon()));
            let others = ["eva", "other"].map(|value| revoke(ISSUER, value, noon()));
            verifier.revoke(&others).await.expect("revoked");
            assert_eq!(verify(&cached), Ok(()));
            verifier.revoke(&values).await.expect("revoked");
            assert_eq!(verify(&cached), Err(VerifyError::Revoked));
            assert_eq!(verify(&fresh), Err(VerifyError::Revoked));
            assert_eq!(
                verifier.verify_or_fetch(&cached).await.map(drop),
                Err(VerifyError::Revoked)
            );
            assert_eq!(verify(&later), Ok(()));
            assert_eq!(verifier.counters().revocations(), 5);
        }
    }

    #[tokio::test]
    async fn only_cut_offs_that_can_be_kept_are_recorded() {
        let clock = TestClock::at(noon());
        let verifier = verifier(&clock, 1);
        let at = |issuer: &str, seconds: u64| {
            CutOff::subject(issuer, "ada", noon() + Duration::from_secs(seconds))
        };
        for (cut_off, expected) in [
            (at("https://other.example/", 0), RevokeError::UnknownIssuer),
            // The tolerance is five seconds.
            (at(ISSUER, 6), RevokeError::InFuture),
        ] {
            // With another one that would be recorded by itself.
            let outcome = verifier.revoke(&[at(ISSUER, 0), cut_off]).await;
            assert_eq!(outcome, Err(expected));
        }
        // Two for one subject are one.
        assert_eq!(
            verifier.revoke(&[at(ISSUER, 0), at(ISSUER, 1)]).await,
            Ok(())
        );
        let verifier = self::verifier(&clock, 1);
        let two = [at(ISSUER, 0), CutOff::session(ISSUER, "a", noon())];
        assert_eq!(verifier.revoke(&two).await, Err(RevokeError::Full));
        assert!(verifier.revocations().is_some_and(Revocations::is_empty));
        assert_eq!(verifier.revoke(&[at(ISSUER, 5)]).await, Ok(()));
        let without = Verifier::start([issuer(None)]).expect("a verifier");
        assert_eq!(without.revoke(&[]).await, Err(RevokeError::NotConfigured));
    }

    #[tokio::test]
    async fn a_cut_off_ends_when_no_token_can_be_valid_that_it_revokes() {
        let clock = TestClock::at(noon());
        let verifier = verifier(&clock, 1);
        let one = |subject: &str| CutOff::subject(ISSUER, subject, clock.now());
        verifier.revoke(&[one("ada")]).await.expect("revoked");
        let token = token(noon()).expires_in(HOUR * 2).build();
        clock.advance(HOUR + Duration::from_secs(5));
        let verify = || verifier.verify(&token, clock.now()).map(drop);
        assert_eq!(verify(), Err(VerifyError::Revoked));
        assert_eq!(verifier.revoke(&[one("eva")]).await, Err(RevokeError::Full));
        clock.advance(Duration::from_secs(2));
        assert_eq!(verifier.revoke(&[one("eva")]).await, Ok(()));
        assert_eq!(verify(), Err(VerifyError::TooOld));
    }

    #[test]
    fn each_issuer_needs_a_maximum_age_of_tokens() {
        let revoking = || Verifier::builder().revocations(Revocations::in_memory(1));
        let error = revoking()
            .start([issuer(None)])
            .expect_err("no maximum age");
        let expected = "the issuer https://issuer.example/ needs a maximum age of tokens, since revocations are kept for as long";
        assert_eq!(error.to_string(), expected);
        let verifier = revoking().start([]).expect("a verifier");
        let error = verifier
            .add_issuer(issuer(None))
            .expect_err("no maximum age");
        assert_eq!(error.to_string(), expected);
        assert!(verifier.add_issuer(issuer(Some(HOUR))).is_ok());
    }

    #[test]
    fn a_session_that_no_cut_off_can_name_is_rejected_where_tokens_can_be_revoked() {
        let clock = TestClock::at(noon());
        let token = token(noon()).claim("sid", 1).build();
        let verified = verifier(&clock, 1).verify(&token, noon()).map(drop);
        assert_eq!(verified, Err(VerifyError::Malformed { claim: "sid" }));
        let without = Verifier::start([issuer(None)]).expect("a verifier");
        assert!(without.verify(&token, noon()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn access_ends_when_the_token_is_revoked_expires_or_gets_too_old() {
        let clock = TestClock::at(noon());
        let verifier = verifier(&clock, 10);
        let ended = |token: TokenBuilder| {
            let verified = verifier.verify(&token.build(), clock.now());
            Box::pin(verified.expect("a valid token").until_ended())
        };
        let mut revoked = ended(token(noon()));
        let mut expiring = ended(token(noon()).claim("sub", "eva").expires_in(HOUR / 2));
        let mut ageing = ended(token(noon()).claim("sub", "eva").expires_in(HOUR * 2));
        assert!(soon(&mut revoked).await.is_none());
        let cut_off = CutOff::subject(ISSUER, "ada", clock.now());
        verifier.revoke(&[cut_off]).await.expect("revoked");
        assert_eq!(soon(&mut revoked).await, Some(Ended::Revoked));
        assert!(soon(&mut expiring).await.is_none());
        clock.advance(HOUR / 2);
        assert_eq!(soon(&mut expiring).await, Some(Ended::Expired));
        assert!(soon(&mut ageing).await.is_none());
        clock.advance(HOUR / 2);
        assert_eq!(soon(&mut ageing).await, Some(Ended::Expired));
    }

    #[tokio::test(start_paused = true)]
    async fn access_ends_when_the_issuer_is_trusted_no_longer() {
        let clock = TestClock::at(noon());
        let verifier = verifier(&clock, 10);
        let verified = verifier.verify(&token(noon()).build(), noon());
        let mut ended = Box::pin(verified.expect("a valid token").until_ended());
        let soon = Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, &mut ended).await.is_err());
        assert!(verifier.remove_issuer(ISSUER));
        let ended = tokio::time::timeout(soon, ended).await;
        assert_eq!(ended, Ok(Ended::KeyWithdrawn));
    }
}
