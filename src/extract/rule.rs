//! Access that is declared at run time, as rows of the settings declare it.

use actix_web::HttpRequest;

use super::authenticate::{authenticate, authorize_by, finish, registered_verifier};
use super::{Authentication, Caller, DIRECT_ONLY, Requirement};
use crate::authorization::check_host;
use crate::claims::authn::AuthnRequirement;
use crate::claims::scope::each_with_each;
use crate::issuer::RequiredClaim;
use crate::rejection::{Cause, Rejection};

/// What a route requires of its callers, as a value: an access type whose parts are known when the program starts.
///
/// It asks in this order: a valid token, proof of possession, no actor, scopes, login, claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessRule {
    requirement: Requirement,
    /// Each with the description for a caller whose token does not have it.
    claims: Vec<(RequiredClaim, &'static str)>,
}

/// A request that a rule permits, with its caller; only [`AccessRule::permit`] makes one.
#[derive(Debug)]
pub(crate) struct Permitted(Option<Caller>);

impl Permitted {
    /// `None` where the route is open: then no credentials are read.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.0.as_ref()
    }
}

impl AccessRule {
    /// Everyone may call the route; credentials are not read.
    pub(crate) fn public() -> Self {
        Self::of(Authentication::None)
    }

    /// A valid token is required.
    pub(crate) fn authenticated() -> Self {
        Self::of(Authentication::Required)
    }

    fn of(caller: Authentication) -> Self {
        Self {
            requirement: Requirement::of(caller),
            claims: Vec::new(),
        }
    }

    /// Requires all scopes of one of these sets.
    pub(crate) fn scopes(mut self, alternatives: &[Vec<&'static str>]) -> Self {
        self.requirement.scopes = match self.requirement.scopes.as_slice() {
            [] => alternatives.to_vec(),
            ways => each_with_each(ways, alternatives),
        };
        self
    }

    /// Requires that the sender proves possession of the token's key or certificate.
    pub(crate) fn bound(mut self) -> Self {
        self.requirement.proven_sender = true;
        self
    }

    /// Requires a token without an actor.
    pub(crate) fn direct(mut self) -> Self {
        self.requirement = self.requirement.and_direct();
        self
    }

    pub(crate) fn login(mut self, login: AuthnRequirement) -> Self {
        self.requirement.logins.push(login);
        self
    }

    /// Requires a claim; `description` is for the response to a caller whose token does not have it.
    pub(crate) fn claim(mut self, claim: RequiredClaim, description: &'static str) -> Self {
        self.requirement.rules.push(description);
        self.claims.push((claim, description));
        self
    }

    pub(crate) fn requirement(&self) -> &Requirement {
        &self.requirement
    }

    /// Accepts or rejects the caller, as [`Access::grant`](super::Access::grant) does.
    pub(crate) fn grant(&self, caller: Option<Caller>) -> Result<Permitted, Rejection> {
        if !self.requirement.takes_token() {
            return Ok(Permitted(None));
        }
        let caller = caller.ok_or_else(Rejection::no_credentials)?;
        self.check(&caller)?;
        Ok(Permitted(Some(caller)))
    }

    fn check(&self, caller: &Caller) -> Result<(), Cause> {
        let Requirement {
            scopes,
            logins,
            proven_sender,
            direct,
            ..
        } = &self.requirement;
        if *proven_sender && !caller.is_sender_proven() {
            return Err(Cause::InvalidToken(super::bound::UNBOUND));
        }
        if *direct && !super::direct::is_direct(caller) {
            return Err(Cause::UnfulfilledRule(DIRECT_ONLY));
        }
        let has_all = |way: &Vec<&str>| way.iter().all(|scope| caller.scopes().contains(scope));
        if !scopes.is_empty() && !scopes.iter().any(has_all) {
            return Err(Cause::InsufficientScope {
                alternatives: scopes.clone(),
            });
        }
        let now = caller.now();
        if let Some(login) = logins.iter().find(|login| !caller.login_meets(login, now)) {
            return Err(Cause::InsufficientLogin(*login));
        }
        let has = |claim: &RequiredClaim| claim.is_met_by(caller.claim(claim.claim()));
        let mut claims = self.claims.iter();
        match claims.find(|(claim, _)| !has(claim)) {
            Some((_, description)) => Err(Cause::UnfulfilledRule(description)),
            None => Ok(()),
        }
    }

    /// Authenticates the request with the app's verifier, and decides.
    pub(crate) async fn permit(&self, request: &HttpRequest) -> Result<Permitted, Rejection> {
        if !self.requirement.takes_token() {
            check_host(request.headers())?;
            return self.grant(None);
        }
        let Some(verifier) = registered_verifier(request) else {
            return Err(Cause::NoVerifier.into());
        };
        let caller = match authenticate(verifier, request) {
            Ok(progress) => finish(verifier, request, progress).await,
            Err(error) => Err(error),
        };
        let scopes = || self.requirement.first_scopes();
        authorize_by(
            verifier,
            request,
            caller,
            |caller| self.grant(caller),
            scopes,
        )
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::extract::caller::tests::{caller_with, proven};
    use crate::sender::SenderProof;

    crate::step_up!(Gold = acr "gold");

    fn granted(rule: &AccessRule, claims: &[(&str, Value)]) -> Result<bool, Cause> {
        let permitted = rule.grant(Some(caller_with(claims)));
        permitted
            .map(|permitted| permitted.caller().is_some())
            .map_err(Rejection::into_cause)
    }

    fn claim(name: &str, value: Value) -> RequiredClaim {
        RequiredClaim::new(name, value).expect("a required claim")
    }

    #[test]
    fn an_open_route_has_no_caller() {
        assert_eq!(granted(&AccessRule::public(), &[]), Ok(false));
        assert!(AccessRule::public().grant(None).is_ok());
        assert_eq!(AccessRule::public().requirement().to_string(), "everyone");
    }

    #[test]
    fn without_credentials_the_caller_is_rejected() {
        let rejected = AccessRule::authenticated().grant(None).map(drop);
        assert_eq!(rejected, Err(Rejection::no_credentials()));
        assert_eq!(granted(&AccessRule::authenticated(), &[]), Ok(true));
    }

    #[test]
    fn all_scopes_and_one_of_the_alternatives_are_required() {
        let rule = AccessRule::authenticated()
            .scopes(&[vec!["a", "b"]])
            .scopes(&[vec!["c"], vec!["d"]]);
        let of = |scopes: &str| granted(&rule, &[("scope", scopes.into())]);
        for scopes in ["a b c", "d b a"] {
            assert_eq!(of(scopes), Ok(true), "{scopes}");
        }
        let lacking = Cause::InsufficientScope {
            alternatives: vec![vec!["a", "b", "c"], vec!["a", "b", "d"]],
        };
        for scopes in ["", "a b", "a c", "c d", "A b c"] {
            assert_eq!(of(scopes), Err(lacking.clone()), "{scopes}");
        }
    }

    #[test]
    fn each_part_is_required() {
        let gold = AuthnRequirement::of::<Gold>();
        let rule = AccessRule::authenticated()
            .bound()
            .scopes(&[vec!["a"]])
            .direct()
            .login(gold)
            .claim(claim("plan", json!("pro")), "The plan must be pro.")
            .claim(claim("tenant", json!(true)), "A tenant is needed.");
        let all = [
            ("scope", json!("a")),
            ("acr", json!("gold")),
            ("plan", json!("pro")),
            ("tenant", json!("t")),
        ];
        let sender = SenderProof {
            by_key: true,
            by_certificate: false,
        };
        let with = |claims: &[(&str, Value)]| {
            let caller = proven(caller_with(claims), sender);
            rule.grant(Some(caller))
                .map(drop)
                .map_err(Rejection::into_cause)
        };
        assert_eq!(with(&all), Ok(()));
        let unbound = Cause::InvalidToken(crate::extract::bound::UNBOUND);
        assert_eq!(granted(&rule, &all), Err(unbound));
        let expected = [
            Cause::InsufficientScope {
                alternatives: vec![vec!["a"]],
            },
            Cause::InsufficientLogin(gold),
            Cause::UnfulfilledRule("The plan must be pro."),
            Cause::UnfulfilledRule("A tenant is needed."),
        ];
        for (at, cause) in expected.into_iter().enumerate() {
            assert_eq!(with(&all[..at]), Err(cause));
        }
        let delegated = [&all[..], &[("act", json!({"sub": "agent"}))]].concat();
        assert_eq!(with(&delegated), Err(Cause::UnfulfilledRule(DIRECT_ONLY)));
        let text = "a token with a, bound to its sender; a login with acr gold; This route is for the user directly, not for a \
                    client that acts on the user's behalf.; The plan must be pro.; A tenant is needed.";
        assert_eq!(rule.requirement().to_string(), text);
    }
}
