use super::super::{Effective, Settings};

type Variables<'a> = &'a [(&'a str, &'a str)];

fn listed(text: &str, variables: Variables<'_>) -> Vec<Effective> {
    let variables = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    let root = super::layers::merge(Some(("Settings.toml", text)), variables, None).unwrap();
    super::super::effective::list(&root, None).unwrap()
}

/// Value and layer of one key.
fn found(text: &str, variables: Variables<'_>, key: &str) -> (Option<String>, String) {
    let all = listed(text, variables);
    let found: Vec<_> = all.into_iter().filter(|one| one.key == key).collect();
    let [one] = &found[..] else {
        panic!("{key}: {found:?}")
    };
    (one.value.clone(), one.layer.clone())
}

#[test]
fn the_highest_layer_that_sets_a_key_is_listed() {
    let file = "[server]\nport = 1";
    let cases: [(&str, Variables<'_>, &str, &str); 4] = [
        ("", &[], "3010", "default"),
        (file, &[], "1", "file Settings.toml"),
        (file, &[("PORT", "2")], "2", "variable PORT"),
        (
            file,
            &[("PORT", "2"), ("APP__SERVER__PORT", " 3")],
            "3",
            "variable APP__SERVER__PORT",
        ),
    ];
    for (text, variables, value, layer) in cases {
        let expected = (Some(value.to_owned()), layer.to_owned());
        assert_eq!(found(text, variables, "server.port"), expected);
    }
}

#[test]
fn lists_and_flags_are_texts_and_empty_values_are_none() {
    let text = "
        [auth]
        audience = ['a', 'b']
        strict = true
        [cors]
        allowed_origins = []";
    let value = |key| found(text, &[], key).0;
    assert_eq!(value("auth.audience").as_deref(), Some("a, b"));
    assert_eq!(value("auth.strict").as_deref(), Some("true"));
    assert_eq!(value("cors.allowed_origins"), None);
    assert_eq!(value("auth.issuer"), None);
}

#[test]
fn possible_secrets_are_not_shown() {
    let variables = [
        ("SECRET", "hush"),
        ("JWKS_URI", "https://a.example/keys?key=hush"),
        ("APP__AUTH__PUBLIC_KEY", "hush"),
        ("APP__AUTH__DPOP__NONCE_SECRET", "hush"),
        ("APP__REVOCATION__OPERATOR_TOKEN", "hush"),
    ];
    let text = "[server.tls]\nkey = 'hush'\n[[auth.issuers]]\nsecret = 'hush'\npublic_key = 'hush'";
    let all = listed(text, &variables);
    assert!(!format!("{all:?}").contains("hush"), "{all:?}");
    for key in [
        "server.tls.key",
        "auth.secret",
        "auth.public_key",
        "auth.issuers[0].secret",
    ] {
        let value = all.iter().find(|one| one.key == key).unwrap().value.clone();
        assert_eq!(value.as_deref(), Some("(not shown)"), "{key}");
    }
}

#[test]
fn each_of_several_issuers_is_listed_with_its_keys_and_those_it_inherits() {
    let text = "
        [auth]
        audience = 'all'
        [[auth.issuers]]
        issuer_base_url = 'https://a.example/'
        [[auth.issuers]]
        audience = 'b'";
    let variables = [("APP__AUTH__STRICT", "true")];
    let found = |key| found(text, &variables, key);
    let file = |value: &str| (Some(value.to_owned()), "file Settings.toml".to_owned());
    assert_eq!(found("auth.issuers[0].audience"), file("all"));
    assert_eq!(found("auth.issuers[1].audience"), file("b"));
    let url = found("auth.issuers[0].issuer_base_url");
    assert_eq!(url, file("https://a.example/"));
    let strict = (
        Some("true".to_owned()),
        "variable APP__AUTH__STRICT".to_owned(),
    );
    assert_eq!(found("auth.issuers[1].strict"), strict);
}

#[test]
fn the_defaults_can_be_set() {
    let bare = Settings::parse(None, []).map(|settings| format!("{settings:?}"));
    // Set explicitly, these keys need others: a port, and another source.
    let others = ["operations.host", "auth.mtls.header"];
    // These need that tokens can be revoked.
    let is_for_revocation =
        |key: &str| key.starts_with("revocation.") && key != "revocation.enabled";
    let defaults = listed("", &[]).into_iter();
    let defaults = defaults
        .filter(|default| !others.contains(&&*default.key) && !is_for_revocation(&default.key));
    let variables = defaults.filter_map(|default| {
        let name = format!("APP__{}", default.key.replace('.', "__"));
        Some((name.into(), default.value?.into()))
    });
    let set = Settings::parse(None, variables).map(|settings| format!("{settings:?}"));
    assert_eq!(set, bare);
}
