//! One issuer with many tenants, as Microsoft Entra ID has them.

use std::time::SystemTime;

use actix_resource_server::errors::VerifyError;
use actix_resource_server::test_kit::{Document, Fault, TestIssuer, TokenBuilder};
use actix_resource_server::{Algorithm, Cause, Issuer, Verifier};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

const TEMPLATE: &str = "https://login.example/{tenantid}/v2.0";
const OURS: &str = "11111111-2222-3333-4444-555555555555";
const OTHER: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

fn name(tenant: &str) -> String {
    TEMPLATE.replace("{tenantid}", tenant)
}

async fn trusting(issuer: &TestIssuer, tenants: &[&str]) -> Verifier {
    let configured = Issuer::with_jwks_uri(TEMPLATE, &issuer.jwks_uri())
        .tenants(tenants.iter().copied())
        .audience(issuer.audience());
    let verifier = Verifier::start([configured.build().expect("an issuer")]).expect("a verifier");
    verifier.ready().await;
    verifier
}

fn token(issuer: &TestIssuer, tenant: &str) -> TokenBuilder {
    let token = issuer.token().claim("iss", name(tenant));
    token.claim("tid", tenant)
}

fn outcome(verifier: &Verifier, token: TokenBuilder) -> Result<(), VerifyError> {
    let verified = verifier.verify(&token.build(), SystemTime::now());
    verified.map(drop)
}

/// Publishes the issuer's key with these names of its issuer, `null` for none.
fn publish(issuer: &TestIssuer, names: &[Value]) {
    let key = |name: &Value| {
        let mut key = issuer.key().public_jwk().expect("a public key");
        key["issuer"] = name.clone();
        key
    };
    let keys: Vec<_> = names.iter().map(key).collect();
    issuer.publish(json!({ "keys": keys }));
}

#[actix_web::test]
async fn a_token_of_a_listed_tenant_is_accepted() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let listed = trusting(&issuer, &[OURS]).await;
    let every = trusting(&issuer, &["*"]).await;
    let verified = listed.verify(&token(&issuer, OURS).build(), SystemTime::now());
    assert_eq!(verified.expect("a valid token").issuer(), name(OURS));
    assert_eq!(outcome(&every, token(&issuer, OURS)), Ok(()));
    assert_eq!(outcome(&every, token(&issuer, OTHER)), Ok(()));
    let unknown = outcome(&listed, token(&issuer, OTHER));
    assert_eq!(unknown, Err(VerifyError::UnknownTenant));
}

#[actix_web::test]
async fn iss_and_tid_name_one_tenant_that_is_a_uuid() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let (malformed, unknown) = (
        VerifyError::Malformed { claim: "tid" },
        VerifyError::UnknownIssuer,
    );
    let token = |tid: Value, iss: &str| issuer.token().claim("iss", iss).claim("tid", tid);
    let ours = name(OURS);
    for verifier in [
        trusting(&issuer, &[OURS]).await,
        trusting(&issuer, &["*"]).await,
    ] {
        for (tid, iss, expected) in [
            (json!(OTHER), ours.as_str(), VerifyError::OtherTenant),
            (json!(""), &ours, VerifyError::OtherTenant),
            (json!(OURS), &name(OTHER), VerifyError::OtherTenant),
            (json!([OURS]), &ours, malformed.clone()),
            (json!(null), &ours, malformed.clone()),
            (json!("common"), &name("common"), unknown.clone()),
            (json!("{tenantid}"), TEMPLATE, unknown.clone()),
            (json!(OURS), issuer.url(), unknown.clone()),
        ] {
            let rejected = outcome(&verifier, token(tid.clone(), iss));
            assert_eq!(rejected, Err(expected), "{tid} {iss}");
        }
        let without = issuer.token().claim("iss", name(OURS));
        assert_eq!(
            outcome(&verifier, without),
            Err(VerifyError::Missing { claim: "tid" })
        );
    }
    let upper = OTHER.to_uppercase();
    let every = trusting(&issuer, &["*"]).await;
    assert_eq!(
        outcome(&every, token(json!(upper), &name(&upper))),
        Err(unknown)
    );
}

#[actix_web::test]
async fn a_key_of_one_tenant_signs_no_tokens_of_another() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let other_template = json!("https://sts.example/{tenantid}/");
    for (names, ours, other) in [
        (vec![json!(TEMPLATE)], true, true),
        (vec![other_template], true, true),
        (vec![json!(null)], true, true),
        (vec![json!(name(OURS))], true, false),
        (vec![json!(name(OURS)), json!(name(OTHER))], true, true),
        (vec![json!(name(OURS)), json!(TEMPLATE)], true, true),
        (vec![json!("https://login.example/")], false, false),
        (vec![json!({})], false, false),
    ] {
        publish(&issuer, &names);
        let verifier = trusting(&issuer, &["*"]).await;
        for (tenant, is_accepted) in [(OURS, ours), (OTHER, other)] {
            let expected = is_accepted
                .then_some(())
                .ok_or(VerifyError::KeyOfOtherTenant);
            let outcome = outcome(&verifier, token(&issuer, tenant));
            assert_eq!(outcome, expected, "{names:?} {tenant}");
        }
    }
}

#[actix_web::test]
async fn the_issuer_of_a_key_does_not_matter_without_tenants() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    publish(&issuer, &[json!(name(OTHER))]);
    let configured = Issuer::discover(issuer.url()).audience(issuer.audience());
    let verifier = Verifier::start([configured.build().expect("an issuer")]).expect("a verifier");
    verifier.ready().await;
    assert_eq!(outcome(&verifier, issuer.token()), Ok(()));
}

#[actix_web::test]
async fn unknown_tenants_cost_no_fetch() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let verifier = trusting(&issuer, &[OURS]).await;
    let fetched = issuer.requests();
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    for number in 0..10_000_u32 {
        let tenant = format!("{number:08x}-0000-4000-8000-000000000000");
        let header = format!(r#"{{"alg":"ES256","kid":"{number}"}}"#);
        let iss = name(&tenant);
        let payload = format!(
            r#"{{"iss":"{iss}","tid":"{tenant}","aud":"https://api.test/","exp":4000000000}}"#
        );
        let forged = format!("{}.{}.AQ", encode(&header), encode(&payload));
        let rejected = crate::app::admit(&verifier, &forged).await;
        let cause = rejected.map(drop).expect_err("a made-up tenant");
        let text = "The token is from a tenant that is not trusted here.";
        assert_eq!(cause, Cause::InvalidToken(text));
    }
    assert_eq!(issuer.requests(), fetched);
    assert_eq!(verifier.key_ages().count(), 1);
}

#[actix_web::test]
async fn made_up_tenants_share_one_budget_where_all_are_accepted() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let verifier = trusting(&issuer, &["*"]).await;
    let fetched = issuer.requests().jwks;
    for number in 0..1_000_u32 {
        let tenant = format!("{number:08x}-0000-4000-8000-000000000000");
        let forged = token(&issuer, &tenant).header("kid", tenant.as_str());
        let rejected = crate::app::admit(&verifier, &forged.raw_signature([1]).build()).await;
        assert!(rejected.is_err());
    }
    assert!(issuer.requests().jwks - fetched <= 3);
    assert_eq!(outcome(&verifier, token(&issuer, OURS)), Ok(()));
}

#[actix_web::test]
async fn a_tenant_of_its_own_entry_has_the_rules_of_that_entry() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let entry =
        |name: &str, audience| Issuer::with_jwks_uri(name, &issuer.jwks_uri()).audience(audience);
    let issuers = [
        entry(TEMPLATE, "all").tenants(["*"]),
        entry(TEMPLATE, "second").tenants(["*"]),
        entry(&name(OURS), "ours"),
    ];
    let issuers = issuers.map(|issuer| issuer.build().expect("an issuer"));
    let verifier = Verifier::start(issuers).expect("a verifier");
    verifier.ready().await;
    for (tenant, audience, expected) in [
        (OTHER, "all", Ok(())),
        (OTHER, "second", Ok(())),
        (OTHER, "ours", Err(VerifyError::WrongAudience)),
        (OURS, "ours", Ok(())),
        (OURS, "all", Err(VerifyError::WrongAudience)),
    ] {
        let token = token(&issuer, tenant).claim("aud", audience);
        assert_eq!(outcome(&verifier, token), expected, "{tenant} {audience}");
    }
    assert!(!verifier.remove_issuer(&name(OTHER)));
    assert!(verifier.remove_issuer(TEMPLATE));
    let removed = outcome(&verifier, token(&issuer, OTHER).claim("aud", "all"));
    assert_eq!(removed, Err(VerifyError::UnknownIssuer));
}

#[actix_web::test]
async fn the_discovery_document_names_the_template() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let verifier = |template: &str| {
        let configured = Issuer::discover(issuer.url())
            .name(template)
            .tenants(["*"])
            .audience(issuer.audience());
        Verifier::start([configured.build().expect("an issuer")]).expect("a verifier")
    };
    let document = json!({ "issuer": TEMPLATE, "jwks_uri": issuer.jwks_uri() });
    issuer.set_fault(Document::Discovery, Some(Fault::json(&document)));
    let discovered = verifier(TEMPLATE);
    discovered.ready().await;
    assert_eq!(outcome(&discovered, token(&issuer, OURS)), Ok(()));
    let other = verifier("https://login.example/{tenantid}/v1.0");
    let iss = format!("https://login.example/{OURS}/v1.0");
    let rejected = crate::app::admit(&other, &token(&issuer, OURS).claim("iss", iss).build()).await;
    let cause = rejected.map(drop).expect_err("no keys");
    assert!(matches!(cause, Cause::KeysUnavailable { .. }), "{cause:?}");
    let details = &other.unready()[0].details;
    assert!(details.contains("another issuer's"), "{details}");
}
