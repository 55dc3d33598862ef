//! The two headers of a request: which combinations are valid (RFC 9449 §4.3, §7.1, §7.2).

use actix_resource_server::test_kit::SigningKey;

use crate::expected::{
    BOUND, Expected, NO_BEARER_TOKEN, NO_JWT, NO_KEY_BOUND, OTHER_TYPE, Offer, PRIVATE,
    PROOF_ALONE, PROOF_FOR_BEARER, PROOF_FORM, PROOF_MISSING, PROOF_TYPE, SEVERAL, SEVERAL_PROOFS,
    SIGNATURE, UNUSABLE, assert_offer,
};
use crate::sender::Sender;
use crate::wire::Request;

use Offer::{ByBearer, ByDpop};

fn private() -> Request {
    Request::get("/api/private")
}

#[track_caller]
fn check(sender: &Sender, cases: Vec<(Request, Expected, Offer)>) {
    for (request, expected, offer) in cases {
        let case = format!("{request:?}");
        assert_offer(&sender.app.send(&request), expected, offer, &case);
    }
}

#[test]
fn scheme_and_proof_belong_together() {
    let sender = Sender::new();
    let proof = || sender.proof().build();
    let (bound, plain) = (sender.token.clone(), sender.issuer.token().build());
    let plain_proof = sender.proof_for(&plain).build();
    let with_scheme = |token: &str| private().header("Authorization", format!("DPoP {token}"));
    let cases = vec![
        (with_scheme(&bound), PROOF_MISSING, ByDpop),
        (with_scheme(&plain), PROOF_MISSING, ByDpop),
        (with_scheme("nonsense"), PROOF_MISSING, ByDpop),
        (with_scheme(""), UNUSABLE, ByBearer),
        (private().header("DPoP", proof()), PROOF_ALONE, ByDpop),
        (private().header("DPoP", ""), PROOF_ALONE, ByDpop),
        (private().header("DPoP", "nonsense"), PROOF_ALONE, ByDpop),
        (private().bearer(&bound), BOUND, ByBearer),
        (
            private().bearer(&bound).header("DPoP", proof()),
            BOUND,
            ByBearer,
        ),
        (
            private().bearer(&plain).header("DPoP", &plain_proof),
            PROOF_FOR_BEARER,
            ByBearer,
        ),
        (
            private().bearer(&plain).header("DPoP", ""),
            PROOF_FOR_BEARER,
            ByBearer,
        ),
        (
            private().bearer("nonsense").header("DPoP", proof()),
            NO_JWT,
            ByBearer,
        ),
        (private().dpop(&plain, &plain_proof), NO_KEY_BOUND, ByDpop),
        (private().dpop(&plain, "nonsense"), NO_KEY_BOUND, ByDpop),
        (
            private()
                .header("Authorization", "Basic YTpi")
                .header("DPoP", proof()),
            UNUSABLE,
            ByBearer,
        ),
        (
            private()
                .header("Authorization", "")
                .header("DPoP", proof()),
            UNUSABLE,
            ByBearer,
        ),
        (
            private()
                .header("Authorization", "DPoP")
                .header("DPoP", proof()),
            UNUSABLE,
            ByBearer,
        ),
        (
            private()
                .header("Authorization", &bound)
                .header("DPoP", proof()),
            UNUSABLE,
            ByBearer,
        ),
        (
            private()
                .header("Authorization", format!("DPoPs {bound}"))
                .header("DPoP", proof()),
            UNUSABLE,
            ByBearer,
        ),
        (
            private()
                .header("Authorization", format!("DPoP\t{bound}"))
                .header("DPoP", proof()),
            UNUSABLE,
            ByBearer,
        ),
    ];
    check(&sender, cases);
}

#[test]
fn an_invalid_token_is_rejected_before_its_proof() {
    let sender = Sender::new();
    let other_key = SigningKey::generate(sender.issuer.key().algorithm());
    let other_key = other_key.with_kid(sender.issuer.key().kid());
    let forged = sender.bound().signed_by(&other_key).build();
    let expired = sender.bound().claim("exp", 1).build();
    let proof = sender.proof().build();
    let cases = vec![
        (private().dpop("nonsense", "nonsense"), NO_JWT, ByDpop),
        (private().dpop("a,b", &proof), NO_BEARER_TOKEN, ByDpop),
        (private().dpop("a b", &proof), UNUSABLE, ByDpop),
        (private().dpop(&forged, "nonsense"), SIGNATURE, ByDpop),
        (
            private().dpop(&expired, "nonsense"),
            crate::expected::EXPIRED,
            ByDpop,
        ),
    ];
    check(&sender, cases);
}

#[test]
fn two_credentials_are_rejected() {
    let sender = Sender::new();
    let (token, proof) = (sender.token.clone(), sender.proof().build());
    let dpop = || private().dpop(&token, &proof);
    let in_query =
        |query: &str| Request::get(&format!("/api/private?{query}")).dpop(&token, &proof);
    let cases = vec![
        (dpop().bearer(&token), SEVERAL, ByBearer),
        (
            private().bearer(&token).dpop(&token, &proof),
            SEVERAL,
            ByBearer,
        ),
        (
            dpop().header("Authorization", format!("DPoP {token}")),
            SEVERAL,
            ByBearer,
        ),
        (dpop().header("Authorization", ""), SEVERAL, ByBearer),
        (
            in_query(&format!("access_token={token}")),
            SEVERAL,
            ByBearer,
        ),
        (in_query("access_token"), SEVERAL, ByBearer),
        (
            dpop().header("Host", "a b"),
            crate::expected::MALFORMED_HOST,
            ByBearer,
        ),
        (dpop(), PRIVATE, ByDpop),
    ];
    check(&sender, cases);
}

// RFC 9449 §4.3, check 1.
#[test]
fn a_request_has_exactly_one_proof() {
    let sender = Sender::new();
    let proof = || sender.proof().build();
    let one = proof();
    let with = |value: &[u8]| {
        let request = private().header("Authorization", format!("DPoP {}", sender.token));
        request.header("DPoP", value)
    };
    let cases = vec![
        (
            with(one.as_bytes()).header("DPoP", &one),
            SEVERAL_PROOFS,
            ByDpop,
        ),
        (
            with(one.as_bytes()).header("dpop", proof()),
            SEVERAL_PROOFS,
            ByDpop,
        ),
        (
            with(one.as_bytes()).header("DPoP", ""),
            SEVERAL_PROOFS,
            ByDpop,
        ),
        (with(b"").header("DPoP", &one), SEVERAL_PROOFS, ByDpop),
        (
            with(format!("{one},{}", proof()).as_bytes()),
            PROOF_FORM,
            ByDpop,
        ),
        (
            with(format!("{one}, {}", proof()).as_bytes()),
            PROOF_FORM,
            ByDpop,
        ),
        (with(format!("{one} {one}").as_bytes()), PROOF_FORM, ByDpop),
        (with(format!(",{one}").as_bytes()), PROOF_FORM, ByDpop),
        (with(format!("{one},").as_bytes()), PROOF_FORM, ByDpop),
        (with(format!("DPoP {one}").as_bytes()), PROOF_FORM, ByDpop),
        (with(format!("\"{one}\"").as_bytes()), PROOF_FORM, ByDpop),
        (with(format!("{one}=").as_bytes()), PROOF_FORM, ByDpop),
        (with(format!("{one}.").as_bytes()), PROOF_FORM, ByDpop),
        (with(b""), PROOF_FORM, ByDpop),
        (with(b"  "), PROOF_FORM, ByDpop),
        (with(b"nonsense"), PROOF_FORM, ByDpop),
        (with(b".."), PROOF_FORM, ByDpop),
        (with(b"a.b.c"), PROOF_FORM, ByDpop),
        (with(b"a.b.c.d.e"), PROOF_FORM, ByDpop),
        (with("prööf".as_bytes()), PROOF_FORM, ByDpop),
        (with(b"\xff\xfe"), PROOF_FORM, ByDpop),
        (with(&[b'a'; 16 * 1024 + 1]), PROOF_FORM, ByDpop),
        (with(format!("  {one}\t").as_bytes()), PRIVATE, ByDpop),
    ];
    check(&sender, cases);
}

#[test]
fn a_token_is_not_a_proof_and_a_proof_is_not_a_token() {
    let sender = Sender::new();
    let proof = sender.proof().build();
    let self_issued = sender
        .bound()
        .signed_by(&sender.key)
        .header("typ", "dpop+jwt")
        .build();
    let cases = vec![
        (
            private().dpop(&sender.token, &sender.token),
            PROOF_TYPE,
            ByDpop,
        ),
        (private().dpop(&proof, &proof), OTHER_TYPE, ByDpop),
        (private().dpop(&self_issued, &proof), OTHER_TYPE, ByDpop),
        (private().bearer(&proof), OTHER_TYPE, ByBearer),
    ];
    check(&sender, cases);
}
