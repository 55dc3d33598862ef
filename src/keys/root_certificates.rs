//! The certificates of private authorities, which sign the server certificates of issuers.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Root certificates that are trusted in addition to the system's and the bundled ones.
#[derive(Clone, Default)]
pub(crate) struct RootCertificates(Arc<[CertificateDer<'static>]>);

impl RootCertificates {
    /// Reads all certificates of a PEM text.
    ///
    /// # Errors
    /// There is none, or one of them cannot be used.
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self, RootCertificatesError> {
        let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let found = found.map_err(|_| RootCertificatesError)?;
        let mut store = RootCertStore::empty();
        let are_usable = found.iter().all(|root| store.add(root.clone()).is_ok());
        if found.is_empty() || !are_usable {
            return Err(RootCertificatesError);
        }
        Ok(Self(found.into()))
    }

    /// The certificates in DER.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }
}

impl fmt::Debug for RootCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootCertificates({})", self.0.len())
    }
}

/// The text is no PEM with X.509 certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("root certificates must be PEM with at least one X.509 certificate")]
pub struct RootCertificatesError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_certificate_of_a_bundle_is_read_and_nothing_else_is_one() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("parameters");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let read = |text: &str| {
            RootCertificates::from_pem(text.as_bytes()).map(|roots| roots.iter().count())
        };
        assert_eq!(read(&pem), Ok(1));
        assert_eq!(read(&format!("a comment\n{pem}\n{pem}")), Ok(2));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for text in [
            "",
            "not PEM",
            &key.serialize_pem(),
            &format!("{pem}{broken}"),
            &pem[..pem.len() / 2],
        ] {
            assert_eq!(read(text), Err(RootCertificatesError), "{text}");
        }
    }
}
