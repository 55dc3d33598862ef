//! A client with a key, tokens bound to it, and proofs signed by it.

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{ProofBuilder, SigningKey, TestIssuer, TokenBuilder, shared};

use crate::app::{Launch, TestApp};
use crate::expected::{Expected, Offer, assert_offer};
use crate::wire::{Answer, Request};

/// A service, an issuer that it trusts, and a sender with a token.
pub(crate) struct Sender {
    pub(crate) issuer: TestIssuer,
    pub(crate) app: TestApp,
    pub(crate) key: SigningKey,
    /// Grants `read:messages`.
    pub(crate) token: String,
}

impl Sender {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// With further settings of the service.
    pub(crate) fn with(variables: &[(&str, &str)]) -> Self {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let app = TestApp::ready(Launch::trusting(&issuer).variables(variables));
        Self::of(issuer, app)
    }

    pub(crate) fn of(issuer: TestIssuer, app: TestApp) -> Self {
        let key = shared(Algorithm::Es256);
        let token = issuer.token().scope("read:messages");
        let token = token.bound_to_key(&key).build();
        Self {
            issuer,
            app,
            key,
            token,
        }
    }

    /// A builder for tokens bound to the sender's key.
    pub(crate) fn bound(&self) -> TokenBuilder {
        self.issuer.token().bound_to_key(&self.key)
    }

    /// The URL of the path for a client without a proxy.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.app.address)
    }

    /// A valid proof for `GET /api/private`, with the sender's token.
    pub(crate) fn proof(&self) -> ProofBuilder {
        self.proof_for(&self.token)
    }

    pub(crate) fn proof_for(&self, token: &str) -> ProofBuilder {
        self.proof_of("GET", "/api/private").token(token)
    }

    /// A proof for another request, without a token yet.
    pub(crate) fn proof_of(&self, method: &str, path: &str) -> ProofBuilder {
        ProofBuilder::new(&self.key, method, &self.url(path))
    }

    /// Requests `/api/private` with the sender's token.
    pub(crate) fn send(&self, proof: ProofBuilder) -> Answer {
        self.app.send(&self.request(proof))
    }

    pub(crate) fn request(&self, proof: ProofBuilder) -> Request {
        Request::get("/api/private").dpop(&self.token, &proof.build())
    }

    /// A nonce of the service, which proofs from before its start need.
    pub(crate) fn nonce(&self) -> String {
        let old = self.proof().claim("iat", seconds_from_now(-60));
        let answer = self.send(old);
        assert_offer(&answer, Expected::UseNonce, Offer::ByDpop, "an old proof");
        answer.header("dpop-nonce").unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn assert_proof(&self, proof: ProofBuilder, expected: Expected, case: &str) {
        assert_offer(&self.send(proof), expected, Offer::ByDpop, case);
    }

    /// The same with another token and a valid proof for it.
    #[track_caller]
    pub(crate) fn assert_token(&self, token: TokenBuilder, expected: Expected, case: &str) {
        let token = token.build();
        let proof = self.proof_for(&token).build();
        let answer = self
            .app
            .send(&Request::get("/api/private").dpop(&token, &proof));
        assert_offer(&answer, expected, Offer::ByDpop, case);
    }
}

/// Seconds since 1970, plus this many.
pub(crate) fn seconds_from_now(seconds: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.unwrap().as_secs()).unwrap() + seconds
}
