use std::time::Duration;

use super::super::tests::{Scratch, issuers, parsed};
use super::super::values::{ClaimPath, Kind};
use super::*;
use crate::claims::scope_claim::ScopeClaim;
use crate::issuer::{KeySource, TokenType};
use crate::jose::Algorithm;

type Variables<'a> = &'a [(&'a str, &'a str)];

/// The message about these variables; `FIVE` and `LONG` stand for secrets of 5 and 32 bytes.
fn message(variables: Variables<'_>) -> String {
    let long = "s".repeat(32);
    let value_of = |value| match value {
        "FIVE" => "sssss",
        "LONG" => &*long,
        other => other,
    };
    let variables: Vec<_> = variables
        .iter()
        .map(|&(name, value)| (name, value_of(value)))
        .collect();
    let message = issuers("", &variables).map(drop).unwrap_err();
    assert!(!message.contains("sssss"), "{message}");
    message
}

const BASE: (&str, &str) = ("ISSUER_BASE_URL", "https://a.example/");
const AUDIENCE: (&str, &str) = ("AUDIENCE", "api");

#[test]
fn a_missing_setting_is_named_with_an_example() {
    let hmac = ("TOKEN_SIGNING_ALG", "HS256");
    let (secret, jwks_uri) = (("SECRET", "LONG"), ("JWKS_URI", "https://a.example/keys"));
    let no_audience = [BASE, ("AUDIENCE", "")];
    let base = "issuer_base_url (variable ISSUER_BASE_URL)";
    let cases: [(Variables<'_>, &str, &str, &str); 6] = [
        (&[BASE], "audience", AUDIENCE_NEEDED, base),
        (&no_audience, "audience", AUDIENCE_NEEDED, base),
        (
            &[AUDIENCE, jwks_uri],
            "issuer",
            NAME_NEEDED,
            "jwks_uri (variable JWKS_URI)",
        ),
        (
            &[AUDIENCE, secret, hmac],
            "issuer",
            NAME_NEEDED,
            "secret (variable SECRET)",
        ),
        (
            &[AUDIENCE, ("ISSUER", "a")],
            "issuer_base_url",
            KEYS_NEEDED,
            "issuer (variable ISSUER)",
        ),
        (
            &[AUDIENCE, BASE, secret],
            "token_signing_alg",
            HMAC_NEEDED,
            "secret (variable SECRET)",
        ),
    ];
    for (variables, key, remedy, cause) in cases {
        let expected = format!("auth.{key} is missing: {remedy}; auth.{cause} requires it");
        assert_eq!(message(variables), expected, "{variables:?}");
    }
}

#[test]
fn a_value_without_content_is_named_with_its_layer() {
    let audience = format!(
        "auth.audience (variable AUDIENCE): {AUDIENCE_NEEDED}; auth.issuer_base_url (variable ISSUER_BASE_URL) requires it"
    );
    assert_eq!(message(&[BASE, ("AUDIENCE", " , ")]), audience);
    let issuer = format!("auth.issuer (variable APP__AUTH__ISSUER): {NAME_NEEDED}");
    assert_eq!(
        message(&[BASE, AUDIENCE, ("APP__AUTH__ISSUER", " ")]),
        issuer
    );
}

#[test]
fn urls_are_rejected_at_their_keys() {
    let cases = [
        ("tenant.eu.auth0.com", SCHEME_NEEDED),
        ("localhost:8080/realms/a", SCHEME_NEEDED),
        ("ftp://a.example/", ABSOLUTE_NEEDED),
        ("https://me:sssss@a.example/", PLAIN_NEEDED),
        ("https://a.example/?q", PLAIN_NEEDED),
        ("http://a.example/", HTTPS_NEEDED),
    ];
    for (url, expected) in cases {
        let base = message(&[AUDIENCE, ("ISSUER_BASE_URL", url)]);
        assert_eq!(
            base,
            format!("auth.issuer_base_url (variable ISSUER_BASE_URL): {expected}")
        );
    }
    let keys = message(&[AUDIENCE, BASE, ("JWKS_URI", "http://a.example/keys")]);
    assert_eq!(
        keys,
        format!("auth.jwks_uri (variable JWKS_URI): {HTTPS_NEEDED}")
    );
}

#[test]
fn hosts_that_allow_http_are_names() {
    let base = ("ISSUER_BASE_URL", "http://keycloak:8080/realms/shop");
    let hosts = "APP__AUTH__ALLOW_HTTP_HOSTS";
    let issuer = issuers("", &[AUDIENCE, base, (hosts, "other, keycloak")]);
    assert_eq!(issuer.map(|issuers| issuers.len()), Ok(1));
    let url = message(&[AUDIENCE, base, (hosts, "http://keycloak:8080")]);
    let expected = format!("auth.allow_http_hosts (variable {hosts}): {HOSTS_NEEDED}");
    assert_eq!(url, expected);
}

#[test]
fn contradictions_name_both_sides() {
    let secret = ("SECRET", "LONG");
    let alg = |names| ("TOKEN_SIGNING_ALG", names);
    let cases: [(Variables<'_>, &str); 2] = [
        (
            &[AUDIENCE, BASE, alg("RS256,HS256")],
            "auth.token_signing_alg (variable TOKEN_SIGNING_ALG): \
             HS256 needs a secret: set auth.secret",
        ),
        (
            &[AUDIENCE, BASE, secret, alg("RS256")],
            "auth.token_signing_alg (variable TOKEN_SIGNING_ALG): \
             RS256 does not go with auth.secret (variable SECRET): name HS256, HS384 or HS512",
        ),
    ];
    for (variables, expected) in cases {
        assert_eq!(message(variables), expected);
    }
}

#[test]
fn keys_come_from_one_place() {
    let secret = ("SECRET", "LONG");
    let jwks_uri = ("JWKS_URI", "https://a.example/keys");
    let public_key = ("APP__AUTH__PUBLIC_KEY", "{}");
    let cases = [
        (secret, "secret", jwks_uri, "jwks_uri"),
        (secret, "secret", public_key, "public_key"),
        (public_key, "public_key", jwks_uri, "jwks_uri"),
    ];
    for (one, key, other, other_key) in cases {
        let alg = if one == secret { "HS256" } else { "RS256" };
        let variables = [AUDIENCE, BASE, one, other, ("TOKEN_SIGNING_ALG", alg)];
        let expected = format!(
            "auth.{key} (variable {}): excludes auth.{other_key} (variable {}): keep one of them",
            one.0, other.0
        );
        assert_eq!(message(&variables), expected);
    }
}

#[test]
fn a_public_key_that_cannot_be_used_is_rejected() {
    let expected = "auth.public_key (variable APP__AUTH__PUBLIC_KEY): \
                    cannot be used: neither PEM nor a JWK nor a JWK set";
    let public_key = ("APP__AUTH__PUBLIC_KEY", "{sssss");
    assert_eq!(message(&[AUDIENCE, ("ISSUER", "a"), public_key]), expected);
}

#[test]
fn a_secret_must_be_as_long_as_its_hash() {
    for (secret, algorithm, needed) in [("FIVE", "HS256", 32), ("LONG", "HS512", 64)] {
        let variables = [("SECRET", secret), ("TOKEN_SIGNING_ALG", algorithm)];
        let expected = format!(
            "auth.secret (variable SECRET): must have at least {needed} bytes, \
             or it is weaker than the hash"
        );
        assert_eq!(
            message(&[&[AUDIENCE, BASE], &variables[..]].concat()),
            expected
        );
    }
}

#[test]
fn an_entry_and_its_inherited_values_are_named_separately() {
    let entry = "[[auth.issuers]]\nissuer_base_url = 'https://a.example/'\n";
    let needs = "HS256 needs a secret: set auth.issuers[0].secret";
    let cases = [
        (
            entry.to_owned(),
            format!(
                "auth.issuers[0].audience is missing: {AUDIENCE_NEEDED}; \
                 auth.issuers[0].issuer_base_url (file Settings.toml) requires it"
            ),
        ),
        (
            format!("[auth]\naudience = 'api'\ntoken_signing_alg = 'HS256'\n{entry}"),
            format!("auth.token_signing_alg (file Settings.toml): {needs}"),
        ),
        (
            format!("[auth]\naudience = 'api'\n{entry}token_signing_alg = 'HS256'"),
            format!("auth.issuers[0].token_signing_alg (file Settings.toml): {needs}"),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(parsed(&text, &[]).map(drop), Err(expected));
    }
}

#[test]
fn the_defaults_are_those_of_the_library() {
    let library = Issuer::discover("https://a.example/").audience("api");
    let library = format!("{:?}", library.build().unwrap());
    assert_eq!(format!("{:?}", issuer("").unwrap()), library);
}

/// The issuer of an `[auth]` section with an issuer, an audience and `text`.
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
        scope_claims = ['permissions', '/realm_access/roles', { claim = 'o.per', separator = ',' }]
        audience_claims = ['aud', '/app/id']
        token_types = ['JOSE', 'AT+JWT']
        required_claims = { token_use = 'access', '/O/id' = ['a', 7], live = false }";
    let issuer = issuer(text).unwrap();
    assert_eq!(issuer.name(), Some("a"));
    assert!(
        matches!(issuer.keys(), Some(KeySource::JwksUri(url)) if url.as_str() == "https://a.example/keys")
    );
    assert_eq!(issuer.rules.audience, ["api", "other"]);
    assert_eq!(
        issuer.rules.algorithms,
        [Algorithm::Rs256, Algorithm::EdDsa]
    );
    assert!(issuer.rules.strict);
    assert_eq!(issuer.rules.clock_tolerance, Duration::from_secs(60));
    assert_eq!(issuer.rules.max_token_age, Some(Duration::from_secs(60)));
    let scope_claims: Vec<_> = issuer
        .rules
        .scope_claims
        .iter()
        .map(|claim| claim.as_str())
        .collect();
    assert_eq!(
        scope_claims,
        ["permissions", "/realm_access/roles", "o.per"]
    );
    assert_eq!(issuer.rules.scope_claims[2].separator(), Some(","));
    let audience_claims = issuer.rules.audience_claims.iter();
    let audience_claims: Vec<_> = audience_claims.map(|claim| claim.as_str()).collect();
    assert_eq!(audience_claims, ["aud", "/app/id"]);
    let types = [TokenType::Jose, TokenType::AccessToken];
    assert_eq!(issuer.rules.accepted_types, types);
    assert_eq!(
        required(&issuer),
        [
            r#"/O/id must be "a" or 7"#,
            "live must be false",
            r#"token_use must be "access""#
        ]
    );
    assert_eq!(issuer.fetching.cache_max_age, Duration::from_secs(1));
    assert_eq!(issuer.fetching.cooldown, Duration::from_millis(500));
    assert_eq!(issuer.fetching.timeout, Duration::from_secs(2));
}

/// The required claims, sorted by name.
fn required(issuer: &Issuer) -> Vec<String> {
    let required = issuer.rules.required_claims.iter();
    required.map(|required| required.to_string()).collect()
}

#[test]
fn a_variable_holds_required_claims_and_scope_claims_with_separators_as_json() {
    let read = |name, value| {
        let issuers = issuers("", &[BASE, AUDIENCE, (name, value)]);
        issuers.map(|mut issuers| issuers.remove(0))
    };
    let name = "APP__AUTH__REQUIRED_CLAIMS";
    let issuer = read(name, r#" {"tokenUse": ["a", "b"], "email": true} "#).unwrap();
    assert_eq!(
        required(&issuer),
        ["email must be present", r#"tokenUse must be "a" or "b""#]
    );
    for value in ["access", "token_use=access", r#"["a"]"#, "true"] {
        let message = "auth.required_claims (variable APP__AUTH__REQUIRED_CLAIMS): must be a section of claims and their \
                       values; as a variable, a JSON object such as {\"token_use\": \"access\"}";
        assert_eq!(read(name, value).map(drop), Err(message.to_owned()));
    }
    let name = "APP__AUTH__SCOPE_CLAIMS";
    let issuer = read(name, r#"["scope", {"claim": "o.per", "separator": ","}]"#).unwrap();
    let expected = ["scope".parse(), "o.per".parse()].map(Result::unwrap);
    let [scope, clerk]: [ScopeClaim; 2] = expected;
    assert_eq!(issuer.rules.scope_claims, [scope, clerk.separated_by(",")]);
}

#[test]
fn a_scope_that_implies_itself_is_rejected_with_the_cycle() {
    let name = "APP__AUTH__SCOPE_IMPLICATIONS";
    let rejected = |value: &str| message(&[BASE, AUDIENCE, (name, value)]);
    for (value, cycle) in [
        (r#"{"a": ["a"]}"#, "a implies a"),
        (
            r#"{"b": ["c", "x"], "c": ["a"], "a": ["b"]}"#,
            "a implies b implies c implies a",
        ),
    ] {
        let expected = format!("auth.scope_implications (variable {name}): {CYCLE}: {cycle}");
        assert_eq!(rejected(value), expected);
    }
    let no_scope = IssuerError::ImpliedScope.to_string();
    for value in [
        r#"{"a": ["b c"]}"#,
        r#"{"": ["b"]}"#,
        "{\"\u{e4}\": [\"b\"]}",
    ] {
        let expected = format!("auth.scope_implications (variable {name}): {no_scope}");
        assert_eq!(rejected(value), expected, "{value}");
    }
}

#[test]
fn a_required_claim_by_a_variable_of_its_own_is_rejected() {
    let name = "APP__AUTH__REQUIRED_CLAIMS__TOKEN_USE";
    let message = message(&[BASE, AUDIENCE, (name, "access")]);
    assert_eq!(
        message,
        "auth.required_claims.token_use (variable APP__AUTH__REQUIRED_CLAIMS__TOKEN_USE): \
         names of claims have a case of their own: set APP__AUTH__REQUIRED_CLAIMS to a JSON object"
    );
}

#[test]
fn a_required_claim_has_a_usable_value() {
    for value in ["{ a = [] }", "{ tenant = { id = 'x' } }", "{ a = [['x']] }"] {
        let claim = if value.contains("tenant") {
            "tenant"
        } else {
            "a"
        };
        let message = format!(
            "auth.required_claims (file Settings.toml): {}",
            value_needed(claim)
        );
        let text = format!("required_claims = {value}");
        assert_eq!(issuer(&text).map(drop), Err(message), "{text}");
    }
}

#[test]
fn any_audience_needs_a_value_of_a_claim_that_names_a_party() {
    let outcome = |text: &str| {
        let auth = format!("[auth]\nissuer_base_url = 'https://a.example/'\n{text}");
        issuers(&format!("{auth}\nallow_any_audience = true"), &[]).map(drop)
    };
    let rejected =
        |key: &str, remedy: &str| Err(format!("auth.{key} (file Settings.toml): {remedy}"));
    let unlimited = rejected("allow_any_audience", &party_needed());
    for required in [
        "{}",
        "{ azp = true }",
        "{ token_use = 'access' }",
        "{ azp = ['a', true] }",
    ] {
        let text = format!("required_claims = {required}");
        assert_eq!(outcome(&text), unlimited, "{text}");
    }
    for required in [
        "{ azp = 'a' }",
        "{ '/tid' = ['a', 'b'] }",
        "{ a = true, cid = 'b' }",
    ] {
        let text = format!("required_claims = {required}");
        assert_eq!(outcome(&text), Ok(()), "{text}");
    }
    for (other, text) in [("audience", "'api'"), ("strict", "true")] {
        let text = format!("{other} = {text}\nrequired_claims = {{ azp = 'a' }}");
        let excludes = format!("excludes auth.{other} (file Settings.toml): keep one of them");
        assert_eq!(outcome(&text), rejected("allow_any_audience", &excludes));
    }
}

#[test]
fn strict_mode_needs_its_type() {
    let message = "auth.token_types (file Settings.toml): a type of token must be accepted; in strict mode at+jwt";
    let text = "strict = true\ntoken_types = ['JWT']";
    assert_eq!(issuer(text).map(drop), Err(message.to_owned()));
}

#[test]
fn values_of_another_type_are_rejected() {
    let text = "must be a text, in quotes";
    let list = "must be a list of texts, or one text with commas";
    let duration = "must be a duration such as 500ms, 60s, 5m or 1h";
    let section = "is a section: set its keys one by one";
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
        let text = format!("{key} = {value}");
        assert_eq!(issuer(&text).map(drop), Err(message), "{text}");
    }
}

#[test]
fn values_out_of_bounds_are_rejected() {
    let zero = "must be longer than 0s";
    let claims = <ScopeClaim as Kind>::REMEDY;
    let algorithms = "must be one or more of HS256, HS384, HS512, RS256, RS384, RS512, \
                      ES256, ES384, ES512, PS256, PS384, PS512, EdDSA, ML-DSA-44, ML-DSA-65, ML-DSA-87";
    let cases = [
        ("token_signing_alg", "'none'", algorithms),
        ("token_signing_alg", "['RS256', 'rs256']", algorithms),
        ("token_signing_alg", "[]", algorithms),
        ("max_token_age", "0", zero),
        ("cache_max_age", "0", zero),
        ("cooldown_duration", "'0ms'", zero),
        ("timeout_duration", "0", zero),
        ("scope_claims", "[]", claims),
        ("scope_claims", "['/']", claims),
        ("scope_claims", "[{ claim = 'a', separator = '' }]", claims),
        ("scope_claims", "[{ claim = 'a', seperator = ',' }]", claims),
        ("scope_claims", "[{ separator = ',' }]", claims),
        ("audience_claims", "[]", <ClaimPath as Kind>::REMEDY),
        ("audience_claims", "'/a~'", <ClaimPath as Kind>::REMEDY),
        (
            "token_types",
            "[]",
            "must be one or more of at+jwt, JWT, JOSE",
        ),
        (
            "token_types",
            "'dpop+jwt'",
            "must be one or more of at+jwt, JWT, JOSE",
        ),
    ];
    for (key, value, message) in cases {
        let message = format!("auth.{key} (file Settings.toml): {message}");
        let text = format!("{key} = {value}");
        assert_eq!(issuer(&text).map(drop), Err(message), "{text}");
    }
}

#[test]
fn a_misspelt_key_is_rejected_before_a_missing_one() {
    let keys = super::super::deserialize::keys::<model::Issuer>().join(", ");
    let unknown = "(file Settings.toml): is not a known key;";
    let cases = [
        (
            "[auth]\nissuerBaseURL = 'x'",
            format!(
                "auth.issuerBaseURL {unknown} did you mean issuer_base_url? \
                 known here: {keys}, startup, startup_timeout, ca_file, token_memory_bytes, max_token_length, issuers, dpop, mtls"
            ),
        ),
        (
            "[[auth.issuers]]\n[[auth.issuers]]\ndpop = 1",
            format!("auth.issuers[1].dpop {unknown} known here: {keys}"),
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

#[test]
fn a_public_key_is_inline_or_in_a_file() {
    for text in ["-----BEGIN PUBLIC KEY-----\nx", "{}", "\n  {\"keys\":[]}"] {
        assert_eq!(public_key(text).as_deref(), Ok(text));
    }
    let file = Scratch::new("key", b"text");
    assert_eq!(public_key(file.path()).as_deref(), Ok("text"));
    let der = Scratch::new("der", &[0x30, 0x82]);
    assert_eq!(public_key(der.path()).as_deref(), Ok("MII="));
}

#[test]
fn a_file_that_cannot_contain_a_key_is_rejected() {
    let largest = vec![b'x'; 1024 * 1024];
    let whole = Scratch::new("largest", &largest);
    assert_eq!(
        public_key(whole.path()).map(|text| text.len()),
        Ok(largest.len())
    );
    for (file, problem) in [
        (
            Scratch::new("larger", &[&largest[..], b"x"].concat()),
            "is larger than 1 MiB",
        ),
        (Scratch::new("binary", &[0xff]), "is not text"),
    ] {
        let message = format!("{PUBLIC_KEY_NEEDED}; it names a file that {problem}");
        assert_eq!(public_key(file.path()), Err(message.into()));
    }
    let url = public_key("https://hush.example/keys");
    assert_eq!(url, Err(KEY_URL.into()));
    let missing = public_key("/nowhere/hush.pem").unwrap_err();
    let expected = format!("{PUBLIC_KEY_NEEDED}; it names a file that cannot be read: ");
    assert!(
        missing.starts_with(&expected) && !missing.contains("hush"),
        "{missing}"
    );
}

mod introspection {
    use super::super::super::tests::issuers;
    use crate::issuer::ClientAuthentication;

    const BASE: &str = "[auth]\nissuer_base_url = 'https://a.example/'\naudience = 'api'\n";

    fn configured(text: &str) -> Result<Option<crate::Introspection>, String> {
        let issuers = issuers(&format!("{BASE}[auth.introspection]\n{text}"), &[])?;
        Ok(issuers[0].introspection.as_deref().cloned())
    }

    #[test]
    fn a_client_and_its_secret_suffice() {
        assert!(configured("").expect("settings").is_none());
        let basic = configured("client_id = 'api'\nclient_secret = 'hush'").expect("settings");
        let client = basic.expect("introspection").client;
        assert_eq!(client.id, "api");
        assert!(matches!(
            client.authentication,
            ClientAuthentication::Basic(_)
        ));
        let post = "client_id = 'api'\nclient_secret = 'hush'\nclient_auth = 'client_secret_post'";
        let client = configured(post)
            .expect("settings")
            .expect("introspection")
            .client;
        assert!(matches!(
            client.authentication,
            ClientAuthentication::Post(_)
        ));
        assert!(!format!("{client:?}").contains("hush"));
    }

    #[test]
    fn what_is_missing_or_contradicts_is_named_with_its_cause() {
        let of = |key: &str| format!("auth.introspection.{key} (file Settings.toml)");
        for (text, expected) in [
            (
                "endpoint = 'https://a.example/i'",
                format!(
                    "auth.introspection.client_id is missing: set the client ID of this API at the issuer, with which it \
                     may introspect tokens; {} requires it",
                    of("endpoint")
                ),
            ),
            (
                "client_id = 'api'",
                format!(
                    "auth.introspection.client_secret is missing: set the secret of this client; {} requires it",
                    of("client_id")
                ),
            ),
            (
                "client_id = 'api'\nclient_auth = 'private_key_jwt'",
                format!(
                    "auth.introspection.private_key is missing: set the private key of this client, as PEM or the path of \
                     a file; {} requires it",
                    of("client_auth")
                ),
            ),
            (
                "client_id = 'api'\nprivate_key = '-----BEGIN PUBLIC KEY-----'",
                format!(
                    "{}: cannot be used: the text is not the PEM of a private key (PRIVATE KEY, RSA PRIVATE KEY or EC \
                     PRIVATE KEY)",
                    of("private_key")
                ),
            ),
            (
                "client_id = 'api'\nclient_secret = 'x'\nendpoint = 'http://a.example/i'",
                format!(
                    "{}: must be https; http is accepted on loopback and on the hosts of auth.allow_http_hosts only",
                    of("endpoint")
                ),
            ),
        ] {
            assert_eq!(configured(text).map(drop), Err(expected), "{text}");
        }
    }

    #[test]
    fn an_entry_has_its_own_section_or_that_of_auth() {
        let text = "
            [auth.introspection]
            client_id = 'shared'
            client_secret = 'x'
            [[auth.issuers]]
            issuer_base_url = 'https://a.example/'
            audience = 'a'
            [[auth.issuers]]
            issuer_base_url = 'https://b.example/'
            audience = 'b'
            [auth.issuers.introspection]
            client_id = 'own'
            client_secret = 'y'
            token_prefix = 'b_'
            ";
        let issuers = issuers(text, &[]).expect("settings");
        let ids = issuers.iter().map(|issuer| {
            let introspection = issuer.introspection.as_ref().expect("introspection");
            introspection.client.id.clone()
        });
        assert_eq!(ids.collect::<Vec<_>>(), ["shared", "own"]);
    }
}

#[test]
fn tenants_and_the_template_of_the_issuer_need_each_other() {
    let template = "'https://login.example/{tenantid}/v2.0'";
    let tenant = "['11111111-2222-3333-4444-555555555555']";
    let every = "'*'";
    for tenants in [tenant, every] {
        let text = format!("issuer = {template}\ntenants = {tenants}");
        assert!(issuer(&text).unwrap().tenants.is_some(), "{text}");
    }
    let template_needed = IssuerError::TenantTemplate.to_string();
    let tenants_needed = IssuerError::Tenants.to_string();
    for (text, expected) in [
        (
            format!("issuer = {template}\ntenants = 'common'"),
            format!("auth.tenants (file Settings.toml): {tenants_needed}"),
        ),
        (
            format!("issuer = {template}"),
            format!("auth.tenants is missing: {tenants_needed}"),
        ),
        (
            format!("issuer = 'https://login.example/'\ntenants = {tenant}"),
            format!("auth.issuer (file Settings.toml): {template_needed}"),
        ),
        (
            format!("tenants = {tenant}"),
            format!("auth.issuer is missing: {template_needed}"),
        ),
    ] {
        assert_eq!(issuer(&text).map(drop), Err(expected), "{text}");
    }
}

#[test]
fn an_issuer_of_many_tenants_is_not_introspected() {
    let text = "
        audience = 'api'
        issuer = 'https://login.example/{tenantid}/v2.0'
        tenants = '*'
        [auth.introspection]
        client_id = 'api'
        client_secret = 'x'
        ";
    let expected = "auth.tenants (file Settings.toml): excludes auth.introspection.client_id (file Settings.toml): keep \
                    one of them";
    assert_eq!(issuer(text).map(drop), Err(expected.to_owned()));
}
