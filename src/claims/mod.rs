//! The claims of a token, as plain data that is not trusted yet.

pub(crate) mod actor;
pub(crate) mod authn;
pub(crate) mod claim_name;
pub(crate) mod footprint;
pub(crate) mod implied_scopes;
pub(crate) mod scope;
pub(crate) mod scope_claim;
mod texts;

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde::de::MapAccess;
use serde_json::Value;

use crate::jose::json::{self, FromJson, Member, Members, OneOrMany, Strict, Unique};
use actor::Actor;
use footprint::allocated;

/// The claims that this crate validates (RFC 7519 §4.1, RFC 9068 §2.2); others are only checked for duplicate members. Texts are
/// borrowed from the payload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims<'p> {
    pub(crate) issuer: Member<Cow<'p, str>>,
    pub(crate) subject: Member<Cow<'p, str>>,
    pub(crate) audience: Member<OneOrMany<'p>>,
    pub(crate) expires_at: Member<NumericDate>,
    pub(crate) not_before: Member<NumericDate>,
    pub(crate) issued_at: Member<NumericDate>,
    pub(crate) token_id: Member<Cow<'p, str>>,
    /// `sid`, the session at the issuer (OpenID Connect Front-Channel Logout §3).
    pub(crate) session_id: Member<Cow<'p, str>>,
    pub(crate) client_id: Member<Cow<'p, str>>,
    /// `tid` of Microsoft Entra ID.
    pub(crate) tenant_id: Member<Cow<'p, str>>,
    /// `act` (RFC 8693 §4.1).
    pub(crate) actor: Member<Box<Actor>>,
    /// A string of scopes that spaces separate, or an array of scopes.
    pub(crate) scope: Member<OneOrMany<'p>>,
    /// As `scope`.
    pub(crate) scp: Member<OneOrMany<'p>>,
    pub(crate) confirmation: Confirmation,
    pub(crate) has_access_token_hash: bool,
    pub(crate) has_events: bool,
    pub(crate) has_nonce: bool,
    /// The kind of token that `token_use`, `token_type` or `typ` names, if it is not an access token.
    pub(crate) other_kind: Option<OtherKind>,
}

impl<'p> Claims<'p> {
    /// Reads one JSON object without duplicate members.
    ///
    /// # Errors
    /// The payload is not such an object.
    pub(crate) fn parse(payload: &'p str) -> Result<Self, serde_json::Error> {
        json::read_object_in(payload)
    }
}

impl<'de> Members<'de> for Claims<'de> {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, values: &mut A) -> Result<(), A::Error> {
        // As bytes, whose comparison the compiler unrolls.
        match name.as_bytes() {
            b"iss" => self.issuer = values.next_value()?,
            b"sub" => self.subject = values.next_value()?,
            b"aud" => self.audience = values.next_value()?,
            b"exp" => self.expires_at = values.next_value()?,
            b"nbf" => self.not_before = values.next_value()?,
            b"iat" => self.issued_at = values.next_value()?,
            b"jti" => self.token_id = values.next_value()?,
            b"sid" => self.session_id = values.next_value()?,
            b"client_id" => self.client_id = values.next_value()?,
            b"scope" => self.scope = values.next_value()?,
            b"scp" => self.scp = values.next_value()?,
            b"cnf" => self.confirmation = values.next_value::<Strict<Confirmation>>()?.0.present(),
            b"act" => {
                let Unique(actor) = values.next_value::<Unique<Value>>()?;
                self.actor = Box::from_json(actor).map_or(Member::Malformed, Member::Valid);
            }
            b"tid" => self.tenant_id = values.next_value()?,
            b"token_use" | b"token_type" | b"typ" => {
                let Unique(kind) = values.next_value::<Unique<Value>>()?;
                // RFC 9449 §6.2: without `cnf` beside it, no proof suffices.
                let kind_is = |name| {
                    kind.as_str()
                        .is_some_and(|kind| kind.eq_ignore_ascii_case(name))
                };
                self.confirmation.is_present |= name == "token_type" && kind_is("DPoP");
                self.other_kind = self.other_kind.or_else(|| OtherKind::named(&kind));
            }
            other => {
                self.has_access_token_hash |= other == b"at_hash";
                self.has_events |= other == b"events";
                self.has_nonce |= other == b"nonce";
                values.next_value::<Unique>()?;
            }
        }
        Ok(())
    }
}

/// A kind of token that no API accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherKind {
    Id,
    Logout,
    Refresh,
}

impl OtherKind {
    /// The kind that `token_use` (Cognito, Ory Hydra), `token_type` (RFC 7662 §2.2, RFC 8693 §3, Django) or `typ` in the
    /// payload (Keycloak) names, in any case.
    fn named(kind: &Value) -> Option<Self> {
        let kind = kind.as_str()?.to_ascii_lowercase();
        match kind.strip_prefix(TOKEN_TYPE).unwrap_or(&kind) {
            "id" | "id_token" => Some(Self::Id),
            "logout" | "logout_token" => Some(Self::Logout),
            "offline" | "refresh" | "refresh_token" => Some(Self::Refresh),
            _ => None,
        }
    }
}

/// RFC 8693 §3.
const TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:";

/// The `cnf` claim: the key or certificate that the token is bound to (RFC 7800 §3.1).
#[derive(Clone, Debug, Default)]
pub(crate) struct Confirmation {
    /// `jkt`, the thumbprint of the sender's DPoP key (RFC 9449 §6.1).
    pub(crate) key_thumbprint: Member<String>,
    /// `x5t#S256`, the hash of the sender's certificate (RFC 8705 §3.1).
    pub(crate) certificate_thumbprint: Member<String>,
    /// Whether the claim is present, whatever methods it names, or `token_type` says that the token is bound to a key.
    is_present: bool,
}

impl Confirmation {
    /// No confirmation, as of a bearer token.
    pub(crate) const NONE: Self = Self {
        key_thumbprint: Member::Absent,
        certificate_thumbprint: Member::Absent,
        is_present: false,
    };

    /// Whether the sender has to prove possession: whenever the claim is present, even if it names no
    /// known method, so that no proof is possible.
    pub(crate) fn binds(&self) -> bool {
        self.is_present
    }

    /// The bytes allocated for it, its own place included.
    pub(crate) fn allocated(&self) -> usize {
        let texts = [&self.key_thumbprint, &self.certificate_thumbprint];
        let texts = texts.into_iter().filter_map(Member::valid);
        let texts = texts.map(|text| allocated(text.capacity()));
        texts.fold(allocated(size_of::<Self>()), usize::saturating_add)
    }

    fn present(self) -> Self {
        Self {
            is_present: true,
            ..self
        }
    }
}

impl<'de> Members<'de> for Confirmation {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, values: &mut A) -> Result<(), A::Error> {
        match name {
            "jkt" => self.key_thumbprint = values.next_value()?,
            "x5t#S256" => self.certificate_thumbprint = values.next_value()?,
            _ => {
                values.next_value::<Unique>()?;
            }
        }
        Ok(())
    }
}

/// Seconds since 1970 as a JSON number, fractions allowed, from 0 to the end of the year 9999 (RFC 7519 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NumericDate(Duration);

impl NumericDate {
    pub(crate) fn from_seconds(seconds: f64) -> Option<Self> {
        if !(0.0..FIRST_SECOND_OF_YEAR_10000).contains(&seconds) {
            return None;
        }
        Duration::try_from_secs_f64(seconds).ok().map(Self)
    }

    /// This long after the beginning of 1970.
    pub(crate) const fn at(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }

    /// The moment as the rules compare it: the time since 1970.
    pub(crate) fn since_epoch(self) -> Duration {
        self.0
    }

    pub(crate) fn to_system_time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH
            .checked_add(self.0)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl FromJson for NumericDate {
    fn from_json(value: Value) -> Option<Self> {
        value.as_f64().and_then(Self::from_seconds)
    }
}

/// 10000-01-01T00:00:00Z, the first moment that four digits cannot name.
const FIRST_SECOND_OF_YEAR_10000: f64 = 253_402_300_800.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(payload: &str) -> Claims<'_> {
        Claims::parse(payload).expect("one object")
    }

    #[test]
    fn a_claim_is_absent_valid_or_malformed() {
        assert_eq!(claims("{}").issuer, Member::Absent);
        assert_eq!(claims(r#"{"iss":"a"}"#).issuer, Member::Valid("a".into()));
        for other in ["null", "1", "true", "[]", "{}", r#"["a"]"#] {
            let payload =
                format!(r#"{{"iss":{other},"sub":{other},"jti":{other},"client_id":{other}}}"#);
            let read = claims(&payload);
            for claim in [read.issuer, read.subject, read.token_id, read.client_id] {
                assert_eq!(claim, Member::Malformed, "{other}");
            }
        }
    }

    #[test]
    fn an_audience_is_a_string_or_an_array_of_strings() {
        let accepted = ["api".to_owned()];
        let named = |text: &str| {
            let payload = format!(r#"{{"aud":{text}}}"#);
            claims(&payload)
                .audience
                .valid()
                .map(|audience| audience.contains_one_of(&accepted))
        };
        for (text, expected) in [
            (r#""api""#, Some(true)),
            (r#"["other","api"]"#, Some(true)),
            (r#""API""#, Some(false)),
            (r#""api/""#, Some(false)),
            (r#""api other""#, Some(false)),
            ("[]", Some(false)),
            (r#"["api",1]"#, None),
            (r#"["api",null]"#, None),
            (r#"[["api"]]"#, None),
            (r#"{"api":true}"#, None),
            ("null", None),
            ("1", None),
        ] {
            assert_eq!(named(text), expected, "{text}");
        }
    }

    #[test]
    fn a_date_is_a_number_from_0_to_the_year_9999() {
        let read = |text: &str| claims(&format!(r#"{{"exp":{text}}}"#)).expires_at;
        for (text, seconds) in [
            ("0", 0.0),
            ("-0", 0.0),
            ("1700000000", 1_700_000_000.0),
            ("1700000000.25", 1_700_000_000.25),
            ("1.7e9", 1_700_000_000.0),
            ("253402300799", 253_402_300_799.0),
        ] {
            let expected = NumericDate(Duration::from_secs_f64(seconds));
            assert_eq!(read(text), Member::Valid(expected), "{text}");
        }
        for text in [
            "-1",
            "-0.5",
            "253402300800",
            "99999999999999999",
            "18446744073709551616",
            "1e300",
            r#""1700000000""#,
            "null",
            "true",
            "[]",
            "{}",
        ] {
            assert_eq!(read(text), Member::Malformed, "{text}");
        }
    }

    #[test]
    fn anything_but_one_object_without_duplicates_is_rejected() {
        for payload in [
            "",
            "null",
            "[]",
            "1",
            r#""{}""#,
            "{",
            "{}{}",
            "{} x",
            "{'iss':1}",
            r#"{"iss":"a","iss":"a"}"#,
            r#"{"x":1,"x":2}"#,
            r#"{"\u0078":1,"x":2}"#,
            r#"{"cnf":{"jkt":"a","jkt":"b"}}"#,
            r#"{"act":{"sub":"a","sub":"b"}}"#,
            r#"{"list":[{"a":1,"a":1}]}"#,
            r#"{"exp":1e999}"#,
            r#"{"sub":"\ud800"}"#,
            "\u{feff}{}",
        ] {
            assert!(Claims::parse(payload).is_err(), "{payload}");
        }
        assert!(
            Claims::parse(&format!(
                "{{\"a\":{}{}}}",
                "[".repeat(5000),
                "]".repeat(5000)
            ))
            .is_err()
        );
    }

    #[test]
    fn what_marks_other_kinds_of_token_is_noticed() {
        let read = claims(r#"{"at_hash":"x","nonce":null,"events":{}}"#);
        assert!(read.has_access_token_hash && read.has_nonce && read.has_events);
        let read = claims(r#"{"other":1}"#);
        assert!(!read.has_access_token_hash && !read.has_nonce && !read.has_events);
    }

    #[test]
    fn a_claim_that_names_another_kind_of_token_is_noticed() {
        use OtherKind::{Id, Logout, Refresh};
        for (name, kind) in [
            ("id", Some(Id)),
            ("ID", Some(Id)),
            ("id_token", Some(Id)),
            ("Logout", Some(Logout)),
            ("Refresh", Some(Refresh)),
            ("refresh_token", Some(Refresh)),
            ("Offline", Some(Refresh)),
            (
                "urn:ietf:params:oauth:token-type:refresh_token",
                Some(Refresh),
            ),
            ("urn:ietf:params:oauth:token-type:access_token", None),
            ("access", None),
            ("Bearer", None),
            ("DPoP", None),
            ("", None),
        ] {
            for claim in ["token_use", "token_type", "typ"] {
                let payload = format!(r#"{{"{claim}":"{name}"}}"#);
                assert_eq!(claims(&payload).other_kind, kind, "{claim} {name}");
            }
        }
        let read = claims(r#"{"typ":"Bearer","token_use":"id"}"#);
        assert_eq!(read.other_kind, Some(Id));
        for other in ["null", "1", r#"["id"]"#] {
            assert_eq!(claims(&format!(r#"{{"typ":{other}}}"#)).other_kind, None);
        }
        assert!(Claims::parse(r#"{"typ":{"a":1,"a":1}}"#).is_err());
    }

    #[test]
    fn only_act_names_an_actor() {
        assert_eq!(claims("{}").actor, Member::Absent);
        let actor = claims(r#"{"act":{"sub":"agent"}}"#).actor;
        assert_eq!(
            actor.valid().and_then(|actor| actor.subject()),
            Some("agent")
        );
        assert_eq!(
            claims(r#"{"may_act":{"sub":"agent"}}"#).actor,
            Member::Absent
        );
        assert_eq!(claims(r#"{"act":null}"#).actor, Member::Malformed);
    }

    #[test]
    fn a_confirmation_of_any_method_or_none_binds() {
        for (payload, binds) in [
            ("{}", false),
            (r#"{"cnf":{}}"#, true),
            (r#"{"cnf":{"jkt":"a"}}"#, true),
            (r#"{"cnf":{"x5t#S256":null}}"#, true),
            (r#"{"cnf":{"jwk":{"kty":"EC"}}}"#, true),
            (r#"{"cnf":{"kid":"a"}}"#, true),
            (r#"{"token_type":"DPoP"}"#, true),
            (r#"{"token_type":"dpop","cnf":{"jkt":"a"}}"#, true),
            (r#"{"cnf":{"jkt":"a"},"token_type":"Bearer"}"#, true),
            (r#"{"token_type":"Bearer"}"#, false),
            (r#"{"typ":"DPoP"}"#, false),
        ] {
            assert_eq!(claims(payload).confirmation.binds(), binds, "{payload}");
        }
        for other in ["null", "1", "[]"] {
            assert!(
                Claims::parse(&format!(r#"{{"cnf":{other}}}"#)).is_err(),
                "{other}"
            );
        }
    }
}
