//! Several issuers: the token's `iss` selects one; each has its own keys, audience and rules.

use actix_resource_server::test_kit::{
    Counts, Document, Fault, SigningKey, TestIssuer, TokenBuilder,
};
use actix_resource_server::{Algorithm, Cause, Issuer, Verifier};
use serde_json::json;

use crate::app;

const UNTRUSTED: Cause =
    Cause::InvalidToken("The token is from an issuer that is not trusted here.");
const UNKNOWN_KEY: Cause = Cause::InvalidToken("The token's key is not known.");
const BAD_SIGNATURE: Cause = Cause::InvalidToken("The token's signature is invalid.");

fn verifier_of_both(one: &TestIssuer, other: &TestIssuer) -> Verifier {
    let built = |issuer| {
        app::trusted(issuer)
            .build()
            .expect("an issuer without contradictions")
    };
    Verifier::start([built(one), built(other)]).expect("a thread for the keys")
}

async fn warm_verifier_of_both(one: &TestIssuer, other: &TestIssuer) -> Verifier {
    let verifier = verifier_of_both(one, other);
    app::warm(&verifier, one).await;
    app::warm(&verifier, other).await;
    verifier
}

#[actix_web::test]
async fn a_token_is_verified_with_the_keys_of_its_issuer() {
    let (one, other) = (app::issuer(), app::issuer());
    let verifier = warm_verifier_of_both(&one, &other).await;
    for issuer in [&one, &other] {
        let user = app::admit(&verifier, &issuer.token().build()).await;
        assert_eq!(user.expect("a valid token").issuer(), issuer.url());
    }
    let borrowed = one.token().signed_by(&other.key()).build();
    assert_eq!(
        app::admit(&verifier, &borrowed).await.err(),
        Some(UNKNOWN_KEY)
    );
    let disguised = other.key().with_kid(one.key().kid());
    let disguised = one.token().signed_by(&disguised).build();
    assert_eq!(
        app::admit(&verifier, &disguised).await.err(),
        Some(BAD_SIGNATURE)
    );
}

#[actix_web::test]
async fn an_unknown_issuer_costs_no_fetch() {
    let (one, other, untrusted) = (app::issuer(), app::issuer(), app::issuer());
    let verifier = warm_verifier_of_both(&one, &other).await;
    let before = (one.requests(), other.requests());
    let longer = format!("{}x", one.url());
    let tokens = [
        untrusted.token(),
        one.token().claim("iss", untrusted.url()),
        one.token().claim("iss", longer),
        one.token().claim("iss", one.url().replace("http", "HTTP")),
        one.token().claim("iss", ""),
    ];
    for token in tokens.map(TokenBuilder::build) {
        assert_eq!(app::admit(&verifier, &token).await.err(), Some(UNTRUSTED));
    }
    assert_eq!((one.requests(), other.requests()), before);
    assert_eq!(untrusted.requests(), Counts::default());
}

#[actix_web::test]
async fn an_unknown_key_is_only_requested_from_its_issuer() {
    let (one, other) = (app::issuer(), app::issuer());
    let verifier = warm_verifier_of_both(&one, &other).await;
    one.rotate_keeping_old();
    assert!(app::admit(&verifier, &one.token().build()).await.is_ok());
    assert_eq!((one.requests().jwks, other.requests().jwks), (2, 1));
}

#[actix_web::test]
async fn an_outage_of_one_issuer_does_not_affect_the_other() {
    let (one, other) = (app::issuer(), app::issuer());
    one.set_fault(Document::Discovery, Some(Fault::status(500)));
    let verifier = verifier_of_both(&one, &other);
    assert!(app::admit(&verifier, &other.token().build()).await.is_ok());
    let rejected = app::admit(&verifier, &one.token().build()).await.err();
    assert!(
        matches!(rejected, Some(Cause::KeysUnavailable { .. })),
        "{rejected:?}"
    );
    let unready = verifier.unready();
    assert_eq!(unready.len(), 1);
    assert_eq!(unready[0].issuer, one.url());
}

#[actix_web::test]
async fn an_issuer_that_hangs_does_not_delay_the_other() {
    let (one, other) = (app::issuer(), app::issuer());
    let gate = app::shut(&one);
    let verifier = verifier_of_both(&one, &other);
    app::warm(&verifier, &other).await;
    gate.open();
    app::warm(&verifier, &one).await;
}

#[actix_web::test]
async fn each_issuer_has_its_own_audience_and_rules() {
    let (one, other) = (app::issuer(), app::issuer());
    let strict = Issuer::discover(one.url())
        .audience("https://one.test/")
        .strict(true);
    let plain = Issuer::discover(other.url()).audience("https://other.test/");
    let issuers = [strict, plain].map(|issuer| issuer.build().expect("an issuer"));
    let verifier = Verifier::start(issuers).expect("a thread for the keys");
    let audience = Cause::InvalidToken("The token is for another audience.");
    let kind = Cause::InvalidToken("The token is of a type that is not accepted here.");
    let plain = |token: TokenBuilder| token.header("typ", "JWT");
    let cases = [
        (one.token().claim("aud", "https://one.test/"), None),
        (
            one.token().claim("aud", "https://other.test/"),
            Some(audience.clone()),
        ),
        (other.token().claim("aud", "https://other.test/"), None),
        (
            other.token().claim("aud", "https://one.test/"),
            Some(audience),
        ),
        (
            plain(one.token().claim("aud", "https://one.test/")),
            Some(kind),
        ),
        (
            plain(other.token().claim("aud", "https://other.test/")),
            None,
        ),
    ];
    for (token, rejected) in cases {
        let shown = format!("{token:?}");
        assert_eq!(
            app::admit(&verifier, &token.build()).await.err(),
            rejected,
            "{shown}"
        );
    }
}

#[actix_web::test]
async fn secrets_and_configured_keys_work_beside_discovery() {
    let discovered = app::issuer();
    let secret = "a passphrase that is long enough for HS256";
    let symmetric = SigningKey::from_secret(secret, Algorithm::Hs256);
    let configured = SigningKey::generate(Algorithm::EdDsa);
    let jwk = configured.public_jwk().expect("a public key").to_string();
    let audience = discovered.audience();
    let issuers = [
        app::trusted(&discovered),
        Issuer::with_secret("https://secret.test/", secret, Algorithm::Hs256).audience(audience),
        Issuer::with_public_key("https://configured.test/", &jwk).audience(audience),
    ];
    let issuers = issuers.map(|issuer| issuer.build().expect("an issuer"));
    let verifier = Verifier::start(issuers).expect("a thread for the keys");
    let tokens = [
        discovered.token(),
        TokenBuilder::new("https://secret.test/", audience, &symmetric),
        TokenBuilder::new("https://configured.test/", audience, &configured),
    ];
    for token in tokens.map(TokenBuilder::build) {
        assert!(app::admit(&verifier, &token).await.is_ok());
    }
    let confused = TokenBuilder::new("https://configured.test/", audience, &symmetric).build();
    let rejected = Cause::InvalidToken("The token's algorithm is not accepted here.");
    assert_eq!(app::admit(&verifier, &confused).await.err(), Some(rejected));
    assert_eq!(discovered.requests().jwks, 1);
}

#[actix_web::test]
async fn entries_of_one_issuer_are_selected_by_audience() {
    let issuer = app::issuer();
    let entry = |audience: &str, claim: &str| {
        let claim = claim.parse().expect("a claim");
        let entry = Issuer::discover(issuer.url()).audience(audience);
        entry.scope_claims([claim]).build().expect("an issuer")
    };
    let entries = [entry("one", "scope"), entry("two", "permissions")];
    let verifier = Verifier::start(entries).expect("a thread for the keys");
    let token = |audience: serde_json::Value| {
        let token = issuer.token().scope("read:one");
        let token = token.claim("permissions", json!(["read:two"]));
        token.claim("aud", audience).build()
    };
    for (audience, scope) in [
        (json!("one"), "read:one"),
        (json!("two"), "read:two"),
        (json!(["two", "other"]), "read:two"),
    ] {
        let user = app::admit(&verifier, &token(audience)).await;
        let user = user.expect("a valid token");
        assert!(user.scopes().contains(scope) && user.scopes().iter().count() == 1);
    }
    let both = "The token is for several audiences of which this API accepts only one at a time.";
    for (audience, text) in [
        (json!(["one", "two"]), both),
        (json!("other"), "The token is for another audience."),
        (json!(null), "A claim of the token is malformed."),
    ] {
        let rejected = app::admit(&verifier, &token(audience)).await.err();
        assert_eq!(rejected, Some(Cause::InvalidToken(text)));
    }
}

#[test]
fn one_issuer_in_two_spellings_is_rejected() {
    let entry = |url: &str, audience: &str| {
        let entry = Issuer::discover(url).audience(audience);
        entry.build().expect("an issuer")
    };
    let spelled = [
        entry("https://a.test/", "one"),
        entry("https://A.test", "two"),
    ];
    let rejected = Verifier::start(spelled).expect_err("two spellings");
    assert_eq!(rejected.kind(), std::io::ErrorKind::InvalidInput);
    let expected = "issuers 0 and 1 are the same one in two spellings";
    assert_eq!(rejected.to_string(), expected);
    let shared = [
        entry("https://a.test/", "one"),
        entry("https://a.test/", "one"),
    ];
    let rejected = Verifier::start(shared).expect_err("an audience in common");
    let expected = "issuers 0 and 1 are the same one and have an audience in common";
    assert_eq!(rejected.to_string(), expected);
}
