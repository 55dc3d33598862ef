//! Certificates, generated for each test, and their files.

use actix_resource_server::sender::ClientCertificate;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;

use crate::app::Launch;
use crate::process::Directory;

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) der: CertificateDer<'static>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("authority {}", key.public_key_raw()[9]);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            der: certificate.der().clone(),
            pem: certificate.pem(),
        }
    }

    /// A certificate for `name`, which may be an address.
    pub(crate) fn sign(&self, name: &str) -> Signed {
        self.sign_with(&CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// One that expires at the beginning of this year.
    pub(crate) fn sign_until(&self, name: &str, year: i32) -> Signed {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        self.sign_with(&params)
    }

    fn sign_with(&self, params: &CertificateParams) -> Signed {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Signed {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            key,
        }
    }
}

/// A certificate and its key.
pub(crate) struct Signed {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) pem: String,
    pub(crate) key: KeyPair,
}

impl Signed {
    /// Its thumbprint in tokens (RFC 8705 §3.1).
    pub(crate) fn thumbprint(&self) -> String {
        let certificate = ClientCertificate::from_der(&self.der).unwrap();
        certificate.thumbprint().to_string()
    }
}

/// The files of `[server.tls]`, in a directory that is removed after the test.
pub(crate) struct Files(Directory);

impl Files {
    pub(crate) fn of(signed: &Signed) -> Self {
        let files = Self(Directory::new());
        files.replace(signed);
        files
    }

    pub(crate) fn replace(&self, signed: &Signed) {
        self.write("certificate.pem", &signed.pem);
        self.write("key.pem", &signed.key.serialize_pem());
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> String {
        let path = self.0.path().join(name);
        path.to_str().unwrap().to_owned()
    }

    /// Sets the variables that name the files.
    pub(crate) fn launch(&self, launch: Launch) -> Launch {
        launch.variables(&[
            (
                "APP__SERVER__TLS__CERTIFICATE",
                &self.path("certificate.pem"),
            ),
            ("APP__SERVER__TLS__KEY", &self.path("key.pem")),
        ])
    }
}
