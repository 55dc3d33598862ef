//! Finds variables that are not read but look like a misspelt name of a setting.
//!
//! Only names are compared and shown. Other programs' variables must not be reported, so typos are allowed only
//! in names that no other program uses: too many names are one letter away from `PORT` and `HOST`.

use std::ffi::OsString;

use strsim::osa_distance;

use super::effective;
use super::error::squeezed;
use super::layers::{key_of, plain_names};
use super::own::OwnSection;

/// One line for each variable that looks like a misspelt name of a setting.
pub(super) fn warnings(variables: &[(OsString, OsString)], own: Option<OwnSection>) -> Vec<String> {
    let names: Vec<_> = variables
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, _)| name.to_str())
        .collect();
    let known = Known::all(own);
    let warning = |name: &&str| {
        let meant = known.meant_by(name)?;
        let is_set = names.contains(&meant);
        let name = name.escape_debug();
        (!is_set).then(|| format!("variable {name}: is not read; did you mean {meant}?"))
    };
    let mut warnings: Vec<_> = names.iter().filter_map(warning).collect();
    warnings.sort_unstable();
    warnings
}

/// The names that are read, each also [squeezed].
struct Known {
    plain: Vec<(String, &'static str)>,
    prefixed: Vec<(String, String)>,
}

impl Known {
    fn all(own: Option<OwnSection>) -> Self {
        let prefixed = effective::known_keys(own).map(|key| {
            let name = format!("APP__{}", key.to_uppercase().replace('.', "__"));
            (squeezed(&name), name)
        });
        Self {
            plain: plain_names().map(|name| (squeezed(name), name)).collect(),
            prefixed: prefixed.collect(),
        }
    }

    fn meant_by(&self, name: &str) -> Option<&str> {
        let is_read = plain_names().any(|known| known == name) || key_of(name).is_some();
        if is_read || !name.is_ascii() {
            return None;
        }
        let squeezed = squeezed(name);
        self.plain_meant_by(&squeezed)
            .or_else(|| self.prefixed_meant_by(name, &squeezed))
    }

    fn plain_meant_by(&self, name: &str) -> Option<&str> {
        let synonym = SYNONYMS.iter().find(|(synonym, _)| *synonym == name);
        let means = |(known, plain): &&(String, &str)| {
            !COMMON.contains(plain) && osa_distance(name, known) <= allowed_typos(known)
        };
        let nearest = || self.plain.iter().find(means).map(|(_, plain)| *plain);
        synonym.map(|(_, meant)| *meant).or_else(nearest)
    }

    fn prefixed_meant_by(&self, name: &str, squeezed: &str) -> Option<&str> {
        // Two underscores between words are this program's convention, so more typos are allowed beside them.
        let allowed = if name.contains("__") { 2 } else { 0 };
        let distances = self.prefixed.iter().map(|(known, prefixed)| {
            let distance = osa_distance(squeezed, known);
            (distance, prefixed)
        });
        let (distance, nearest) = distances.min_by_key(|&(distance, _)| distance)?;
        (distance <= allowed).then_some(nearest)
    }
}

fn allowed_typos(known: &str) -> usize {
    match known.len() {
        0..=6 => 0,
        7..=11 => 1,
        _ => 2,
    }
}

/// So common that a similar name usually belongs to another program.
const COMMON: [&str; 4] = ["HOST", "PORT", "SECRET", "SECRET_FILE"];

/// What other programs call the same, squeezed.
const SYNONYMS: [(&str, &str); 4] = [
    ("issuers", "ISSUER"),
    ("issueruri", "ISSUER_BASE_URL"),
    ("issuerurl", "ISSUER_BASE_URL"),
    ("tokensigningalgorithm", "TOKEN_SIGNING_ALG"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Vec<String> {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        warnings(&variables, None)
    }

    #[test]
    fn a_misspelt_variable_is_named_with_the_one_that_was_meant() {
        for (name, meant) in [
            ("ISSUER_BASEURL", "ISSUER_BASE_URL"),
            ("issuerBaseURL", "ISSUER_BASE_URL"),
            ("issuer_base_url", "ISSUER_BASE_URL"),
            ("ISSUER_BASE_URI", "ISSUER_BASE_URL"),
            ("ISUER_BASE_URL", "ISSUER_BASE_URL"),
            ("ISSUER_URL", "ISSUER_BASE_URL"),
            ("AUDIENCES", "AUDIENCE"),
            ("audience", "AUDIENCE"),
            ("AUDEINCE", "AUDIENCE"),
            ("Issuer", "ISSUER"),
            ("ISSUERS", "ISSUER"),
            ("JWKS_URL", "JWKS_URI"),
            ("JWKSURI", "JWKS_URI"),
            ("TOKEN_SIGNING_ALGORITHM", "TOKEN_SIGNING_ALG"),
            ("APP_AUTH__AUDIENCE", "APP__AUTH__AUDIENCE"),
            ("APP_AUTH_AUDIENCE", "APP__AUTH__AUDIENCE"),
            ("APP_AUTH_DPOP_REQUIRED", "APP__AUTH__DPOP__REQUIRED"),
            ("AP__SERVER__PORT", "APP__SERVER__PORT"),
            ("APP_DEV_ISSUER__ENABLE", "APP__DEV_ISSUER__ENABLED"),
        ] {
            let warning = format!("variable {name}: is not read; did you mean {meant}?");
            assert_eq!(found(&[(name, "hush")]), [warning], "{name}");
        }
    }

    #[test]
    fn variables_of_other_programs_are_not_reported() {
        for name in [
            "ALGORITHM",
            "APP",
            "APP_ENV",
            "APP_KEY",
            "APP_NAME",
            "APP_PORT",
            "APP_SECRET",
            "APP_URL",
            "AUTH0_AUDIENCE",
            "AUTH_AUDIENCE",
            "AUTH_ISSUER",
            "AWS_SECRET_ACCESS_KEY",
            "BASE_URL",
            "CLIENT_SECRET",
            "DB_HOST",
            "DB_PORT",
            "DBUS_SESSION_BUS_ADDRESS",
            "GITHUB_TOKEN",
            "HOME",
            "HOSTNAME",
            "HOSTTYPE",
            "HTTP_PORT",
            "ISSUE",
            "ISSUED",
            "ISSUE_ID",
            "JWT_SECRET",
            "KUBERNETES_PORT",
            "KUBERNETES_SERVICE_HOST",
            "LANG",
            "LOG_FORMAT",
            "LOGNAME",
            "OIDC_ISSUER",
            "PATH",
            "PORTS",
            "POSTGRES_PORT_5432_TCP",
            "PS1",
            "PWD",
            "REDIS_HOST",
            "RUST_LOG",
            "SECRETS",
            "SERVER_PORT",
            "SHELL",
            "SHLVL",
            "SPORT",
            "TERM",
            "TOKEN",
            "URL",
            "USER",
            "WORKERS",
            "XPC_SERVICE_NAME",
            "_",
            "__CF_USER_TEXT_ENCODING",
            "host",
            "port",
            "secret",
            "\u{e4}udience",
        ] {
            assert!(found(&[(name, "x")]).is_empty(), "{name}");
        }
    }

    #[test]
    fn variables_that_are_read_empty_or_beside_the_right_one_are_not_reported() {
        for (name, value) in [
            ("AUDIENCE", "x"),
            ("APP__AUTH__AUDIENCE", "x"),
            ("app__auth__audience", "x"),
            ("AUDIENCES", ""),
        ] {
            assert!(found(&[(name, value)]).is_empty(), "{name}");
        }
        let beside = [("JWKS_URL", "x"), ("JWKS_URI", "x")];
        assert!(found(&beside).is_empty());
    }
}
