//! Builds tokens of any kind: good ones by default, broken in one place on request.

use std::fmt;
use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use crate::jose::sign::{SigningKey, random_id};

/// Collects what a token says and who signs it.
///
/// It begins as a good access token ([RFC 9068 §2]): `iss`, `sub`, `aud`, `iat`, `exp` in a day,
/// `client_id`, `azp` and `jti`, no scope, and a header with `alg`, `typ` and `kid`. Each step
/// changes what it names and nothing else; the last word counts.
///
/// # Examples
/// ```
/// use actix_resource_server::test_kit::{Algorithm, SigningKey, TokenBuilder};
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
    /// A token of `issuer` for `audience`, signed by `key` and issued now.
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

    /// A token that says nothing at all yet.
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

    /// Grants `scope`, one or several separated by a space.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Says by `acr` of which class the login was ([RFC 9068 §2.2.1]).
    ///
    /// [RFC 9068 §2.2.1]: https://www.rfc-editor.org/rfc/rfc9068#section-2.2.1
    pub fn acr(self, class: &str) -> Self {
        self.claim("acr", class)
    }

    /// Says by `amr` which methods the login used ([RFC 8176 §2]).
    ///
    /// [RFC 8176 §2]: https://www.rfc-editor.org/rfc/rfc8176#section-2
    pub fn amr<'m>(self, methods: impl IntoIterator<Item = &'m str>) -> Self {
        let methods = methods.into_iter().map(Value::from);
        self.claim("amr", methods.collect::<Value>())
    }

    /// Says by `auth_time` when the login was.
    pub fn auth_time(self, time: SystemTime) -> Self {
        self.claim("auth_time", seconds(time))
    }

    /// Says `value` under `name`, in the place of what was said there.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Binds the token to the sender who has `key`: `cnf.jkt` ([RFC 9449 §6.1]), beside other methods of `cnf`.
    ///
    /// A secret has no thumbprint and binds to nobody: `jkt` is empty.
    ///
    /// [RFC 9449 §6.1]: https://www.rfc-editor.org/rfc/rfc9449#section-6.1
    pub fn bound_to_key(self, key: &SigningKey) -> Self {
        let thumbprint = key.thumbprint().unwrap_or_default();
        self.confirmed_by("jkt", &thumbprint)
    }

    /// Binds the token to the sender who has the certificate of this thumbprint: `cnf.x5t#S256`
    /// ([RFC 8705 §3.1]), beside other methods of `cnf`.
    ///
    /// [`ClientCertificate::thumbprint`](crate::sender::ClientCertificate::thumbprint) tells a certificate's.
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

    /// Leaves the claim `name` out.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets a header parameter; `alg` here does not change who signs or how.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves the header parameter `name` out.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Sets `iat`, and `exp` as far from it as before.
    pub fn issued_at(mut self, time: SystemTime) -> Self {
        self.issued_at = time;
        let lifetime = self.lifetime;
        self.claim("iat", seconds(time)).expires_in(lifetime)
    }

    /// Sets `exp` so long after the time of issue.
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

    /// Signs with `key` and names it and its algorithm in the header.
    pub fn signed_by(mut self, key: &SigningKey) -> Self {
        self.key = key.clone();
        self.header("alg", key.algorithm().name())
            .header("kid", key.kid())
    }

    /// Sends these bytes in the place of the header's JSON: broken, doubled or none at all.
    pub fn raw_header(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.raw_header = Some(text.into());
        self
    }

    /// Sends these bytes in the place of the claims' JSON; they are signed as they are.
    pub fn raw_payload(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw_payload = Some(bytes.into());
        self
    }

    /// Sends these bytes in the place of the signature.
    pub fn raw_signature(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw_signature = Some(bytes.into());
        self
    }

    /// The token in its compact form ([RFC 7515 §7.1]).
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

fn text(members: Map<String, Value>) -> Vec<u8> {
    Value::Object(members).to_string().into_bytes()
}

/// A `NumericDate` in whole seconds, negative before 1970.
pub(super) fn seconds(time: SystemTime) -> Value {
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

    fn good() -> TokenBuilder {
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
    fn it_begins_as_a_good_access_token() {
        let token = good().issued_at(at(1000)).claim("jti", "id").build();
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
    fn each_step_changes_what_it_names_and_nothing_else() {
        let base = || good().issued_at(at(1000)).claim("jti", "id");
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
        let bound = good().claim("cnf", json!({"kid": "a", "jkt": "b"}));
        let jkt = sender.thumbprint().unwrap();
        assert_eq!(
            claims(&bound.bound_to_key(&sender).build())["cnf"],
            json!({"kid": "a", "jkt": jkt})
        );
        let bound = good().claim("cnf", "a").bound_to_key(&sender);
        assert_eq!(claims(&bound.build())["cnf"], json!({ "jkt": jkt }));
    }

    #[test]
    fn a_time_before_1970_is_negative() {
        let time = SystemTime::UNIX_EPOCH - Duration::from_secs(90);
        let token = good()
            .issued_at(time)
            .expires_in(Duration::from_secs(100))
            .build();
        assert_eq!(claims(&token)["iat"], -90);
        assert_eq!(claims(&token)["exp"], 10);
    }

    #[test]
    fn the_header_can_lie_about_the_key() {
        let other = SigningKey::from_secret("other", Algorithm::Hs512).with_kid("two");
        let token = good()
            .signed_by(&other)
            .header("alg", "none")
            .without_header("typ")
            .build();
        assert_eq!(segments(&token)[0], br#"{"alg":"none","kid":"two"}"#);
        let (input, _) = token.rsplit_once('.').unwrap();
        assert_eq!(segments(&token)[2], other.sign(input.as_bytes()));
    }

    #[test]
    fn raw_parts_are_sent_as_they_are() {
        let token = good()
            .raw_header("{")
            .raw_payload(*b"\xff")
            .raw_signature([1])
            .build();
        assert_eq!(token, "ew._w.AQ");
        let signed = good().raw_header("{").raw_payload("{}").build();
        let (input, _) = signed.rsplit_once('.').unwrap();
        assert_eq!(segments(&signed)[2], key().sign(input.as_bytes()));
    }

    #[test]
    fn every_token_has_its_own_jti() {
        assert_ne!(
            claims(&good().build())["jti"],
            claims(&good().build())["jti"]
        );
    }
}
