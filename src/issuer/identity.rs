//! Which configured issuers are the same, by the normal form of their URLs ([RFC 3986 §6.2]).
//!
//! Discovery cannot change the result: a document's `issuer` is accepted only if it is that of the base URL.
//!
//! [RFC 3986 §6.2]: https://www.rfc-editor.org/rfc/rfc3986#section-6.2

use std::borrow::Borrow;
use std::collections::BTreeMap;

use url::Url;

use super::{Issuer, IssuerError, Source, TokenRules};

/// Checks that every token belongs to at most one entry: by its `iss`, or by its `aud` where several entries are the
/// same issuer.
///
/// # Errors
/// [`IssuerError::TwoSpellings`] or [`IssuerError::SharedAudience`].
pub(crate) fn check_distinct<I: Borrow<Issuer>>(issuers: &[I]) -> Result<(), IssuerError> {
    let issuers: Vec<&Issuer> = issuers.iter().map(Borrow::borrow).collect();
    for same in groups(&issuers).values() {
        let entries = same
            .iter()
            .filter_map(|index| Some((*index, *issuers.get(*index)?)));
        let mut earlier: Vec<(usize, &Issuer)> = Vec::new();
        for (second, issuer) in entries {
            for &(first, other) in &earlier {
                if other.spelling != issuer.spelling {
                    return Err(IssuerError::TwoSpellings { first, second });
                }
                if share_audience(&other.rules, &issuer.rules) {
                    return Err(IssuerError::SharedAudience { first, second });
                }
            }
            earlier.push((second, issuer));
        }
    }
    check_token_prefixes(&issuers)
}

/// Checks that each opaque token belongs to at most one entry.
fn check_token_prefixes(issuers: &[&Issuer]) -> Result<(), IssuerError> {
    let mut known: Vec<(usize, Option<&str>)> = Vec::new();
    for (second, issuer) in issuers.iter().enumerate() {
        let Some(introspection) = &issuer.introspection else {
            continue;
        };
        let prefix = introspection.token_prefix.as_deref();
        if let Some((first, _)) = known.iter().find(|(_, other)| *other == prefix) {
            let first = *first;
            return Err(IssuerError::SharedTokenPrefix { first, second });
        }
        known.push((second, prefix));
    }
    Ok(())
}

/// Whether a token may be meant for both.
fn share_audience(one: &TokenRules, other: &TokenRules) -> bool {
    let mut names = one.audience.iter();
    one.any_audience || other.any_audience || names.any(|name| other.audience.contains(name))
}

/// For each issuer, the indexes of all entries of the same issuer, its own included.
pub(crate) fn same_issuers(issuers: &[&Issuer]) -> Vec<Vec<usize>> {
    let groups = groups(issuers);
    let same = |issuer: &&Issuer| groups.get(issuer.identity.as_str()).cloned();
    issuers
        .iter()
        .map(|issuer| same(issuer).unwrap_or_default())
        .collect()
}

/// The indexes of the entries of each issuer, in the order of the configuration.
fn groups<'a>(issuers: &[&'a Issuer]) -> BTreeMap<&'a str, Vec<usize>> {
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for (index, issuer) in issuers.iter().enumerate() {
        groups
            .entry(issuer.identity.as_str())
            .or_default()
            .push(index);
    }
    groups
}

/// The issuer that a base URL stands for, without its trailing slash: the URL itself, or what
/// precedes `/.well-known/` in it. A query selects a document; no issuer has one (RFC 8414 §2).
pub(crate) fn issuer_of(base: &Url) -> String {
    let mut issuer = base.clone();
    issuer.set_query(None);
    let path = base.path();
    if let Some((before, after)) = path.split_once(WELL_KNOWN) {
        let behind = after
            .split_once('/')
            .map(|(_, rest)| rest)
            .unwrap_or_default();
        issuer.set_path(&format!("{before}/{behind}"));
    }
    without_slash(issuer.as_str()).to_owned()
}

/// The name of an issuer in the normal form of a URL, without a trailing slash.
pub(super) fn identity(source: &Source) -> String {
    let name = match source {
        Source::Discovery {
            name: None,
            base_url,
            ..
        } => issuer_of(base_url),
        Source::Discovery {
            name: Some(name), ..
        }
        | Source::Configured { name, .. } => {
            let url = Url::parse(name).map(String::from);
            without_slash(url.as_ref().unwrap_or(name)).to_owned()
        }
    };
    normal_percents(&name)
}

fn without_slash(name: &str) -> &str {
    name.strip_suffix('/').unwrap_or(name)
}

/// Percent-encoding as RFC 3986 §6.2.2 has it: unreserved characters as they are, all others with upper-case digits.
fn normal_percents(url: &str) -> String {
    let mut normal = String::with_capacity(url.len());
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('%') {
        normal.push_str(before);
        let digits = after
            .get(..2)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normal.push(char::from(byte));
            }
            Some(byte) => normal.push_str(&format!("%{byte:02X}")),
            None => normal.push('%'),
        }
        rest = byte.and_then(|_| after.get(2..)).unwrap_or(after);
    }
    normal.push_str(rest);
    normal
}

pub(crate) const WELL_KNOWN: &str = "/.well-known/";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::IssuerBuilder;

    fn discovered(base_url: &str) -> IssuerBuilder {
        Issuer::discover(base_url)
    }

    fn named(name: &str) -> IssuerBuilder {
        Issuer::with_jwks_uri(name, "https://keys.example/")
    }

    fn checked(issuers: [IssuerBuilder; 2], audiences: [&str; 2]) -> Result<(), IssuerError> {
        let issuers = issuers.into_iter().zip(audiences);
        let issuers = issuers.map(|(issuer, audience)| issuer.audience(audience).build());
        let issuers: Vec<_> = issuers.collect::<Result<_, _>>().expect("issuers");
        check_distinct(&issuers)
    }

    #[test]
    fn one_issuer_in_two_spellings_is_rejected_whatever_the_audiences() {
        let two = IssuerError::TwoSpellings {
            first: 0,
            second: 1,
        };
        for (one, other) in [
            ("https://a.example/", "https://a.example"),
            ("https://a.example/", "https://A.EXAMPLE/"),
            ("https://a.example/", "HTTPS://a.example/"),
            ("https://a.example/", "https://a.example:443/"),
            ("https://a.example/x", "https://a.example/x/"),
            ("https://a.example/x", "https://a.example/%78"),
            ("https://a.example/%7ex", "https://a.example/~x"),
            ("https://a.example/%c3%a4", "https://a.example/%C3%A4"),
            ("https://a.example/x", "https://a.example/y/../x"),
            ("https://\u{e4}.example/", "https://xn--4ca.example/"),
        ] {
            for issuers in [
                [discovered(one), discovered(other)],
                [named(one), named(other)],
                [discovered(one), named(other)],
            ] {
                assert_eq!(
                    checked(issuers, ["a", "b"]),
                    Err(two.clone()),
                    "{one} {other}"
                );
            }
        }
        for whole in [
            "https://a.example/.well-known/openid-configuration",
            "https://a.example/.well-known/openid-configuration?appid=1",
            "https://a.example/?p=B2C_1_signin",
        ] {
            let issuers = [discovered("https://a.example/"), discovered(whole)];
            assert_eq!(checked(issuers, ["a", "b"]), Err(two.clone()), "{whole}");
        }
    }

    #[test]
    fn one_issuer_in_one_spelling_needs_audiences_of_its_own_in_each_entry() {
        let one = "https://a.example/";
        for issuers in [
            [discovered(one), discovered(one)],
            [named(one), named(one)],
            [discovered(one), named(one)],
            [named("a"), named("a")],
        ] {
            assert_eq!(checked(issuers.clone(), ["a", "b"]), Ok(()));
            let shared = Err(IssuerError::SharedAudience {
                first: 0,
                second: 1,
            });
            assert_eq!(checked(issuers, ["a", "a"]), shared);
        }
    }

    #[test]
    fn different_issuers_are_accepted_together() {
        for (one, other) in [
            ("https://a.example/", "https://b.example/"),
            ("https://a.example/", "http://localhost/"),
            ("https://a.example/x", "https://a.example/X"),
            ("https://a.example/", "https://a.example:8443/"),
            ("https://a.example/a%2Fb", "https://a.example/a/b"),
            ("https://a.example/", "https://a.example//"),
        ] {
            for issuers in [
                [discovered(one), discovered(other)],
                [named(one), named(other)],
            ] {
                assert_eq!(checked(issuers, ["a", "a"]), Ok(()), "{one} {other}");
            }
        }
        let named = discovered("https://a.example/").name("b");
        let issuers = [discovered("https://a.example/"), named];
        assert_eq!(checked(issuers, ["a", "a"]), Ok(()));
    }
}
