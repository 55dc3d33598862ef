//! Decides whom the service trusts: the issuers that are configured, or the development issuer.

use super::auth::{Auth, Said};
use super::dev_issuer;
#[cfg(feature = "dev-issuer")]
use super::dev_issuer::DevIssuer;
use super::error::{Place, SettingsError};
#[cfg(feature = "dev-issuer")]
use crate::issuer::IssuerBuilder;
use crate::issuer::{Issuer, IssuerError, check_distinct};

/// Whose tokens are accepted.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// The development issuer's, which is started too.
    #[cfg(feature = "dev-issuer")]
    DevIssuer {
        own: DevIssuer,
        /// How to trust it. Its base URL is not said; its audience only if somebody named one.
        issuer: Box<IssuerBuilder>,
    },
    /// These issuers', at least one.
    Issuers(Vec<Issuer>),
}

impl Trust {
    /// `beyond_loopback` is the setting that makes other machines reach the API, if one does.
    pub(super) fn resolve(
        auth: Auth,
        dev_issuer: &dev_issuer::Said,
        beyond_loopback: Option<&Place>,
    ) -> Result<Self, SettingsError> {
        if let Some((place, entries)) = auth.several {
            return several(&auth.own, &place, entries).map(Self::Issuers);
        }
        if auth.own.names_an_issuer().is_some() {
            return Ok(Self::Issuers(vec![auth.own.build()?]));
        }
        let starts = cfg!(feature = "dev-issuer") && dev_issuer.enabled.is_some();
        if let Some(host) = beyond_loopback.filter(|_| starts && !dev_issuer.is_explicit) {
            return Err(host.refuse(NOT_UNASKED));
        }
        match dev_issuer.enabled {
            #[cfg(feature = "dev-issuer")]
            Some(own) => {
                let issuer = auth.own.builder()?;
                let trial = issuer.clone().base_url("http://localhost/");
                let trial = trial.default_audience(DEV_AUDIENCE);
                trial.build().map_err(|error| auth.own.explain(&error))?;
                Ok(Self::DevIssuer {
                    own,
                    issuer: Box::new(issuer),
                })
            }
            _ => Err(SettingsError::Missing {
                key: auth.own.path_of("issuer_base_url"),
                remedy: ISSUER_NEEDED.into(),
            }),
        }
    }
}

fn several(own: &Said, place: &Place, entries: Vec<Said>) -> Result<Vec<Issuer>, SettingsError> {
    if let Some(named) = own.names_an_issuer() {
        return Err(named.refuse(format!(
            "excludes {place}: write it into an entry there, or remove the entries"
        )));
    }
    own.builder().map(drop)?;
    let mut issuers: Vec<Issuer> = Vec::new();
    for entry in entries {
        issuers.push(entry.over(own).build()?);
    }
    if issuers.is_empty() {
        return Err(place.refuse("must have at least one entry"));
    }
    check_distinct(&issuers).map_err(|error| place.refuse(remedy(&error)))?;
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
        other => other.to_string(),
    }
}

/// The one API that the development issuer issues tokens for, unless an audience is configured.
#[cfg(feature = "dev-issuer")]
pub(crate) const DEV_AUDIENCE: &str = "https://quickstarts/api";

const NOT_UNASKED: &str = "lets other machines call the API, and no issuer is configured: \
    name the issuer to trust, for example ISSUER_BASE_URL=https://tenant.eu.auth0.com/, or set dev_issuer.enabled = true \
    (APP__DEV_ISSUER__ENABLED=true) to accept the tokens that the development issuer gives to everyone";

const ISSUER_NEEDED: &str =
    "name the issuer to trust, for example ISSUER_BASE_URL=https://tenant.eu.auth0.com/";

#[cfg(test)]
mod tests {
    use super::super::tests::{issuers, parsed};
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
        let refused = |source: &str| Err(format!("server.host ({source}): {}", super::NOT_UNASKED));
        for host in ["0.0.0.0", "::", "192.0.2.1", "api.example", "[::]"] {
            let unasked = outcome("", &[("HOST", host)]);
            assert_eq!(unasked, refused("variable HOST"), "{host}");
            let asked = outcome("[dev_issuer]\nenabled = true", &[("HOST", host)]);
            assert_eq!(asked, Ok(()), "{host}");
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
        assert_eq!(outcome(file, &[]), refused("file Settings.toml"));
        let shipped = include_str!("../../../Settings.toml");
        assert_eq!(
            outcome(shipped, &[("HOST", "0.0.0.0")]),
            refused("variable HOST")
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
            super::NOT_UNASKED
        );
        assert_eq!(parsed("", &variables).map(drop), Err(message));
        let settings = parsed("", &variables[1..]);
        assert_eq!(
            settings.map(|settings| settings.warnings),
            Ok(vec![warning.to_owned()])
        );
    }

    #[test]
    fn a_public_key_is_looked_at_rather_than_the_development_issuer() {
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
    fn each_of_several_issuers_has_the_defaults_of_all() {
        let issuers = issuers(
            &format!("[auth]\naudience = 'all'\nstrict = true\n{TWO}"),
            &[],
        )
        .unwrap();
        let said: Vec<_> = issuers
            .iter()
            .map(|issuer| (issuer.label(), &*issuer.audience[0], issuer.strict))
            .collect();
        assert_eq!(
            said,
            [
                ("https://a.example/", "all", true),
                ("https://b.example/", "b", false)
            ]
        );
    }

    #[test]
    fn several_issuers_take_defaults_from_variables_too() {
        let issuers = issuers(TWO, &[("AUDIENCE", "x,y"), ("APP__AUTH__STRICT", "true")]).unwrap();
        assert_eq!(issuers[0].audience, ["x", "y"]);
        assert!(issuers[0].strict && !issuers[1].strict);
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
    fn several_issuers_are_at_least_one_and_told_apart_by_name_or_audience() {
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
            let refused = parsed(&again(text), &[("AUDIENCE", "x")]);
            assert_eq!(refused.map(drop), Err(expected));
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
    fn somebody_must_be_trusted() {
        let message = format!("auth.issuer_base_url is missing: {ISSUER_NEEDED}");
        let off = parsed("[dev_issuer]\nenabled = false", &[("AUDIENCE", "api")]);
        assert_eq!(off.map(drop), Err(message.clone()));
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
            assert_eq!(built.audience, ["api"]);
        }

        #[test]
        fn every_other_option_holds_for_it() {
            let variables = [
                ("APP__DEV_ISSUER__PORT", "0"),
                ("AUDIENCE", "mine"),
                ("APP__AUTH__STRICT", "true"),
            ];
            let (port, issuer) = development("", &variables).unwrap();
            assert_eq!(port, 0);
            let built = issuer.base_url("http://localhost:3011/").build().unwrap();
            assert_eq!(
                (built.audience, built.strict),
                (vec!["mine".to_owned()], true)
            );
        }

        #[test]
        fn it_has_no_secret_for_an_hmac() {
            let message = "auth.token_signing_alg (variable TOKEN_SIGNING_ALG): \
                           HS256 needs a secret: say auth.secret";
            let refused = development("", &[("TOKEN_SIGNING_ALG", "HS256")]);
            assert_eq!(refused.map(drop), Err(message.to_owned()));
        }
    }
}
