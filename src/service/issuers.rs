//! Settings → the issuers whose tokens are accepted, and the embedded development issuer.

use std::io;
#[cfg(feature = "dev-issuer")]
use std::sync::{Arc, OnceLock};
use std::time::Duration;

#[cfg(feature = "dev-issuer")]
use super::cli::Explainer;
use super::config::{self, Mtls, SettingsError, Trust};
#[cfg(feature = "dev-issuer")]
use super::dev_issuer::{self, DevIssuer};
use super::error::Error;
use super::server::{Listener, Serving, Tls};
use super::tables::Tables;
#[cfg(feature = "dev-issuer")]
use crate::issuer::IssuerBuilder;
use crate::issuer::{Issuer, check_distinct};
#[cfg(feature = "dev-issuer")]
use crate::jose::Algorithm;
use crate::{Api, Verifier};

/// The issuers whose tokens are accepted.
#[derive(Debug)]
pub(super) struct TrustedIssuers {
    /// Empty for a command where the development issuer's port is chosen at every start.
    pub(super) issuers: Vec<Issuer>,
    /// Whether they are the development issuer.
    pub(super) development: bool,
}

impl TrustedIssuers {
    /// The issuers of the settings, without starting one.
    ///
    /// # Errors
    /// The settings of the development issuer contradict each other.
    #[cfg(feature = "dev-issuer")]
    pub(super) fn of(trust: Trust) -> Result<Self, Error> {
        let (port, issuer) = match trust {
            Trust::DevIssuer { own, issuer } => (own.port, introspecting(*issuer, &own)),
            Trust::Issuers(issuers) => return Ok(Self::configured(issuers)),
        };
        let mut issuers = Vec::new();
        if port != 0 {
            let issuer = issuer.default_audience(config::DEV_AUDIENCE);
            let url = format!("http://localhost:{port}/");
            issuers.push(issuer.base_url(&url).build()?);
        }
        Ok(Self {
            issuers,
            development: true,
        })
    }

    /// The issuers of the settings; the development issuer's sockets are bound.
    ///
    /// # Errors
    /// A port is taken, the system gives no thread, or the settings contradict each other.
    #[cfg(feature = "dev-issuer")]
    pub(super) fn bind(
        trust: Trust,
        mtls: Option<&Mtls>,
    ) -> Result<(Self, Option<EmbeddedIssuer>), Error> {
        let (own, issuer) = match trust {
            Trust::Issuers(issuers) => return Ok((Self::configured(issuers), None)),
            Trust::DevIssuer { own, issuer } => (own, issuer),
        };
        let issuer = issuer.default_audience(config::DEV_AUDIENCE);
        let issuer = introspecting(issuer, &own);
        let embedded = EmbeddedIssuer::bind(&own, &issuer, mtls)?;
        let trusted = Self {
            issuers: vec![issuer.base_url(embedded.0.url()).build()?],
            development: true,
        };
        Ok((trusted, Some(embedded)))
    }

    /// The issuers of the settings.
    #[cfg(not(feature = "dev-issuer"))]
    pub(super) fn of(trust: Trust) -> Result<Self, Error> {
        let Trust::Issuers(issuers) = trust;
        Ok(Self::configured(issuers))
    }

    /// The issuers of the settings.
    #[cfg(not(feature = "dev-issuer"))]
    pub(super) fn bind(
        trust: Trust,
        _: Option<&Mtls>,
    ) -> Result<(Self, Option<EmbeddedIssuer>), Error> {
        Ok((Self::of(trust)?, None))
    }

    /// How long a command waits for what it fetches from them.
    pub(super) fn longest_fetch(&self) -> Duration {
        if self.development {
            return LOCAL;
        }
        let longest = self.issuers.iter().map(|issuer| issuer.fetching.timeout);
        longest.max().unwrap_or_default().saturating_add(LOCAL)
    }

    /// Accepts the identifier of the API as an audience, too, where the settings allow that.
    ///
    /// # Errors
    /// Those of [`Tables::audience`], and entries of one issuer that would both accept it.
    pub(super) fn accepting(mut self, tables: &Tables) -> Result<Self, SettingsError> {
        if let Some((identifier, setting)) = tables.audience()? {
            for issuer in &mut self.issuers {
                issuer.rules.audience.push(identifier.clone());
            }
            check_distinct(&self.issuers).map_err(|_| setting.reject(SHARED_ISSUER))?;
        }
        Ok(self)
    }

    fn configured(issuers: Vec<Issuer>) -> Self {
        Self {
            issuers,
            development: false,
        }
    }
}

/// Introspects the tokens of the development issuer where they are opaque.
#[cfg(feature = "dev-issuer")]
fn introspecting(issuer: IssuerBuilder, settings: &config::DevIssuer) -> IssuerBuilder {
    if settings.opaque_tokens {
        issuer.introspection(dev_issuer::introspection())
    } else {
        issuer
    }
}

/// The development issuer with its bound sockets.
#[cfg(feature = "dev-issuer")]
pub(super) struct EmbeddedIssuer(DevIssuer);

/// The development issuer, which this build does not contain.
#[cfg(not(feature = "dev-issuer"))]
pub(super) enum EmbeddedIssuer {}

impl EmbeddedIssuer {
    #[cfg(feature = "dev-issuer")]
    fn bind(
        settings: &config::DevIssuer,
        trusted: &IssuerBuilder,
        mtls: Option<&Mtls>,
    ) -> Result<Self, Error> {
        use crate::sender::CertificateSource;

        let cannot_bind = |key, port| move |error| Error::BindDevIssuer { key, port, error };
        let audience = trusted.first_audience();
        let algorithm = trusted.first_algorithm().unwrap_or(Algorithm::Rs256);
        let mut issuer = DevIssuer::bind(settings.clone(), audience.to_owned(), algorithm)
            .map_err(cannot_bind("port", settings.port))?;
        log::warn!(
            "FOR DEVELOPMENT ONLY: tokens are issued to anybody at {url} for the audience {audience}",
            url = issuer.url()
        );
        log::info!("the Test view is at {}", issuer.url());
        if mtls.is_some_and(|mtls| mtls.source == CertificateSource::Connection) {
            issuer = issuer
                .with_tls()
                .map_err(cannot_bind("tls_port", settings.tls_port))?;
        }
        if let Some(url) = issuer.tls_url() {
            log::info!("tokens are bound to the certificates that clients present at {url}");
        }
        Ok(Self(issuer))
    }

    /// Starts serving; the Test view calls the routes of `apis` at `listener`.
    ///
    /// # Errors
    /// A socket cannot be listened on, or the system gives no thread or event queue.
    #[cfg(feature = "dev-issuer")]
    pub(super) fn start(
        self,
        apis: &[Api],
        listener: &Listener,
        server: &config::Server,
        tls: Option<&Tls>,
    ) -> io::Result<IssuerServers> {
        let address = listener.addresses().next();
        let origin = address.map(|address| origin(server.scheme(), address));
        self.0
            .with_api(origin.unwrap_or_default(), server.public_url.as_ref(), apis)
            .run(&server.options(), tls)
    }

    #[cfg(not(feature = "dev-issuer"))]
    pub(super) fn start(
        self,
        _: &[Api],
        _: &Listener,
        _: &config::Server,
        _: Option<&Tls>,
    ) -> io::Result<IssuerServers> {
        match self {}
    }
}

/// The running servers of the development issuer.
pub(super) struct IssuerServers {
    pub(super) plain: Serving,
    pub(super) encrypted: Option<Serving>,
    pub(super) test_view: String,
    /// How the Test view explains rejections; set once the API is served.
    #[cfg(feature = "dev-issuer")]
    pub(super) explainer: Arc<OnceLock<Explainer>>,
}

impl IssuerServers {
    /// Lets the Test view explain the rejections of `verifier`.
    #[cfg(feature = "dev-issuer")]
    pub(super) fn explain_with(
        &self,
        verifier: Verifier,
        trusted: TrustedIssuers,
        tables: &Tables,
    ) {
        self.explainer.get_or_init(|| Explainer {
            verifier,
            trusted,
            tables: tables.clone(),
        });
    }

    #[cfg(not(feature = "dev-issuer"))]
    pub(super) fn explain_with(&self, _: Verifier, _: TrustedIssuers, _: &Tables) {}

    /// Ends them at once; requests in progress are not answered.
    pub(super) async fn end(self) {
        self.plain.end(Duration::ZERO).await;
        if let Some(encrypted) = self.encrypted {
            encrypted.end(Duration::ZERO).await;
        }
    }
}

/// The API's origin for browsers on this machine; content security policies cannot name an IPv6 address.
#[cfg(feature = "dev-issuer")]
fn origin(scheme: &str, address: std::net::SocketAddr) -> String {
    match address.ip() {
        std::net::IpAddr::V4(ip) if !ip.is_unspecified() => format!("{scheme}://{address}"),
        _ => format!("{scheme}://localhost:{}", address.port()),
    }
}

const SHARED_ISSUER: &str =
    "cannot be used with several entries of one issuer, which are told apart by audience";

/// How long a fetch on this machine may take.
const LOCAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::config::tests::parsed;
    use crate::{AuthenticatedUser, get};

    async fn private(_: AuthenticatedUser) -> &'static str {
        "private"
    }

    fn accepting(entries: &str) -> Result<TrustedIssuers, String> {
        let text = format!(
            "[server]\npublic_url = 'https://api.example'\n[resource]\naudience = true\n{entries}"
        );
        let settings = parsed(&text, &[])?;
        let tables = Tables::of(|| Api::new("/api").route("", get(private)));
        let tables = tables.described_by(&settings.resource);
        let trusted = TrustedIssuers::of(settings.trust).map_err(|error| error.to_string())?;
        let trusted = trusted.accepting(&tables);
        trusted.map_err(|error| error.to_string())
    }

    fn entry(url: &str, audience: &str) -> String {
        format!("[[auth.issuers]]\nissuer_base_url = '{url}'\naudience = '{audience}'\n")
    }

    #[test]
    fn the_identifier_of_the_api_is_an_audience_of_each_issuer() {
        let entries = entry("https://a.example/", "one") + &entry("https://b.example/", "two");
        let trusted = accepting(&entries).unwrap();
        let audiences = trusted.issuers.iter().map(|issuer| &issuer.rules.audience);
        let expected = ["one", "two"].map(|own| [own, "https://api.example/api"]);
        assert!(audiences.eq(expected.iter()));
    }

    #[test]
    fn entries_of_one_issuer_do_not_share_the_identifier() {
        let entries = entry("https://a.example/", "one") + &entry("https://a.example/", "two");
        let expected = format!("resource.audience (file Settings.toml): {SHARED_ISSUER}");
        assert_eq!(accepting(&entries).unwrap_err(), expected);
    }
}
