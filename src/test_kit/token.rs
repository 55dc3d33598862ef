//! A builder of access tokens: valid by default, invalid in one place on request.

use std::fmt;
use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use crate::jose::sign::{SigningKey, random_id};

/// Builds an access token.
///
/// Starts with a valid access token ([RFC 9068 §2]): `iss`, `sub`, `aud`, `iat`, `exp` in a day,
/// `client_id`, `azp` and `jti`, no scope, and a header with `alg`, `typ` and `kid`. Each method
/// changes only what it names; the last call wins.
///
/// # Examples
/// ```
/// use actix_resource_server::Algorithm;
/// use actix_resource_server::test_kit::{SigningKey, TokenBuilder};
///
/// let key = SigningKey::generate(Algorithm::Es256);
/// let token = TokenBuilder::new("https://issuer.test/", "https://api.test/", &key)
///     .scope("read:messages")
///     .without("nbf")
///     .build();
/// assert_eq!(token.split('.').count(), 3);
/// ```
///
/// [RFC 9068 §2]: https://www.rfc-editor.org/rfc/rfc9068#section-2
#[derive(Clone)]
#[must_use = "a token is made by `build`"]
pub struct TokenBuilder {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    raw_header: Option<Vec<u8>>,
    raw_payload: Option<Vec<u8>>,
    raw_signature: Option<Vec<u8>>,
    issued_at: SystemTime,
    lifetime: Duration,
    key: SigningKey,
}

impl TokenBuilder {
    /// A token of `issuer` for `audience`, signed with `key` and issued now.
    pub fn new(issuer: &str, audience: &str, key: &SigningKey) -> Self {
        Self::blank(key)
            .signed_by(key)
            .header("typ", "at+jwt")
            .claim("iss", issuer)
            .claim("sub", "user-1")
            .claim("aud", audience)
            .issued_at(SystemTime::now())
            .claim("azp", "client-1")
            .claim("client_id", "client-1")
            .claim("jti", random_id())
    }

    /// A logout token of `issuer` for the client `audience` ([OpenID Connect Back-Channel Logout §2.4]): `iss`, `sub`, `aud`,
    /// `iat`, `exp` in two minutes, `jti` and `events`, with `typ` `logout+jwt`. Set the claim `sid` to end one session.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::Algorithm;
    /// use actix_resource_server::test_kit::{SigningKey, TokenBuilder};
    ///
    /// let key = SigningKey::generate(Algorithm::Es256);
    /// let token = TokenBuilder::logout_token("https://issuer.test/", "client-1", &key)
    ///     .claim("sid", "session-1")
    ///     .build();
    /// ```
    ///
    /// [OpenID Connect Back-Channel Logout §2.4]: https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken
    pub fn logout_token(issuer: &str, audience: &str, key: &SigningKey) -> Self {
        let two_minutes = Duration::from_secs(120);
        Self::addressed(issuer, audience, key, "logout+jwt")
            .claim("sub", "user-1")
            .expires_in(two_minutes)
            .event(LOGOUT, Map::new())
    }

    /// A security event token of `issuer` for `audience` ([RFC 8417 §2]): `iss`, `aud`, `iat` and `jti`, with `typ`
    /// `secevent+jwt`. Add what has happened by [`event`](Self::event), and the subject as the claim `sub_id`.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::Algorithm;
    /// use actix_resource_server::test_kit::{SigningKey, TokenBuilder};
    /// use serde_json::json;
    ///
    /// let key = SigningKey::generate(Algorithm::Es256);
    /// let token = TokenBuilder::security_event("https://issuer.test/", "client-1", &key)
    ///     .claim("sub_id", json!({"format": "opaque", "id": "user-1"}))
    ///     .event(TokenBuilder::SESSION_REVOKED, json!({}))
    ///     .build();
    /// ```
    ///
    /// [RFC 8417 §2]: https://www.rfc-editor.org/rfc/rfc8417#section-2
    pub fn security_event(issuer: &str, audience: &str, key: &SigningKey) -> Self {
        Self::addressed(issuer, audience, key, "secevent+jwt").without("exp")
    }

    /// The type of the event that a session was revoked ([CAEP 1.0 §3.1]).
    ///
    /// [CAEP 1.0 §3.1]: https://openid.net/specs/openid-caep-1_0-final.html
    pub const SESSION_REVOKED: &'static str =
        "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

    /// The type of the event that the claims of tokens have changed (CAEP 1.0 §3.2).
    pub const TOKEN_CLAIMS_CHANGE: &'static str =
        "https://schemas.openid.net/secevent/caep/event-type/token-claims-change";

    /// The type of the event that a credential of a user has changed (CAEP 1.0 §3.3).
    pub const CREDENTIAL_CHANGE: &'static str =
        "https://schemas.openid.net/secevent/caep/event-type/credential-change";

    fn addressed(issuer: &str, audience: &str, key: &SigningKey, typ: &str) -> Self {
        Self::blank(key)
            .signed_by(key)
            .header("typ", typ)
            .claim("iss", issuer)
            .claim("aud", audience)
            .issued_at(SystemTime::now())
            .claim("jti", random_id())
    }

    /// A token without claims.
    pub(super) fn blank(key: &SigningKey) -> Self {
        Self {
            header: Map::new(),
            claims: Map::new(),
            raw_header: None,
            raw_payload: None,
            raw_signature: None,
            issued_at: SystemTime::UNIX_EPOCH,
            lifetime: Duration::from_secs(24 * 60 * 60),
            key: key.clone(),
        }
    }

    /// Sets `scope`: one or several scopes, separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Sets `acr`, the authentication context class of the login ([RFC 9068 §2.2.1]).
    ///
    /// [RFC 9068 §2.2.1]: https://www.rfc-editor.org/rfc/rfc9068#section-2.2.1
    pub fn acr(self, class: &str) -> Self {
        self.claim("acr", class)
    }

    /// Sets `amr`, the authentication methods of the login ([RFC 8176 §2]).
    ///
    /// [RFC 8176 §2]: https://www.rfc-editor.org/rfc/rfc8176#section-2
    pub fn amr<'m>(self, methods: impl IntoIterator<Item = &'m str>) -> Self {
        let methods = methods.into_iter().map(Value::from);
        self.claim("amr", methods.collect::<Value>())
    }

    /// Sets `auth_time`, the time of the login.
    pub fn auth_time(self, time: SystemTime) -> Self {
        self.claim("auth_time", seconds(time))
    }

    /// Sets `act`: the party with this subject acts on behalf of the user ([RFC 8693 §4.1]). An actor that is set already becomes
    /// the one before it.
    ///
    /// [RFC 8693 §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1
    pub fn actor(mut self, subject: &str) -> Self {
        let mut actor = Map::new();
        actor.insert("sub".to_owned(), subject.into());
        if let Some(prior) = self.claims.remove("act") {
            actor.insert("act".to_owned(), prior);
        }
        self.claim("act", actor)
    }

    /// Sets the claim `name` to `value`.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Adds an event to the claim `events`; other events are kept.
    pub fn event(mut self, name: &str, event: impl Into<Value>) -> Self {
        let mut events = match self.claims.remove("events") {
            Some(Value::Object(events)) => events,
            _ => Map::new(),
        };
        events.insert(name.to_owned(), event.into());
        self.claim("events", events)
    }

    /// Binds the token to the DPoP key `key` by `cnf.jkt` ([RFC 9449 §6.1]); other members of `cnf` are kept.
    ///
    /// A secret has no thumbprint, so its `jkt` is empty and matches no key.
    ///
    /// [RFC 9449 §6.1]: https://www.rfc-editor.org/rfc/rfc9449#section-6.1
    pub fn bound_to_key(self, key: &SigningKey) -> Self {
        let thumbprint = key.thumbprint().unwrap_or_default();
        self.confirmed_by("jkt", &thumbprint)
    }

    /// Binds the token to the client certificate with this thumbprint by `cnf.x5t#S256` ([RFC 8705 §3.1]);
    /// other members of `cnf` are kept.
    ///
    /// See [`ClientCertificate::thumbprint`](crate::sender::ClientCertificate::thumbprint).
    ///
    /// [RFC 8705 §3.1]: https://www.rfc-editor.org/rfc/rfc8705#section-3.1
    pub fn bound_to_certificate(self, thumbprint: &str) -> Self {
        self.confirmed_by("x5t#S256", thumbprint)
    }

    fn confirmed_by(mut self, method: &str, value: &str) -> Self {
        let mut methods = match self.claims.remove("cnf") {
            Some(Value::Object(methods)) => methods,
            _ => Map::new(),
        };
        methods.insert(method.to_owned(), value.into());
        self.claim("cnf", methods)
    }

    /// The claims that have been set.
    pub(crate) fn claims(self) -> Map<String, Value> {
        self.claims
    }

    /// Removes the claim `name`.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets a header parameter; `alg` does not change how the token is signed.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Removes the header parameter `name`.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Sets `iat`, and moves `exp` by the same time.
    pub fn issued_at(mut self, time: SystemTime) -> Self {
        self.issued_at = time;
        let lifetime = self.lifetime;
        self.claim("iat", seconds(time)).expires_in(lifetime)
    }

    /// Sets `exp` to `lifetime` after `iat`.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        let expiry = self.issued_at.checked_add(lifetime);
        let issued_at = self.issued_at;
        self.expires_at(expiry.unwrap_or(issued_at))
    }

    /// Sets `exp`, which may lie in the past.
    pub fn expires_at(self, time: SystemTime) -> Self {
        self.claim("exp", seconds(time))
    }

    /// Signs with `key`, and sets `kid` and `alg`.
    pub fn signed_by(mut self, key: &SigningKey) -> Self {
        self.key = key.clone();
        self.header("alg", key.algorithm().name())
            .header("kid", key.kid())
    }

    /// Replaces the JSON of the header with these bytes.
    pub fn raw_header(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.raw_header = Some(text.into());
        self
    }

    /// Replaces the JSON of the claims with these bytes, which are signed unchanged.
    pub fn raw_payload(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw_payload = Some(bytes.into());
        self
    }

    /// Replaces the signature with these bytes.
    pub fn raw_signature(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw_signature = Some(bytes.into());
        self
    }

    /// Builds the token in compact form ([RFC 7515 §7.1]).
    ///
    /// [RFC 7515 §7.1]: https://www.rfc-editor.org/rfc/rfc7515#section-7.1
    #[must_use]
    pub fn build(self) -> String {
        let header = self.raw_header.unwrap_or_else(|| text(self.header));
        let payload = self.raw_payload.unwrap_or_else(|| text(self.claims));
        let mut token = BASE64URL_NOPAD.encode(&header);
        token.push('.');
        BASE64URL_NOPAD.encode_append(&payload, &mut token);
        let signed = self.raw_signature;
        let signature = signed.unwrap_or_else(|| self.key.sign(token.as_bytes()));
        token.push('.');
        BASE64URL_NOPAD.encode_append(&signature, &mut token);
        token
    }
}

impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder")
            .field("header", &self.header)
            .field("claims", &self.claims)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// OpenID Connect Back-Channel Logout §2.4.
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn text(members: Map<String, Value>) -> Vec<u8> {
    Value::Object(members).to_string().into_bytes()
}

/// A `NumericDate` in whole seconds, negative before 1970.
pub(in crate::test_kit) fn seconds(time: SystemTime) -> Value {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_secs().into(),
        Err(before) => {
            let before = i64::try_from(before.duration().as_secs());
            before.map_or(i64::MIN, |seconds| -seconds).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::jose::Algorithm;

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_secret("passphrase", Algorithm::Hs256).with_kid("one")
    }

    fn valid() -> TokenBuilder {
        TokenBuilder::new("https://issuer.test/", "https://api.test/", &key())
    }

    fn segments(token: &str) -> Vec<Vec<u8>> {
        let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
        token.split('.').map(decode).collect()
    }

    fn claims(token: &str) -> Value {
        serde_json::from_slice(&segments(token)[1]).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_token_is_a_valid_access_token_by_default() {
        let token = valid().issued_at(at(1000)).claim("jti", "id").build();
        let header: Value = serde_json::from_slice(&segments(&token)[0]).unwrap();
        assert_eq!(
            header,
            json!({"alg": "HS256", "kid": "one", "typ": "at+jwt"})
        );
        let expected = json!({
            "iss": "https://issuer.test/", "sub": "user-1", "aud": "https://api.test/",
            "iat": 1000, "exp": 87400, "azp": "client-1", "client_id": "client-1", "jti": "id",
        });
        assert_eq!(claims(&token), expected);
        let (input, _) = token.rsplit_once('.').unwrap();
        assert_eq!(segments(&token)[2], key().sign(input.as_bytes()));
    }

    #[test]
    fn a_logout_token_and_a_security_event_have_what_their_specifications_require() {
        let (issuer, key) = ("https://issuer.test/", key());
        let typ = |token: &str| {
            let header: Value = serde_json::from_slice(&segments(token)[0]).unwrap();
            header["typ"].as_str().map(str::to_owned)
        };
        let logout = TokenBuilder::logout_token(issuer, "client", &key).issued_at(at(1000));
        let logout = logout.claim("jti", "id").build();
        assert_eq!(typ(&logout).as_deref(), Some("logout+jwt"));
        let expected = json!({
            "iss": issuer, "sub": "user-1", "aud": "client", "iat": 1000, "exp": 1120, "jti": "id",
            "events": { LOGOUT: {} },
        });
        assert_eq!(claims(&logout), expected);
        let event = TokenBuilder::security_event(issuer, "client", &key)
            .claim("iat", 1000)
            .claim("jti", "id")
            .event(TokenBuilder::SESSION_REVOKED, json!({"a": 1}))
            .event(TokenBuilder::CREDENTIAL_CHANGE, json!({}))
            .build();
        assert_eq!(typ(&event).as_deref(), Some("secevent+jwt"));
        let events = json!({
            TokenBuilder::SESSION_REVOKED: {"a": 1}, TokenBuilder::CREDENTIAL_CHANGE: {},
        });
        let expected = json!({
            "iss": issuer, "aud": "client", "iat": 1000, "jti": "id", "events": events,
        });
        assert_eq!(claims(&event), expected);
    }

    #[test]
    fn each_method_changes_only_what_it_names() {
        let base = || valid().issued_at(at(1000)).claim("jti", "id");
        let plain = claims(&base().build());
        let cases = [
            (base().scope("a b"), "scope", json!("a b")),
            (base().claim("aud", json!(["x"])), "aud", json!(["x"])),
            (
                base().expires_in(Duration::from_secs(60)),
                "exp",
                json!(1060),
            ),
            (base().expires_at(at(7)), "exp", json!(7)),
            (base().acr("gold"), "acr", json!("gold")),
            (base().amr(["pwd", "mfa"]), "amr", json!(["pwd", "mfa"])),
            (base().auth_time(at(7)), "auth_time", json!(7)),
            (base().actor("a"), "act", json!({"sub": "a"})),
            (
                base().actor("a").actor("b"),
                "act",
                json!({"sub": "b", "act": {"sub": "a"}}),
            ),
        ];
        for (builder, name, value) in cases {
            let mut expected = plain.clone();
            expected[name] = value;
            assert_eq!(claims(&builder.build()), expected, "{name}");
        }
        let mut without = plain;
        without.as_object_mut().unwrap().remove("sub");
        assert_eq!(claims(&base().without("sub").build()), without);
    }

    #[test]
    fn a_token_is_bound_to_a_key_beside_other_methods() {
        let sender = SigningKey::generate(Algorithm::Es256);
        let bound = valid().claim("cnf", json!({"kid": "a", "jkt": "b"}));
        let jkt = sender.thumbprint().unwrap();
        assert_eq!(
            claims(&bound.bound_to_key(&sender).build())["cnf"],
            json!({"kid": "a", "jkt": jkt})
        );
        let bound = valid().claim("cnf", "a").bound_to_key(&sender);
        assert_eq!(claims(&bound.build())["cnf"], json!({ "jkt": jkt }));
    }

    #[test]
    fn a_time_before_1970_is_negative() {
        let time = SystemTime::UNIX_EPOCH - Duration::from_secs(90);
        let token = valid()
            .issued_at(time)
            .expires_in(Duration::from_secs(100))
            .build();
        assert_eq!(claims(&token)["iat"], -90);
        assert_eq!(claims(&token)["exp"], 10);
    }

    #[test]
    fn the_header_may_name_another_key() {
        let other = SigningKey::from_secret("other", Algorithm::Hs512).with_kid("two");
        let token = valid()
            .signed_by(&other)
            .header("alg", "none")
            .without_header("typ")
            .build();
        assert_eq!(segments(&token)[0], br#"{"alg":"none","kid":"two"}"#);
        let (input, _) = token.rsplit_once('.').unwrap();
        assert_eq!(segments(&token)[2], other.sign(input.as_bytes()));
    }

    #[test]
    fn raw_parts_are_used_unchanged() {
        let token = valid()
            .raw_header("{")
            .raw_payload(*b"\xff")
            .raw_signature([1])
            .build();
        assert_eq!(token, "ew._w.AQ");
        let signed = valid().raw_header("{").raw_payload("{}").build();
        let (input, _) = signed.rsplit_once('.').unwrap();
        assert_eq!(segments(&signed)[2], key().sign(input.as_bytes()));
    }

    #[test]
    fn every_token_has_a_unique_jti() {
        assert_ne!(
            claims(&valid().build())["jti"],
            claims(&valid().build())["jti"]
        );
    }
}
