//! An issuer in the test's process, which serves its documents over HTTP, with faults on request.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use serde_json::Value;
use tokio::runtime;
use tokio::sync::oneshot;

use crate::jose::Algorithm;
use crate::jose::sign::SigningKey;

use super::documents::{Counts, Document, Published, jwks_uri};
use super::fault::Fault;
use super::introspection::Introspected;
use super::token::TokenBuilder;
use super::wire;

/// An issuer on `127.0.0.1`, which runs in a thread until it is dropped.
///
/// It publishes a discovery document ([OpenID Connect Discovery §4]) and its public key, and counts
/// requests. No other issuer that runs at the same time has the same key.
///
/// # Examples
/// ```no_run
/// use actix_resource_server::test_kit::TestIssuer;
///
/// let issuer = TestIssuer::start();
/// let token = issuer.token().scope("read:messages").build();
/// assert!(issuer.url().ends_with('/'));
/// assert_eq!(issuer.requests().jwks, 0);
/// # drop(token);
/// ```
///
/// [OpenID Connect Discovery §4]: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
#[derive(Debug)]
pub struct TestIssuer {
    url: String,
    published: Arc<Published>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestIssuer {
    /// Starts an issuer that signs RS256.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(Algorithm::Rs256)
    }

    /// Starts an issuer that signs with `algorithm`; an HMAC secret is not published.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "nothing foreign is involved: a machine without loopback runs no test"
    )]
    pub fn start_with(algorithm: Algorithm) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let url = format!("http://{address}/");
        let published = Arc::new(Published::new(&url, algorithm));
        let (stop, stopped) = oneshot::channel();
        let answers = Arc::clone(&published);
        let thread = thread::spawn(move || run(listener, answers, stopped));
        Self {
            url,
            published,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The value of `iss`: the base URL, which ends with a slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of the JWK set.
    #[must_use]
    pub fn jwks_uri(&self) -> String {
        jwks_uri(&self.url)
    }

    /// The audience of its tokens.
    #[must_use]
    pub const fn audience(&self) -> &'static str {
        "https://api.test/"
    }

    /// The current signing key.
    #[must_use]
    pub fn key(&self) -> SigningKey {
        self.published.key()
    }

    /// A valid access token, signed with the current key.
    pub fn token(&self) -> TokenBuilder {
        TokenBuilder::new(&self.url, self.audience(), &self.key())
    }

    /// A logout token for the client `audience`, signed with the current key: see [`TokenBuilder::logout_token`].
    pub fn logout_token(&self, audience: &str) -> TokenBuilder {
        TokenBuilder::logout_token(&self.url, audience, &self.key())
    }

    /// A security event token for `audience` without events, signed with the current key: see
    /// [`TokenBuilder::security_event`].
    pub fn security_event(&self, audience: &str) -> TokenBuilder {
        TokenBuilder::security_event(&self.url, audience, &self.key())
    }

    /// Issues an opaque token with the claims of `token`, which its introspection endpoint tells ([RFC 7662]).
    ///
    /// Any client may ask. JWTs of this issuer are active, too, until they are revoked.
    ///
    /// [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662
    #[must_use]
    pub fn issue_opaque(&self, token: TokenBuilder) -> String {
        self.published
            .introspected(|known| known.issue(token.claims()))
    }

    /// Revokes a token: from now on, the introspection endpoint tells that it is not active.
    pub fn revoke(&self, token: &str) {
        self.published.introspected(|known| known.revoke(token));
    }

    /// Offers signed introspection responses, and signs those that are requested so ([RFC 9701]).
    ///
    /// [RFC 9701]: https://www.rfc-editor.org/rfc/rfc9701
    pub fn sign_introspection(&self) {
        self.published.introspected(Introspected::sign);
    }

    /// Replaces the key; tokens signed with the old one become invalid.
    pub fn rotate(&self) {
        self.published.withdraw_keys();
        self.published.add_key();
    }

    /// Signs with a new key, and publishes it beside the old ones.
    pub fn rotate_keeping_old(&self) {
        self.published.add_key();
    }

    /// Publishes any JSON instead of the JWK set.
    pub fn publish(&self, jwks: Value) {
        self.published.publish(jwks);
    }

    /// Sets the fault of `document`; `None` removes it.
    pub fn set_fault(&self, document: Document, fault: Option<Fault>) {
        self.published.set_fault(document, fault);
    }

    /// The number of requests for each document, including unfinished ones.
    #[must_use]
    pub fn requests(&self) -> Counts {
        self.published.counts()
    }

    /// Blocks until `document` has been requested `number` times in all; returns `false` after ten seconds.
    ///
    /// Must not be called from the thread that sends the requests.
    #[must_use]
    pub fn wait_for(&self, document: Document, number: usize) -> bool {
        self.published.wait_for(document, number)
    }
}

impl Drop for TestIssuer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has already been printed.
            let _ = thread.join();
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "nothing foreign is involved: a machine without sockets runs no test"
)]
fn run(listener: TcpListener, answers: Arc<Published>, stopped: oneshot::Receiver<()>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime is made").block_on(async {
        listener
            .set_nonblocking(true)
            .expect("a socket can be non-blocking");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket is taken over");
        tokio::spawn(wire::serve(listener, answers));
        // Both a message and a dropped sender stop the server.
        let _ = stopped.await;
    });
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    use serde_json::json;

    use crate::test_kit::{Gate, Reply};

    use super::*;

    const DISCOVERY: &str = "/.well-known/openid-configuration";
    const JWKS: &str = "/.well-known/jwks.json";

    /// ES256, because its keys are generated quickly.
    fn issuer() -> TestIssuer {
        TestIssuer::start_with(Algorithm::Es256)
    }

    fn connect(url: &str, method: &str, path: &str) -> TcpStream {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"
        )
        .unwrap();
        stream
    }

    fn ask(url: &str, method: &str, path: &str) -> String {
        let mut answer = String::new();
        let mut stream = connect(url, method, path);
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn document(issuer: &TestIssuer, path: &str) -> Value {
        let answer = ask(issuer.url(), "GET", path);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("Content-Type: application/json"), "{head}");
        serde_json::from_str(body).unwrap()
    }

    fn published_kids(issuer: &TestIssuer) -> Vec<String> {
        let jwks = document(issuer, JWKS);
        let keys = jwks["keys"].as_array().unwrap();
        let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
        keys.iter().map(kid).collect()
    }

    #[test]
    fn discovery_leads_to_the_signing_key() {
        let issuer = issuer();
        let discovery = document(&issuer, DISCOVERY);
        assert_eq!(discovery["issuer"], issuer.url());
        assert_eq!(discovery["jwks_uri"], issuer.jwks_uri());
        assert_eq!(
            document(&issuer, JWKS),
            json!({"keys": [issuer.key().public_jwk()]})
        );
        let token = issuer.token().build();
        let header = data_encoding::BASE64URL_NOPAD
            .decode(token.split('.').next().unwrap().as_bytes())
            .unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header["kid"], issuer.key().kid());
    }

    #[test]
    fn requests_are_counted_by_document() {
        let issuer = issuer();
        ask(issuer.url(), "GET", DISCOVERY);
        ask(issuer.url(), "GET", "/tenant/.well-known/jwks.json?fresh=1");
        ask(issuer.url(), "HEAD", JWKS);
        ask(issuer.url(), "GET", "/elsewhere");
        ask(issuer.url(), "POST", JWKS);
        ask(
            issuer.url(),
            "GET",
            "/.well-known/oauth-authorization-server/tenant",
        );
        let expected = Counts {
            authorization_server: 1,
            discovery: 1,
            introspection: 0,
            jwks: 2,
        };
        assert_eq!(issuer.requests(), expected);
        assert!(issuer.wait_for(Document::Jwks, 2));
    }

    #[test]
    fn the_second_discovery_path_is_a_404_by_default() {
        let issuer = issuer();
        let path = "/.well-known/oauth-authorization-server";
        assert!(ask(issuer.url(), "GET", path).starts_with("HTTP/1.1 404 "));
        issuer.set_fault(Document::AuthorizationServer, None);
        assert_eq!(document(&issuer, path), document(&issuer, DISCOVERY));
    }

    #[test]
    fn a_rotation_publishes_the_new_key_with_or_without_the_old() {
        let issuer = issuer();
        let first = issuer.key();
        issuer.rotate_keeping_old();
        let second = issuer.key();
        assert_eq!(published_kids(&issuer), [first.kid(), second.kid()]);
        issuer.rotate();
        assert_eq!(published_kids(&issuer), [issuer.key().kid()]);
        assert_ne!(issuer.key().kid(), second.kid());
    }

    #[test]
    fn any_document_can_be_published() {
        let issuer = issuer();
        issuer.publish(json!([1]));
        assert_eq!(document(&issuer, JWKS), json!([1]));
    }

    #[test]
    fn a_fault_affects_only_its_document_and_can_be_removed() {
        let issuer = issuer();
        let get = |path| ask(issuer.url(), "GET", path);
        let unusual = Reply::new(500).header("Retry-After", "7").body("oh");
        let cases = [
            (Fault::Close, ""),
            (Fault::Raw(b"HTTP/1.1 200\r\n".to_vec()), "HTTP/1.1 200\r\n"),
            (
                Fault::Reply(unusual),
                "HTTP/1.1 500 Test\r\nContent-Length: 2\r\nRetry-After: 7\r\nConnection: close\r\n\r\noh",
            ),
            (
                Fault::body("text/html", "<p>"),
                "HTTP/1.1 200 Test\r\nContent-Length: 3\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<p>",
            ),
            (
                Fault::redirect("http://127.0.0.2/"),
                "HTTP/1.1 302 Test\r\nContent-Length: 0\r\nLocation: http://127.0.0.2/\r\nConnection: close\r\n\r\n",
            ),
        ];
        let correct = get(JWKS);
        for (fault, expected) in cases {
            issuer.set_fault(Document::Jwks, Some(fault));
            assert_eq!(get(JWKS), expected);
            assert!(get(DISCOVERY).starts_with("HTTP/1.1 200 "));
        }
        issuer.set_fault(Document::Jwks, Some(Fault::Drip(Duration::ZERO)));
        assert_eq!(get(JWKS), correct);
        issuer.set_fault(Document::Jwks, None);
        assert_eq!(get(JWKS), correct);
    }

    #[test]
    fn another_discovery_document_can_be_served() {
        let issuer = issuer();
        let other = json!({"issuer": "https://other.test/"});
        issuer.set_fault(Document::Discovery, Some(Fault::json(&other)));
        assert_eq!(document(&issuer, DISCOVERY), other);
    }

    #[test]
    fn an_endless_body_does_not_end() {
        let issuer = issuer();
        issuer.set_fault(Document::Jwks, Some(Fault::Endless));
        let mut part = vec![0; 8 * 1024 * 1024];
        connect(issuer.url(), "GET", JWKS)
            .read_exact(&mut part)
            .unwrap();
        assert!(part.ends_with(b"    "));
    }

    #[test]
    fn a_gate_holds_an_answer_back_until_it_opens() {
        let issuer = issuer();
        let gate = Gate::new();
        issuer.set_fault(Document::Jwks, Some(Fault::Hang(gate.clone())));
        let url = issuer.url().to_owned();
        let reader = thread::spawn(move || ask(&url, "GET", JWKS));
        assert!(issuer.wait_for(Document::Jwks, 1));
        assert!(ask(issuer.url(), "GET", DISCOVERY).starts_with("HTTP/1.1 200 "));
        issuer.rotate();
        gate.open();
        assert!(reader.join().unwrap().contains(issuer.key().kid()));
    }

    #[test]
    fn a_held_request_gets_the_fault_that_is_set_when_the_gate_opens() {
        let issuer = issuer();
        let gate = Gate::new();
        issuer.set_fault(Document::Jwks, Some(Fault::Hang(gate.clone())));
        let url = issuer.url().to_owned();
        let reader = thread::spawn(move || ask(&url, "GET", JWKS));
        assert!(issuer.wait_for(Document::Jwks, 1));
        issuer.set_fault(Document::Jwks, Some(Fault::status(503)));
        gate.open();
        assert!(reader.join().unwrap().starts_with("HTTP/1.1 503 "));
    }

    #[test]
    fn a_dropped_issuer_closes_its_connections() {
        let issuer = issuer();
        issuer.set_fault(Document::Jwks, Some(Fault::Hang(Gate::new())));
        let mut hanging = connect(issuer.url(), "GET", JWKS);
        assert!(issuer.wait_for(Document::Jwks, 1));
        drop(issuer);
        assert_eq!(hanging.read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn two_issuers_never_have_the_same_key() {
        let (one, other) = (TestIssuer::start(), TestIssuer::start());
        let modulus = |issuer: &TestIssuer| issuer.key().public_jwk().unwrap()["n"].clone();
        assert_ne!(modulus(&one), modulus(&other));
        assert_ne!(one.key().kid(), other.key().kid());
    }
}
