//! Whom a service with these settings trusts, as seen from beside it.

use crate::issuer::Issuer;
use crate::service::config::Trust;
use crate::service::failure::Failure;

/// The issuers, as the running service has them.
#[derive(Debug)]
pub(super) struct Trusted {
    /// None where the development issuer's port is chosen at every start.
    pub(super) issuers: Vec<Issuer>,
    /// Whether they are the development issuer.
    pub(super) development: bool,
}

impl Trusted {
    #[cfg(feature = "dev-issuer")]
    pub(super) fn of(trust: Trust) -> Result<Self, Failure> {
        use crate::service::config::DEV_AUDIENCE;

        let (port, issuer) = match trust {
            Trust::DevIssuer { own, issuer } => (own.port, issuer),
            Trust::Issuers(issuers) => return Ok(Self::configured(issuers)),
        };
        let mut issuers = Vec::new();
        if port != 0 {
            let issuer = issuer.default_audience(DEV_AUDIENCE);
            let url = format!("http://localhost:{port}/");
            issuers.push(issuer.base_url(&url).build()?);
        }
        Ok(Self {
            issuers,
            development: true,
        })
    }

    #[cfg(not(feature = "dev-issuer"))]
    pub(super) fn of(trust: Trust) -> Result<Self, Failure> {
        let Trust::Issuers(issuers) = trust;
        Ok(Self::configured(issuers))
    }

    fn configured(issuers: Vec<Issuer>) -> Self {
        Self {
            issuers,
            development: false,
        }
    }
}
