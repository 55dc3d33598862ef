//! Decides which issuers the service trusts: those that are configured, or the development issuer.

#[cfg(feature = "dev-issuer")]
use std::time::Duration;

#[cfg(feature = "dev-issuer")]
use super::dev_issuer::DevIssuer;
use super::error::SettingsError;
use super::issuer::{build, configured_by};
use super::layers::Table;
use super::model;
use super::origins::Origins;
use super::server::Server;
#[cfg(feature = "dev-issuer")]
use crate::issuer::IssuerBuilder;
use crate::issuer::{Issuer, IssuerError, check_distinct};

/// The issuers whose tokens are accepted.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// The development issuer, which starts with the service.
    #[cfg(feature = "dev-issuer")]
    DevIssuer {
        own: DevIssuer,
        /// How to trust it. Its base URL is not set, its audience only where one is configured.
        issuer: Box<IssuerBuilder>,
    },
    /// These issuers, at least one.
    Issuers(Vec<Issuer>),
}

impl Trust {
    pub(super) fn resolve(
        auth: &model::Auth,
        dev_issuer: &model::DevIssuer,
        root: &Table,
        server: &Server,
    ) -> Result<Self, SettingsError> {
        let origins = Origins::of(root, "auth");
        let dev_origins = Origins::of(root, "dev_issuer");
        if let Some(entries) = &auth.entries {
            return several(entries, &origins).map(Self::Issuers);
        }
        if configured_by(&origins).is_some() {
            return Ok(Self::Issuers(vec![build(&auth.issuer, &origins)?]));
        }
        if !dev_issuer.enabled.0 || cfg!(not(feature = "dev-issuer")) {
            return Err(issuer_needed(&origins, &dev_origins));
        }
        let is_explicit = dev_origins.get("enabled").is_some();
        // The setting by which other machines reach the API, if one does.
        let host = Origins::of(root, "server").get("host");
        match host.filter(|_| !server.is_on_loopback()) {
            Some(host) if !is_explicit => Err(host.reject(EXPLICIT_NEEDED)),
            _ => Self::development(&auth.issuer, dev_issuer, &origins, &dev_origins),
        }
    }

    /// The same, with a limit for the age of the development issuer's tokens unless one is configured.
    pub(super) fn with_default_age(self) -> Self {
        match self {
            #[cfg(feature = "dev-issuer")]
            Self::DevIssuer { own, issuer } => Self::DevIssuer {
                issuer: Box::new(issuer.default_max_token_age(DEV_MAX_TOKEN_AGE)),
                own,
            },
            issuers @ Self::Issuers(_) => issuers,
        }
    }

    #[cfg(feature = "dev-issuer")]
    fn development(
        auth: &model::Issuer,
        dev_issuer: &model::DevIssuer,
        origins: &Origins<'_>,
        dev_origins: &Origins<'_>,
    ) -> Result<Self, SettingsError> {
        let issuer = super::issuer::builder(auth, origins)?;
        issuer
            .clone()
            .base_url("http://localhost/")
            .default_audience(DEV_AUDIENCE)
            .build()
            .map_err(|error| super::issuer::explain(&error, origins))?;
        Ok(Self::DevIssuer {
            own: DevIssuer::resolve(dev_issuer, dev_origins)?,
            issuer: Box::new(issuer),
        })
    }

    #[cfg(not(feature = "dev-issuer"))]
    fn development(
        _: &model::Issuer,
        _: &model::DevIssuer,
        origins: &Origins<'_>,
        _: &Origins<'_>,
    ) -> Result<Self, SettingsError> {
        Err(origins.reject("issuer_base_url", ISSUER_NEEDED))
    }
}

/// No issuer is configured, and the development issuer is off, or not in this build.
fn issuer_needed(origins: &Origins<'_>, dev_origins: &Origins<'_>) -> SettingsError {
    match dev_origins.get("enabled") {
        Some(enabled) if cfg!(feature = "dev-issuer") => {
            let remedy = format!("{ISSUER_NEEDED}; {enabled} turns the development issuer off");
            origins.reject("issuer_base_url", remedy)
        }
        _ => origins.reject("issuer_base_url", ISSUER_NEEDED),
    }
}

fn several(entries: &[model::Issuer], origins: &Origins<'_>) -> Result<Vec<Issuer>, SettingsError> {
    if let Some(configured) = configured_by(origins) {
        let entries = origins.described("issuers");
        return Err(configured.reject(format!(
            "excludes {entries}: write it into an entry there, or remove the entries"
        )));
    }
    let issuers = entries.iter().zip(origins.entries("issuers"));
    let issuers: Vec<_> = issuers
        .map(|(entry, origins)| build(entry, &origins))
        .collect::<Result<_, _>>()?;
    if issuers.is_empty() {
        return Err(origins.reject("issuers", "must have at least one entry"));
    }
    check_distinct(&issuers).map_err(|error| origins.reject("issuers", remedy(&error)))?;
    Ok(issuers)
}

fn remedy(error: &IssuerError) -> String {
    match error {
        IssuerError::TwoSpellings { first, second } => format!(
            "the entries {first} and {second} are one issuer in two spellings: keep one of them, or spell it alike in \
             both and give each an audience of its own"
        ),
        IssuerError::SharedAudience { first, second } => format!(
            "the entries {first} and {second} are one issuer with an audience in common: keep one of them, or give \
             each an audience of its own"
        ),
        IssuerError::SharedTokenPrefix { first, second } => format!(
            "the entries {first} and {second} both introspect opaque tokens, which do not name their issuer: give all but \
             one introspection.token_prefix"
        ),
        other => other.to_string(),
    }
}

/// The one API that the development issuer issues tokens for, unless an audience is configured.
#[cfg(feature = "dev-issuer")]
pub(crate) const DEV_AUDIENCE: &str = "https://quickstarts/api";

/// The longest lifetime of the development issuer's tokens.
#[cfg(feature = "dev-issuer")]
const DEV_MAX_TOKEN_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const EXPLICIT_NEEDED: &str = "lets other machines call the API, and no issuer is configured: \
    name the issuer to trust, for example ISSUER_BASE_URL=https://tenant.eu.auth0.com/, or set dev_issuer.enabled = true \
    (APP__DEV_ISSUER__ENABLED=true) to accept the tokens that the development issuer issues to everyone";

const ISSUER_NEEDED: &str =
    "name the issuer to trust, for example ISSUER_BASE_URL=https://tenant.eu.auth0.com/";

#[cfg(test)]
mod tests {
    use super::super::tests::{SHIPPED, issuers, parsed};
    use super::ISSUER_NEEDED;

    const TWO: &str = "
        [[auth.issuers]]
        issuer_base_url = 'https://a.example/'
        [[auth.issuers]]
        issuer_base_url = 'https://b.example/'
        audience = 'b'
        strict = false
        ";

    #[test]
    fn an_issuer_switches_the_development_issuer_off() {
        let secret = "s".repeat(32);
        let cases: [&[(&str, &str)]; 3] = [
            &[("ISSUER_BASE_URL", "https://a.example/")],
            &[("ISSUER", "a"), ("JWKS_URI", "https://a.example/keys")],
            &[
                ("ISSUER", "a"),
                ("SECRET", &secret),
                ("TOKEN_SIGNING_ALG", "HS256"),
            ],
        ];
        for variables in cases {
            let variables = [variables, &[("AUDIENCE", "api")]].concat();
            let issuers = issuers("[dev_issuer]\nenabled = true", &variables);
            assert_eq!(issuers.map(|issuers| issuers.len()), Ok(1), "{variables:?}");
        }
    }

    #[test]
    #[cfg(feature = "dev-issuer")]
    fn beyond_loopback_the_development_issuer_starts_only_when_it_is_enabled_explicitly() {
        let outcome = |text: &str, variables: &[(&str, &str)]| parsed(text, variables).map(drop);
        let rejected = |source: &str| {
            Err(format!(
                "server.host ({source}): {}",
                super::EXPLICIT_NEEDED
            ))
        };
        for host in ["0.0.0.0", "::", "192.0.2.1", "api.example", "[::]"] {
            let implicit = outcome("", &[("HOST", host)]);
            assert_eq!(implicit, rejected("variable HOST"), "{host}");
            let explicit = outcome("[dev_issuer]\nenabled = true", &[("HOST", host)]);
            assert_eq!(explicit, Ok(()), "{host}");
        }
        for host in [
            "127.0.0.1",
            "127.1.2.3",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
            "localhost",
            "LocalHost",
        ] {
            assert_eq!(outcome("", &[("HOST", host)]), Ok(()), "{host}");
        }
        let file = "[server]\nhost = '0.0.0.0'\n[dev_issuer]\nport = 1";
        assert_eq!(outcome(file, &[]), rejected("file Settings.toml"));
        assert_eq!(
            outcome(SHIPPED, &[("HOST", "0.0.0.0")]),
            rejected("variable HOST")
        );
        let configured = [
            ("HOST", "0.0.0.0"),
            ("ISSUER_BASE_URL", "https://a.example/"),
            ("AUDIENCE", "api"),
        ];
        assert_eq!(outcome("", &configured), Ok(()));
    }

    #[test]
    #[cfg(feature = "dev-issuer")]
    fn a_misspelt_variable_stands_beside_the_error_that_it_leads_to() {
        let variables = [("HOST", "0.0.0.0"), ("ISSUER_BASEURL", "hush")];
        let warning = "variable ISSUER_BASEURL: is not read; did you mean ISSUER_BASE_URL?";
        let message = format!(
            "server.host (variable HOST): {} ({warning})",
            super::EXPLICIT_NEEDED
        );
        assert_eq!(parsed("", &variables).map(drop), Err(message));
        let settings = parsed("", &variables[1..]);
        assert_eq!(
            settings.map(|settings| settings.warnings),
            Ok(vec![warning.to_owned()])
        );
    }

    #[test]
    fn an_unusable_public_key_does_not_start_the_development_issuer() {
        let nowhere = issuers(
            "[auth]\nissuer = 'a'\naudience = 'api'\npublic_key = ''",
            &[],
        );
        assert!(
            nowhere
                .unwrap_err()
                .starts_with("auth.public_key (file Settings.toml): ")
        );
    }

    #[test]
    fn each_of_several_issuers_inherits_from_auth() {
        let issuers = issuers(
            &format!("[auth]\naudience = 'all'\nstrict = true\n{TWO}"),
            &[],
        )
        .unwrap();
        let trusted: Vec<_> = issuers
            .iter()
            .map(|issuer| {
                (
                    issuer.label(),
                    &*issuer.rules.audience[0],
                    issuer.rules.strict,
                )
            })
            .collect();
        assert_eq!(
            trusted,
            [
                ("https://a.example/", "all", true),
                ("https://b.example/", "b", false)
            ]
        );
    }

    #[test]
    fn required_claims_of_an_entry_replace_those_of_auth() {
        let text = format!(
            "[auth]\naudience = 'all'\nrequired_claims = {{ a = 'x', b = 'y' }}\n{TWO}required_claims = {{ c = true }}"
        );
        let issuers = issuers(&text, &[]).unwrap();
        let required: Vec<Vec<_>> = issuers
            .iter()
            .map(|issuer| issuer.rules.required_claims.iter())
            .map(|required| required.map(|required| required.claim()).collect())
            .collect();
        assert_eq!(required, [vec!["a", "b"], vec!["c"]]);
    }

    #[test]
    fn several_issuers_inherit_from_variables_too() {
        let issuers = issuers(TWO, &[("AUDIENCE", "x,y"), ("APP__AUTH__STRICT", "true")]).unwrap();
        assert_eq!(issuers[0].rules.audience, ["x", "y"]);
        assert!(issuers[0].rules.strict && !issuers[1].rules.strict);
    }

    #[test]
    fn one_issuer_and_several_exclude_each_other() {
        let beside = "excludes auth.issuers (file Settings.toml): \
                      write it into an entry there, or remove the entries";
        for (variable, key) in [
            ("ISSUER_BASE_URL", "issuer_base_url"),
            ("ISSUER", "issuer"),
            ("JWKS_URI", "jwks_uri"),
            ("APP__AUTH__PUBLIC_KEY", "public_key"),
            ("SECRET", "secret"),
        ] {
            let message = format!("auth.{key} (variable {variable}): {beside}");
            assert_eq!(parsed(TWO, &[(variable, "x")]).map(drop), Err(message));
        }
    }

    #[test]
    fn several_issuers_are_at_least_one_and_differ_in_name_or_audience() {
        let empty = "auth.issuers (file Settings.toml): must have at least one entry";
        assert_eq!(
            parsed("[auth]\nissuers = []", &[]).map(drop),
            Err(empty.to_owned())
        );
        let again = |text| format!("{TWO}\n[[auth.issuers]]\naudience = {text}");
        for (text, problem) in [
            (
                "'y'\nissuer = 'https://a.example'\njwks_uri = 'https://c.example/'",
                "in two spellings: keep one of them, or spell it alike in both and give each an audience of its own",
            ),
            (
                "['y', 'x']\nissuer_base_url = 'https://a.example/'",
                "with an audience in common: keep one of them, or give each an audience of its own",
            ),
        ] {
            let expected = format!(
                "auth.issuers (file Settings.toml): the entries 0 and 2 are one issuer {problem}"
            );
            let rejected = parsed(&again(text), &[("AUDIENCE", "x")]);
            assert_eq!(rejected.map(drop), Err(expected));
        }
        let apart = again("'y'\nissuer_base_url = 'https://a.example/'");
        let issuers = issuers(&apart, &[("AUDIENCE", "x")]);
        assert_eq!(issuers.map(|issuers| issuers.len()), Ok(3));
    }

    #[test]
    fn a_default_is_checked_even_when_no_entry_uses_it() {
        let text = "
            [auth]
            strict = 1
            [[auth.issuers]]
            issuer_base_url = 'https://a.example/'
            audience = 'a'
            strict = true";
        let message = "auth.strict (file Settings.toml): must be true or false";
        assert_eq!(parsed(text, &[]).map(drop), Err(message.to_owned()));
    }

    #[test]
    fn an_issuer_must_be_trusted() {
        let message = format!("auth.issuer_base_url is missing: {ISSUER_NEEDED}");
        let off = parsed("[dev_issuer]\nenabled = false", &[("AUDIENCE", "api")]);
        let expected = if cfg!(feature = "dev-issuer") {
            let enabled = "dev_issuer.enabled (file Settings.toml)";
            format!("{message}; {enabled} turns the development issuer off")
        } else {
            message.clone()
        };
        assert_eq!(off.map(drop), Err(expected));
        if !cfg!(feature = "dev-issuer") {
            assert_eq!(parsed("[dev_issuer]", &[]).map(drop), Err(message));
        }
    }

    #[cfg(feature = "dev-issuer")]
    mod development {
        use super::super::Trust;
        use super::parsed;
        use crate::issuer::IssuerBuilder;

        fn development(
            text: &str,
            variables: &[(&str, &str)],
        ) -> Result<(u16, IssuerBuilder), String> {
            match parsed(text, variables)?.trust {
                Trust::DevIssuer { own, issuer } => Ok((own.port, *issuer)),
                Trust::Issuers(_) => Err("no development issuer".to_owned()),
            }
        }

        #[test]
        fn without_an_issuer_it_is_trusted() {
            let (port, issuer) = development("", &[]).unwrap();
            assert_eq!(port, 3011);
            let built = issuer
                .base_url("http://localhost:3011/")
                .audience("api")
                .build()
                .unwrap();
            assert_eq!(built.rules.audience, ["api"]);
        }

        #[test]
        fn every_other_key_holds_for_it() {
            let variables = [
                ("APP__DEV_ISSUER__PORT", "0"),
                ("AUDIENCE", "mine"),
                ("APP__AUTH__STRICT", "true"),
            ];
            let (port, issuer) = development("", &variables).unwrap();
            assert_eq!(port, 0);
            let built = issuer.base_url("http://localhost:3011/").build().unwrap();
            assert_eq!(
                (built.rules.audience, built.rules.strict),
                (vec!["mine".to_owned()], true)
            );
        }

        #[test]
        fn it_has_no_secret_for_an_hmac() {
            let message = "auth.token_signing_alg (variable TOKEN_SIGNING_ALG): \
                           HS256 needs a secret: set auth.secret";
            let rejected = development("", &[("TOKEN_SIGNING_ALG", "HS256")]);
            assert_eq!(rejected.map(drop), Err(message.to_owned()));
        }
    }
}
