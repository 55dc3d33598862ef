//! Tokens that are bound to a key of the client (RFC 9449 §5, §8, §10).

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::jose::Algorithm;
use crate::test_kit::{ProofBuilder, SigningKey, shared};

use super::authorize::{Browser, authorize, trade};
use super::{Issuer, Response, claims, decode};

const ENDPOINT: &str = "http://localhost:3011/oauth/token";
const CREDENTIALS: &str = "grant_type=client_credentials&client_id=demo-read&client_secret=x";

fn key() -> SigningKey {
    shared(Algorithm::Es256)
}

fn thumbprint(key: &SigningKey) -> String {
    key.thumbprint().unwrap()
}

impl Issuer {
    /// A valid proof for the token endpoint.
    fn proof(&self, key: &SigningKey) -> ProofBuilder {
        ProofBuilder::new(key, "POST", ENDPOINT).issued_at(self.clock.now())
    }

    async fn ask(&self, form: &str, proofs: &[String]) -> Response {
        let mut request = TestRequest::post()
            .uri("/oauth/token")
            .insert_header(("Content-Type", "application/x-www-form-urlencoded"));
        for proof in proofs {
            request = request.append_header(("DPoP", proof.as_str()));
        }
        self.send(request.set_payload(form.to_owned())).await
    }

    /// Sends a token request with a valid proof by `key`.
    async fn ask_with(&self, form: &str, key: &SigningKey) -> Response {
        self.ask(form, &[self.proof(key).build()]).await
    }
}

#[track_caller]
fn assert_error(response: &Response, code: &str, description: &str) {
    let expected = json!({"error": code, "error_description": description});
    assert_eq!((response.status.as_u16(), response.json()), (400, expected));
}

fn confirmation(answer: &Value) -> Value {
    claims(answer["access_token"].as_str().unwrap(), "at+jwt")["cnf"].clone()
}

#[actix_web::test]
async fn a_proof_binds_the_token_to_its_key() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let key = shared(algorithm);
        let response = Issuer::new().ask_with(CREDENTIALS, &key).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text());
        let answer = response.json();
        assert_eq!(answer["token_type"], "DPoP");
        assert_eq!(confirmation(&answer), json!({"jkt": thumbprint(&key)}));
        assert_eq!(response.header("dpop-nonce"), None);
    }
}

#[actix_web::test]
async fn a_requested_cnf_claim_does_not_replace_the_own_key() {
    let asked = format!("{CREDENTIALS}&claims={{\"cnf\":{{\"jkt\":\"another\"}}}}");
    let answer = Issuer::new().ask_with(&asked, &key()).await.json();
    assert_eq!(confirmation(&answer), json!({"jkt": thumbprint(&key())}));
}

#[actix_web::test]
async fn an_invalid_proof_is_rejected_with_its_reason() {
    let issuer = Issuer::new();
    let good = || issuer.proof(&key());
    let ago = |seconds| issuer.clock.now() - Duration::from_secs(seconds);
    let cases = [
        (
            good().claim("htm", "GET"),
            "the proof is for another method",
        ),
        (
            good().claim("htu", "http://localhost:3011/userinfo"),
            "the proof is for another URL",
        ),
        (
            good().claim("htu", "http://localhost:3010/oauth/token"),
            "the proof is for another URL",
        ),
        (good().issued_at(ago(301)), "the proof is too old"),
        (
            good().raw_signature([0; 64]),
            "the proof's signature does not hold",
        ),
        (
            good().without_claim("jti"),
            "the proof's claim jti is missing",
        ),
        (good().header("typ", "JWT"), "the proof is of another type"),
    ];
    for (proof, description) in cases {
        let response = issuer.ask(CREDENTIALS, &[proof.build()]).await;
        assert_error(&response, "invalid_dpop_proof", description);
    }
    let two = [good().build(), good().build()];
    let response = issuer.ask(CREDENTIALS, &two).await;
    assert_error(
        &response,
        "invalid_dpop_proof",
        "more than one proof was sent",
    );
}

#[actix_web::test]
async fn the_htu_of_a_proof_is_the_endpoint_of_the_metadata() {
    let issuer = Issuer::new();
    let called = "http://127.0.0.1:3011/oauth/token";
    for (url, status) in [(ENDPOINT, 200), (called, 400)] {
        let proof = issuer.proof(&key()).claim("htu", url).build();
        let request = TestRequest::post()
            .uri("/oauth/token")
            .insert_header(("DPoP", proof))
            .set_payload(CREDENTIALS);
        let response = issuer.send_to("127.0.0.1:3011", request).await;
        assert_eq!(response.status.as_u16(), status, "{url}");
    }
}

#[actix_web::test]
async fn each_proof_is_accepted_once() {
    let issuer = Issuer::new();
    let proof = [issuer.proof(&key()).build()];
    assert_eq!(issuer.ask(CREDENTIALS, &proof).await.status, StatusCode::OK);
    let again = issuer.ask(CREDENTIALS, &proof).await;
    assert_error(&again, "invalid_dpop_proof", "the proof was used before");
}

#[actix_web::test]
async fn each_response_to_a_proof_carries_the_nonce_for_the_next() {
    const REQUIRED: &str = "the proof must carry the nonce of the DPoP-Nonce header";
    let issuer = Issuer::with_nonces(true);
    let bearer = issuer.ask(CREDENTIALS, &[]).await;
    assert_eq!(
        (bearer.status, bearer.header("dpop-nonce")),
        (StatusCode::OK, None)
    );
    let refused = issuer.ask_with(CREDENTIALS, &key()).await;
    assert_error(&refused, "use_dpop_nonce", REQUIRED);
    let nonce = refused.header("dpop-nonce").unwrap();
    let with = |nonce: &str| [issuer.proof(&key()).nonce(nonce).build()];
    let good = issuer.ask(CREDENTIALS, &with(nonce)).await;
    assert_eq!(good.status, StatusCode::OK, "{}", good.text());
    assert_eq!(good.json()["token_type"], "DPoP");
    assert_eq!(good.header("dpop-nonce"), Some(nonce));
    let made_up = issuer.ask(CREDENTIALS, &with("made up")).await;
    assert_error(&made_up, "use_dpop_nonce", REQUIRED);

    issuer.advance(300);
    let stale = issuer.ask(CREDENTIALS, &with(nonce)).await;
    assert_error(&stale, "use_dpop_nonce", REQUIRED);
    assert_ne!(stale.header("dpop-nonce"), Some(nonce));
}

#[actix_web::test]
async fn a_proof_from_before_the_start_needs_a_nonce_and_a_later_one_none() {
    let issuer = Issuer::new();
    let start = issuer.clock.now();
    issuer.advance(10);
    let early = || {
        issuer
            .proof(&key())
            .issued_at(start - Duration::from_secs(1))
    };
    let rejected = issuer.ask(CREDENTIALS, &[early().build()]).await;
    assert_eq!(rejected.json()["error"], "use_dpop_nonce");
    let nonce = rejected.header("dpop-nonce").unwrap();
    let later = issuer.proof(&key()).issued_at(start);
    for proof in [early().nonce(nonce), later] {
        let good = issuer.ask(CREDENTIALS, &[proof.build()]).await;
        assert_eq!(good.status, StatusCode::OK, "{}", good.text());
        assert_eq!(good.header("dpop-nonce"), None);
    }
}

#[actix_web::test]
async fn a_request_without_a_nonce_does_not_use_up_the_code() {
    let issuer = Issuer::with_nonces(true);
    let mut browser = Browser::new(&issuer);
    let code = browser.sign_in("manager", "scope=openid").await;
    let form = trade(&code.redirect_parameter("code").unwrap());
    let refused = issuer.ask_with(&form, &key()).await;
    assert_eq!(refused.json()["error"], "use_dpop_nonce");
    let nonce = refused.header("dpop-nonce").unwrap();
    let proof = issuer.proof(&key()).nonce(nonce);
    let answer = issuer.ask(&form, &[proof.build()]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

#[actix_web::test]
async fn a_code_is_bound_to_dpop_jkt() {
    const OTHER: &str =
        "the code is bound to another key (dpop_jkt) than the one that made the proof, if any did";
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let asked = format!("scope=openid&prompt=login&dpop_jkt={}", thumbprint(&key()));
    let other = shared(Algorithm::EdDsa);
    for (key, is_bound) in [(Some(key()), true), (Some(other), false), (None, false)] {
        let response = browser.sign_in("manager", &asked).await;
        let form = trade(&response.redirect_parameter("code").unwrap());
        let proof = key.iter().map(|key| issuer.proof(key).build());
        let response = issuer.ask(&form, &proof.collect::<Vec<_>>()).await;
        if is_bound {
            assert_eq!(response.status, StatusCode::OK, "{}", response.text());
        } else {
            assert_error(&response, "invalid_grant", OTHER);
        }
    }
}

#[actix_web::test]
async fn a_malformed_dpop_jkt_is_returned_to_the_client() {
    let issuer = Issuer::new();
    let path = authorize("dpop_jkt=abc");
    let response = Browser::new(&issuer).get(&path).await;
    assert_eq!(
        response.redirect_parameter("error").as_deref(),
        Some("invalid_request")
    );
    assert_eq!(
        response.redirect_parameter("error_description").as_deref(),
        Some("dpop_jkt must be the base64url of a SHA-256")
    );
}

#[actix_web::test]
async fn a_refresh_token_is_bound_to_the_key_that_it_was_issued_to() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let code = browser
        .sign_in("manager", "scope=openid+offline_access")
        .await;
    let code = code.redirect_parameter("code").unwrap();
    let answer = issuer.ask_with(&trade(&code), &key()).await.json();
    // The ID token is for the client itself and bound to nothing.
    let id_token = answer["id_token"].as_str().unwrap();
    assert_eq!(decode(id_token.split('.').nth(1).unwrap()).get("cnf"), None);
    let token = answer["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&client_id=spa&refresh_token={token}");
    for response in [
        issuer.ask(&form, &[]).await,
        issuer.ask_with(&form, &shared(Algorithm::EdDsa)).await,
    ] {
        assert_error(
            &response,
            "invalid_grant",
            "unknown or invalid refresh token",
        );
    }
    let response = issuer.ask_with(&form, &key()).await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
    let answer = response.json();
    assert_eq!(answer["token_type"], "DPoP");
    assert_eq!(confirmation(&answer), json!({"jkt": thumbprint(&key())}));
}

#[actix_web::test]
async fn userinfo_accepts_a_bound_token_only_with_its_proof_and_each_proof_once() {
    const USERINFO: &str = "http://localhost:3011/userinfo";
    let issuer = Issuer::new();
    let code = Browser::new(&issuer)
        .sign_in("manager", "scope=openid")
        .await;
    let form = trade(&code.redirect_parameter("code").unwrap());
    let answer = issuer.ask_with(&form, &key()).await.json();
    let token = answer["access_token"].as_str().unwrap();
    let ask = async |scheme: &str, proof: Option<&str>| {
        let mut request = TestRequest::get().uri("/userinfo");
        if let Some(proof) = proof {
            request = request.insert_header(("DPoP", proof));
        }
        let credentials = format!("{scheme} {token}");
        let request = request.insert_header(("Authorization", credentials));
        let response = issuer.send_to("127.0.0.1:3011", request).await;
        let challenge = response.header("www-authenticate").unwrap_or_default();
        let (_, error) = challenge.split_once("error=\"").unwrap_or_default();
        let (error, _) = error.split_once('"').unwrap_or_default();
        (response.status.as_u16(), error.to_owned())
    };
    let good = |key: &SigningKey, url: &str| {
        let proof = ProofBuilder::new(key, "GET", url).token(token);
        proof.issued_at(issuer.clock.now()).build()
    };
    let once = good(&key(), USERINFO);
    let elsewhere = good(&key(), "http://localhost:3010/userinfo");
    let other_key = good(&shared(Algorithm::EdDsa), USERINFO);
    let cases = [
        ("DPoP", Some(&once), 200, ""),
        ("DPoP", Some(&once), 401, "invalid_dpop_proof"),
        ("DPoP", Some(&elsewhere), 401, "invalid_dpop_proof"),
        ("DPoP", Some(&other_key), 401, "invalid_token"),
        ("DPoP", None, 400, "invalid_request"),
        ("Bearer", None, 401, "invalid_token"),
    ];
    for (scheme, proof, status, error) in cases {
        let response = ask(scheme, proof.map(String::as_str)).await;
        assert_eq!(response, (status, error.to_owned()), "{scheme} {proof:?}");
    }
}
