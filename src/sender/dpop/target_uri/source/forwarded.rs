//! Parses `Forwarded` ([RFC 7239]) and `X-Forwarded-*` of a trusted proxy.
//!
//! [RFC 7239]: https://www.rfc-editor.org/rfc/rfc7239

use std::borrow::Cow;

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName};

use super::super::{BaseUri, Scheme, TargetUriError};

/// The base of the URL as the last proxy received it; parts that it does not name are this request's own.
///
/// # Errors
/// A header is malformed, or the two kinds contradict each other, so that one is not the proxy's.
pub(super) fn base(
    headers: &HeaderMap,
    scheme: Scheme,
    host: &str,
) -> Result<BaseUri, TargetUriError> {
    let to_base = |forwarded: ForwardedUri<'_>| {
        let scheme = forwarded.scheme.unwrap_or(scheme);
        match (forwarded.host.as_deref(), forwarded.port) {
            (named, None) => BaseUri::new(scheme, named.unwrap_or(host)),
            (None, Some(port)) => BaseUri::with_port(scheme, host, port),
            (Some(named), Some(port)) => BaseUri::on_port(scheme, named, port),
        }
    };
    let standard = standard(headers)?.map(to_base).transpose()?;
    let customary = customary(headers)?.map(to_base).transpose()?;
    let base = match (standard, customary) {
        (Some(one), Some(other)) if one != other => return Err(TargetUriError::Contradiction),
        (Some(base), _) | (None, Some(base)) => base,
        (None, None) => BaseUri::new(scheme, host)?,
    };
    match last(headers, &X_FORWARDED_PREFIX)? {
        Some(prefix) => base.below(prefix).ok_or(TargetUriError::Forwarded),
        None => Ok(base),
    }
}

/// The parts of the URL that one kind of header names.
#[derive(Debug, Default, PartialEq, Eq)]
struct ForwardedUri<'r> {
    scheme: Option<Scheme>,
    host: Option<Cow<'r, str>>,
    port: Option<u16>,
}

/// The last elements of `X-Forwarded-Proto`, `X-Forwarded-Host` and `X-Forwarded-Port`.
fn customary(headers: &HeaderMap) -> Result<Option<ForwardedUri<'_>>, TargetUriError> {
    let scheme = last(headers, &X_FORWARDED_PROTO)?.map(scheme).transpose()?;
    let host = last(headers, &X_FORWARDED_HOST)?.map(Cow::Borrowed);
    let port = last(headers, &X_FORWARDED_PORT)?.map(port).transpose()?;
    let names_anything = scheme.is_some() || host.is_some() || port.is_some();
    Ok(names_anything.then_some(ForwardedUri { scheme, host, port }))
}

fn last<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<&'r str>, TargetUriError> {
    let line = last_line(headers, name)?;
    Ok(line.and_then(|line| line.rsplit(',').next().map(str::trim)))
}

/// A number from 1 to 65535, without a sign or leading zeros.
fn port(text: &str) -> Result<u16, TargetUriError> {
    let port: Option<u16> = text.parse().ok();
    port.filter(|port| *port > 0 && port.to_string() == text)
        .ok_or(TargetUriError::Forwarded)
}

/// The last element of `Forwarded` (RFC 7239 §4).
fn standard(headers: &HeaderMap) -> Result<Option<ForwardedUri<'_>>, TargetUriError> {
    let Some(line) = last_line(headers, &FORWARDED)? else {
        return Ok(None);
    };
    let mut rest = line;
    loop {
        let (parameters, after) = element(rest).ok_or(TargetUriError::Forwarded)?;
        match after {
            Some(after) => rest = after,
            None => return parameters.read().map(Some),
        }
    }
}

fn last_line<'r>(
    headers: &'r HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'r str>, TargetUriError> {
    let line = headers.get_all(name).last();
    let text = line.map(|line| line.to_str()).transpose();
    text.map_err(|_| TargetUriError::Forwarded)
}

fn scheme(name: &str) -> Result<Scheme, TargetUriError> {
    Scheme::parse(name).ok_or(TargetUriError::Forwarded)
}

/// The two parameters of an element that are used, unparsed.
#[derive(Default)]
struct Parameters<'r> {
    host: Option<Cow<'r, str>>,
    proto: Option<Cow<'r, str>>,
}

impl<'r> Parameters<'r> {
    fn read(self) -> Result<ForwardedUri<'r>, TargetUriError> {
        let scheme = self.proto.as_deref().map(scheme).transpose()?;
        Ok(ForwardedUri {
            scheme,
            host: self.host,
            port: None,
        })
    }

    /// Sets a parameter; `None` for a duplicate.
    fn set(&mut self, name: &str, value: Cow<'r, str>) -> Option<()> {
        let field = match name {
            name if name.eq_ignore_ascii_case("host") => &mut self.host,
            name if name.eq_ignore_ascii_case("proto") => &mut self.proto,
            _ => return Some(()),
        };
        field.replace(value).is_none().then_some(())
    }
}

/// One element, and what follows the comma after it; `None` where it is malformed.
///
/// ```text
/// forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )
/// forwarded-pair    = token "=" ( token / quoted-string )    ; such as host="api.example:8443"
/// ```
fn element(text: &str) -> Option<(Parameters<'_>, Option<&str>)> {
    let mut parameters = Parameters::default();
    let mut rest = text;
    loop {
        let (name, after) = token(rest.trim_start())?;
        let (value, after) = value(after.strip_prefix('=')?)?;
        parameters.set(name, value)?;
        let after = after.trim_start();
        if let Some(next) = after.strip_prefix(';') {
            rest = next;
        } else if let Some(next) = after.strip_prefix(',') {
            return Some((parameters, Some(next)));
        } else {
            return after.is_empty().then_some((parameters, None));
        }
    }
}

fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, after) = token(text)?;
        return Some((Cow::Borrowed(value), after));
    };
    let mut value = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return Some((Cow::Owned(value), letters.as_str())),
            '\\' => value.push(letters.next()?),
            other => value.push(other),
        }
    }
}

/// RFC 9110 §5.6.2.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_tchar =
        |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    let end = text.find(|letter| !is_tchar(letter)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
