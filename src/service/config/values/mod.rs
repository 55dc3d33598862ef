//! The types of values: what a text, number or list is parsed into, and how `check` shows it.
//!
//! Each has a message of its own for a value that does not fit; no message contains the value.

mod claims;
pub(super) mod debris;
mod log_filter;
mod text;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use config::{Value, ValueKind};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

pub(super) use self::claims::{Claims, Implications, RequiredClaims};
pub(crate) use self::log_filter::LogFilter;
#[cfg(test)]
pub(super) use self::text::Kind;
pub(super) use self::text::{
    BRACKETS, ClaimPath, Host, IssuerUrl, KeyPath, KeyText, List, Network, One, PathPattern,
    PemPath, PlainPath, PublicHost, PublicUrl, RedirectUri, ScopeToken, StoreUrl, Text, WebOrigin,
    WebPage,
};

/// What a value must be; never contains the value.
pub(super) type Remedy = Cow<'static, str>;

/// `true` or `false`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(try_from = "Value")]
pub(super) struct Flag(pub(super) bool);

impl TryFrom<Value> for Flag {
    type Error = Remedy;

    fn try_from(value: Value) -> Result<Self, Remedy> {
        match trimmed(value)? {
            ValueKind::Boolean(flag) => Ok(Self(flag)),
            ValueKind::String(text) if text.eq_ignore_ascii_case("true") => Ok(Self(true)),
            ValueKind::String(text) if text.eq_ignore_ascii_case("false") => Ok(Self(false)),
            _ => Err("must be true or false".into()),
        }
    }
}

/// A whole number within bounds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(try_from = "Value", bound(deserialize = "T: TryFrom<u64>"))]
pub(super) struct Number<T, const LOWEST: u32, const HIGHEST: u32>(pub(super) T);

/// A port to listen on; 0 is any free one.
pub(super) type Port = Number<u16, 0, 65535>;

impl<T: TryFrom<u64>, const LOWEST: u32, const HIGHEST: u32> TryFrom<Value>
    for Number<T, LOWEST, HIGHEST>
{
    type Error = Remedy;

    fn try_from(value: Value) -> Result<Self, Remedy> {
        digits(&trimmed(value)?)
            .filter(|number| (LOWEST.into()..=HIGHEST.into()).contains(number))
            .and_then(|number| T::try_from(number).ok())
            .map(Self)
            .ok_or_else(|| format!("must be a number from {LOWEST} to {HIGHEST}").into())
    }
}

/// A duration: a text with a unit, or a number of seconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct Period<const POSITIVE: bool = false>(pub(super) Duration);

/// A duration longer than zero.
pub(super) type PositivePeriod = Period<true>;

impl<const POSITIVE: bool> Period<POSITIVE> {
    pub(super) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl<const POSITIVE: bool> TryFrom<Value> for Period<POSITIVE> {
    type Error = Remedy;

    fn try_from(value: Value) -> Result<Self, Remedy> {
        let value = trimmed(value)?;
        let with_unit = || match &value {
            ValueKind::String(text) => text.parse::<SignedDuration>().ok()?.try_into().ok(),
            _ => None,
        };
        match digits(&value).map(Duration::from_secs).or_else(with_unit) {
            None => Err("must be a duration such as 500ms, 60s, 5m or 1h".into()),
            Some(duration) if duration > LONGEST => {
                Err("must be at most 87600h (ten years)".into())
            }
            Some(Duration::ZERO) if POSITIVE => Err("must be longer than 0s".into()),
            Some(duration) => Ok(Self(duration)),
        }
    }
}

/// In the largest unit that divides it.
impl<const POSITIVE: bool> Serialize for Period<POSITIVE> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nanoseconds = self.0.as_nanos();
        let divides = |&&(_, unit): &&(&str, u128)| nanoseconds.is_multiple_of(unit);
        match UNITS.iter().find(divides) {
            Some((name, unit)) if nanoseconds > 0 => {
                serializer.collect_str(&format_args!("{}{name}", nanoseconds / unit))
            }
            _ => serializer.serialize_str("0s"),
        }
    }
}

/// A secret in a section of your own: kept exactly as it is set, and never shown.
///
/// `check` and `Debug` show that it is set, and no more; the memory is overwritten when the value is dropped. Its
/// variable with the suffix `_FILE` names a file that contains it: `APP__MAIL__PASSWORD_FILE=/run/secrets/mail` sets
/// `mail.password`.
///
/// # Examples
/// ```
/// use actix_resource_server::Secret;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize, Serialize)]
/// struct MailSettings {
///     host: String,
///     password: Secret,
/// }
/// # fn connect(_: &str, _: &str) {}
///
/// fn start(settings: &MailSettings) {
///     connect(&settings.host, settings.password.expose());
/// }
/// ```
#[derive(Clone, Deserialize)]
#[serde(try_from = "Value")]
pub struct Secret(pub(in crate::service::config) Zeroizing<String>);

impl Secret {
    /// The secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl TryFrom<Value> for Secret {
    type Error = Remedy;

    fn try_from(value: Value) -> Result<Self, Remedy> {
        match value.kind {
            ValueKind::String(text) => Ok(Self(Zeroizing::new(text))),
            _ => Err(TEXT_NEEDED.into()),
        }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(NOT_SHOWN)
    }
}

/// The value without white space around texts.
///
/// # Errors
/// A text has debris that a shell, an env file or a template left there.
fn trimmed(value: Value) -> Result<ValueKind, Remedy> {
    let ValueKind::String(text) = value.kind else {
        return Ok(value.kind);
    };
    let text = text.trim();
    debris::reject(text)?;
    Ok(ValueKind::String(text.to_owned()))
}

/// The text without white space around it.
///
/// # Errors
/// It is in quotation marks.
pub(super) fn unquoted(text: &str) -> Result<&str, Remedy> {
    let text = text.trim();
    if debris::is_quoted(text) {
        return Err(debris::QUOTED.into());
    }
    Ok(text)
}

fn digits(value: &ValueKind) -> Option<u64> {
    match value {
        ValueKind::I64(number) => u64::try_from(*number).ok(),
        ValueKind::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok()
        }
        _ => None,
    }
}

/// Shown instead of a value, or a part of one, that may be secret.
pub(super) const NOT_SHOWN: &str = "(not shown)";

const TEXT_NEEDED: &str = "must be a text, in quotes";

/// Far from where adding to a point in time could overflow.
const LONGEST: Duration = Duration::from_secs(87_600 * 3600);

/// Units of durations and their lengths in nanoseconds, largest first.
const UNITS: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

#[cfg(test)]
mod tests;
