//! The outbound HTTP client: connect timeout, size limit, gzip, https only.

use std::time::Duration;

use reqwest::StatusCode;
#[cfg(feature = "dev-issuer")]
use reqwest::header::CONTENT_TYPE;
use reqwest::header::{
    ACCEPT, AGE, CACHE_CONTROL, CONTENT_ENCODING, DATE, ETAG, EXPIRES, HeaderMap, HeaderName,
    IF_NONE_MATCH,
};
use reqwest::redirect::{Attempt, Policy};
use tokio::sync::OnceCell;
use url::Url;

use super::cache_control::{CacheHeaders, lifetime};
use super::fetch_error::FetchError;
use super::root_certificates::RootCertificates;
use crate::issuer::is_loopback;

/// Fetches small documents from issuers.
///
/// Requests to loopback bypass proxies. The client for all other hosts is built on first use, because
/// merging the system's root certificates with the bundled ones takes tens of milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Client {
    loopback: OnceCell<reqwest::Client>,
    remote: OnceCell<reqwest::Client>,
    /// Those of private authorities.
    roots: RootCertificates,
}

impl Client {
    /// A client that also trusts these certificates.
    pub(crate) fn trusting(roots: RootCertificates) -> Self {
        Self {
            roots,
            ..Self::default()
        }
    }

    /// Sends a GET request; with the `ETag` of an earlier response, a conditional one. The media type is not checked.
    ///
    /// # Errors
    /// [`FetchError`], which contains nothing that the server sent but its status.
    pub(crate) async fn get(&self, url: &Url, etag: Option<&str>) -> Result<Answer, FetchError> {
        let mut request = self
            .http_for(url)
            .await?
            .get(url.clone())
            .header(ACCEPT, ACCEPTED);
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = request
            .send()
            .await
            .map_err(|error| FetchError::of(&error))?;
        let (lifetime, etag_now) = (
            lifetime_of(response.headers()),
            text(response.headers(), &ETAG),
        );
        match (response.status(), etag) {
            (StatusCode::NOT_MODIFIED, Some(etag)) => Ok(Answer {
                body: None,
                lifetime,
                etag: Some(etag.to_owned()),
            }),
            (StatusCode::OK, _) => Ok(Answer {
                etag: etag_now.map(str::to_owned),
                lifetime,
                body: Some(read_body(response).await?),
            }),
            (status, _) => Err(FetchError::Status(status.as_u16())),
        }
    }

    /// Posts a JSON document, optionally with a DPoP proof; returns the response whatever its status.
    ///
    /// # Errors
    /// [`FetchError`], which contains nothing that the server sent.
    #[cfg(feature = "dev-issuer")]
    pub(crate) async fn post(
        &self,
        url: &Url,
        json: String,
        proof: Option<&str>,
    ) -> Result<Posted, FetchError> {
        let mut request = self
            .http_for(url)
            .await?
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json");
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        let response = request
            .body(json)
            .send()
            .await
            .map_err(|error| FetchError::of(&error))?;
        Ok(Posted {
            nonce: text(response.headers(), &NONCE).map(str::to_owned),
            body: read_body(response).await?,
        })
    }

    /// The HTTP client for requests to `url`.
    ///
    /// # Errors
    /// The scheme is neither `https` nor `http`, or the client cannot be made.
    pub(crate) async fn http_for(&self, url: &Url) -> Result<&reqwest::Client, FetchError> {
        match url.scheme() {
            "http" if is_loopback(url) => {
                self.loopback
                    .get_or_try_init(async || loopback_client())
                    .await
            }
            // Whether `http` is allowed for the host was checked when the URL was accepted.
            "http" | "https" => {
                self.remote
                    .get_or_try_init(async || remote_client(&self.roots))
                    .await
            }
            _ => Err(FetchError::NotHttps),
        }
    }
}

/// The response to a GET request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// `None` if the document has not changed since the response whose `ETag` was sent.
    pub(crate) body: Option<Vec<u8>>,
    /// The freshness lifetime by its headers.
    pub(crate) lifetime: Option<Duration>,
    pub(crate) etag: Option<String>,
}

/// The response to a POST request.
#[cfg(feature = "dev-issuer")]
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) body: Vec<u8>,
    /// The nonce for the next proof (RFC 9449 §8).
    pub(crate) nonce: Option<String>,
}

fn lifetime_of(headers: &HeaderMap) -> Option<Duration> {
    lifetime(CacheHeaders {
        age: text(headers, &AGE),
        cache_control: text(headers, &CACHE_CONTROL),
        date: text(headers, &DATE),
        expires: text(headers, &EXPIRES),
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The body, decompressed; its size is limited after that, so that a small answer cannot become a large one.
///
/// # Errors
/// It is too large, cannot be decoded, or the connection breaks.
pub(crate) async fn read_body(mut response: reqwest::Response) -> Result<Vec<u8>, FetchError> {
    // The client removes the header when it decodes `gzip`, the only encoding that it asks for.
    let encoding = response.headers().get(CONTENT_ENCODING);
    if encoding.is_some_and(|name| !name.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(FetchError::Encoding);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| FetchError::of(&error))?
    {
        if body.len().saturating_add(chunk.len()) > MAX_BODY_BYTES {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn loopback_client() -> Result<reqwest::Client, FetchError> {
    let no_roots: [reqwest::Certificate; 0] = [];
    let builder = builder().no_proxy().tls_certs_only(no_roots);
    builder.build().map_err(|_| FetchError::Client)
}

fn remote_client(private: &RootCertificates) -> Result<reqwest::Client, FetchError> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    let roots = roots.map(AsRef::as_ref).chain(private.iter());
    let roots = roots.filter_map(|root| reqwest::Certificate::from_der(root).ok());
    builder()
        .tls_certs_merge(roots)
        .build()
        .map_err(|_| FetchError::Client)
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!(
            env!("CARGO_PKG_NAME"),
            "/",
            env!("CARGO_PKG_VERSION")
        ))
        .redirect(Policy::custom(follow_within_origin))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
}

fn follow_within_origin(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let same_origin = attempt
        .previous()
        .first()
        .is_some_and(|first| first.origin() == attempt.url().origin());
    if same_origin && attempt.previous().len() <= MAX_REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// The types of JSON that issuers name, and for strict servers any other.
const ACCEPTED: &str = "application/json, application/jwk-set+json, */*;q=0.1";

/// RFC 9449 §8.1.
#[cfg(feature = "dev-issuer")]
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Enough for more than a thousand RSA keys.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;

const MAX_REDIRECTS: usize = 3;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Below the idle time after which issuers' load balancers close a connection.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::{ServerConfig, ServerConnection, Stream};

    use super::super::fetch_error::Chain;
    use super::*;

    async fn failure(url: &str) -> String {
        let url = url.parse().expect("a URL");
        let error = Client::default().get(&url, None).await.err();
        Chain(&error.expect("a failure")).to_string()
    }

    /// Serves one connection on loopback with `serve`; returns the URL.
    fn served(scheme: &str, serve: impl FnOnce(std::net::TcpStream) + Send + 'static) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || serve(listener.accept().expect("a connection").0));
        format!("{scheme}://{address}/")
    }

    /// Answers the first request, which must be read: unread bytes would reset the connection.
    fn answer(mut stream: std::net::TcpStream, bytes: &[u8]) {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(bytes);
    }

    /// A TLS server with a self-signed certificate.
    fn handshake(stream: std::net::TcpStream) {
        serve_tls(stream, self_signed(), b"");
    }

    fn self_signed() -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).expect("parameters");
        (params.self_signed(&key).expect("a certificate"), key)
    }

    /// Answers the first request over TLS.
    fn serve_tls(
        mut stream: std::net::TcpStream,
        (certificate, key): (rcgen::Certificate, rcgen::KeyPair),
        answer: &[u8],
    ) {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a configuration");
        let mut connection = ServerConnection::new(Arc::new(config)).expect("a connection");
        let mut tls = Stream::new(&mut connection, &mut stream);
        // A client that does not trust the certificate aborts the handshake.
        let _ = tls.read(&mut [0; 4096]);
        let _ = tls.write_all(answer);
    }

    #[tokio::test]
    async fn a_private_authority_is_trusted_where_it_is_configured() {
        let (certificate, key) = self_signed();
        let roots = RootCertificates::from_pem(certificate.pem().as_bytes()).expect("a root");
        let url = served("https", move |stream| {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
            serve_tls(stream, (certificate, key), answer);
        });
        let url = url.parse().expect("a URL");
        let answer = Client::trusting(roots).get(&url, None).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.body.as_deref(), Some(b"{}".as_slice()));
    }

    #[tokio::test]
    async fn an_error_names_the_layer_that_failed_and_the_cause() {
        let unused = TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr());
        let unused = unused.expect("a free port");
        let refused = failure(&format!("https://{unused}/")).await;
        assert_eq!(refused, "no connection could be made: connection refused");

        // A label that is too long for DNS, so that no query is sent.
        let unresolved = failure(&format!("http://{}.invalid/", "a".repeat(64))).await;
        let expected = "its host name could not be resolved: failed to lookup address information";
        assert!(unresolved.starts_with(expected), "{unresolved}");

        assert_eq!(
            failure(&served("https", handshake)).await,
            "no TLS connection could be made: the server's certificate is signed by an unknown authority"
        );
        let plain = served("https", |stream| {
            answer(stream, b"HTTP/1.1 400 Secret\r\n\r\n")
        });
        assert_eq!(
            failure(&plain).await,
            "no TLS connection could be made: the server does not speak TLS"
        );
        let status = b"HTTP/1.1 404 Secret\r\nContent-Length: 0\r\n\r\n";
        let status = served("http", |stream| answer(stream, status));
        assert_eq!(failure(&status).await, "the response status is 404");
        let closed = served("http", drop);
        assert!(failure(&closed).await.starts_with("the connection broke"));
    }
    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("bytes are encoded");
        encoder.finish().expect("bytes are encoded")
    }

    fn encoded(encoding: &str, body: &[u8]) -> String {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nConnection: close\r\n\r\n");
        let bytes = [head.as_bytes(), body].concat();
        served("http", move |stream| answer(stream, &bytes))
    }

    #[tokio::test]
    async fn a_compressed_answer_is_decoded() {
        for (encoding, body) in [("gzip", gzip(b"{}")), ("identity", b"{}".to_vec())] {
            let url = encoded(encoding, &body).parse().expect("a URL");
            let answer = Client::default().get(&url, None).await.expect("an answer");
            assert_eq!(answer.body.as_deref(), Some(b"{}".as_slice()), "{encoding}");
        }
    }

    #[tokio::test]
    async fn the_size_of_an_answer_is_limited_after_decoding() {
        let sized = |bytes: usize| encoded("gzip", &gzip(&vec![b' '; bytes]));
        let url = sized(MAX_BODY_BYTES).parse().expect("a URL");
        assert!(Client::default().get(&url, None).await.is_ok());
        for bytes in [MAX_BODY_BYTES + 1, 64 * MAX_BODY_BYTES] {
            let error = failure(&sized(bytes)).await;
            assert_eq!(error, "the answer is larger than 1048576 bytes");
        }
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_decoded_is_an_error() {
        let broken = "the answer's gzip encoding is broken";
        let other = "the answer is in an encoding that was not asked for";
        let whole = gzip(b"{}");
        for (encoding, body, expected) in [
            ("gzip", b"{}".as_slice(), broken),
            ("gzip", &whole[..12], broken),
            ("br", b"{}", other),
            ("deflate", b"{}", other),
            ("aes128gcm", b"{}", other),
        ] {
            assert_eq!(failure(&encoded(encoding, body)).await, expected);
        }
    }

    #[tokio::test]
    async fn strict_servers_find_a_type_of_theirs_in_accept() {
        let (sender, request) = std::sync::mpsc::channel();
        let url = served("http", move |mut stream| {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).expect("a request");
            let _ = sender.send(String::from_utf8_lossy(&head[..read]).to_lowercase());
        });
        failure(&url).await;
        let request = request.recv().expect("a request");
        assert!(
            request
                .contains("\r\naccept: application/json, application/jwk-set+json, */*;q=0.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains("\r\naccept-encoding: gzip\r\n"),
            "{request}"
        );
    }
}
