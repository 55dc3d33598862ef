//! The users who can sign in, the clients with their authentication, and the scopes that they can be
//! granted (OIDC Core §2, §5; RFC 6749 §2.3).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, Header};
use actix_web_httpauth::headers::authorization::{Authorization, Basic};
use serde::Serialize;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::claims::scope::OFFLINE_ACCESS;
use crate::service::config::{DevClient, DevUser, Secret};

use super::error::OAuthError;
use super::parameters::{LoopbackUrl, Parameters};

pub(super) const OPENID: &str = "openid";
const EMAIL: &str = "email";
const PROFILE: &str = "profile";

/// The scopes of OpenID Connect, beside those of the API (OIDC Core §5.4, §11).
pub(super) const OPENID_SCOPES: [&str; 4] = [OPENID, PROFILE, EMAIL, OFFLINE_ACCESS];

/// The scopes of the quickstart; no route requires the second one.
const READ: &str = "read:messages";
const WRITE: &str = "write:messages";

/// The clients that can be registered at one time.
pub(super) const MAX_REGISTERED: usize = 100;

/// Who can get tokens, and with which scopes.
#[derive(Debug)]
pub(super) struct Accounts {
    /// The scopes that can be granted: those of the API in the order of its routes, then those of users and clients.
    pub(super) scopes: Vec<String>,
    pub(super) users: Vec<Arc<User>>,
    clients: Vec<Arc<Client>>,
    /// Those that registered themselves, oldest first.
    registered: Mutex<VecDeque<Arc<Client>>>,
}

impl Accounts {
    /// Users and clients of an API whose routes require `scopes`: those that are configured, and
    /// those of the quickstart.
    pub(super) fn new(
        scopes: impl IntoIterator<Item = &'static str>,
        users: &[DevUser],
        clients: &[DevClient],
    ) -> Self {
        let mut api: Vec<_> = scopes.into_iter().collect();
        if api.contains(&READ) {
            api.push(WRITE);
        }
        let api = distinct(api.into_iter().map(str::to_owned));
        let of_users = users.iter().filter_map(|user| user.scopes.clone());
        let of_clients = clients.iter().filter_map(|client| client.scopes.clone());
        let further = of_users.chain(of_clients).flatten();
        let scopes = distinct(api.iter().cloned().chain(further));
        let configured = clients.iter().map(|own| Client::configured(own, &api));
        Self {
            clients: configured
                .chain(Client::quickstart(&scopes))
                .map(Arc::new)
                .collect(),
            registered: Mutex::default(),
            users: match users {
                [] => User::quickstart(&api).map(Arc::new).into(),
                users => users
                    .iter()
                    .map(|own| Arc::new(User::configured(own, &api)))
                    .collect(),
            },
            scopes,
        }
    }

    /// Those of a service with the routes of the quickstart.
    pub(super) fn of_quickstart() -> Self {
        Self::new([READ], &[], &[])
    }

    /// The user of this ID, as the sign-in page sends it, or of this name or subject.
    pub(super) fn user(&self, id: &str) -> Option<&Arc<User>> {
        let is_named = |user: &&Arc<User>| user.id == id || user.name == id || user.subject == id;
        self.users.iter().find(is_named)
    }

    pub(super) fn user_with_subject(&self, subject: &str) -> Option<&Arc<User>> {
        self.users.iter().find(|user| user.subject == subject)
    }

    /// Registers a client; the oldest is evicted when there are [`MAX_REGISTERED`].
    pub(super) fn register(&self, client: Arc<Client>) {
        let mut registered = self.registered();
        if registered.len() >= MAX_REGISTERED {
            registered.pop_front();
        }
        registered.push_back(client);
    }

    /// The name under which the client registered itself, or its ID.
    pub(super) fn display_name(&self, client_id: &str) -> String {
        let name = self
            .client(client_id)
            .and_then(|client| client.name.clone());
        name.unwrap_or_else(|| client_id.to_owned())
    }

    /// Whether users of the client may be redirected to `uri`. A client without registered URIs may use any.
    pub(super) fn allows_redirect(&self, client_id: &str, uri: &LoopbackUrl) -> bool {
        self.client(client_id).is_none_or(|client| {
            let known = &client.redirect_uris;
            known.is_empty() || known.iter().any(|known| uri.is_registered_as(known))
        })
    }

    /// Authenticates a confidential client by the `Authorization` header or by the body (RFC 6749 §2.3.1).
    ///
    /// Any `client_secret` is accepted from a client without a configured one; a client that forgets to
    /// send one fails here, and not only with a real provider.
    ///
    /// # Errors
    /// [`OAuthError::UNKNOWN_CLIENT`], with a challenge where the client sent a header;
    /// [`OAuthError::TWO_SECRETS`] for a header and a secret in the body.
    pub(super) fn authenticate(
        &self,
        request: &HttpRequest,
        parameters: &Parameters,
    ) -> Result<Arc<Client>, OAuthError> {
        let secret = parameters.get("client_secret");
        if !request.headers().contains_key(AUTHORIZATION) {
            let id = parameters.get("client_id").unwrap_or_default();
            let client = self.client(id).filter(|client| client.accepts(secret));
            return client.ok_or(OAuthError::UNKNOWN_CLIENT);
        }
        if secret.is_some() {
            return Err(OAuthError::TWO_SECRETS);
        }
        let (id, secret) = basic_credentials(request)?;
        let client = self
            .client(&id)
            .filter(|client| client.accepts(Some(&secret)));
        client.ok_or_else(OAuthError::unknown_client_in_header)
    }

    /// The `client_id` of a request with a code or a refresh token, which are bound to it. Only a client with a
    /// configured secret is authenticated; the secret of another one is ignored.
    ///
    /// # Errors
    /// [`OAuthError::NO_CLIENT_ID`]; [`OAuthError::unknown_client_in_header`] for a header that is not
    /// `Basic`; those of [`authenticate`](Self::authenticate).
    pub(super) fn client_id(
        &self,
        request: &HttpRequest,
        parameters: &Parameters,
    ) -> Result<String, OAuthError> {
        let id = if let Some(id) = parameters.get("client_id") {
            id.to_owned()
        } else if request.headers().contains_key(AUTHORIZATION) {
            basic_credentials(request)?.0
        } else {
            return Err(OAuthError::NO_CLIENT_ID);
        };
        if self.client(&id).is_some_and(|client| client.has_secret()) {
            return Ok(self.authenticate(request, parameters)?.id.clone());
        }
        Ok(id)
    }

    fn client(&self, id: &str) -> Option<Arc<Client>> {
        let listed = self.clients.iter().find(|client| client.id == id);
        listed.cloned().or_else(|| {
            let registered = self.registered();
            registered.iter().find(|client| client.id == id).cloned()
        })
    }

    fn registered(&self) -> MutexGuard<'_, VecDeque<Arc<Client>>> {
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A user, who signs in without a password; serialized as the Test view shows it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct User {
    #[serde(skip)]
    pub(super) id: String,
    pub(super) name: String,
    /// What the user may do with the API, in words.
    pub(super) role: String,
    /// The value of `sub`.
    pub(super) subject: String,
    #[serde(skip)]
    email: Option<String>,
    /// The scopes of the API that the user's tokens can grant.
    pub(super) scopes: Vec<String>,
    /// Further claims of the user's tokens.
    #[serde(skip)]
    pub(super) claims: Map<String, Value>,
}

impl User {
    /// One who may read, and one who may do everything.
    fn quickstart(scopes: &[String]) -> [Self; 2] {
        let user = |name: &str, role: &str, scopes: Vec<String>| {
            let id = name.to_lowercase();
            Self {
                name: name.to_owned(),
                role: role.to_owned(),
                subject: format!("auth0|{id}"),
                email: Some(format!("{id}@example.com")),
                scopes,
                claims: Map::new(),
                id,
            }
        };
        let reads = scopes
            .iter()
            .filter(|scope| *scope != WRITE)
            .cloned()
            .collect();
        let [manager, administrator] = if scopes.iter().any(|scope| scope == READ) {
            ["reads messages", "reads and writes messages"]
        } else {
            ["a user", "another user"]
        };
        [
            user("Manager", manager, reads),
            user("Administrator", administrator, scopes.to_vec()),
        ]
    }

    fn configured(own: &DevUser, scopes: &[String]) -> Self {
        Self {
            id: own.name.clone(),
            name: own.name.clone(),
            role: own
                .claims
                .get("roles")
                .map_or_else(|| own.subject.clone(), in_words),
            subject: own.subject.clone(),
            email: None,
            scopes: own.scopes.clone().unwrap_or_else(|| scopes.to_vec()),
            claims: own.claims.clone(),
        }
    }

    /// Those of the `requested` scopes that the user's tokens can grant.
    pub(super) fn granted_scopes(&self, requested: &str) -> Vec<String> {
        let requested: Vec<_> = requested.split(' ').collect();
        let own = self.scopes.iter().map(String::as_str);
        let known = OPENID_SCOPES.into_iter().chain(own);
        let granted = known.filter(|scope| requested.contains(scope));
        granted.map(str::to_owned).collect()
    }

    /// The claims about the user that `scopes` request (OIDC Core §5.4), and the configured ones.
    pub(super) fn claims<'a>(
        &self,
        scopes: impl IntoIterator<Item = &'a str>,
    ) -> Map<String, Value> {
        let mut claims = Map::from_iter([("sub".to_owned(), json!(self.subject))]);
        for scope in scopes {
            if scope == PROFILE {
                claims.insert("name".to_owned(), json!(self.name));
                claims.insert("nickname".to_owned(), json!(self.id));
            } else if let Some(email) = self.email.as_ref().filter(|_| scope == EMAIL) {
                claims.insert("email".to_owned(), json!(email));
                claims.insert("email_verified".to_owned(), json!(true));
            }
        }
        claims.extend(self.claims.clone());
        claims
    }
}

/// The scopes without repetitions.
fn distinct(scopes: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct = Vec::new();
    for scope in scopes {
        if !distinct.contains(&scope) {
            distinct.push(scope);
        }
    }
    distinct
}

/// Roles as one text.
fn in_words(roles: &Value) -> String {
    match roles {
        Value::String(role) => role.clone(),
        Value::Array(roles) => {
            let roles: Vec<_> = roles.iter().map(in_words).collect();
            roles.join(", ")
        }
        other => other.to_string(),
    }
}

/// A registered client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: String,
    /// The name that it registered.
    name: Option<String>,
    secret: ClientSecret,
    /// The scopes that it is granted where it requests none.
    pub(super) scopes: Vec<String>,
    /// Further scopes that it is granted on request.
    pub(super) optional_scopes: Vec<String>,
    redirect_uris: Vec<String>,
}

/// The `client_secret` that is accepted from a client.
#[derive(Debug)]
enum ClientSecret {
    /// Any that is not empty.
    Any,
    Configured(Secret),
    /// The one that was issued to a registered client; a public client has none.
    Issued(Option<String>),
}

impl Client {
    /// One that registered itself. Users of it are granted their own scopes; itself, it is granted none.
    pub(super) fn registered(
        id: String,
        name: Option<String>,
        secret: Option<String>,
        redirect_uris: Vec<String>,
    ) -> Self {
        Self {
            id,
            name,
            secret: ClientSecret::Issued(secret),
            scopes: Vec::new(),
            optional_scopes: Vec::new(),
            redirect_uris,
        }
    }

    pub(super) fn is_registered(&self) -> bool {
        matches!(self.secret, ClientSecret::Issued(_))
    }

    /// One for each set of the quickstart's scopes; each is granted the other scopes of the API, too: the last one at
    /// once, the others on request.
    fn quickstart(scopes: &[String]) -> [Self; 4] {
        let client = |id: &str, own: &[&str]| {
            let is_own = |scope: &&String| own.contains(&scope.as_str());
            let is_other = |scope: &&String| ![READ, WRITE].contains(&scope.as_str());
            Self {
                id: id.to_owned(),
                name: None,
                secret: ClientSecret::Any,
                scopes: scopes.iter().filter(is_own).cloned().collect(),
                optional_scopes: scopes.iter().filter(is_other).cloned().collect(),
                redirect_uris: Vec::new(),
            }
        };
        [
            client("demo", &[]),
            client("demo-read", &[READ]),
            client("demo-write", &[WRITE]),
            Self {
                scopes: scopes.to_vec(),
                optional_scopes: Vec::new(),
                ..client("demo-read-write", &[])
            },
        ]
    }

    fn configured(own: &DevClient, scopes: &[String]) -> Self {
        Self {
            id: own.id.clone(),
            name: None,
            secret: own
                .secret
                .clone()
                .map_or(ClientSecret::Any, ClientSecret::Configured),
            scopes: own.scopes.clone().unwrap_or_else(|| scopes.to_vec()),
            optional_scopes: Vec::new(),
            redirect_uris: own.redirect_uris.clone(),
        }
    }

    /// Whether one particular secret is required.
    fn has_secret(&self) -> bool {
        !matches!(self.secret, ClientSecret::Any | ClientSecret::Issued(None))
    }

    fn accepts(&self, secret: Option<&str>) -> bool {
        let secret = secret.filter(|secret| !secret.is_empty());
        secret.is_some_and(|sent| match &self.secret {
            ClientSecret::Any => true,
            ClientSecret::Configured(own) => own.expose() == sent,
            ClientSecret::Issued(own) => own.as_deref() == Some(sent),
        })
    }
}

/// The client's ID and secret in a `Basic` header; inside of it the ID is form-encoded.
fn basic_credentials(request: &HttpRequest) -> Result<(String, String), OAuthError> {
    let header = Authorization::<Basic>::parse(request);
    let basic = header
        .map_err(|_| OAuthError::unknown_client_in_header())?
        .into_scheme();
    let id = form_urlencoded::parse(basic.user_id().as_bytes()).next();
    let id = id.map(|(id, _)| id.into_owned()).unwrap_or_default();
    Ok((id, basic.password().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use data_encoding::BASE64;

    #[test]
    fn requested_scopes_of_the_user_are_granted() {
        let cases = [
            ("manager", "", ""),
            ("manager", "read:messages write:messages", "read:messages"),
            (
                "administrator",
                "write:messages read:messages",
                "read:messages write:messages",
            ),
            (
                "manager",
                "email  openid openid address offline_access profile OPENID",
                "openid profile email offline_access",
            ),
        ];
        for (id, requested, granted) in cases {
            let accounts = Accounts::of_quickstart();
            let user = accounts.user(id).unwrap();
            assert_eq!(
                user.granted_scopes(requested).join(" "),
                granted,
                "{id} {requested}"
            );
        }
        assert_eq!(Accounts::of_quickstart().user("unknown"), None);
    }

    #[test]
    fn scopes_request_claims() {
        let accounts = Accounts::of_quickstart();
        let user = accounts.user_with_subject("auth0|manager").unwrap();
        let cases = [
            (&["openid"][..], json!({"sub": "auth0|manager"})),
            (
                &["openid", "profile"],
                json!({"sub": "auth0|manager", "name": "Manager", "nickname": "manager"}),
            ),
            (
                &["email", "read:messages"],
                json!({"sub": "auth0|manager", "email": "manager@example.com", "email_verified": true}),
            ),
        ];
        for (scopes, expected) in cases {
            let claims = user.claims(scopes.iter().copied());
            assert_eq!(Value::Object(claims), expected, "{scopes:?}");
        }
        assert_eq!(accounts.user_with_subject("manager"), None);
    }

    fn authenticate(request: TestRequest, body: &str) -> Result<String, OAuthError> {
        let parameters = Parameters::parse("", body.as_bytes()).unwrap();
        let accounts = Accounts::of_quickstart();
        let client = accounts.authenticate(&request.to_http_request(), &parameters)?;
        Ok(client.id.clone())
    }

    fn by_body(body: &str) -> Result<String, OAuthError> {
        authenticate(TestRequest::default(), body)
    }

    fn by_header(header: &str, body: &str) -> Result<String, OAuthError> {
        let request = TestRequest::default().insert_header((AUTHORIZATION, header));
        authenticate(request, body)
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64.encode(pair.as_bytes()))
    }

    #[test]
    fn any_secret_is_accepted_in_the_body_and_in_the_header() {
        for id in ["demo", "demo-read", "demo-write", "demo-read-write"] {
            let body = format!("client_id={id}&client_secret=anything");
            assert_eq!(by_body(&body), Ok(id.to_owned()));
            assert_eq!(by_header(&basic(&format!("{id}:x")), ""), Ok(id.to_owned()));
        }
        let encoded = basic("demo%2Dread:x");
        assert_eq!(by_header(&encoded, ""), Ok("demo-read".to_owned()));
    }

    #[test]
    fn no_secret_or_an_unknown_client_is_rejected() {
        let rejected = Err(OAuthError::UNKNOWN_CLIENT);
        let bodies = [
            "",
            "client_id=demo",
            "client_id=demo&client_secret=",
            "client_secret=x",
            "client_id=other&client_secret=x",
            "client_id=DEMO&client_secret=x",
        ];
        for body in bodies {
            assert_eq!(by_body(body), rejected, "{body}");
        }
        let rejected = Err(OAuthError::unknown_client_in_header());
        for header in [
            &basic("demo:"),
            &basic("demo"),
            &basic("other:x"),
            "Basic !",
            "Bearer x",
        ] {
            assert_eq!(by_header(header, "client_id=demo"), rejected, "{header}");
        }
    }

    #[test]
    fn two_secrets_are_rejected() {
        let both = by_header(&basic("demo:x"), "client_id=demo&client_secret=x");
        assert_eq!(both, Err(OAuthError::TWO_SECRETS));
    }

    #[test]
    fn a_public_client_sends_its_id_in_the_body_or_in_the_header() {
        let cases = [
            ("client_id=any+thing", None, Ok("any thing")),
            ("client_id=body", Some(basic("header:x")), Ok("body")),
            ("", Some(basic("my%2Fapp:x")), Ok("my/app")),
            ("", None, Err(OAuthError::NO_CLIENT_ID)),
            (
                "",
                Some("Bearer x".to_owned()),
                Err(OAuthError::unknown_client_in_header()),
            ),
        ];
        for (body, header, expected) in cases {
            let parameters = Parameters::parse("", body.as_bytes()).unwrap();
            let mut request = TestRequest::default();
            if let Some(header) = header {
                request = request.insert_header((AUTHORIZATION, header));
            }
            let accounts = Accounts::of_quickstart();
            let id = accounts.client_id(&request.to_http_request(), &parameters);
            assert_eq!(id, expected.map(str::to_owned), "{body}");
        }
    }

    fn configured(clients: &[DevClient], users: &[DevUser]) -> Accounts {
        Accounts::new(["read:todos", "write:todos", "read:todos"], users, clients)
    }

    fn ada() -> DevUser {
        DevUser {
            name: "Ada".to_owned(),
            subject: "a-1".to_owned(),
            scopes: None,
            claims: Map::from_iter([("roles".to_owned(), json!(["admin", "editor"]))]),
        }
    }

    #[test]
    fn the_scopes_of_the_routes_are_those_that_everyone_can_be_granted() {
        let accounts = configured(&[], &[]);
        assert_eq!(accounts.scopes, ["read:todos", "write:todos"]);
        for user in &accounts.users {
            let granted = user.granted_scopes("read:todos read:messages write:todos");
            assert_eq!(granted, ["read:todos", "write:todos"], "{}", user.id);
        }
        for id in ["demo", "demo-read"] {
            let client = accounts.client(id).unwrap();
            assert!(client.scopes.is_empty(), "{id}");
            assert_eq!(client.optional_scopes, accounts.scopes, "{id}");
        }
        let client = accounts.client("demo-read-write").unwrap();
        assert_eq!(client.scopes, accounts.scopes);
    }

    #[test]
    fn configured_users_replace_those_of_the_quickstart() {
        let accounts = configured(&[], &[ada()]);
        assert_eq!(accounts.users.len(), 1);
        for id in ["Ada", "a-1"] {
            let user = accounts.user(id).unwrap();
            assert_eq!(
                (user.subject.as_str(), user.role.as_str()),
                ("a-1", "admin, editor")
            );
        }
        let claims = accounts.users[0].claims(["openid", "profile", "email"]);
        let expected = json!({
            "sub": "a-1", "name": "Ada", "nickname": "Ada", "roles": ["admin", "editor"],
        });
        assert_eq!(Value::from(claims), expected);
        let limited = DevUser {
            scopes: Some(vec!["read:todos".to_owned()]),
            ..ada()
        };
        let accounts = configured(&[], &[limited]);
        let granted = accounts.users[0].granted_scopes("openid read:todos write:todos");
        assert_eq!(granted, ["openid", "read:todos"]);
    }

    #[test]
    fn a_configured_client_is_accepted_with_its_secret_and_redirect_uris_alone() {
        let secret = serde_json::from_str(r#""right""#).unwrap();
        let worker = DevClient {
            id: "worker".to_owned(),
            secret: Some(secret),
            scopes: None,
            redirect_uris: vec!["http://localhost:5173/callback".to_owned()],
        };
        let accounts = configured(&[worker], &[]);
        let request = TestRequest::default().to_http_request();
        for (secret, is_accepted) in [("right", true), ("wrong", false), ("", false)] {
            let form = format!("client_id=worker&client_secret={secret}");
            let parameters = Parameters::parse("", form.as_bytes()).unwrap();
            let authenticated = accounts.authenticate(&request, &parameters);
            assert_eq!(authenticated.is_ok(), is_accepted, "{secret}");
            let id = accounts.client_id(&request, &parameters);
            assert_eq!(id.is_ok(), is_accepted, "{secret}");
        }
        let redirects = [
            ("worker", "http://localhost:5173/callback", true),
            ("worker", "http://localhost:5173/other", false),
            ("demo", "http://localhost:1/", true),
            ("not-registered", "http://localhost:1/", true),
        ];
        for (client, uri, is_allowed) in redirects {
            let parsed = LoopbackUrl::parse(uri).unwrap();
            assert_eq!(
                accounts.allows_redirect(client, &parsed),
                is_allowed,
                "{client} {uri}"
            );
        }
    }
}
