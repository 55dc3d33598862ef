//! Signed responses: a JWT of its own type, for this client, with the response inside ([RFC 9701 §5]).
//!
//! [RFC 9701 §5]: https://www.rfc-editor.org/rfc/rfc9701#section-5

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use serde::de::MapAccess;
use serde_json::value::RawValue;

use super::super::MOST_KEYS_TRIED;
use super::response::ResponseError;
use crate::claims::NumericDate;
use crate::jose::Algorithm;
use crate::jose::compact::Compact;
use crate::jose::json::{self, Member, Members, OneOrMany, Unique};
use crate::keys::{FetchEnd, IssuerKeys, KeyRequest, Purpose, WantedKey};
use crate::metrics::Counters;

/// For whom a response must be.
#[derive(Debug)]
pub(super) struct Recipient<'a> {
    pub(super) keys: &'a IssuerKeys,
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) now: Duration,
}

impl Recipient<'_> {
    /// Verifies a signed response; returns the JSON object inside. Waits for the issuer's key if a fetch may bring it.
    ///
    /// # Errors
    /// [`ResponseError`], never about the token.
    pub(super) async fn open(
        &self,
        text: &str,
        counters: &Counters,
    ) -> Result<Vec<u8>, ResponseError> {
        let response = SignedResponse::parse(text)?;
        loop {
            let generation = match self.try_keys(&response) {
                Tried::Signed => break,
                Tried::Invalid => return Err(ResponseError::Signature),
                Tried::Missing(generation) => generation,
            };
            let key = response.wanted_key(generation);
            match self.keys.request_key(key, counters, Instant::now()) {
                KeyRequest::Arrived => {}
                KeyRequest::Fetching(fetch) => {
                    if fetch.end().await != FetchEnd::Keys {
                        return Err(ResponseError::NoKeys);
                    }
                }
                _ => return Err(ResponseError::NoKeys),
            }
        }
        self.check(&response)
    }

    /// Tries the keys that the issuer has now.
    fn try_keys(&self, response: &SignedResponse<'_>) -> Tried {
        let current = self.keys.current();
        let Some(set) = &*current else {
            return Tried::Missing(0);
        };
        let is_signed = set
            .named(response.key_id())
            .iter()
            .filter(|key| key.allows(response.algorithm))
            .take(MOST_KEYS_TRIED)
            .any(|key| {
                let input = response.compact.signing_input;
                key.verifies(response.algorithm, input, &response.signature)
            });
        if is_signed {
            Tried::Signed
        } else if set.may_lack_key(response.key_id()) {
            Tried::Missing(set.generation())
        } else {
            Tried::Invalid
        }
    }

    /// The claims that every signed response has (RFC 9701 §5).
    fn check(&self, response: &SignedResponse<'_>) -> Result<Vec<u8>, ResponseError> {
        let payload: Payload<'_> =
            json::read_object(&response.payload).map_err(|_| ResponseError::Malformed)?;
        let is_for_client = payload
            .audience
            .valid()
            .is_some_and(|audience| audience.iter().any(|name| name == self.client_id));
        let is_of_issuer = payload
            .issuer
            .valid()
            .is_some_and(|named| named == self.issuer);
        let tolerance = self.keys.issuer.rules.clock_tolerance;
        let is_fresh = payload.issued_at.valid().is_some_and(|at| {
            let at = at.since_epoch();
            at <= self.now.saturating_add(tolerance)
                && self.now <= at.saturating_add(tolerance).saturating_add(LONGEST_AGE)
        });
        if !(is_for_client && is_of_issuer && is_fresh) {
            return Err(ResponseError::NotThisClient);
        }
        let introspection = payload.introspection.ok_or(ResponseError::Malformed)?;
        Ok(introspection.get().as_bytes().to_vec())
    }
}

enum Tried {
    Signed,
    Invalid,
    /// A later set than that of this generation may have the key.
    Missing(u64),
}

/// A signed response that is not verified yet.
struct SignedResponse<'t> {
    compact: Compact<'t>,
    algorithm: Algorithm,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'t> SignedResponse<'t> {
    fn parse(text: &'t str) -> Result<Self, ResponseError> {
        let malformed = |_| ResponseError::Malformed;
        let compact = Compact::parse(text).map_err(malformed)?;
        let header = &compact.header;
        let is_of_type = header.token_type.valid().is_some_and(|name| {
            let name = name.strip_prefix("application/").unwrap_or(name);
            name.eq_ignore_ascii_case("token-introspection+jwt")
        });
        let algorithm = header
            .algorithm
            .valid()
            .and_then(|name| name.parse::<Algorithm>().ok());
        let algorithm = algorithm.filter(|algorithm| algorithm.is_default());
        match algorithm {
            Some(algorithm) if is_of_type && !header.has_critical => Ok(Self {
                payload: compact.payload().map_err(malformed)?,
                signature: compact.signature().map_err(malformed)?,
                compact,
                algorithm,
            }),
            _ => Err(ResponseError::Malformed),
        }
    }

    fn key_id(&self) -> Option<&str> {
        self.compact.header.key_id.valid().map(String::as_str)
    }

    fn wanted_key(&self, generation: u64) -> WantedKey {
        let mut hasher = DefaultHasher::new();
        self.key_id().hash(&mut hasher);
        WantedKey {
            fingerprint: hasher.finish(),
            generation,
            is_named: self.key_id().is_some(),
            may_pass: true,
            purpose: Purpose::AccessTokens,
        }
    }
}

/// The payload of a signed response.
#[derive(Default)]
struct Payload<'p> {
    issuer: Member<Cow<'p, str>>,
    audience: Member<OneOrMany<'p>>,
    issued_at: Member<NumericDate>,
    introspection: Option<Box<RawValue>>,
}

impl<'de> Members<'de> for Payload<'de> {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, values: &mut A) -> Result<(), A::Error> {
        match name {
            "iss" => self.issuer = values.next_value()?,
            "aud" => self.audience = values.next_value()?,
            "iat" => self.issued_at = values.next_value()?,
            "token_introspection" => self.introspection = Some(values.next_value()?),
            _ => {
                values.next_value::<Unique>()?;
            }
        }
        Ok(())
    }
}

/// A response is made for one call; an older one is a replay.
const LONGEST_AGE: Duration = Duration::from_secs(60);
