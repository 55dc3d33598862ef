//! Reads `[auth]`: what is said of one issuer, or of several.

use std::collections::BTreeMap;

use super::dpop::Dpop;
use super::error::{Place, SettingsError};
use super::mtls;
use super::public_key;
use super::section::{Section, Setting};
use super::startup::Startup;
use crate::claims::scope::ScopeClaim;
use crate::issuer::{Issuer, IssuerBuilder};
use crate::jose::Algorithm;
use crate::verifier::DEFAULT_TOKEN_MEMORY;

/// `[auth]`, its keys known, its values not yet looked at.
pub(super) struct Auth {
    /// What `[auth]` itself says: of the one issuer, or as the defaults of several.
    pub(super) own: Said,
    /// Whether the service waits for the first keys.
    pub(super) startup: Startup,
    /// How many bytes the memory of verified tokens may take.
    pub(super) token_memory: usize,
    /// The entries of `[[auth.issuers]]`, and the place that said them.
    pub(super) several: Option<(Place, Vec<Said>)>,
    pub(super) dpop: Option<Dpop>,
    pub(super) mtls: mtls::Said,
}

impl Auth {
    pub(super) fn read(auth: &mut Section) -> Result<Self, SettingsError> {
        let own = Said::read(auth);
        let startup = Startup::read(auth)?;
        let token_memory = auth.take("token_memory_bytes");
        let token_memory = token_memory
            .map(|said| said.number(0..=u32::MAX))
            .transpose()?
            .and_then(|bytes| usize::try_from(bytes).ok());
        let several = auth.take("issuers").map(|issuers| {
            let place = issuers.place().clone();
            let entries = issuers.sections(|entry| Ok(Said::read(entry)))?;
            Ok((place, entries))
        });
        let dpop = auth.section("dpop", Dpop::read)?;
        let mtls = auth.section("mtls", mtls::Said::read)?;
        Ok(Self {
            own,
            startup,
            token_memory: token_memory.unwrap_or(DEFAULT_TOKEN_MEMORY),
            several: several.transpose()?,
            dpop,
            mtls,
        })
    }
}

/// What is said of one issuer.
#[derive(Clone)]
pub(super) struct Said {
    path: String,
    settings: BTreeMap<&'static str, Setting>,
}

impl Said {
    fn read(section: &mut Section) -> Self {
        let settings = OPTIONS
            .iter()
            .filter_map(|&(key, _)| Some((key, section.take(key)?)));
        Self {
            settings: settings.collect(),
            path: section.path().to_owned(),
        }
    }

    /// The same, with `defaults` for what is not said.
    pub(super) fn over(self, defaults: &Self) -> Self {
        let mut settings = defaults.settings.clone();
        settings.extend(self.settings);
        Self { settings, ..self }
    }

    /// Who said `key`, if anybody.
    pub(super) fn place(&self, key: &str) -> Option<&Place> {
        self.settings.get(key).map(Setting::place)
    }

    /// Who named an issuer, its keys or its secret; the other options only say how to trust it.
    pub(super) fn names_an_issuer(&self) -> Option<&Place> {
        NAMING.iter().find_map(|key| self.place(key))
    }

    /// The key as messages name it.
    pub(super) fn path_of(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// Checks each value alone.
    pub(super) fn builder(&self) -> Result<IssuerBuilder, SettingsError> {
        let said = OPTIONS
            .iter()
            .filter_map(|(key, apply)| Some((apply, self.settings.get(key)?)));
        said.into_iter()
            .try_fold(IssuerBuilder::default(), |issuer, (apply, setting)| {
                apply(issuer, setting)
            })
    }

    /// Checks the values together.
    pub(super) fn build(&self) -> Result<Issuer, SettingsError> {
        self.builder()?
            .build()
            .map_err(|error| self.explain(&error))
    }
}

fn algorithms(said: &Setting) -> Result<Vec<Algorithm>, SettingsError> {
    let named: Result<Vec<Algorithm>, _> = said.list()?.into_iter().map(str::parse).collect();
    named.ok().filter(|named| !named.is_empty()).ok_or_else(|| {
        let known: Vec<_> = Algorithm::ALL.iter().map(|known| known.name()).collect();
        let known = known.join(", ");
        said.place()
            .refuse(format!("must be one or more of {known}"))
    })
}

fn scope_claims(said: &Setting) -> Result<Vec<ScopeClaim>, SettingsError> {
    let named: Result<Vec<ScopeClaim>, _> = said.list()?.into_iter().map(str::parse).collect();
    named
        .ok()
        .filter(|named| !named.is_empty())
        .ok_or_else(|| said.place().refuse(CLAIMS_NEEDED))
}

const CLAIMS_NEEDED: &str =
    "must be claims: names such as permissions, or JSON pointers such as /realm_access/roles";

/// What one option does to the issuer.
type Apply = fn(IssuerBuilder, &Setting) -> Result<IssuerBuilder, SettingsError>;

/// Every option of an issuer.
const OPTIONS: [(&str, Apply); 16] = [
    ("issuer_base_url", |issuer, said| {
        Ok(issuer.base_url(said.text()?))
    }),
    ("audience", |issuer, said| {
        Ok(said
            .list()?
            .into_iter()
            .fold(issuer, IssuerBuilder::audience))
    }),
    ("issuer", |issuer, said| Ok(issuer.name(said.text()?))),
    ("jwks_uri", |issuer, said| Ok(issuer.jwks_uri(said.text()?))),
    ("public_key", |issuer, said| {
        Ok(issuer.public_key(&public_key::read(said)?))
    }),
    ("secret", |issuer, said| Ok(issuer.secret(said.text()?))),
    ("token_signing_alg", |issuer, said| {
        Ok(issuer.algorithms(algorithms(said)?))
    }),
    ("strict", |issuer, said| Ok(issuer.strict(said.flag()?))),
    ("clock_tolerance", |issuer, said| {
        Ok(issuer.clock_tolerance(said.duration()?))
    }),
    ("max_token_age", |issuer, said| {
        Ok(issuer.max_token_age(said.duration_above_zero()?))
    }),
    ("cache_max_age", |issuer, said| {
        Ok(issuer.cache_max_age(said.duration_above_zero()?))
    }),
    ("cooldown_duration", |issuer, said| {
        Ok(issuer.cooldown_duration(said.duration_above_zero()?))
    }),
    ("timeout_duration", |issuer, said| {
        Ok(issuer.timeout_duration(said.duration_above_zero()?))
    }),
    ("allow_http_hosts", |issuer, said| {
        Ok(issuer.allow_http_hosts(said.list()?))
    }),
    ("longest_outage", |issuer, said| {
        Ok(issuer.longest_outage(said.duration()?))
    }),
    ("scope_claims", |issuer, said| {
        Ok(issuer.scope_claims(scope_claims(said)?))
    }),
];

/// The options that name an issuer, rather than say how to trust it.
const NAMING: [&str; 5] = [
    "issuer_base_url",
    "issuer",
    "jwks_uri",
    "public_key",
    "secret",
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{issuers, parsed};
    use super::{CLAIMS_NEEDED, OPTIONS};
    use crate::issuer::{Issuer, KeySource};
    use crate::jose::Algorithm;

    /// The issuer of an `[auth]` section that says no more than it must, and `text`.
    fn issuer(text: &str) -> Result<Issuer, String> {
        let auth = format!("[auth]\nissuer_base_url = 'https://a.example/'\n{text}\n");
        let audience = if text.contains("audience") {
            ""
        } else {
            "audience = 'api'"
        };
        issuers(&format!("{auth}{audience}"), &[]).map(|mut issuers| issuers.remove(0))
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let issuer = issuer("").unwrap();
        assert_eq!(
            issuer.base_url().cloned().map(String::from),
            Some("https://a.example/".to_owned())
        );
        assert_eq!(issuer.name(), None);
        assert!(issuer.keys().is_none());
        assert_eq!(issuer.audience, ["api"]);
        assert_eq!(issuer.algorithms, []);
        assert!(!issuer.strict);
        assert_eq!(issuer.clock_tolerance, Duration::from_secs(5));
        assert_eq!(issuer.max_token_age, None);
        assert_eq!(
            issuer
                .scope_claims
                .iter()
                .map(|claim| claim.as_str())
                .collect::<Vec<_>>(),
            ["scope", "scp"]
        );
        assert_eq!(issuer.fetching.cache_max_age, Duration::from_secs(600));
        assert_eq!(issuer.fetching.cooldown, Duration::from_secs(30));
        assert_eq!(issuer.fetching.timeout, Duration::from_secs(5));
    }

    #[test]
    fn every_key_is_read() {
        let text = "
            audience = ['api', 'other']
            issuer = 'a'
            jwks_uri = 'https://a.example/keys'
            token_signing_alg = ['RS256', 'EdDSA']
            strict = true
            clock_tolerance = '60s'
            max_token_age = 60
            cache_max_age = '1s'
            cooldown_duration = '500ms'
            timeout_duration = '2s'
            scope_claims = ['permissions', '/realm_access/roles']";
        let issuer = issuer(text).unwrap();
        assert_eq!(issuer.name(), Some("a"));
        assert!(
            matches!(issuer.keys(), Some(KeySource::JwksUri(url)) if url.as_str() == "https://a.example/keys")
        );
        assert_eq!(issuer.audience, ["api", "other"]);
        assert_eq!(issuer.algorithms, [Algorithm::Rs256, Algorithm::EdDsa]);
        assert!(issuer.strict);
        assert_eq!(issuer.clock_tolerance, Duration::from_secs(60));
        assert_eq!(issuer.max_token_age, Some(Duration::from_secs(60)));
        let scope_claims: Vec<_> = issuer
            .scope_claims
            .iter()
            .map(|claim| claim.as_str())
            .collect();
        assert_eq!(scope_claims, ["permissions", "/realm_access/roles"]);
        assert_eq!(issuer.fetching.cache_max_age, Duration::from_secs(1));
        assert_eq!(issuer.fetching.cooldown, Duration::from_millis(500));
        assert_eq!(issuer.fetching.timeout, Duration::from_secs(2));
    }

    #[test]
    fn the_same_keys_are_read_from_variables() {
        let variables = [
            ("ISSUER_BASE_URL", "https://a.example/"),
            ("AUDIENCE", "api, other"),
            ("APP__AUTH__TOKEN_SIGNING_ALG", "RS256,EdDSA"),
            ("APP__AUTH__STRICT", "true"),
            ("APP__AUTH__CLOCK_TOLERANCE", "60s"),
            ("APP__AUTH__MAX_TOKEN_AGE", "60"),
            ("APP__AUTH__SCOPE_CLAIMS", "scope,/realm_access/roles"),
            ("APP__AUTH__DPOP__ENABLED", "false"),
        ];
        let issuer = issuers("", &variables).unwrap().remove(0);
        assert_eq!(issuer.audience, ["api", "other"]);
        assert_eq!(issuer.algorithms, [Algorithm::Rs256, Algorithm::EdDsa]);
        assert!(issuer.strict);
        assert_eq!(issuer.clock_tolerance, Duration::from_secs(60));
        assert_eq!(issuer.max_token_age, Some(Duration::from_secs(60)));
        assert_eq!(issuer.scope_claims.len(), 2);
    }

    #[test]
    fn wrong_types_are_refused_with_what_would_be_right() {
        let text = "must be a text, in quotes";
        let list = "must be a list of texts, or one text with commas";
        let duration = "must be a duration such as 500ms, 60s, 5m or 1h";
        let section = "is a section: say its keys one by one";
        let cases = [
            ("audience", "1", list),
            ("issuer", "1", text),
            ("jwks_uri", "1", text),
            ("public_key", "1", text),
            ("secret", "123", text),
            ("token_signing_alg", "256", list),
            ("strict", "'yes'", "must be true or false"),
            ("clock_tolerance", "'-5s'", duration),
            ("max_token_age", "'old'", duration),
            ("cache_max_age", "true", duration),
            ("cooldown_duration", "1.5", duration),
            ("timeout_duration", "[]", duration),
            ("scope_claims", "1", list),
            ("allow_http_hosts", "1", list),
            ("dpop", "true", section),
            ("mtls", "true", section),
        ];
        for (key, value, message) in cases {
            let message = format!("auth.{key} (file Settings.toml): {message}");
            let said = format!("{key} = {value}");
            assert_eq!(issuer(&said).map(drop), Err(message), "{said}");
        }
    }

    #[test]
    fn values_out_of_bounds_are_refused_with_what_would_be_right() {
        let zero = "must be longer than 0s";
        let algorithms = "must be one or more of HS256, HS384, HS512, RS256, RS384, RS512, \
                          ES256, ES384, ES512, PS256, PS384, PS512, EdDSA";
        let cases = [
            ("token_signing_alg", "'none'", algorithms),
            ("token_signing_alg", "['RS256', 'rs256']", algorithms),
            ("token_signing_alg", "[]", algorithms),
            ("max_token_age", "0", zero),
            ("cache_max_age", "0", zero),
            ("cooldown_duration", "'0ms'", zero),
            ("timeout_duration", "0", zero),
            ("scope_claims", "[]", CLAIMS_NEEDED),
            ("scope_claims", "['/']", CLAIMS_NEEDED),
        ];
        for (key, value, message) in cases {
            let message = format!("auth.{key} (file Settings.toml): {message}");
            let said = format!("{key} = {value}");
            assert_eq!(issuer(&said).map(drop), Err(message), "{said}");
        }
    }

    #[test]
    fn a_misspelt_option_is_refused_before_anything_is_missed() {
        let options = OPTIONS.map(|(key, _)| key).join(", ");
        let unknown = "(file Settings.toml): is not a known key;";
        let cases = [
            (
                "[auth]\nissuerBaseURL = 'x'",
                format!(
                    "auth.issuerBaseURL {unknown} did you mean issuer_base_url? \
                     known here: {options}, startup, startup_timeout, token_memory_bytes, issuers, dpop, mtls"
                ),
            ),
            (
                "[[auth.issuers]]\n[[auth.issuers]]\ndpop = 1",
                format!("auth.issuers[1].dpop {unknown} known here: {options}"),
            ),
        ];
        for (text, message) in cases {
            assert_eq!(parsed(text, &[]).map(drop), Err(message), "{text}");
        }
    }

    #[test]
    fn several_issuers_are_a_list_of_sections() {
        let message =
            "auth.issuers (file Settings.toml): must be sections, each under [[auth.issuers]]";
        for text in ["[auth]\nissuers = 'x'", "[auth.issuers]\naudience = 'x'"] {
            assert_eq!(parsed(text, &[]).map(drop), Err(message.to_owned()));
        }
    }
}
