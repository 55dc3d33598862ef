//! Errors of a fetch: the layer that failed, and the cause that the libraries report.

use std::error::Error;
use std::{fmt, io, iter};

use rustls::CertificateError;

use super::fetch::MAX_BODY_BYTES;

/// Why a document could not be fetched; contains nothing of the server's response but its status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the HTTP client could not be made")]
    Client,
    #[error("no connection could be made")]
    Connect(#[source] Option<Cause>),
    #[error("the answer's gzip encoding is broken")]
    Compression,
    #[error("the answer is in an encoding that was not asked for")]
    Encoding,
    #[error("the connection broke")]
    Interrupted(#[source] Option<Cause>),
    #[error("its URL is not https")]
    NotHttps,
    #[error("its host name could not be resolved")]
    Resolve(#[source] Cause),
    #[error("the response status is {0}")]
    Status(u16),
    #[error("the answer took too long")]
    Timeout,
    #[error("no TLS connection could be made")]
    Tls(#[source] Cause),
    #[error("the answer is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
}

/// The cause that the operating system or the TLS library reports. Only kinds of errors: their texts may repeat
/// what a server sent, such as the names in its certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cause {
    #[error("{0}")]
    Io(io::ErrorKind),
    /// The text of the system's resolver, which does not come from the issuer.
    #[error("{0}")]
    Resolver(String),
    #[error("{0}")]
    Tls(&'static str),
}

impl FetchError {
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        if let Some(failure) = resolver_failure(error) {
            return Self::Resolve(Cause::Resolver(failure));
        }
        // Of a connection that breaks, the source is an error of the HTTP library.
        if error.is_decode() && error.source().is_some_and(|cause| cause.is::<io::Error>()) {
            return Self::Compression;
        }
        match (Cause::innermost(error), error.is_connect()) {
            (Some(cause @ Cause::Tls(_)), _) => Self::Tls(cause),
            (None, true) if error.is_timeout() => {
                Self::Connect(Some(Cause::Io(io::ErrorKind::TimedOut)))
            }
            (cause, true) => Self::Connect(cause),
            (_, false) if error.is_timeout() => Self::Timeout,
            (cause, false) => Self::Interrupted(cause),
        }
    }
}

impl FetchError {
    /// Whether the server has answered, so that another URL there may have what was requested.
    pub(super) fn is_answer(&self) -> bool {
        match self {
            Self::Compression | Self::Encoding | Self::Status(_) | Self::TooLarge => true,
            Self::Client
            | Self::Connect(_)
            | Self::Interrupted(_)
            | Self::NotHttps
            | Self::Resolve(_)
            | Self::Timeout
            | Self::Tls(_) => false,
        }
    }
}

impl Cause {
    fn innermost(error: &reqwest::Error) -> Option<Self> {
        let found = sources(error).filter_map(|source| {
            let tls = source.downcast_ref::<rustls::Error>().map(Self::of_tls);
            tls.or_else(|| source.downcast_ref::<io::Error>().map(Self::of_io))
        });
        found.last()
    }

    /// An I/O error may wrap another one, or one of TLS, without naming it as its source.
    fn of_io(error: &io::Error) -> Self {
        let Some(inner) = error.get_ref() else {
            return Self::Io(error.kind());
        };
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return Self::of_tls(tls);
        }
        let inner = inner.downcast_ref::<io::Error>();
        inner.map_or_else(|| Self::Io(error.kind()), Self::of_io)
    }

    fn of_tls(error: &rustls::Error) -> Self {
        Self::Tls(match error {
            rustls::Error::InvalidCertificate(reason) => certificate(reason),
            rustls::Error::AlertReceived(_) => "the server rejected the handshake",
            rustls::Error::InvalidMessage(_) => "the server does not speak TLS",
            rustls::Error::PeerIncompatible(_) => {
                "the server has no TLS version or cipher in common"
            }
            _ => "the handshake failed",
        })
    }
}

fn certificate(reason: &CertificateError) -> &'static str {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another name"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet"
        }
        CertificateError::Revoked => "the server's certificate was revoked",
        CertificateError::UnknownIssuer => {
            "the server's certificate is signed by an unknown authority"
        }
        _ => "the server's certificate is not valid",
    }
}

/// The resolver's error, if name resolution failed. The connector marks it only by this text.
fn resolver_failure(error: &reqwest::Error) -> Option<String> {
    let failed = sources(error).find(|source| source.to_string() == "dns error")?;
    Some(sources(failed).last()?.to_string())
}

fn sources<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    iter::successors(error.source(), |error: &&'e (dyn Error + 'static)| {
        (*error).source()
    })
}

/// Displays an error and its sources, separated by colons.
pub(crate) struct Chain<'e>(pub(crate) &'e (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        sources(self.0).try_for_each(|source| write!(f, ": {source}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_shows_each_cause_once() {
        let refused = Cause::Io(io::ErrorKind::ConnectionRefused);
        for (error, expected) in [
            (
                FetchError::Connect(Some(refused)),
                "no connection could be made: connection refused",
            ),
            (FetchError::Connect(None), "no connection could be made"),
            (FetchError::Status(404), "the response status is 404"),
        ] {
            assert_eq!(Chain(&error).to_string(), expected);
        }
    }

    #[test]
    fn the_innermost_error_is_found_however_it_is_wrapped() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        assert_eq!(
            Cause::of_io(&wrapped),
            Cause::Tls("the server's certificate is signed by an unknown authority")
        );
        let reset = io::Error::other(io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(
            Cause::of_io(&reset),
            Cause::Io(io::ErrorKind::ConnectionReset)
        );
        let text = io::Error::other("what a server sent");
        assert_eq!(Cause::of_io(&text), Cause::Io(io::ErrorKind::Other));
    }

    #[test]
    fn names_in_a_certificate_are_not_shown() {
        let name = rustls::pki_types::ServerName::try_from("issuer.example");
        let error = rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            expected: name.expect("a name"),
            presented: vec!["other.example".to_owned()],
        });
        assert_eq!(
            Cause::of_tls(&error).to_string(),
            "the server's certificate is for another name"
        );
    }
}
