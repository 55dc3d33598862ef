//! What a request proves about its sender, beside its token.

pub(crate) mod certificate;

pub use self::certificate::{
    CertificateError, CertificateHeader, CertificateSource, ClientCertificate, Thumbprint,
};
