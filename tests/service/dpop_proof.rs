//! The claims of a proof: every one of RFC 9449 §4.2, broken one at a time (§4.3).

use actix_resource_server::test_kit::ProofBuilder;
use serde_json::{Value, json};

use crate::expected::{
    Expected, PRIVATE, PROOF_AHEAD, PROOF_CLAIM, PROOF_CLAIM_MISSING, PROOF_METHOD, PROOF_OLD,
    PROOF_PAYLOAD, PROOF_TOKEN,
};
use crate::sender::{Sender, seconds_from_now};

#[track_caller]
fn check(sender: &Sender, claim: &str, cases: &[(Value, Expected)]) {
    // Proofs from before the service started need a nonce.
    let nonce = sender.nonce();
    for (value, expected) in cases {
        let proof = sender.proof().nonce(&nonce).claim(claim, value.clone());
        sender.assert_proof(proof, *expected, &format!("{claim}: {value}"));
    }
}

// Check 3.
#[test]
fn each_claim_is_present_and_of_its_type() {
    let sender = Sender::new();
    for claim in ["jti", "htm", "htu", "iat", "ath"] {
        let proof = sender.proof().without_claim(claim);
        sender.assert_proof(proof, PROOF_CLAIM_MISSING, claim);
        let wrong = [json!(null), json!(true), json!([]), json!({}), json!(["a"])];
        check(&sender, claim, &wrong.map(|value| (value, PROOF_CLAIM)));
    }
    for claim in ["jti", "htm", "htu", "ath", "nonce"] {
        check(&sender, claim, &[(json!(1), PROOF_CLAIM)]);
    }
    for claim in ["exp", "nbf"] {
        check(
            &sender,
            claim,
            &[(json!("1"), PROOF_CLAIM), (json!(null), PROOF_CLAIM)],
        );
    }
}

#[test]
fn the_payload_is_one_json_object_without_duplicates() {
    let sender = Sender::new();
    let now = seconds_from_now(0);
    let url = sender.url("/api/private");
    let good = format!(r#""jti":"a","htm":"GET","htu":"{url}","iat":{now},"ath":"a""#);
    for payload in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{".to_owned(),
        format!("{{{good},}}"),
        format!("{{{good}}}{{}}"),
        format!("\u{feff}{{{good}}}"),
        format!(r#"{{{good},"htm":"GET"}}"#),
        format!(r#"{{{good},"jti":"a"}}"#),
        format!(r#"{{{good},"\u0068tu":"{url}"}}"#),
        format!(r#"{{{good},"x":{{"y":1,"y":1}}}}"#),
        format!(r#"{{{good},"exp":1e400}}"#),
    ] {
        let proof = sender.proof().raw_payload(payload.clone());
        sender.assert_proof(proof, PROOF_PAYLOAD, &payload);
    }
    let proof = sender.proof().raw_payload(b"{\"jti\":\"\xff\"}".to_vec());
    sender.assert_proof(proof, PROOF_PAYLOAD, "no UTF-8");
    let proof = sender.proof().raw_payload(format!("{{{good}}}"));
    sender.assert_proof(proof, PROOF_TOKEN, "well-formed");
}

// Check 8: the method is compared exactly (RFC 9110 §9.1).
#[test]
fn the_method_is_that_of_the_request() {
    let sender = Sender::new();
    let methods = [
        "get", "Get", "POST", "HEAD", "OPTIONS", "", " GET", "GET ", "GET,POST", "*",
    ];
    check(
        &sender,
        "htm",
        &methods.map(|method| (json!(method), PROOF_METHOD)),
    );
}

// Check 11.
#[test]
fn the_proof_is_recent() {
    let sender = Sender::new();
    for (seconds, expected) in [
        (0.0, PRIVATE),
        (-0.5, PRIVATE),
        (-60.0, PRIVATE),
        (-298.0, PRIVATE),
        (-298.5, PRIVATE),
        (-302.0, PROOF_OLD),
        (-302.5, PROOF_OLD),
        (-86400.0, PROOF_OLD),
        (20.25, PRIVATE),
        (29.0, PRIVATE),
        (35.0, PROOF_AHEAD),
        (35.5, PROOF_AHEAD),
        (86400.0, PROOF_AHEAD),
    ] {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let times = [now + seconds, now.floor() + seconds.trunc()];
        let times = times.map(|time| (json!(time), expected));
        check(&sender, "iat", &times);
    }
}

#[test]
fn iat_is_a_number_of_seconds_since_1970() {
    let sender = Sender::new();
    let cases = [
        (json!(0), PROOF_OLD),
        (json!(1.5), PROOF_OLD),
        (json!(253_402_300_799_u64), PROOF_AHEAD),
        (json!(253_402_300_800_u64), PROOF_CLAIM),
        (json!(u64::MAX), PROOF_CLAIM),
        (json!(1e300), PROOF_CLAIM),
        (json!(-1), PROOF_CLAIM),
        (json!(-0.5), PROOF_CLAIM),
        (json!(seconds_from_now(0).to_string()), PROOF_CLAIM),
        (json!("2024-01-01T00:00:00Z"), PROOF_CLAIM),
        (json!(""), PROOF_CLAIM),
        // Milliseconds, as JavaScript counts.
        (json!(seconds_from_now(0) * 1000), PROOF_CLAIM),
    ];
    check(&sender, "iat", &cases);
}

#[test]
fn the_age_is_counted_in_whole_seconds() {
    let sender = Sender::with(&[
        ("APP__AUTH__DPOP__IAT_OFFSET", "0s"),
        ("APP__AUTH__DPOP__IAT_LEEWAY", "0s"),
    ]);
    // Unless a new second begins meanwhile, which does not happen five times in a row.
    let statuses: Vec<_> = (0..5).map(|_| sender.send(sender.proof()).status).collect();
    assert!(statuses.contains(&200), "{statuses:?}");
}

#[test]
fn the_maximum_age_and_the_tolerance_are_configurable() {
    let sender = Sender::with(&[
        ("APP__AUTH__DPOP__IAT_OFFSET", "1h"),
        ("APP__AUTH__DPOP__IAT_LEEWAY", "10m"),
    ]);
    let at = |seconds| json!(seconds_from_now(seconds));
    let cases = [
        (at(-3590), PRIVATE),
        (at(-3605), PROOF_OLD),
        (at(595), PRIVATE),
        (at(610), PROOF_AHEAD),
    ];
    check(&sender, "iat", &cases);
}

#[test]
fn exp_and_nbf_of_a_proof_are_checked() {
    let sender = Sender::new();
    let at = |seconds| json!(seconds_from_now(seconds));
    check(
        &sender,
        "exp",
        &[
            (at(60), PRIVATE),
            (at(-60), PROOF_OLD),
            (json!(1), PROOF_OLD),
        ],
    );
    check(
        &sender,
        "nbf",
        &[(at(-60), PRIVATE), (at(20), PRIVATE), (at(60), PROOF_AHEAD)],
    );
}

// Check 12.
#[test]
fn ath_is_the_hash_of_the_token() {
    let sender = Sender::new();
    let hash = |token: &str| {
        let proof = sender.proof_for(token).build();
        claim(&proof, "ath")
    };
    let good = hash(&sender.token);
    let mut cases = vec![
        (json!(hash(&sender.issuer.token().build())), PROOF_TOKEN),
        (json!(hash("")), PROOF_TOKEN),
        (json!(hash(&format!("DPoP {}", sender.token))), PROOF_TOKEN),
        (json!(format!("{good}=")), PROOF_TOKEN),
        (json!(&good[..42]), PROOF_TOKEN),
        (json!(good.to_lowercase()), PROOF_TOKEN),
        (json!(""), PROOF_TOKEN),
        (json!(sender.token), PROOF_TOKEN),
    ];
    cases.push((json!(good), PRIVATE));
    check(&sender, "ath", &cases);
}

fn claim(proof: &str, name: &str) -> String {
    let payload = proof.split('.').nth(1).unwrap();
    let payload = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes());
    let claims: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    claims[name].as_str().unwrap().to_owned()
}

#[test]
fn jti_is_any_text_of_limited_length() {
    let sender = Sender::new();
    let cases = [
        (json!("a"), PRIVATE),
        (json!(" "), PRIVATE),
        (json!("ä\u{0}\n\"\u{1f600}"), PRIVATE),
        (json!("x".repeat(512)), PRIVATE),
        (json!("x".repeat(513)), PROOF_CLAIM),
        (json!("ä".repeat(257)), PROOF_CLAIM),
        (json!(""), PROOF_CLAIM),
    ];
    check(&sender, "jti", &cases);
}

#[test]
fn other_claims_are_ignored() {
    let sender = Sender::new();
    let with = |name: &str, value: Value| sender.proof().claim(name, value);
    let proofs: [ProofBuilder; 6] = [
        with("iss", json!("any issuer")),
        with("aud", json!(["elsewhere"])),
        with("sub", json!(1)),
        with("cnf", json!({"jkt": "other"})),
        with("nonce", json!("not required")),
        with("x", json!({"y": [null]})),
    ];
    for proof in proofs {
        let case = format!("{proof:?}");
        sender.assert_proof(proof, PRIVATE, &case);
    }
}
