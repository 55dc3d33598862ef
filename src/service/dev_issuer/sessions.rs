//! Browser sessions, authorization codes and refresh tokens, and logout.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::cookie::{self, Cookie, SameSite};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};

use crate::jose::sign::random_id;

use super::accounts::User;
use super::authorize::CodeChallenge;
use super::error::{HtmlError, OAuthError};
use super::parameters::{LoopbackUrl, Parameters, encoded_value};
use super::sender::SenderBinding;
use super::{Provider, pages, token};

/// Auth0's logout endpoint.
pub(super) const AUTH0_LOGOUT: &str = "/v2/logout";
/// The end session endpoint (OpenID Connect RP-Initiated Logout §2).
pub(super) const END_SESSION: &str = "/oidc/logout";
const LOGOUT_PARAMETERS: [&str; 3] = ["post_logout_redirect_uri", "returnTo", "state"];

/// Entries of each store; more than a developer's machine needs.
const CAPACITY: usize = 1000;
/// Enough for one redirect and one request.
const CODE_LIFETIME: Duration = Duration::from_secs(60);
const REFRESH_TOKEN_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const SESSION_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The state of the issuer: lost when the process ends, and bounded while it runs.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) sessions: TtlStore<Session>,
    pub(super) codes: TtlStore<AuthorizationCode>,
    refresh_tokens: TtlStore<RefreshTokenFamily>,
    /// The claims of opaque access tokens.
    pub(super) opaque_tokens: TtlStore<Map<String, Value>>,
}

/// A sign-in with a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) user: Arc<User>,
    pub(super) auth_time: SystemTime,
    pub(super) factors: Factors,
}

/// The authentication factors of a sign-in; more are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Factors {
    /// The user was chosen, which proves nothing.
    One,
    /// A second factor was confirmed as well.
    Two,
}

impl Factors {
    pub(super) const ALL: [Self; 2] = [Self::One, Self::Two];

    /// The value of `acr` (OpenID Provider Authentication Policy Extension); Auth0 uses the second one.
    pub(super) const fn acr(self) -> &'static str {
        match self {
            Self::One => "http://schemas.openid.net/pape/policies/2007/06/none",
            Self::Two => "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
        }
    }

    /// The values of `amr` (RFC 8176 §2).
    pub(super) const fn amr(self) -> &'static [&'static str] {
        match self {
            Self::One => &["user"],
            Self::Two => &["user", "mfa"],
        }
    }

    /// The first known one of `acr_values`, which stand in order of preference (OIDC Core §3.1.2.1).
    pub(super) fn preferred(acr_values: &str) -> Option<Self> {
        let known = |acr| Self::ALL.into_iter().find(|factors| factors.acr() == acr);
        acr_values.split(' ').find_map(known)
    }
}

/// What a user lets a client do; authorization codes and refresh tokens stand for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Consent {
    pub(super) client_id: String,
    pub(super) session: Session,
    /// The `acr` of the tokens: a sign-in with two factors satisfies the weaker class, too.
    pub(super) acr: &'static str,
    pub(super) scopes: Vec<String>,
}

/// An authorization code, and what the client must present with it.
#[derive(Debug)]
pub(super) struct AuthorizationCode {
    pub(super) consent: Consent,
    pub(super) nonce: Option<String>,
    pub(super) code_challenge: CodeChallenge,
    pub(super) redirect_uri: String,
    /// The key that must be proven with it (RFC 9449 §10).
    pub(super) binding: SenderBinding,
}

/// The refresh tokens that descend from one sign-in; only the latest is valid.
#[derive(Debug)]
struct RefreshTokenFamily {
    consent: Consent,
    /// What must be proven with each of them (RFC 9449 §5, RFC 8705 §7.1).
    binding: SenderBinding,
    latest: String,
}

impl Store {
    pub(super) const fn new() -> Self {
        Self {
            sessions: TtlStore::new(CAPACITY, SESSION_LIFETIME),
            codes: TtlStore::new(CAPACITY, CODE_LIFETIME),
            refresh_tokens: TtlStore::new(CAPACITY, REFRESH_TOKEN_LIFETIME),
            opaque_tokens: TtlStore::new(CAPACITY, token::MAX_LIFETIME),
        }
    }

    /// Issues the first refresh token of a family.
    pub(super) fn issue_refresh_token(
        &mut self,
        consent: Consent,
        binding: SenderBinding,
        now: SystemTime,
    ) -> String {
        let latest = random_id();
        let family = RefreshTokenFamily {
            consent,
            binding,
            latest: latest.clone(),
        };
        let id = self.refresh_tokens.insert(family, now);
        format!("{id}.{latest}")
    }

    /// Exchanges a refresh token of a client for the next one, which is bound to `sender`.
    ///
    /// A token that was used before ends its family, since it may have been stolen (RFC 9700
    /// §4.14.2). A token that is bound to something else is useless to this sender, and stays valid.
    pub(super) fn rotate_refresh_token(
        &mut self,
        token: &str,
        client_id: &str,
        sender: &SenderBinding,
        now: SystemTime,
    ) -> Option<(Consent, String)> {
        let (id, secret) = token.split_once('.')?;
        if !sender.satisfies(&self.refresh_tokens.get(id, now)?.binding) {
            return None;
        }
        let mut family = self.refresh_tokens.remove(id, now)?;
        if family.latest != secret || family.consent.client_id != client_id {
            return None;
        }
        family.binding = sender.clone();
        family.latest = random_id();
        let next = format!("{id}.{}", family.latest);
        let consent = family.consent.clone();
        self.refresh_tokens
            .insert_with_id(id.to_owned(), family, now);
        Some((consent, next))
    }

    /// Ends an opaque access token, if it is one of this client's.
    pub(super) fn revoke_opaque_token(&mut self, token: &str, client_id: &str, now: SystemTime) {
        let claims = self.opaque_tokens.get(token, now);
        let client = claims.and_then(|claims| claims.get("client_id"));
        if client.is_some_and(|id| id == client_id) {
            self.opaque_tokens.remove(token, now);
        }
    }

    /// Ends the family of a refresh token, if it is one of this client's.
    pub(super) fn revoke_refresh_token(&mut self, token: &str, client_id: &str, now: SystemTime) {
        let (id, _) = token.split_once('.').unwrap_or_default();
        let family = self.refresh_tokens.get(id, now);
        if family.is_some_and(|family| family.consent.client_id == client_id) {
            self.refresh_tokens.remove(id, now);
        }
    }
}

impl Provider {
    /// The session of the browser that sent `request`.
    pub(super) fn session(&self, request: &HttpRequest) -> Option<Session> {
        let id = request.cookie_raw(&self.session_cookie())?;
        self.store().sessions.get(id.value(), self.now()).cloned()
    }

    /// Starts a session that replaces the browser's previous one.
    pub(super) fn start_session(&self, session: Session, request: &HttpRequest) -> Cookie<'static> {
        self.end_session(request);
        let id = self.store().sessions.insert(session, self.now());
        browser_cookie(self.session_cookie(), id)
    }

    /// Ends the session of the browser, if there is one.
    pub(super) fn end_session(&self, request: &HttpRequest) -> Cookie<'static> {
        let name = self.session_cookie();
        if let Some(id) = request.cookie_raw(&name) {
            self.store().sessions.remove(id.value(), self.now());
        }
        let mut removal = browser_cookie(name, String::new());
        removal.set_max_age(cookie::time::Duration::ZERO);
        removal
    }

    /// Browsers send cookies to every port of a host, so the port is part of the name.
    fn session_cookie(&self) -> String {
        format!("dev_issuer_session_{}", self.port)
    }
}

/// Ends the session of the browser and redirects it to the URL of the request, if there is one.
pub(super) async fn logout(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, HtmlError> {
    let parameters = Parameters::from_query(request.query_string(), &LOGOUT_PARAMETERS)?;
    let [auth0, openid] = ["returnTo", "post_logout_redirect_uri"].map(|name| parameters.get(name));
    let response = match auth0.or(openid) {
        Some(url) => {
            let url = LoopbackUrl::parse(url).ok_or(OAuthError::RETURN_TO)?;
            let state = encoded_value(request.query_string(), "state");
            let query = state.map(|state| format!("state={state}"));
            url.redirect(StatusCode::FOUND, &query.unwrap_or_default())
        }
        None => pages::notice(StatusCode::OK, "Signed out", "You can close this page."),
    };
    Ok(with_cookie(response, &provider.end_session(&request)))
}

/// A cookie until the browser is closed, hidden from scripts and not sent with other sites' forms
/// (`Lax`: it is sent with their links).
pub(super) fn browser_cookie(name: String, value: String) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .finish()
}

/// Adds a cookie, unless its value came from the browser and does not fit into a header: then the
/// browser keeps the one that it has.
pub(super) fn with_cookie(mut response: HttpResponse, cookie: &Cookie<'_>) -> HttpResponse {
    drop(response.add_cookie(cookie));
    response
}

/// Values under random IDs; each expires after its lifetime, and the oldest is evicted when the
/// store is full.
#[derive(Debug)]
pub(super) struct TtlStore<T> {
    /// Oldest first.
    entries: VecDeque<Entry<T>>,
    capacity: usize,
    lifetime: Duration,
}

#[derive(Debug)]
struct Entry<T> {
    id: String,
    inserted: SystemTime,
    value: T,
}

impl<T> TtlStore<T> {
    pub(super) const fn new(capacity: usize, lifetime: Duration) -> Self {
        Self {
            entries: VecDeque::new(),
            capacity,
            lifetime,
        }
    }

    /// Inserts `value` and returns its ID.
    pub(super) fn insert(&mut self, value: T, now: SystemTime) -> String {
        let id = random_id();
        self.insert_with_id(id.clone(), value, now);
        id
    }

    /// Inserts `value` under an ID that is free since its value was [removed](Self::remove).
    pub(super) fn insert_with_id(&mut self, id: String, value: T, now: SystemTime) {
        let lifetime = self.lifetime;
        self.entries.retain(|entry| entry.is_alive(lifetime, now));
        if self.entries.len() >= self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            id,
            inserted: now,
            value,
        });
    }

    pub(super) fn get(&self, id: &str, now: SystemTime) -> Option<&T> {
        let entry = self.entries.iter().find(|entry| entry.id == id)?;
        entry.is_alive(self.lifetime, now).then_some(&entry.value)
    }

    pub(super) fn remove(&mut self, id: &str, now: SystemTime) -> Option<T> {
        let position = self.entries.iter().position(|entry| entry.id == id)?;
        let entry = self.entries.remove(position)?;
        entry.is_alive(self.lifetime, now).then_some(entry.value)
    }
}

impl<T> Entry<T> {
    /// A clock that was set back makes no entry older.
    fn is_alive(&self, lifetime: Duration, now: SystemTime) -> bool {
        now.duration_since(self.inserted).unwrap_or_default() < lifetime
    }
}

#[cfg(test)]
mod tests {
    use super::super::accounts::Accounts;
    use super::*;

    fn consent(client_id: &str) -> Consent {
        Consent {
            client_id: client_id.to_owned(),
            session: Session {
                user: Accounts::of_quickstart().users[0].clone(),
                auth_time: at(0),
                factors: Factors::One,
            },
            acr: Factors::One.acr(),
            scopes: vec!["openid".to_owned()],
        }
    }

    const NOTHING: SenderBinding = SenderBinding {
        key: None,
        certificate: None,
    };

    #[test]
    fn a_refresh_token_is_exchanged_once_for_the_next() {
        let mut store = Store::new();
        let first = store.issue_refresh_token(consent("spa"), NOTHING, at(0));
        let (rotated, second) = store
            .rotate_refresh_token(&first, "spa", &NOTHING, at(1))
            .unwrap();
        assert_eq!(rotated, consent("spa"));
        assert_ne!(first, second);
        let (_, third) = store
            .rotate_refresh_token(&second, "spa", &NOTHING, at(2))
            .unwrap();
        assert_eq!(
            store.rotate_refresh_token(&first, "spa", &NOTHING, at(3)),
            None
        );
        assert_eq!(
            store.rotate_refresh_token(&third, "spa", &NOTHING, at(3)),
            None
        );
    }

    #[test]
    fn a_refresh_token_belongs_to_its_client_and_expires() {
        let mut store = Store::new();
        let stolen = store.issue_refresh_token(consent("spa"), NOTHING, at(0));
        assert_eq!(
            store.rotate_refresh_token(&stolen, "other", &NOTHING, at(1)),
            None
        );
        let token = store.issue_refresh_token(consent("spa"), NOTHING, at(0));
        let end = at(REFRESH_TOKEN_LIFETIME.as_secs());
        assert_eq!(
            store.rotate_refresh_token(&token, "spa", &NOTHING, end),
            None
        );
        for token in ["", ".", "no token", &token.replace('.', "")] {
            assert_eq!(
                store.rotate_refresh_token(token, "spa", &NOTHING, at(1)),
                None,
                "{token}"
            );
        }
    }

    #[test]
    fn a_refresh_token_is_exchanged_with_the_key_that_it_is_bound_to() {
        let mut store = Store::new();
        let with = |key: &str| SenderBinding {
            key: Some(key.to_owned()),
            ..NOTHING
        };
        let bound = store.issue_refresh_token(consent("spa"), with("a"), at(0));
        for other in [&NOTHING, &with("b")] {
            assert_eq!(
                store.rotate_refresh_token(&bound, "spa", other, at(1)),
                None
            );
        }
        let (_, next) = store
            .rotate_refresh_token(&bound, "spa", &with("a"), at(1))
            .unwrap();
        assert_eq!(
            store.rotate_refresh_token(&next, "spa", &NOTHING, at(1)),
            None
        );

        let unbound = store.issue_refresh_token(consent("spa"), NOTHING, at(0));
        let (_, next) = store
            .rotate_refresh_token(&unbound, "spa", &with("a"), at(1))
            .unwrap();
        assert_eq!(
            store.rotate_refresh_token(&next, "spa", &NOTHING, at(2)),
            None
        );
        assert!(
            store
                .rotate_refresh_token(&next, "spa", &with("a"), at(2))
                .is_some()
        );
    }

    #[test]
    fn a_client_revokes_its_own_refresh_tokens() {
        let mut store = Store::new();
        let token = store.issue_refresh_token(consent("spa"), NOTHING, at(0));
        store.revoke_refresh_token(&token, "other", at(1));
        store.revoke_refresh_token("no token", "spa", at(1));
        let (_, next) = store
            .rotate_refresh_token(&token, "spa", &NOTHING, at(1))
            .unwrap();
        store.revoke_refresh_token(&next, "spa", at(2));
        assert_eq!(
            store.rotate_refresh_token(&next, "spa", &NOTHING, at(2)),
            None
        );
    }

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_value_expires_after_its_lifetime() {
        let mut store = TtlStore::new(2, MINUTE);
        let id = store.insert("value", at(100));
        let cases = [
            (at(0), Some(&"value")),
            (at(100), Some(&"value")),
            (at(159), Some(&"value")),
            (at(160), None),
        ];
        for (now, expected) in cases {
            assert_eq!(store.get(&id, now), expected, "{now:?}");
        }
        assert_eq!(store.remove(&id, at(160)), None);
    }

    #[test]
    fn a_removed_id_can_be_used_again() {
        let mut store = TtlStore::new(2, MINUTE);
        let id = store.insert(1, at(0));
        assert_eq!(store.remove(&id, at(1)), Some(1));
        assert_eq!(store.remove(&id, at(1)), None);
        store.insert_with_id(id.clone(), 2, at(1));
        assert_eq!(store.get(&id, at(60)), Some(&2));
        assert_eq!(store.get("another", at(1)), None);
    }

    #[test]
    fn expired_values_are_evicted_before_the_oldest() {
        let mut store = TtlStore::new(2, MINUTE);
        let first = store.insert(1, at(0));
        let second = store.insert(2, at(30));
        let third = store.insert(3, at(59));
        let left = [&first, &second, &third].map(|id| store.get(id, at(59)).copied());
        assert_eq!(left, [None, Some(2), Some(3)]);
        store.insert(4, at(119));
        assert_eq!(store.entries.len(), 1);
    }

    #[test]
    fn the_first_known_acr_value_is_preferred() {
        let [none, multi] = Factors::ALL.map(Factors::acr);
        let cases = [
            (String::new(), None),
            ("urn:other".to_owned(), None),
            (multi.to_uppercase(), None),
            (multi.to_owned(), Some(Factors::Two)),
            (none.to_owned(), Some(Factors::One)),
            (format!("urn:other {multi} {none}"), Some(Factors::Two)),
            (format!(" {none}  {multi}"), Some(Factors::One)),
        ];
        for (asked, expected) in cases {
            assert_eq!(Factors::preferred(&asked), expected, "{asked}");
        }
    }
}
