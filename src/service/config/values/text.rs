//! Values that are parsed from one text, or from a list of texts.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::net::IpAddr;

use actix_web::http::Method;
use actix_web::http::header::HeaderName;
use config::{Value, ValueKind};
use ipnet::IpNet;
use serde::{Deserialize, Serialize, Serializer};
#[cfg(feature = "redis")]
use zeroize::Zeroizing;

use super::super::decision::is_usable_pattern;
use super::claims::json;
use super::{NOT_SHOWN, Remedy, TEXT_NEEDED, trimmed};
use crate::claims::claim_name::ClaimName;
use crate::claims::scope_claim::ScopeClaim;
use crate::issuer::{TokenType, is_loopback};
use crate::jose::Algorithm;
#[cfg(feature = "redis")]
use crate::redis_client;
use crate::sender::TargetUriSource;

/// A kind of text.
pub(in super::super) trait Kind {
    /// What a text of this kind is parsed into.
    type Parsed: Display;

    /// What the text must be.
    const REMEDY: &'static str = TEXT_NEEDED;

    /// Whether a list of these must not be empty.
    const LIST_IS_NEEDED: bool = false;

    fn parse(text: &str) -> Option<Self::Parsed>;

    /// A member of a list that is not a text; most kinds have none.
    fn parse_table(_: &serde_json::Value) -> Option<Self::Parsed> {
        None
    }

    /// The value as `check` shows it.
    fn shown(parsed: &Self::Parsed) -> String {
        parsed.to_string()
    }
}

/// One text.
#[derive(Deserialize)]
#[serde(try_from = "Value", bound = "K: Kind")]
pub(in super::super) struct One<K: Kind>(pub(in super::super) K::Parsed);

impl<K: Kind> TryFrom<Value> for One<K> {
    type Error = Remedy;

    fn try_from(value: Value) -> Result<Self, Remedy> {
        match trimmed(value)? {
            ValueKind::String(text) => K::parse(&text).map(Self).ok_or(Cow::Borrowed(K::REMEDY)),
            _ => Err(TEXT_NEEDED.into()),
        }
    }
}

impl<K: Kind> Serialize for One<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&K::shown(&self.0))
    }
}

/// A list of texts, or one text with commas; empty parts are dropped.
#[derive(Deserialize)]
#[serde(try_from = "Value", bound = "K: Kind")]
pub(in super::super) struct List<K: Kind>(pub(in super::super) Vec<K::Parsed>);

impl<K: Kind> List<K> {
    pub(in super::super) const EMPTY: Self = Self(Vec::new());
}

impl<K: Kind> TryFrom<Value> for List<K> {
    type Error = Remedy;

    fn try_from(value: Value) -> Result<Self, Remedy> {
        let parts = match trimmed(value)? {
            ValueKind::String(text) if text.starts_with('[') && text.ends_with(']') => {
                return tables::<K>(&text).map(Self).ok_or(Cow::Borrowed(BRACKETS));
            }
            ValueKind::String(text) => text.split(',').map(Value::from).collect(),
            ValueKind::Array(values) => values,
            _ => return Err(LIST_NEEDED.into()),
        };
        let mut list = Vec::new();
        for part in parts {
            match trimmed(part)? {
                ValueKind::String(text) if text.is_empty() => {}
                ValueKind::String(text) => list.push(K::parse(&text).ok_or(K::REMEDY)?),
                table @ ValueKind::Table(_) => {
                    let parsed =
                        json(Value::new(None, table)).and_then(|table| K::parse_table(&table));
                    list.push(parsed.ok_or(K::REMEDY)?);
                }
                _ => return Err(LIST_NEEDED.into()),
            }
        }
        if K::LIST_IS_NEEDED && list.is_empty() {
            return Err(K::REMEDY.into());
        }
        Ok(Self(list))
    }
}

/// The members of a list in JSON, of which one at least is a table, so that no text can say the same.
fn tables<K: Kind>(text: &str) -> Option<Vec<K::Parsed>> {
    let values: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
    let parse = |value: &serde_json::Value| match value.as_str() {
        Some(text) => K::parse(text.trim()),
        None => K::parse_table(value),
    };
    let has_table = values.iter().any(serde_json::Value::is_object);
    values
        .iter()
        .map(parse)
        .collect::<Option<_>>()
        .filter(|_| has_table)
}

impl<K: Kind> Serialize for List<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(K::shown))
    }
}

pub(in super::super) const BRACKETS: &str =
    "has brackets around its value: write the parts with commas alone";

const LIST_NEEDED: &str = "must be a list of texts, or one text with commas";

/// Any text.
pub(in super::super) enum Text {}

impl Kind for Text {
    type Parsed = String;

    fn parse(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
}

/// An address to listen on: an IP address, an IPv6 one without brackets, or a host name.
pub(in super::super) enum Host {}

impl Kind for Host {
    type Parsed = String;

    const REMEDY: &'static str =
        "must be an IP address or a host name without a port, such as 127.0.0.1 or 0.0.0.0";

    fn parse(text: &str) -> Option<String> {
        let inner = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let bare = inner.unwrap_or(text);
        let is_name = || !bare.contains(['%', '*']) && url::Host::parse(bare).is_ok();
        (bare.parse::<IpAddr>().is_ok() || is_name()).then(|| bare.to_owned())
    }
}

/// A URL that the issuer checks; its query, which may contain a key to an API, is not shown.
pub(in super::super) enum IssuerUrl {}

impl Kind for IssuerUrl {
    type Parsed = String;

    fn parse(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn shown(url: &String) -> String {
        match url.split_once('?') {
            Some((url, _)) => format!("{url}?{NOT_SHOWN}"),
            None => url.clone(),
        }
    }
}

/// The URL of this service, as clients call it.
pub(in super::super) enum PublicUrl {}

impl Kind for PublicUrl {
    type Parsed = url::Url;

    const REMEDY: &'static str =
        "must be an absolute URL such as https://api.example, without more than a path";

    fn parse(text: &str) -> Option<url::Url> {
        let url = url::Url::parse(text).ok()?;
        let is_usable = matches!(url.scheme(), "https" | "http")
            && is_plain(&url)
            && TargetUriSource::public_url(url.as_str()).is_ok();
        is_usable.then_some(url)
    }
}

/// A host, and possibly a path, by which clients call the service.
pub(in super::super) enum PublicHost {}

impl Kind for PublicHost {
    type Parsed = String;

    const REMEDY: &'static str =
        "must be hosts such as api.example, api.example:8443 or api.example/v1, without a scheme";

    fn parse(text: &str) -> Option<String> {
        let is_usable = TargetUriSource::default().allowed_hosts([text]).is_ok();
        is_usable.then(|| text.to_owned())
    }
}

/// The URL of a page.
pub(in super::super) enum WebPage {}

impl Kind for WebPage {
    type Parsed = url::Url;

    const REMEDY: &'static str = "must be an absolute URL such as https://docs.example/api";

    fn parse(text: &str) -> Option<url::Url> {
        let url = url::Url::parse(text).ok()?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        (matches!(url.scheme(), "https" | "http") && !has_user).then_some(url)
    }
}

/// An IP address or a network.
pub(in super::super) enum Network {}

impl Kind for Network {
    type Parsed = IpNet;

    const REMEDY: &'static str = "must be IP addresses or networks, such as 10.0.0.1 or 10.0.0.0/8";

    fn parse(text: &str) -> Option<IpNet> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        let network = address.or_else(|_| text.parse()).ok()?;
        Some(network.trunc())
    }
}

/// An origin of web pages as browsers send it: lower case, no default port (RFC 6454 §6.2), or `*`. The leftmost of at
/// least three labels may be `*`.
pub(in super::super) enum WebOrigin {}

impl Kind for WebOrigin {
    type Parsed = String;

    const REMEDY: &'static str = "must be origins such as http://localhost:5173, without a path, or * for all; \
        https://*.app.example is any one label below a domain of two or more";

    fn parse(text: &str) -> Option<String> {
        if text == "*" {
            return Some(text.to_owned());
        }
        match text.split_once("://*.") {
            Some((scheme, parent)) => {
                let origin = origin(&format!("{scheme}://{parent}"))?;
                let (scheme, parent) = origin.split_once("://")?;
                let host = parent.split(':').next().unwrap_or_default();
                let is_domain = host.parse::<IpAddr>().is_err() && !host.starts_with('[');
                let is_own = host.trim_end_matches('.').contains('.') || host == "localhost";
                (is_domain && is_own).then(|| format!("{scheme}://*.{parent}"))
            }
            None => origin(text),
        }
    }
}

fn origin(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let host = url.host_str()?;
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    let is_origin = matches!(url.path(), "" | "/") && is_plain(&url);
    let is_host = !host.is_empty() && !host.contains('*');
    (is_origin && is_host).then(|| format!("{}://{host}{port}", url.scheme()))
}

/// A method of requests, in upper case.
impl Kind for Method {
    type Parsed = Self;

    const REMEDY: &'static str = "must be methods such as GET, POST";

    const LIST_IS_NEEDED: bool = true;

    fn parse(text: &str) -> Option<Self> {
        let is_name = text
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
        let method = text.to_ascii_uppercase();
        is_name.then(|| Self::from_bytes(method.as_bytes()).ok())?
    }
}

impl Kind for Algorithm {
    type Parsed = Self;

    const REMEDY: &'static str = "must be one or more of HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384, \
                                  ES512, PS256, PS384, PS512, EdDSA, ML-DSA-44, ML-DSA-65, ML-DSA-87";

    const LIST_IS_NEEDED: bool = true;

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Kind for ScopeClaim {
    type Parsed = Self;

    const REMEDY: &'static str = "must be claims: names such as permissions, or JSON pointers such as \
                                  /realm_access/roles; with a separator { claim = \"o.per\", separator = \",\" }";

    const LIST_IS_NEEDED: bool = true;

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    /// A claim with its separator, in a table of the file or in JSON.
    fn parse_table(table: &serde_json::Value) -> Option<Self> {
        let text = |key| table.get(key)?.as_str();
        let is_known = |key: &String| key == "claim" || key == "separator";
        if !table.as_object()?.keys().all(is_known) {
            return None;
        }
        let claim: Self = text("claim")?.trim().parse().ok()?;
        match table.get("separator") {
            None => Some(claim),
            Some(_) => {
                let separator = text("separator").filter(|separator| !separator.is_empty())?;
                Some(claim.separated_by(separator))
            }
        }
    }

    fn shown(claim: &Self) -> String {
        match claim.separator() {
            None => claim.to_string(),
            Some(separator) => {
                serde_json::json!({"claim": claim.as_str(), "separator": separator}).to_string()
            }
        }
    }
}

/// A claim's name, or a JSON pointer.
pub(in super::super) enum ClaimPath {}

impl Kind for ClaimPath {
    type Parsed = String;

    const REMEDY: &'static str =
        "must be claims: names such as client_id, or JSON pointers such as /app/id";

    const LIST_IS_NEEDED: bool = true;

    fn parse(text: &str) -> Option<String> {
        let claim: Result<ClaimName, _> = text.parse();
        claim.is_ok().then(|| text.to_owned())
    }
}

impl Kind for TokenType {
    type Parsed = Self;

    const REMEDY: &'static str = "must be one or more of at+jwt, JWT, JOSE";

    const LIST_IS_NEEDED: bool = true;

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// The path of a PEM file, which is not opened here.
pub(in super::super) enum PemPath {}

impl Kind for PemPath {
    type Parsed = String;

    const REMEDY: &'static str = "must be the path of a PEM file";

    fn parse(text: &str) -> Option<String> {
        (!text.is_empty() && !text.contains("-----BEGIN")).then(|| text.to_owned())
    }
}

/// The path of a private key, not shown: the key itself may be set by mistake.
pub(in super::super) enum KeyPath {}

impl Kind for KeyPath {
    type Parsed = String;

    const REMEDY: &'static str = PemPath::REMEDY;

    fn parse(text: &str) -> Option<String> {
        PemPath::parse(text)
    }

    fn shown(_: &String) -> String {
        NOT_SHOWN.to_owned()
    }
}

/// A public key, or the path of one, not shown: a private key may be set by mistake.
pub(in super::super) enum KeyText {}

impl Kind for KeyText {
    type Parsed = String;

    fn parse(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn shown(_: &String) -> String {
        NOT_SHOWN.to_owned()
    }
}

impl Kind for HeaderName {
    type Parsed = Self;

    const REMEDY: &'static str = "must be the name of a header";

    fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(text.as_bytes()).ok()
    }
}

/// Where the replay store is: in the memory of this process, or in a Redis, whose URL may contain a password.
pub(in super::super) enum StoreUrl {
    Memory,
    #[cfg(feature = "redis")]
    Redis(Zeroizing<String>),
}

impl Kind for StoreUrl {
    type Parsed = Self;

    #[cfg(feature = "redis")]
    const REMEDY: &'static str = "must be memory, or a URL such as redis://127.0.0.1:6379/0 or rediss://redis.example, \
                                  without a fragment";

    #[cfg(not(feature = "redis"))]
    const REMEDY: &'static str = "must be memory: a Redis needs a build with the feature redis";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "memory" => Some(Self::Memory),
            #[cfg(feature = "redis")]
            url => is_redis(url).then(|| Self::Redis(Zeroizing::new(url.to_owned()))),
            #[cfg(not(feature = "redis"))]
            _ => None,
        }
    }
}

impl Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            #[cfg(feature = "redis")]
            Self::Redis(url) if url.contains(['@', '?']) => NOT_SHOWN,
            #[cfg(feature = "redis")]
            Self::Redis(url) => url,
        })
    }
}

#[cfg(feature = "redis")]
fn is_redis(text: &str) -> bool {
    let url = url::Url::parse(text);
    url.is_ok_and(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host())
        && redis_client::check_url(text).is_ok()
}

/// A scope (RFC 6749 §3.3).
pub(in super::super) enum ScopeToken {}

impl Kind for ScopeToken {
    type Parsed = String;

    const REMEDY: &'static str =
        "must be scopes such as read:messages, without spaces, quotation marks and backslashes";

    fn parse(text: &str) -> Option<String> {
        let is_allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        text.bytes().all(is_allowed).then(|| text.to_owned())
    }
}

/// A pattern of actix for the paths of a route.
pub(in super::super) enum PathPattern {}

impl Kind for PathPattern {
    type Parsed = String;

    const REMEDY: &'static str = "must be a path such as /orders or /files/{name}, with plain ASCII characters outside of parameters, \
        whose names differ, and whose regular expressions are valid";

    fn parse(text: &str) -> Option<String> {
        is_usable_pattern(text).then(|| text.to_owned())
    }
}

/// A path without parameters.
pub(in super::super) enum PlainPath {}

impl Kind for PlainPath {
    type Parsed = String;

    const REMEDY: &'static str =
        "must be a path such as /decision, without parameters and a slash at its end";

    fn parse(text: &str) -> Option<String> {
        let is_plain = is_usable_pattern(text) && !text.contains(['{', '}']);
        (is_plain && !text.ends_with('/')).then(|| text.to_owned())
    }
}

/// A URL on loopback that the development issuer redirects to.
pub(in super::super) enum RedirectUri {}

impl Kind for RedirectUri {
    type Parsed = String;

    const REMEDY: &'static str = "must be http or https URLs on loopback, such as http://localhost:5173/callback, without a fragment";

    fn parse(text: &str) -> Option<String> {
        let url = url::Url::parse(text).ok()?;
        let is_usable = matches!(url.scheme(), "http" | "https")
            && is_loopback(&url)
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        is_usable.then(|| text.to_owned())
    }
}

/// Whether the URL has no user information, query or fragment.
fn is_plain(url: &url::Url) -> bool {
    url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}
