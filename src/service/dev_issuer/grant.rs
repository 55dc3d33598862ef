//! What a token is given for, and the token and answer that come of it.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::jose::sign::SigningKey;
use crate::test_kit::TokenBuilder;

use super::Provider;
use super::error::Refusal;
use super::parameters::Parameters;
use super::sender::Sender;

/// A decision to give an access token; every grant type ends in one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) client: String,
    pub(super) subject: String,
    pub(super) scopes: Vec<&'static str>,
    pub(super) lifetime: Duration,
    /// Auth0's name for how it came about, which its tokens carry as `gty` where no person is.
    pub(super) kind: Option<&'static str>,
    /// What the token shall say beyond that.
    pub(super) claims: Map<String, Value>,
}

/// A token response (RFC 6749 §5.1).
#[derive(Debug, Serialize)]
pub(super) struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
}

impl Grant {
    /// Signs an access token (RFC 9068 §2) for the one API, with the claims of Auth0's, and binds it to its sender.
    pub(super) fn answer(
        &self,
        sender: &Sender,
        provider: &Provider,
        key: &SigningKey,
    ) -> TokenAnswer {
        let scope = (!self.scopes.is_empty()).then(|| self.scopes.join(" "));
        let mut token = TokenBuilder::new(&provider.url, &provider.audience, key)
            .issued_at(provider.clock.now())
            .claim("sub", self.subject.as_str())
            .claim("azp", self.client.as_str())
            .claim("client_id", self.client.as_str())
            .expires_in(self.lifetime);
        if let Some(kind) = self.kind {
            token = token.claim("gty", kind);
        }
        if let Some(scope) = &scope {
            token = token.scope(scope);
        }
        for (name, value) in &self.claims {
            token = token.claim(name, value.clone());
        }
        if let Some(confirmation) = sender.confirmation() {
            token = token.claim("cnf", confirmation);
        }
        TokenAnswer {
            access_token: token.build(),
            token_type: sender.token_type(),
            expires_in: self.lifetime.as_secs(),
            scope,
            id_token: None,
            refresh_token: None,
        }
    }
}

/// Admits the `audience` that is asked for; none is the one API.
///
/// # Errors
/// [`Refusal::UnknownAudience`].
pub(super) fn check_audience(parameters: &Parameters, provider: &Provider) -> Result<(), Refusal> {
    let asked = parameters.find("audience").unwrap_or(&provider.audience);
    let known = asked == provider.audience;
    known.then_some(()).ok_or(Refusal::UnknownAudience)
}

/// Narrows what is `granted` to the `scope` that is asked for; none is all of it.
///
/// # Errors
/// [`Refusal::Scope`] when more is asked for than is granted.
pub(super) fn narrow(
    granted: &[&'static str],
    parameters: &Parameters,
) -> Result<Vec<&'static str>, Refusal> {
    let Some(asked) = parameters.find("scope") else {
        return Ok(granted.to_vec());
    };
    let asked: Vec<_> = asked.split(' ').filter(|scope| !scope.is_empty()).collect();
    if asked.iter().any(|scope| !granted.contains(scope)) {
        return Err(Refusal::Scope);
    }
    let kept = granted.iter().filter(|scope| asked.contains(scope));
    Ok(kept.copied().collect())
}

/// The lifetime that `expires_in` asks for; none is a day, as Auth0's.
///
/// # Errors
/// [`Refusal::Lifetime`] when it is no number of seconds up to a week.
pub(super) fn lifetime(parameters: &Parameters) -> Result<Duration, Refusal> {
    let Some(asked) = parameters.find("expires_in") else {
        return Ok(DAY);
    };
    let seconds: u64 = asked.parse().map_err(|_| Refusal::Lifetime)?;
    let allowed = (1..=WEEK.as_secs()).contains(&seconds);
    let lifetime = allowed.then(|| Duration::from_secs(seconds));
    lifetime.ok_or(Refusal::Lifetime)
}

/// The claims that `claims` asks for, a JSON object as text; none is none.
///
/// # Errors
/// [`Refusal::Claims`] when it is no such object, or holds a claim that is the issuer's own to make.
pub(super) fn claims(parameters: &Parameters) -> Result<Map<String, Value>, Refusal> {
    let Some(asked) = parameters.find("claims") else {
        return Ok(Map::new());
    };
    let claims: Map<String, Value> = serde_json::from_str(asked).map_err(|_| Refusal::Claims)?;
    let is_own = |name: &&str| claims.contains_key(*name);
    match OWN_CLAIMS.iter().any(is_own) {
        true => Err(Refusal::Claims),
        false => Ok(claims),
    }
}

/// Who issues, for whom and for how long is not the asker's to say; there are other parameters for some of it.
const OWN_CLAIMS: [&str; 5] = ["iss", "aud", "exp", "iat", "nbf"];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_an_object_without_the_issuers_own() {
        let asked = |text: &str| {
            let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            claims(&parameters(&format!("claims={form}"))).map(Value::from)
        };
        assert_eq!(claims(&parameters("")), Ok(Map::new()));
        let expected = serde_json::json!({"email_verified": true, "roles": ["a"]});
        assert_eq!(asked(&expected.to_string()), Ok(expected));
        for text in ["[]", "1", "{", r#"{"iss":"a"}"#, r#"{"x":1,"exp":9}"#] {
            assert_eq!(asked(text), Err(Refusal::Claims), "{text}");
        }
    }

    fn parameters(form: &str) -> Parameters {
        Parameters::parse("", form.as_bytes()).unwrap()
    }

    #[test]
    fn a_scope_narrows_what_is_granted_and_never_widens_it() {
        let cases: [(&[_], _, Result<Vec<_>, _>); 8] = [
            (&["a", "b"], "", Ok(vec!["a", "b"])),
            (&["a", "b"], "scope=", Ok(vec!["a", "b"])),
            (&["a", "b"], "scope=b", Ok(vec!["b"])),
            (&["a", "b"], "scope=b+a+b", Ok(vec!["a", "b"])),
            (&["a", "b"], "scope=+", Ok(vec![])),
            (&["a"], "scope=a+b", Err(Refusal::Scope)),
            (&["a"], "scope=A", Err(Refusal::Scope)),
            (&[], "scope=a", Err(Refusal::Scope)),
        ];
        for (granted, form, expected) in cases {
            assert_eq!(narrow(granted, &parameters(form)), expected, "{form}");
        }
    }

    #[test]
    fn a_lifetime_is_a_number_of_seconds_up_to_a_week() {
        let cases = [
            ("", Ok(86_400)),
            ("expires_in=1", Ok(1)),
            ("expires_in=604800", Ok(604_800)),
            ("expires_in=604801", Err(Refusal::Lifetime)),
            ("expires_in=0", Err(Refusal::Lifetime)),
            ("expires_in=-1", Err(Refusal::Lifetime)),
            ("expires_in=1.5", Err(Refusal::Lifetime)),
            ("expires_in=1h", Err(Refusal::Lifetime)),
        ];
        for (form, expected) in cases {
            let seconds = lifetime(&parameters(form)).map(|lifetime| lifetime.as_secs());
            assert_eq!(seconds, expected, "{form}");
        }
    }
}
