//! The authorization endpoint and the sign-in page (RFC 6749 §3.1, RFC 7636, OIDC Core §3.1.2).

use std::time::{Duration, SystemTime};

use actix_web::http::StatusCode;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use data_encoding::BASE64URL_NOPAD;

use crate::jose::digest::sha256;
use crate::jose::sign::random_id;

use super::Provider;
use super::accounts::User;
use super::error::{HtmlError, OAuthError};
use super::pages;
use super::parameters::{ClientRedirect, Parameters};
use super::sender::SenderBinding;
use super::sessions::{AuthorizationCode, Consent, Factors, Session, browser_cookie, with_cookie};

pub(super) const PATH: &str = "/authorize";
/// Where the form of the sign-in page is posted to, with the query of `/authorize`.
pub(super) const SIGN_IN: &str = "/login";

/// The parameters that are read; all others are ignored.
const PARAMETERS: [&str; 15] = [
    "acr_values",
    "audience",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// The values of `prompt` that show the sign-in page, which asks for user and consent at once.
const INTERACTIVE: [&str; 3] = ["consent", "login", "select_account"];

/// Redirects with a code where the browser's session suffices, and shows the sign-in page otherwise.
pub(super) async fn authorize(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, HtmlError> {
    let context = Context::read(&request, &provider)?;
    let response = context.authorize();
    Ok(response.unwrap_or_else(|error| context.redirect.with_error(&error)))
}

/// Signs in the user that was chosen on the sign-in page, and redirects with a code.
pub(super) async fn sign_in(
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, HtmlError> {
    let context = Context::read(&request, &provider)?;
    let form = Parameters::from_body(&request, body)?;
    let form_token = provider.form_token(&request);
    if form_token.is_none() || form_token.as_deref() != form.get("form") {
        return Err(OAuthError::FORM_TOKEN.into());
    }
    let authorization = match context.authorization() {
        Ok(authorization) => authorization,
        Err(error) => return Ok(context.redirect.with_error(&error)),
    };
    let session = chosen_session(&form, &provider)?;
    if !authorization.is_satisfied_by(&session) {
        return Ok(context.sign_in_page(Some(&session.user)));
    }
    let cookie = provider.start_session(session.clone(), &request);
    let response = context.redirect_with_code(authorization, session, StatusCode::SEE_OTHER);
    Ok(with_cookie(response, &cookie))
}

fn chosen_session(form: &Parameters, provider: &Provider) -> Result<Session, OAuthError> {
    let user = form.get("person").and_then(|id| provider.accounts.user(id));
    let confirmed = form.get("second_factor");
    Ok(Session {
        user: user.ok_or(OAuthError::UNKNOWN_USER)?.clone(),
        auth_time: provider.now(),
        factors: confirmed.map_or(Factors::One, |_| Factors::Two),
    })
}

/// A request with a valid client and redirect URI, to which all other errors are returned.
struct Context<'r> {
    request: &'r HttpRequest,
    provider: &'r Provider,
    parameters: Parameters,
    redirect: ClientRedirect,
}

impl<'r> Context<'r> {
    fn read(request: &'r HttpRequest, provider: &'r Provider) -> Result<Self, OAuthError> {
        let parameters = Parameters::from_query(request.query_string(), &PARAMETERS)?;
        let redirect = ClientRedirect::read(&parameters, request.query_string(), &provider.url)?;
        let uri = &redirect.redirect_uri;
        if !provider.accounts.allows_redirect(&redirect.client_id, uri) {
            return Err(OAuthError::REDIRECT_URI_OF_CLIENT);
        }
        Ok(Self {
            request,
            provider,
            redirect,
            parameters,
        })
    }

    fn authorization(&self) -> Result<AuthorizationRequest, OAuthError> {
        AuthorizationRequest::read(&self.parameters, self.provider)
    }

    fn authorize(&self) -> Result<HttpResponse, OAuthError> {
        let authorization = self.authorization()?;
        let now = self.provider.now();
        let session = self.provider.session(self.request);
        match session.filter(|session| authorization.accepts(session, now)) {
            Some(session) if authorization.is_satisfied_by(&session) => {
                Ok(self.redirect_with_code(authorization, session, StatusCode::FOUND))
            }
            _ if authorization.prompt == Prompt::Never => Err(OAuthError::LOGIN_REQUIRED),
            session => Ok(self.sign_in_page(session.as_ref().map(|session| &*session.user))),
        }
    }

    fn redirect_with_code(
        &self,
        authorization: AuthorizationRequest,
        session: Session,
        status: StatusCode,
    ) -> HttpResponse {
        let code = authorization.granted_by(session, &self.redirect);
        let mut store = self.provider.store();
        let code = store.codes.insert(code, self.provider.now());
        self.redirect.with_code(&code, status)
    }

    /// The page on which a user is chosen, or on which this one confirms a second factor.
    fn sign_in_page(&self, user: Option<&User>) -> HttpResponse {
        let form_token = self.provider.form_token(self.request);
        let form_token = form_token.unwrap_or_else(random_id);
        let action = format!("{SIGN_IN}?{}", self.request.query_string());
        let page = pages::sign_in(
            &self.redirect,
            &action,
            &form_token,
            user,
            &self.provider.accounts,
        );
        let cookie = browser_cookie(self.provider.form_cookie(), form_token);
        with_cookie(page, &cookie)
    }
}

impl Provider {
    /// The token of the sign-in page's form, which a browser has to send as a cookie as well.
    fn form_token(&self, request: &HttpRequest) -> Option<String> {
        let cookie = request.cookie_raw(&self.form_cookie())?;
        Some(cookie.value().to_owned()).filter(|token| !token.is_empty())
    }

    fn form_cookie(&self) -> String {
        format!("dev_issuer_form_{}", self.port)
    }
}

/// A valid authorization request (RFC 6749 §4.1.1, OIDC Core §3.1.2.1), without its
/// [`ClientRedirect`].
#[derive(Debug, PartialEq, Eq)]
struct AuthorizationRequest {
    scope: String,
    nonce: Option<String>,
    code_challenge: CodeChallenge,
    binding: SenderBinding,
    prompt: Prompt,
    max_age: Option<Duration>,
    /// `None` where the request names no known class.
    factors: Option<Factors>,
}

/// When the sign-in page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prompt {
    Always,
    Never,
    WithoutSession,
}

impl AuthorizationRequest {
    fn read(parameters: &Parameters, provider: &Provider) -> Result<Self, OAuthError> {
        if parameters.get("response_type") != Some("code") {
            return Err(OAuthError::UNSUPPORTED_RESPONSE_TYPE);
        }
        let response_mode = parameters.get("response_mode");
        if !matches!(response_mode, None | Some("query" | "web_message")) {
            return Err(OAuthError::RESPONSE_MODE);
        }
        provider.check_audience(parameters)?;
        provider.check_resource(parameters)?;
        Ok(Self {
            scope: parameters.get("scope").unwrap_or_default().to_owned(),
            nonce: parameters.get("nonce").map(str::to_owned),
            code_challenge: CodeChallenge::read(parameters)?,
            binding: dpop_jkt(parameters)?,
            prompt: Prompt::read(parameters)?,
            max_age: max_age(parameters)?,
            factors: parameters.get("acr_values").and_then(Factors::preferred),
        })
    }

    /// Whether a session is recent enough, and no other sign-in is requested.
    fn accepts(&self, session: &Session, now: SystemTime) -> bool {
        let age = now.duration_since(session.auth_time).unwrap_or_default();
        self.prompt != Prompt::Always && self.max_age.is_none_or(|max_age| age < max_age)
    }

    /// Whether a sign-in has the factors that are requested.
    fn is_satisfied_by(&self, session: &Session) -> bool {
        self.factors
            .is_none_or(|factors| session.factors >= factors)
    }

    /// The code that stands for what the user of `session` lets the client do.
    fn granted_by(self, session: Session, redirect: &ClientRedirect) -> AuthorizationCode {
        AuthorizationCode {
            consent: Consent {
                client_id: redirect.client_id.clone(),
                acr: self.factors.unwrap_or(session.factors).acr(),
                scopes: session.user.granted_scopes(&self.scope),
                session,
            },
            nonce: self.nonce,
            code_challenge: self.code_challenge,
            redirect_uri: redirect.redirect_uri.as_str().to_owned(),
            binding: self.binding,
        }
    }
}

impl Prompt {
    fn read(parameters: &Parameters) -> Result<Self, OAuthError> {
        let prompt = parameters.get("prompt").unwrap_or_default();
        let values: Vec<_> = prompt.split(' ').filter(|v| !v.is_empty()).collect();
        match values.as_slice() {
            ["none"] => Ok(Self::Never),
            values if values.contains(&"none") => Err(OAuthError::PROMPT),
            values if values.iter().any(|value| INTERACTIVE.contains(value)) => Ok(Self::Always),
            _ => Ok(Self::WithoutSession),
        }
    }
}

/// A `code_challenge` of the method S256 (RFC 7636 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CodeChallenge(String);

impl CodeChallenge {
    fn read(parameters: &Parameters) -> Result<Self, OAuthError> {
        let challenge = parameters.get("code_challenge").unwrap_or_default();
        if is_sha256(challenge) && parameters.get("code_challenge_method") == Some("S256") {
            Ok(Self(challenge.to_owned()))
        } else {
            Err(OAuthError::CODE_CHALLENGE)
        }
    }

    /// Whether the challenge was made from this `code_verifier` (RFC 7636 §4.1, §4.6).
    ///
    /// ```text
    /// code-verifier = 43*128unreserved   ; such as dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk
    /// ```
    pub(super) fn verify(&self, verifier: &str) -> bool {
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        (43..=128).contains(&verifier.len())
            && verifier.bytes().all(is_unreserved)
            && BASE64URL_NOPAD.encode(&sha256(verifier.as_bytes())) == self.0
    }
}

/// The key that the code is to be bound to (RFC 9449 §10).
fn dpop_jkt(parameters: &Parameters) -> Result<SenderBinding, OAuthError> {
    let key = parameters.get("dpop_jkt");
    if key.is_some_and(|key| !is_sha256(key)) {
        return Err(OAuthError::DPOP_JKT);
    }
    Ok(SenderBinding {
        key: key.map(str::to_owned),
        certificate: None,
    })
}

fn max_age(parameters: &Parameters) -> Result<Option<Duration>, OAuthError> {
    let seconds = parameters.get("max_age").map(str::parse);
    let seconds = seconds.transpose().map_err(|_| OAuthError::MAX_AGE)?;
    Ok(seconds.map(Duration::from_secs))
}

/// Whether a text is the base64url of a SHA-256.
fn is_sha256(text: &str) -> bool {
    let decoded = BASE64URL_NOPAD.decode(text.as_bytes());
    decoded.is_ok_and(|hash| hash.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::super::accounts::Accounts;
    use super::super::tests::provider;
    use super::*;

    const GOOD: &str = "response_type=code&client_id=spa&redirect_uri=http://localhost&code_challenge_method=S256&\
        code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn read(query: &str) -> Result<AuthorizationRequest, OAuthError> {
        AuthorizationRequest::read(&Parameters::from_query(query, &PARAMETERS)?, &provider())
    }

    fn with(more: &str) -> Result<AuthorizationRequest, OAuthError> {
        read(&format!("{GOOD}&{more}"))
    }

    fn redirect() -> ClientRedirect {
        let parameters = Parameters::from_query(GOOD, &PARAMETERS).unwrap();
        ClientRedirect::read(&parameters, GOOD, "http://localhost:3011/").unwrap()
    }

    fn session(seconds: u64) -> Session {
        Session {
            user: Accounts::of_quickstart().users[0].clone(),
            auth_time: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            factors: Factors::One,
        }
    }

    #[test]
    fn an_invalid_request_is_an_error() {
        let cases = [
            (
                GOOD.replace("=code&", "=token&"),
                OAuthError::UNSUPPORTED_RESPONSE_TYPE,
            ),
            (
                GOOD.replace("=code&", "=&"),
                OAuthError::UNSUPPORTED_RESPONSE_TYPE,
            ),
            (
                GOOD.replace("=code&", "=code+id_token&"),
                OAuthError::UNSUPPORTED_RESPONSE_TYPE,
            ),
            (GOOD.replace("S256", "plain"), OAuthError::CODE_CHALLENGE),
            (
                format!("{GOOD}&response_mode=form_post"),
                OAuthError::RESPONSE_MODE,
            ),
            (
                format!("{GOOD}&audience=other"),
                OAuthError::UNKNOWN_AUDIENCE,
            ),
            (
                format!("{GOOD}&resource=https://other.test/"),
                OAuthError::INVALID_TARGET,
            ),
            (format!("{GOOD}&prompt=none+login"), OAuthError::PROMPT),
            (format!("{GOOD}&dpop_jkt=abc"), OAuthError::DPOP_JKT),
            (
                format!("{GOOD}&dpop_jkt=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="),
                OAuthError::DPOP_JKT,
            ),
            (format!("{GOOD}&max_age=-1"), OAuthError::MAX_AGE),
            (format!("{GOOD}&max_age=1h"), OAuthError::MAX_AGE),
            (
                format!("{GOOD}&client_id=other"),
                OAuthError::REPEATED_PARAMETER,
            ),
        ];
        for (query, expected) in cases {
            assert_eq!(read(&query), Err(expected), "{query}");
        }
        let unknown = with("audience=https://api.test/&ui_locales=de&ui_locales=en&prompt=create");
        assert_eq!(
            unknown.map(|request| request.prompt),
            Ok(Prompt::WithoutSession)
        );
    }

    #[test]
    fn a_session_is_accepted_under_prompt_and_max_age() {
        let cases = [
            ("", 100, true),
            ("prompt=none", 100, true),
            ("prompt=login", 100, false),
            ("prompt=select_account", 100, false),
            ("prompt=consent+login", 100, false),
            ("max_age=60", 159, true),
            ("max_age=60", 160, false),
            ("max_age=0", 100, false),
            ("max_age=60", 0, true),
        ];
        for (query, now, expected) in cases {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
            let accepted = with(query).unwrap().accepts(&session(100), now);
            assert_eq!(accepted, expected, "{query} {now:?}");
        }
    }

    #[test]
    fn a_code_grants_the_requested_scopes_of_the_user() {
        let request = with("scope=openid+read:messages+write:messages&nonce=n%2B&max_age=60");
        let code = request.unwrap().granted_by(session(100), &redirect());
        assert_eq!(code.consent.scopes, ["openid", "read:messages"]);
        assert_eq!(code.consent.client_id, "spa");
        assert_eq!(code.consent.session, session(100));
        assert_eq!(code.nonce.as_deref(), Some("n+"));
        assert_eq!(code.redirect_uri, "http://localhost");
        let code = with("").unwrap().granted_by(session(100), &redirect());
        assert_eq!(code.nonce, None);
        assert!(code.consent.scopes.is_empty());
    }

    #[test]
    fn the_preferred_acr_value_decides_on_factors_and_acr() {
        let [none, multi] = Factors::ALL.map(Factors::acr);
        let [weak, strong] = Factors::ALL.map(|factors| Session {
            factors,
            ..session(100)
        });
        let cases = [
            (String::new(), &weak, true, none),
            (String::new(), &strong, true, multi),
            ("acr_values=urn:other".to_owned(), &weak, true, none),
            ("acr_values=urn:other".to_owned(), &strong, true, multi),
            (format!("acr_values={none}"), &weak, true, none),
            (format!("acr_values={none}"), &strong, true, none),
            (format!("acr_values={multi}"), &weak, false, multi),
            (format!("acr_values={multi}"), &strong, true, multi),
            (format!("acr_values=x+{multi}+{none}"), &weak, false, multi),
            (format!("acr_values=x+{none}+{multi}"), &weak, true, none),
        ];
        for (query, session, is_satisfied, acr) in cases {
            let request = with(&query).unwrap();
            assert_eq!(request.is_satisfied_by(session), is_satisfied, "{query}");
            let consent = request.granted_by(session.clone(), &redirect()).consent;
            assert_eq!(consent.acr, acr, "{query}");
            assert_eq!(&consent.session, session, "{query}");
        }
    }

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn read_challenge(query: &str) -> Result<CodeChallenge, OAuthError> {
        let known = ["code_challenge", "code_challenge_method"];
        CodeChallenge::read(&Parameters::from_query(query, &known).unwrap())
    }

    #[test]
    fn only_the_verifier_of_a_challenge_is_accepted() {
        let query = format!("code_challenge={CHALLENGE}&code_challenge_method=S256");
        let challenge = read_challenge(&query).unwrap();
        assert!(challenge.verify(VERIFIER));
        for other in ["", CHALLENGE, &VERIFIER[1..], &VERIFIER.to_lowercase()] {
            assert!(!challenge.verify(other), "{other}");
        }
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        let long = "a".repeat(129);
        for verifier in [&VERIFIER[..42], &long, &format!("{VERIFIER}+")] {
            let hash = BASE64URL_NOPAD.encode(&sha256(verifier.as_bytes()));
            assert!(!CodeChallenge(hash).verify(verifier), "{verifier}");
        }
    }

    #[test]
    fn a_challenge_must_be_a_sha_256_with_the_method_s256() {
        let cases = [
            String::new(),
            format!("code_challenge={CHALLENGE}"),
            format!("code_challenge={CHALLENGE}&code_challenge_method=plain"),
            format!("code_challenge={CHALLENGE}&code_challenge_method=s256"),
            "code_challenge_method=S256".to_owned(),
            format!("code_challenge={CHALLENGE}%3D&code_challenge_method=S256"),
            format!(
                "code_challenge={}&code_challenge_method=S256",
                &CHALLENGE[4..]
            ),
        ];
        for query in cases {
            assert_eq!(
                read_challenge(&query),
                Err(OAuthError::CODE_CHALLENGE),
                "{query}"
            );
        }
    }
}
