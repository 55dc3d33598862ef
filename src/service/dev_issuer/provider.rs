//! What every handler knows, and the little that it remembers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::HttpRequest;

use crate::proof::OverTls;
use crate::verify::clock::Clock;

use super::authorization::Authorization;
use super::cookies;
use super::keys::Keys;
use super::proofs::Proofs;
use super::redirect::Destination;
use super::sessions::{Memory, Session};
use super::test_view::TestedApi;

/// The issuer without its sockets.
#[derive(Debug)]
pub(super) struct Provider {
    /// The value of `iss`, which ends in a slash.
    pub(super) url: String,
    /// What it calls itself where clients show certificates; ends in a slash, too.
    pub(super) tls_url: Option<String>,
    pub(super) audience: String,
    pub(super) keys: Keys,
    pub(super) clock: Clock,
    pub(super) proofs: Proofs,
    /// The API that the Test view calls.
    pub(super) api: Option<TestedApi>,
    /// Browsers send cookies to every port of a host, so they are told apart by name.
    port: u16,
    memory: Mutex<Memory>,
}

impl Provider {
    pub(super) fn new(
        port: u16,
        audience: String,
        keys: Keys,
        clock: Clock,
        proofs: Proofs,
    ) -> Self {
        Self {
            url: format!("http://localhost:{port}/"),
            tls_url: None,
            audience,
            keys,
            clock,
            proofs,
            api: None,
            port,
            memory: Mutex::new(Memory::new()),
        }
    }

    /// The URL of one of its paths.
    pub(super) fn at(&self, path: &str) -> String {
        below(&self.url, path)
    }

    /// What it calls itself where this request reached it.
    pub(super) fn url_for(&self, request: &HttpRequest) -> &str {
        let tls_url = self.tls_url.as_deref();
        let tls_url = tls_url.filter(|_| request.conn_data::<OverTls>().is_some());
        tls_url.unwrap_or(&self.url)
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is signed in with the browser that sends `request`.
    pub(super) fn session(&self, request: &HttpRequest) -> Option<Session> {
        let name = cookies::find(request, &self.session_cookie())?;
        let memory = self.memory();
        memory.sessions.find(name, self.clock.now()).copied()
    }

    /// Signs somebody in, in the place of whoever was, and says by which cookie that is known.
    pub(super) fn begin(&self, session: Session, request: &HttpRequest) -> String {
        self.end(request);
        let name = self.memory().sessions.keep(session, self.clock.now());
        cookies::keep(&self.session_cookie(), &name)
    }

    /// Signs out whoever is signed in, and says by which cookie the browser forgets it.
    pub(super) fn end(&self, request: &HttpRequest) -> String {
        let cookie = self.session_cookie();
        if let Some(name) = cookies::find(request, &cookie) {
            self.memory().sessions.take(name, self.clock.now());
        }
        cookies::forget(&cookie)
    }

    /// Makes a code for what `session` allows.
    pub(super) fn allow(
        &self,
        authorization: Authorization,
        session: Session,
        destination: &Destination,
    ) -> String {
        let code = authorization.allowed_by(session, destination);
        self.memory().codes.keep(code, self.clock.now())
    }

    /// The cookie that belongs to the sign-in page's form.
    pub(super) fn form_cookie(&self) -> String {
        format!("dev_issuer_form_{}", self.port)
    }

    fn session_cookie(&self) -> String {
        format!("dev_issuer_session_{}", self.port)
    }
}

/// The URL of a path below one that ends in a slash.
pub(super) fn below(url: &str, path: &str) -> String {
    format!("{}{path}", url.trim_end_matches('/'))
}
