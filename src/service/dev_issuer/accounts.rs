//! The users who can sign in, and the registered clients with their authentication
//! (OIDC Core §2, §5; RFC 6749 §2.3).

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, Header};
use actix_web_httpauth::headers::authorization::{Authorization, Basic};
use serde::Serialize;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::error::OAuthError;
use super::parameters::Parameters;

pub(super) const OFFLINE_ACCESS: &str = "offline_access";
pub(super) const OPENID: &str = "openid";
const EMAIL: &str = "email";
const PROFILE: &str = "profile";

/// The scopes of OpenID Connect, beside those of the API (OIDC Core §5.4, §11).
pub(super) const OPENID_SCOPES: [&str; 4] = [OPENID, PROFILE, EMAIL, OFFLINE_ACCESS];

pub(super) const USERS: [User; 2] = [
    User {
        id: "manager",
        name: "Manager",
        role: "reads messages",
        subject: "auth0|manager",
        email: "manager@example.com",
        scopes: &[READ],
    },
    User {
        id: "administrator",
        name: "Administrator",
        role: "reads and writes messages",
        subject: "auth0|administrator",
        email: "administrator@example.com",
        scopes: &SCOPES,
    },
];

/// A user, who signs in without a password; serialized as the Test view shows it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct User {
    #[serde(skip)]
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// What the user may do with the API, in words.
    pub(super) role: &'static str,
    /// The value of `sub`, in Auth0's form.
    pub(super) subject: &'static str,
    #[serde(skip)]
    email: &'static str,
    /// The scopes of the API that the user's tokens can grant.
    pub(super) scopes: &'static [&'static str],
}

impl User {
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        const { &USERS }.iter().find(|user| user.id == id)
    }

    pub(super) fn with_subject(subject: &str) -> Option<&'static Self> {
        const { &USERS }.iter().find(|user| user.subject == subject)
    }

    /// Those of the `requested` scopes that the user's tokens can grant.
    pub(super) fn granted_scopes(&self, requested: &str) -> Vec<&'static str> {
        let requested: Vec<_> = requested.split(' ').collect();
        let known = const { &OPENID_SCOPES }.iter().chain(self.scopes).copied();
        known.filter(|scope| requested.contains(scope)).collect()
    }

    /// The claims about the user that `scopes` request (OIDC Core §5.4).
    pub(super) fn claims<'a>(
        &self,
        scopes: impl IntoIterator<Item = &'a str>,
    ) -> Map<String, Value> {
        let mut claims = Map::from_iter([("sub".to_owned(), json!(self.subject))]);
        for scope in scopes {
            if scope == PROFILE {
                claims.insert("name".to_owned(), json!(self.name));
                claims.insert("nickname".to_owned(), json!(self.id));
            } else if scope == EMAIL {
                claims.insert("email".to_owned(), json!(self.email));
                claims.insert("email_verified".to_owned(), json!(true));
            }
        }
        claims
    }
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

pub(super) const READ: &str = "read:messages";
const WRITE: &str = "write:messages";

/// The scopes of the API.
pub(super) const SCOPES: [&str; 2] = [READ, WRITE];

/// One client for each set of scopes.
pub(super) const CLIENTS: [Client; 4] = [
    Client::new("demo", &[]),
    Client::new("demo-read", &[READ]),
    Client::new("demo-write", &[WRITE]),
    Client::new("demo-read-write", &SCOPES),
];

/// A client and the scopes that it can be granted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) id: &'static str,
    pub(super) scopes: &'static [&'static str],
}

impl Client {
    const fn new(id: &'static str, scopes: &'static [&'static str]) -> Self {
        Self { id, scopes }
    }

    /// Authenticates a confidential client by the `Authorization` header or by the body (RFC 6749 §2.3.1).
    ///
    /// Any `client_secret` is accepted, since there is nothing to protect; a client that forgets to
    /// send one fails here, and not only with a real provider.
    ///
    /// # Errors
    /// [`OAuthError::UNKNOWN_CLIENT`], with a challenge where the client sent a header;
    /// [`OAuthError::TWO_SECRETS`] for a header and a secret in the body.
    pub(super) fn authenticate(
        request: &HttpRequest,
        parameters: &Parameters,
    ) -> Result<&'static Self, OAuthError> {
        let secret = parameters.get("client_secret");
        if !request.headers().contains_key(AUTHORIZATION) {
            let id = parameters.get("client_id").filter(|_| secret.is_some());
            return id.and_then(Self::find).ok_or(OAuthError::UNKNOWN_CLIENT);
        }
        if secret.is_some() {
            return Err(OAuthError::TWO_SECRETS);
        }
        let (id, secret) = basic_credentials(request)?;
        let client = Self::find(&id).filter(|_| !secret.is_empty());
        client.ok_or_else(OAuthError::unknown_client_in_header)
    }

    fn find(id: &str) -> Option<&'static Self> {
        const { &CLIENTS }.iter().find(|client| client.id == id)
    }
}

/// The `client_id` of a public client, which is not authenticated: codes and tokens are bound to
/// it, and a secret that is sent is ignored.
///
/// # Errors
/// [`OAuthError::NO_CLIENT_ID`]; [`OAuthError::unknown_client_in_header`] for a header that is not `Basic`.
pub(super) fn public_client_id(
    request: &HttpRequest,
    parameters: &Parameters,
) -> Result<String, OAuthError> {
    if let Some(id) = parameters.get("client_id") {
        Ok(id.to_owned())
    } else if request.headers().contains_key(AUTHORIZATION) {
        basic_credentials(request).map(|(id, _)| id)
    } else {
        Err(OAuthError::NO_CLIENT_ID)
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
            let user = User::find(id).unwrap();
            assert_eq!(
                user.granted_scopes(requested).join(" "),
                granted,
                "{id} {requested}"
            );
        }
        assert_eq!(User::find("unknown"), None);
    }

    #[test]
    fn scopes_request_claims() {
        let user = User::with_subject("auth0|manager").unwrap();
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
        assert_eq!(User::with_subject("manager"), None);
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

    fn by_body(body: &str) -> Result<&'static str, OAuthError> {
        let parameters = Parameters::parse("", body.as_bytes()).unwrap();
        let request = TestRequest::default().to_http_request();
        Client::authenticate(&request, &parameters).map(|client| client.id)
    }

    fn by_header(header: &str, body: &str) -> Result<&'static str, OAuthError> {
        let parameters = Parameters::parse("", body.as_bytes()).unwrap();
        let request = TestRequest::default().insert_header((AUTHORIZATION, header));
        Client::authenticate(&request.to_http_request(), &parameters).map(|client| client.id)
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64.encode(pair.as_bytes()))
    }

    #[test]
    fn any_secret_is_accepted_in_the_body_and_in_the_header() {
        for client in CLIENTS {
            let body = format!("client_id={}&client_secret=anything", client.id);
            assert_eq!(by_body(&body), Ok(client.id));
            assert_eq!(
                by_header(&basic(&format!("{}:x", client.id)), ""),
                Ok(client.id)
            );
        }
        let encoded = basic("demo%2Dread:x");
        assert_eq!(by_header(&encoded, ""), Ok("demo-read"));
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
            let id = public_client_id(&request.to_http_request(), &parameters);
            assert_eq!(id, expected.map(str::to_owned), "{body}");
        }
    }
}
