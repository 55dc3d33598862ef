//! What a response says about a token, judged as the claims of a JWT are ([RFC 7662 §2.2]).
//!
//! [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2

use std::time::Duration;

use serde::de::MapAccess;
use serde_json::{Map, Value};

use super::super::VerifyError;
use super::super::payload::Payload;
use super::super::validate::{ValidClaims, validate_claims};
use super::super::verified_payload::VerifiedPayload;
use crate::claims::{Claims, NumericDate};
use crate::issuer::Issuer;
use crate::jose::json::{self, FromJson, Member, Members, Unique};

/// A response that grants access.
#[derive(Debug)]
pub(super) struct ValidResponse {
    pub(super) payload: VerifiedPayload,
    pub(super) claims: ValidClaims,
}

/// Why a response grants no access.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResponseError {
    /// The response is good; the token is not.
    #[error(transparent)]
    Token(#[from] VerifyError),
    #[error("the response is not one JSON object with a boolean `active`")]
    Malformed,
    #[error("the issuer's keys are not known, with which its responses are signed")]
    NoKeys,
    #[error("the response is not signed, as the settings require")]
    NotSigned,
    #[error("the signed response is malformed, or for another client")]
    NotThisClient,
    #[error("the signature of the response is invalid")]
    Signature,
}

/// Judges a response of the issuer `name`. It is used for at most `max_age`.
///
/// # Errors
/// [`ResponseError`]; only [`ResponseError::Token`] is about the token.
pub(super) fn validate(
    body: Vec<u8>,
    issuer: &Issuer,
    name: &str,
    max_age: Duration,
    now: Duration,
) -> Result<ValidResponse, ResponseError> {
    let status: Status = json::read_object(&body).map_err(|_| ResponseError::Malformed)?;
    match status.active {
        Member::Valid(Active(true)) => {}
        Member::Valid(Active(false)) => return Err(VerifyError::Inactive.into()),
        Member::Absent | Member::Malformed => return Err(ResponseError::Malformed),
    }
    let body = without_null_members(body)?;
    let body = std::str::from_utf8(&body).map_err(|_| ResponseError::Malformed)?;
    let mut claims = Claims::parse(body).map_err(|_| ResponseError::Malformed)?;
    let used_until = now.saturating_add(max_age);
    if claims.issuer == Member::Absent {
        claims.issuer = Member::Valid(name.into());
    } else if claims.issuer.valid().is_none_or(|named| named != name) {
        return Err(VerifyError::UnknownIssuer.into());
    }
    if claims.expires_at == Member::Absent {
        claims.expires_at = Member::Valid(NumericDate::at(used_until));
    }
    let payload = Payload::new(body, claims);
    let mut claims = validate_claims(issuer, &payload, now)?;
    if !status.names_kind && !names_api(issuer, &payload) {
        return Err(VerifyError::UnknownKind.into());
    }
    claims.until = claims.until.min(used_until);
    Ok(ValidResponse {
        payload: VerifiedPayload::new(payload)?,
        claims,
    })
}

/// The response without members that are `null`, which some issuers write for those that are absent.
fn without_null_members(body: Vec<u8>) -> Result<Vec<u8>, ResponseError> {
    let mut members: Map<String, Value> =
        serde_json::from_slice(&body).map_err(|_| ResponseError::Malformed)?;
    let number = members.len();
    members.retain(|_, value| !value.is_null());
    if members.len() == number {
        return Ok(body);
    }
    Ok(Value::Object(members).to_string().into_bytes())
}

/// Whether `aud` names this API. Issuers say of refresh tokens, too, that they are active. Most then leave out
/// `token_type`, which is defined for access tokens, and `aud`: one of both is needed.
fn names_api(issuer: &Issuer, payload: &Payload<'_>) -> bool {
    let audience = payload.claims.audience.valid();
    audience.is_some_and(|audience| audience.contains_one_of(&issuer.rules.audience))
}

/// What a response says beside the claims.
#[derive(Default)]
struct Status {
    /// The member that every response has.
    active: Member<Active>,
    /// Whether any member names the kind of the token; kinds that are not accepted are rejected as claims.
    names_kind: bool,
}

struct Active(bool);

impl FromJson for Active {
    fn from_json(value: Value) -> Option<Self> {
        value.as_bool().map(Self)
    }
}

impl<'de> Members<'de> for Status {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, values: &mut A) -> Result<(), A::Error> {
        match name {
            "active" => self.active = values.next_value()?,
            "token_type" | "token_use" | "typ" => {
                let Unique(kind) = values.next_value::<Unique<Value>>()?;
                self.names_kind |= kind.as_str().is_some_and(|kind| !kind.is_empty());
            }
            _ => {
                values.next_value::<Unique>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Algorithm;
    use serde_json::json;

    const NOW: u64 = 1_700_000_000;
    const ISSUER: &str = "https://issuer.example/";

    fn issuer() -> Issuer {
        let issuer = Issuer::with_secret(ISSUER, &"k".repeat(32), Algorithm::Hs256);
        issuer.audience("api").build().expect("an issuer")
    }

    fn judged(response: &str) -> Result<ValidResponse, ResponseError> {
        let (max_age, now) = (Duration::from_secs(60), Duration::from_secs(NOW));
        validate(
            response.as_bytes().to_vec(),
            &issuer(),
            ISSUER,
            max_age,
            now,
        )
    }

    fn changed(changes: &Value) -> Result<ValidResponse, ResponseError> {
        let mut response = json!({"active": true, "aud": "api", "exp": NOW + 3600, "scope": "a b"});
        for (name, value) in changes.as_object().expect("an object") {
            response[name] = value.clone();
        }
        judged(&response.to_string())
    }

    #[test]
    fn an_active_token_is_judged_by_its_claims() {
        let token = VerifyError::from;
        for (changes, expected) in [
            (json!({}), None),
            (json!({"iss": ISSUER}), None),
            (json!({"active": false}), Some(VerifyError::Inactive)),
            (
                json!({"iss": "https://other.example/"}),
                Some(VerifyError::UnknownIssuer),
            ),
            (json!({"iss": null}), None),
            (json!({"cnf": null, "exp": null, "nbf": null}), None),
            (
                json!({"aud": null}),
                Some(VerifyError::Missing { claim: "aud" }),
            ),
            (json!({"iss": 1}), Some(VerifyError::UnknownIssuer)),
            (json!({"aud": "other"}), Some(VerifyError::WrongAudience)),
            (json!({"nbf": NOW + 60}), Some(VerifyError::NotYetValid)),
            (
                json!({"exp": NOW - 60}),
                Some(VerifyError::Expired {
                    ago: Duration::from_secs(55),
                }),
            ),
            (
                json!({"exp": "soon"}),
                Some(VerifyError::Malformed { claim: "exp" }),
            ),
            (json!({"at_hash": "x"}), Some(VerifyError::IdToken)),
            (json!({"token_type": "Bearer"}), None),
            (
                json!({"token_type": "refresh_token"}),
                Some(VerifyError::RefreshToken),
            ),
            (
                json!({"sub": 1}),
                Some(VerifyError::Malformed { claim: "sub" }),
            ),
        ] {
            let expected = expected.map(|error| ResponseError::Token(token(error)));
            assert_eq!(changed(&changes).err(), expected, "{changes}");
        }
    }

    #[test]
    fn a_token_whose_kind_no_member_names_is_accepted_by_aud_alone() {
        let issuer = || Issuer::with_secret(ISSUER, &"k".repeat(32), Algorithm::Hs256);
        let by_client = issuer().audience("web").audience_claims(["client_id"]);
        let any = issuer().allow_any_audience(true);
        let any = any.require("client_id", "web");
        let issuers = [issuer().audience("api"), by_client, any];
        let issuers = issuers.map(|issuer| issuer.build().expect("an issuer"));
        let response = json!({"active": true, "client_id": "web", "scope": "a"});
        let outcomes = |name: &str, value: Value| {
            let mut response = response.clone();
            response["aud"] = "api".into();
            response[name] = value;
            let [strict, others @ ..] = &issuers;
            let with_aud = response_of(strict, &response);
            response.as_object_mut().expect("an object").remove("aud");
            let others = others.each_ref();
            (
                with_aud,
                others.map(|issuer| response_of(issuer, &response)),
            )
        };
        let unknown = Some(VerifyError::UnknownKind);
        for value in [json!(null), json!(""), json!(1), json!(["Bearer"])] {
            let expected = (None, [unknown.clone(), unknown.clone()]);
            assert_eq!(outcomes("token_type", value.clone()), expected, "{value}");
        }
        for (name, value) in [
            ("token_type", "Bearer"),
            ("token_type", "dpop"),
            ("token_type", "access_token"),
            ("token_use", "access_token"),
            ("typ", "Bearer"),
        ] {
            assert_eq!(outcomes(name, value.into()), (None, [None, None]), "{name}");
        }
        for value in ["refresh_token", "Refresh"] {
            let refresh = Some(VerifyError::RefreshToken);
            let expected = (refresh.clone(), [refresh.clone(), refresh]);
            assert_eq!(outcomes("token_type", value.into()), expected, "{value}");
        }
    }

    /// Why the issuer's response is rejected.
    fn response_of(issuer: &Issuer, response: &Value) -> Option<VerifyError> {
        let (max_age, now) = (Duration::from_secs(60), Duration::from_secs(NOW));
        let body = response.to_string().into_bytes();
        let error = validate(body, issuer, ISSUER, max_age, now).err()?;
        match error {
            ResponseError::Token(error) => Some(error),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_response_is_used_until_the_token_expires_and_at_most_for_the_configured_age() {
        let until = |changes: &Value| {
            let claims = changed(changes).expect("an active token").claims;
            claims.until.as_secs() - NOW
        };
        assert_eq!(until(&json!({})), 60);
        assert_eq!(until(&json!({"exp": NOW + 30})), 35);
        let bare = judged(r#"{"active":true,"aud":"api"}"#).expect("an active token");
        assert_eq!(bare.claims.until.as_secs() - NOW, 60);
        assert_eq!(bare.payload.issuer(), ISSUER);
    }

    #[test]
    fn a_response_of_another_form_is_no_answer() {
        for response in [
            "",
            "[]",
            "true",
            "{}",
            r#"{"active":"true","aud":"api"}"#,
            r#"{"active":1,"aud":"api"}"#,
            r#"{"active":null,"aud":"api"}"#,
            r#"{"active":true,"active":true,"aud":"api"}"#,
            r#"{"active":false,"active":true,"aud":"api"}"#,
            r#"{"active":true,"aud":"other","aud":"api"}"#,
            "<html>",
        ] {
            assert_eq!(
                judged(response).err(),
                Some(ResponseError::Malformed),
                "{response}"
            );
        }
    }
}
