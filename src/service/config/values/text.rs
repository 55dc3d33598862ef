//! Values that are parsed from one text, or from a list of texts.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::IpAddr;
use std::path::PathBuf;

use actix_web::http::header::HeaderName;
use config::{Value, ValueKind};
use ipnet::IpNet;
use serde::{Deserialize, Serialize, Serializer};
use url::Host as UrlHost;
#[cfg(feature = "redis")]
use zeroize::Zeroizing;

use super::{Remedy, TEXT_NEEDED, trimmed};
use crate::claims::scope::ScopeClaim;
use crate::jose::Algorithm;
use crate::sender::Origin;
#[cfg(feature = "redis")]
use crate::sender::Replay;

/// Shown instead of a value, or a part of one, that may be secret.
pub(in super::super) const NOT_SHOWN: &str = "(not shown)";

/// What a text can be parsed into.
pub(in super::super) trait FromText: Sized {
    /// Whether a list of these must not be empty.
    const NEEDED: bool = false;

    /// What the text must be.
    const REMEDY: &'static str;

    fn parse(text: &str) -> Option<Self>;

    /// The value as `check` shows it.
    fn shown(&self) -> impl Display;
}

/// One text.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value", bound = "T: FromText")]
pub(in super::super) struct One<T>(pub(in super::super) T);

impl<T: FromText> TryFrom<Value> for One<T> {
    type Error = Remedy;

    fn try_from(value: Value) -> Result<Self, Remedy> {
        let ValueKind::String(text) = trimmed(value)? else {
            return Err(TEXT_NEEDED.into());
        };
        T::parse(&text).map(Self).ok_or(Cow::Borrowed(T::REMEDY))
    }
}

impl<T: FromText> Serialize for One<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.shown())
    }
}

/// A list of texts, or one text with commas; empty parts are dropped.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value", bound = "T: FromText")]
pub(in super::super) struct List<T>(pub(in super::super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromText> TryFrom<Value> for List<T> {
    type Error = Remedy;

    fn try_from(value: Value) -> Result<Self, Remedy> {
        let items: Vec<T> = texts(value)?
            .iter()
            .map(|text| T::parse(text))
            .collect::<Option<_>>()
            .ok_or(Cow::Borrowed(T::REMEDY))?;
        if T::NEEDED && items.is_empty() {
            return Err(T::REMEDY.into());
        }
        Ok(Self(items))
    }
}

impl<T: FromText> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|item| item.shown().to_string()))
    }
}

fn texts(value: Value) -> Result<Vec<String>, Remedy> {
    let texts = match trimmed(value)? {
        ValueKind::String(text) if text.starts_with('[') && text.ends_with(']') => {
            return Err("has brackets around its value: write the parts with commas alone".into());
        }
        ValueKind::String(text) => {
            let parts = text.split(',').map(Value::from);
            parts.map(trimmed).collect::<Result<Vec<_>, _>>()?
        }
        ValueKind::Array(values) => values.into_iter().map(trimmed).collect::<Result<_, _>>()?,
        _ => return Err(LIST_NEEDED.into()),
    };
    let texts = texts.into_iter().map(|kind| match kind {
        ValueKind::String(text) => Ok(text),
        _ => Err(LIST_NEEDED.into()),
    });
    texts
        .filter(|text| !matches!(text, Ok(text) if text.is_empty()))
        .collect()
}

const LIST_NEEDED: &str = "must be a list of texts, or one text with commas";

impl FromText for String {
    const REMEDY: &'static str = TEXT_NEEDED;

    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn shown(&self) -> impl Display {
        self
    }
}

/// An address to listen on: an IP address, an IPv6 one without brackets, or a host name.
#[derive(Clone, Debug)]
pub(in super::super) struct Host(pub(in super::super) String);

impl FromText for Host {
    const REMEDY: &'static str =
        "must be an IP address or a host name without a port, such as 127.0.0.1 or 0.0.0.0";

    fn parse(text: &str) -> Option<Self> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        let is_name = || !bare.contains(['%', '*']) && UrlHost::parse(bare).is_ok();
        (bare.parse::<IpAddr>().is_ok() || is_name()).then(|| Self(bare.to_owned()))
    }

    fn shown(&self) -> impl Display {
        &self.0
    }
}

/// A URL that the issuer checks; its query, which may hold a key to an API, is not shown.
#[derive(Clone, Debug)]
pub(in super::super) struct Url(pub(in super::super) String);

impl FromText for Url {
    const REMEDY: &'static str = TEXT_NEEDED;

    fn parse(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }

    fn shown(&self) -> impl Display {
        match self.0.split_once('?') {
            Some((url, _)) => format!("{url}?{NOT_SHOWN}"),
            None => self.0.clone(),
        }
    }
}

/// The URL of this service, as clients call it.
impl FromText for url::Url {
    const REMEDY: &'static str =
        "must be an absolute URL such as https://api.example, without more than a path";

    fn parse(text: &str) -> Option<Self> {
        let url = Self::parse(text).ok()?;
        let is_usable = matches!(url.scheme(), "https" | "http")
            && is_plain(&url)
            && Origin::public_url(url.as_str()).is_ok();
        is_usable.then_some(url)
    }

    fn shown(&self) -> impl Display {
        self
    }
}

impl FromText for IpNet {
    const REMEDY: &'static str = "must be IP addresses or networks, such as 10.0.0.1 or 10.0.0.0/8";

    fn parse(text: &str) -> Option<Self> {
        let address = text.parse::<IpAddr>().map(Self::from);
        let network = address.or_else(|_| text.parse()).ok()?;
        Some(network.trunc())
    }

    fn shown(&self) -> impl Display {
        self
    }
}

/// An origin of web pages as browsers send it: lower case, no default port (RFC 6454 §6.2), or `*`.
#[derive(Clone, Debug)]
pub(in super::super) struct WebOrigin(pub(in super::super) String);

impl FromText for WebOrigin {
    const REMEDY: &'static str =
        "must be origins such as http://localhost:5173, without a path, or * for all";

    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self(text.to_owned()));
        }
        let url = url::Url::parse(text).ok()?;
        let host = url.host_str()?;
        let port = url.port().map(|port| format!(":{port}"));
        let is_bare = !host.is_empty()
            && !host.contains('*')
            && matches!(url.path(), "" | "/")
            && is_plain(&url);
        is_bare.then(|| {
            Self(format!(
                "{}://{host}{}",
                url.scheme(),
                port.unwrap_or_default()
            ))
        })
    }

    fn shown(&self) -> impl Display {
        &self.0
    }
}

impl FromText for Algorithm {
    const NEEDED: bool = true;

    const REMEDY: &'static str = "must be one or more of HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384, ES512, \
                                   PS256, PS384, PS512, EdDSA";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn shown(&self) -> impl Display {
        self.name()
    }
}

impl FromText for ScopeClaim {
    const NEEDED: bool = true;

    const REMEDY: &'static str =
        "must be claims: names such as permissions, or JSON pointers such as /realm_access/roles";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn shown(&self) -> impl Display {
        self.as_str()
    }
}

/// The path of a PEM file, which is not opened here.
impl FromText for PathBuf {
    const REMEDY: &'static str = "must be the path of a PEM file";

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains("-----BEGIN")).then(|| text.into())
    }

    fn shown(&self) -> impl Display {
        self.display()
    }
}

impl FromText for HeaderName {
    const REMEDY: &'static str = "must be the name of a header";

    fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(text.as_bytes()).ok()
    }

    fn shown(&self) -> impl Display {
        self.as_str()
    }
}

/// Where the replay store is: in the memory of this process, or in a Redis, whose URL may contain a password.
#[derive(Clone)]
pub(in super::super) enum ReplayUrl {
    Memory,
    #[cfg(feature = "redis")]
    Redis(Zeroizing<String>),
}

impl FromText for ReplayUrl {
    const REMEDY: &'static str = if cfg!(feature = "redis") {
        "must be memory, or a URL such as redis://127.0.0.1:6379/0 or rediss://redis.example, \
             without a fragment"
    } else {
        "must be memory: a Redis needs a build with the feature redis"
    };

    fn parse(text: &str) -> Option<Self> {
        if text == MEMORY {
            return Some(Self::Memory);
        }
        #[cfg(feature = "redis")]
        if is_redis(text) {
            return Some(Self::Redis(Zeroizing::new(text.to_owned())));
        }
        None
    }

    fn shown(&self) -> impl Display {
        match self {
            Self::Memory => MEMORY,
            #[cfg(feature = "redis")]
            Self::Redis(url) if url.contains(['@', '?']) => NOT_SHOWN,
            #[cfg(feature = "redis")]
            Self::Redis(url) => url,
        }
    }
}

#[cfg(feature = "redis")]
fn is_redis(text: &str) -> bool {
    let url = url::Url::parse(text);
    url.is_ok_and(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host())
        && Replay::check_redis_url(text).is_ok()
}

const MEMORY: &str = "memory";

/// Whether the URL has no user information, query or fragment.
fn is_plain(url: &url::Url) -> bool {
    url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}
