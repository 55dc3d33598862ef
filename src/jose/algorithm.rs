//! Names the signature algorithms and the kind of key that each one may use.

use std::fmt;
use std::str::FromStr;

macro_rules! algorithms {
    ($(#[$attribute:meta])* $enum:ident { $($(#[$doc:meta])* $algorithm:ident = $name:literal, $kind:ident;)+ }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $enum { $($(#[$doc])* $algorithm),+ }

        impl $enum {
            /// Every algorithm, in the order of RFC 7518 §3.1.
            pub const ALL: &'static [Self] = &[$(Self::$algorithm),+];

            /// The name as the `alg` header parameter carries it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$algorithm => $name),+ }
            }

            pub(crate) const fn key_kind(self) -> KeyKind {
                match self { $(Self::$algorithm => KeyKind::$kind),+ }
            }
        }
    };
}

algorithms! {
    /// A JWS signature algorithm that this crate verifies ([RFC 7518 §3.1], [RFC 8037 §3.1], [RFC 9964]).
    ///
    /// `none` is not among them, and neither is anything that is not listed here.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::Algorithm;
    ///
    /// assert_eq!("RS256".parse(), Ok(Algorithm::Rs256));
    /// assert_eq!(Algorithm::EdDsa.to_string(), "EdDSA");
    /// assert!("none".parse::<Algorithm>().is_err());
    /// ```
    ///
    /// [RFC 7518 §3.1]: https://www.rfc-editor.org/rfc/rfc7518#section-3.1
    /// [RFC 8037 §3.1]: https://www.rfc-editor.org/rfc/rfc8037#section-3.1
    /// [RFC 9964]: https://www.rfc-editor.org/rfc/rfc9964
    Algorithm {
        /// HMAC with SHA-256.
        Hs256 = "HS256", Symmetric;
        /// HMAC with SHA-384.
        Hs384 = "HS384", Symmetric;
        /// HMAC with SHA-512.
        Hs512 = "HS512", Symmetric;
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        Rs256 = "RS256", Rsa;
        /// RSASSA-PKCS1-v1_5 with SHA-384.
        Rs384 = "RS384", Rsa;
        /// RSASSA-PKCS1-v1_5 with SHA-512.
        Rs512 = "RS512", Rsa;
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256", P256;
        /// ECDSA on P-384 with SHA-384.
        Es384 = "ES384", P384;
        /// ECDSA on P-521 with SHA-512.
        Es512 = "ES512", P521;
        /// RSASSA-PSS with SHA-256.
        Ps256 = "PS256", Rsa;
        /// RSASSA-PSS with SHA-384.
        Ps384 = "PS384", Rsa;
        /// RSASSA-PSS with SHA-512.
        Ps512 = "PS512", Rsa;
        /// Ed25519, under the names `EdDSA` (RFC 8037) and `Ed25519` (RFC 9864).
        EdDsa = "EdDSA", Ed25519;
        /// ML-DSA-44 (FIPS 204), accepted only where [`IssuerBuilder::algorithms`](crate::IssuerBuilder::algorithms) names it.
        MlDsa44 = "ML-DSA-44", MlDsa44;
        /// ML-DSA-65 (FIPS 204), accepted only where [`IssuerBuilder::algorithms`](crate::IssuerBuilder::algorithms) names it.
        MlDsa65 = "ML-DSA-65", MlDsa65;
        /// ML-DSA-87 (FIPS 204), accepted only where [`IssuerBuilder::algorithms`](crate::IssuerBuilder::algorithms) names it.
        MlDsa87 = "ML-DSA-87", MlDsa87;
    }
}

/// The kind of key that an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Ed25519,
    MlDsa44,
    MlDsa65,
    MlDsa87,
    P256,
    P384,
    P521,
    Rsa,
    Symmetric,
}

impl Algorithm {
    /// Whether one shared secret both signs and verifies.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// Whether it is accepted where an issuer's configuration names no algorithms, and for DPoP proofs: not HMAC, and not
    /// ML-DSA.
    #[must_use]
    pub const fn is_default(self) -> bool {
        !self.is_symmetric() && !matches!(self, Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87)
    }

    /// The lengths of public key and signature in bytes, where they are fixed and the library does not check both
    /// (FIPS 204 §4, table 2).
    pub(crate) const fn exact_lengths(self) -> Option<(usize, usize)> {
        match self {
            Self::MlDsa44 => Some((1312, 2420)),
            Self::MlDsa65 => Some((1952, 3309)),
            Self::MlDsa87 => Some((2592, 4627)),
            _ => None,
        }
    }

    /// The shortest secret that is no weaker than the hash, in bytes (RFC 7518 §3.2);
    /// 0 where no secret is used.
    pub(crate) const fn shortest_secret(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
            _ => 0,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        if name == "Ed25519" {
            return Ok(Self::EdDsa);
        }
        let known = Self::ALL.iter().copied().find(|known| known.name() == name);
        known.ok_or(UnknownAlgorithm)
    }
}

/// The name stands for no algorithm that this crate verifies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an algorithm known here: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, HS256, HS384, HS512, ML-DSA-44, ML-DSA-65 or ML-DSA-87"
)]
pub struct UnknownAlgorithm;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for algorithm in Algorithm::ALL.iter().copied() {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa));
    }

    #[test]
    fn none_and_other_spellings_are_unknown() {
        for name in [
            "none", "None", "", "rs256", "RS256 ", "ES256K", "RSA-OAEP", "Ed448", "HS1", "ML-DSA",
            "MLDSA44",
        ] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name}");
        }
    }
}
