//! Binds a code to the client that asked for it (RFC 7636, with `S256` alone).

use data_encoding::BASE64URL_NOPAD;

use crate::jose::digest::sha256;

use super::error::Refusal;
use super::parameters::Parameters;

/// A `code_challenge`: the base64url of the SHA-256 of a verifier that only the client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge(String);

impl Challenge {
    /// Reads the challenge of an authorization request.
    ///
    /// # Errors
    /// [`Refusal::Challenge`] where it is missing, of another method or cannot be a SHA-256.
    pub(super) fn read(parameters: &Parameters) -> Result<Self, Refusal> {
        let challenge = parameters.find("code_challenge").unwrap_or_default();
        let decoded = BASE64URL_NOPAD.decode(challenge.as_bytes());
        let hashed = decoded.is_ok_and(|hash| hash.len() == 32)
            && parameters.find("code_challenge_method") == Some("S256");
        hashed
            .then(|| Self(challenge.to_owned()))
            .ok_or(Refusal::Challenge)
    }

    /// Whether it was made from `verifier`.
    ///
    /// ```text
    /// code-verifier = 43*128unreserved   ; such as dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk
    /// ```
    pub(super) fn is_met_by(&self, verifier: &str) -> bool {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        (43..=128).contains(&verifier.len())
            && verifier.bytes().all(unreserved)
            && BASE64URL_NOPAD.encode(&sha256(verifier.as_bytes())) == self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn read(query: &str) -> Result<Challenge, Refusal> {
        let known = ["code_challenge", "code_challenge_method"];
        Challenge::read(&Parameters::of_query(query, &known).unwrap())
    }

    #[test]
    fn only_the_verifier_meets_its_challenge() {
        let query = format!("code_challenge={CHALLENGE}&code_challenge_method=S256");
        let challenge = read(&query).unwrap();
        assert!(challenge.is_met_by(VERIFIER));
        for other in ["", CHALLENGE, &VERIFIER[1..], &VERIFIER.to_lowercase()] {
            assert!(!challenge.is_met_by(other), "{other}");
        }
    }

    #[test]
    fn a_verifier_keeps_to_its_grammar() {
        let long = "a".repeat(129);
        for verifier in [&VERIFIER[..42], &long, &format!("{VERIFIER}+")] {
            let hash = BASE64URL_NOPAD.encode(&sha256(verifier.as_bytes()));
            assert!(!Challenge(hash).is_met_by(verifier), "{verifier}");
        }
    }

    #[test]
    fn no_challenge_or_another_method_is_refused() {
        let cases = [
            String::new(),
            format!("code_challenge={CHALLENGE}"),
            format!("code_challenge={CHALLENGE}&code_challenge_method=plain"),
            format!("code_challenge={CHALLENGE}&code_challenge_method=s256"),
            "code_challenge_method=S256".to_owned(),
            format!("code_challenge={CHALLENGE}%3D&code_challenge_method=S256"),
            format!(
                "code_challenge={}&code_challenge_method=S256",
                &CHALLENGE[4..]
            ),
        ];
        for query in cases {
            assert_eq!(read(&query), Err(Refusal::Challenge), "{query}");
        }
    }
}
