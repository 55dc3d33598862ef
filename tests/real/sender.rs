//! A client with a token and the key that it is bound to, which requests `https://api.example/api/private`.

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{ProofBuilder, SigningKey, TestIssuer};
use serde_json::{Value, json};

use crate::certificates::Signed;
use crate::curl::Curl;
use crate::site::Site;
use crate::wire::{Answer, Request};

pub(crate) const HOST: &str = "api.example";

pub(crate) const PATH: &str = "/api/private";

pub(crate) struct Sender {
    key: SigningKey,
    pub(crate) token: String,
}

impl Sender {
    pub(crate) fn of(issuer: &TestIssuer) -> Self {
        let key = SigningKey::generate(Algorithm::Es256);
        let token = issuer.token().bound_to_key(&key).build();
        Self { key, token }
    }

    pub(crate) fn bound_to_both(issuer: &TestIssuer, certificate: &Signed) -> Self {
        let key = SigningKey::generate(Algorithm::Es256);
        let token = issuer.token().claim("cnf", confirmation(certificate));
        let token = token.bound_to_key(&key).build();
        Self { key, token }
    }

    pub(crate) fn proof(&self) -> ProofBuilder {
        self.proof_for(&format!("https://{HOST}{PATH}"))
    }

    pub(crate) fn proof_for(&self, url: &str) -> ProofBuilder {
        ProofBuilder::new(&self.key, "GET", url).token(&self.token)
    }

    /// The request that a client sends to the proxy.
    pub(crate) fn curl(&self, site: &Site, proof: &str) -> Curl {
        site.curl()
            .header("Authorization", &format!("DPoP {}", self.token))
            .header("DPoP", proof)
    }

    /// The request as the proxy would forward it.
    pub(crate) fn request(&self, proof: &str) -> Request {
        Request::get(PATH)
            .header("Host", HOST)
            .header("X-Forwarded-Proto", "https")
            .header("Authorization", format!("DPoP {}", self.token))
            .header("DPoP", proof)
    }
}

/// A token that is bound to the certificate.
pub(crate) fn bound_to(certificate: &Signed, issuer: &TestIssuer) -> String {
    let token = issuer.token().claim("cnf", confirmation(certificate));
    token.build()
}

fn confirmation(certificate: &Signed) -> Value {
    json!({"x5t#S256": certificate.thumbprint()})
}

/// The `error` in the challenge of the scheme that was used.
pub(crate) fn error(answer: &Answer) -> Option<&str> {
    let challenges = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "www-authenticate");
    challenges
        .filter_map(|(_, value)| value.split_once("error=\""))
        .find_map(|(_, rest)| rest.split('"').next())
}
