//! DPoP together with Bearer, required, or disabled.

use crate::expected::{
    BOUND, Expected, MALFORMED_HOST, NO_CREDENTIALS, NO_JWT, NO_KEY_BOUND, Offer, PRIVATE,
    PROOF_ALONE, PROOF_MISSING, PUBLIC, REPLAYED, SCOPED, SEVERAL, UNUSABLE, assert_offer,
};
use crate::sender::Sender;
use crate::wire::Request;

fn check(sender: &Sender, offer: Offer, cases: Vec<(Request, Expected)>) {
    for (request, expected) in cases {
        let case = format!("{request:?}");
        assert_offer(&sender.app.send(&request), expected, offer, &case);
    }
}

fn private() -> Request {
    Request::get("/api/private")
}

#[test]
fn when_it_is_required_bearer_is_rejected() {
    let sender = Sender::with(&[("APP__AUTH__DPOP__REQUIRED", "true")]);
    let plain = sender.issuer.token().build();
    let (bound, proof) = (&sender.token, || sender.proof().build());
    let once = proof();
    let plain_proof = sender.proof_for(&plain).build();
    let scoped = |token: &str| {
        let proof = sender.proof_of("GET", "/api/private-scoped").token(token);
        Request::get("/api/private-scoped").dpop(token, &proof.build())
    };
    let cases = vec![
        (Request::get("/api/public"), PUBLIC),
        (private(), NO_CREDENTIALS),
        (Request::get("/api/private-scoped"), NO_CREDENTIALS),
        (private().bearer(&plain), UNUSABLE),
        (private().bearer(bound), UNUSABLE),
        (private().bearer("nonsense"), UNUSABLE),
        (private().bearer(bound).header("DPoP", proof()), UNUSABLE),
        (
            private().bearer(&plain).header("DPoP", &plain_proof),
            UNUSABLE,
        ),
        (private().header("Authorization", "Basic YTpi"), UNUSABLE),
        (private().header("DPoP", proof()), PROOF_ALONE),
        (
            private().header("Authorization", format!("DPoP {bound}")),
            PROOF_MISSING,
        ),
        (private().dpop(&plain, &plain_proof), NO_KEY_BOUND),
        (private().dpop("nonsense", &proof()), NO_JWT),
        (private().dpop(bound, &once), PRIVATE),
        (private().dpop(bound, &once), REPLAYED),
        (private().dpop(bound, &proof()).bearer(&plain), SEVERAL),
        (
            private().dpop(bound, &proof()).header("Host", "a b"),
            MALFORMED_HOST,
        ),
        (scoped(bound), SCOPED),
        (scoped(&sender.bound().build()), Expected::InsufficientScope),
    ];
    check(&sender, Offer::DpopAlone, cases);
}

#[test]
fn when_it_is_off_the_scheme_is_unknown_and_bound_tokens_are_rejected() {
    let sender = Sender::with(&[("APP__AUTH__DPOP__ENABLED", "false")]);
    let plain = sender.issuer.token().build();
    let (bound, proof) = (&sender.token, sender.proof().build());
    let cases = vec![
        (private(), NO_CREDENTIALS),
        (private().header("DPoP", &proof), NO_CREDENTIALS),
        (private().bearer(&plain), PRIVATE),
        (private().bearer(&plain).header("DPoP", &proof), PRIVATE),
        (
            private()
                .bearer(&plain)
                .header("DPoP", "a")
                .header("DPoP", "b"),
            PRIVATE,
        ),
        (private().bearer(bound), BOUND),
        (private().bearer(bound).header("DPoP", &proof), BOUND),
        (private().dpop(bound, &proof), UNUSABLE),
        (private().dpop(&plain, &proof), UNUSABLE),
        (
            private().header("Authorization", format!("DPoP {plain}")),
            UNUSABLE,
        ),
        (private().bearer(&plain).dpop(bound, &proof), SEVERAL),
        (
            Request::get("/api/private-scoped").bearer(&plain),
            Expected::InsufficientScope,
        ),
    ];
    check(&sender, Offer::BearerAlone, cases);
    let foreign = sender
        .issuer
        .token()
        .claim("cnf", serde_json::json!({"kid": "a"}));
    let request = private().bearer(&foreign.build());
    check(&sender, Offer::BearerAlone, vec![(request, BOUND)]);
}
