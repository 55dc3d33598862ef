//! The authorization code flow with a browser: `/authorize`, the sign-in page, and the exchange of the code.

use actix_web::cookie::{self, Cookie, SameSite};
use actix_web::http::StatusCode;
use actix_web::http::header::COOKIE;
use actix_web::test::TestRequest;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::jose::digest::sha256;
use crate::service::dev_issuer::sessions::Factors;

use super::{AUDIENCE, Issuer, Response, URL, claims};

pub(super) const CALLBACK: &str = "http://localhost:5173/callback";
/// The value of `iss` in a query.
const ISS: &str = "http%3A%2F%2Flocalhost%3A3011%2F";
const ONE_FACTOR: &str = Factors::One.acr();
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A browser with its cookies.
pub(super) struct Browser<'a> {
    pub(super) issuer: &'a Issuer,
    cookies: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    pub(super) fn new(issuer: &'a Issuer) -> Self {
        let cookies = Vec::new();
        Self { issuer, cookies }
    }

    pub(super) async fn get(&mut self, path: &str) -> Response {
        self.send(TestRequest::get().uri(path)).await
    }

    async fn send(&mut self, request: TestRequest) -> Response {
        let pairs = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let pairs: Vec<_> = pairs.collect();
        let response = self
            .issuer
            .send(request.insert_header((COOKIE, pairs.join("; "))))
            .await;
        for cookie in response.headers.get_all("set-cookie") {
            let cookie = Cookie::parse(cookie.to_str().unwrap().to_owned()).unwrap();
            let is_removal = cookie.value().is_empty();
            let max_age = cookie.max_age();
            assert_eq!(max_age, is_removal.then_some(cookie::time::Duration::ZERO));
            assert_eq!(cookie.http_only(), Some(true), "{cookie}");
            assert_eq!(cookie.same_site(), Some(SameSite::Lax), "{cookie}");
            assert_eq!((cookie.path(), cookie.domain()), (Some("/"), None));
            assert_eq!((cookie.secure(), cookie.expires()), (None, None));
            self.cookies.retain(|(known, _)| known != cookie.name());
            if !is_removal {
                let (name, value) = cookie.name_value();
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        response
    }

    /// Chooses a user on the sign-in page.
    pub(super) async fn choose(&mut self, page: &Response, person: &str) -> Response {
        self.answer(page, &format!("person={person}")).await
    }

    /// Submits the form of the sign-in page with further fields.
    pub(super) async fn answer(&mut self, page: &Response, fields: &str) -> Response {
        let attribute = |name: &str| {
            let (_, rest) = page.text().split_once(name).unwrap();
            rest.split_once('"').unwrap().0.replace("&amp;", "&")
        };
        let action = attribute("action=\"");
        let form = format!("form={}&{fields}", attribute("name=\"form\" value=\""));
        self.post(&action, &form).await
    }

    async fn post(&mut self, path: &str, form: &str) -> Response {
        let request = TestRequest::post()
            .uri(path)
            .insert_header(("Content-Type", "application/x-www-form-urlencoded"))
            .set_payload(form.to_owned());
        self.send(request).await
    }

    pub(super) async fn sign_in(&mut self, person: &str, more: &str) -> Response {
        self.sign_in_at(&authorize(more), person).await
    }

    pub(super) async fn sign_in_at(&mut self, path: &str, person: &str) -> Response {
        let page = self.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        self.choose(&page, person).await
    }

    /// Signs in and exchanges the code.
    pub(super) async fn tokens(&mut self, person: &str, more: &str) -> Value {
        let redirect = self.sign_in(person, more).await;
        self.trade(&redirect).await
    }

    /// Exchanges the code of a redirect.
    pub(super) async fn trade(&mut self, redirect: &Response) -> Value {
        let code = redirect.redirect_parameter("code").unwrap();
        let response = self.issuer.post("/oauth/token", &trade(&code)).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text());
        response.json()
    }
}

/// A valid authorization request with further parameters.
pub(super) fn authorize(more: &str) -> String {
    let challenge = BASE64URL_NOPAD.encode(&sha256(VERIFIER.as_bytes()));
    format!(
        "/authorize?response_type=code&client_id=spa&redirect_uri={CALLBACK}\
         &code_challenge={challenge}&code_challenge_method=S256&state=s%2B%3D&{more}"
    )
}

pub(super) fn trade(code: &str) -> String {
    format!(
        "grant_type=authorization_code&client_id=spa&code={code}\
         &redirect_uri={CALLBACK}&code_verifier={VERIFIER}"
    )
}

#[actix_web::test]
async fn a_client_gets_tokens_with_the_scopes_of_the_user() {
    let cases = [
        ("manager", "read:messages"),
        ("administrator", "read:messages write:messages"),
    ];
    for (person, scopes) in cases {
        let issuer = Issuer::new();
        let asked =
            "scope=openid+read:messages+write:messages+other&nonce=n%3D&audience=https://api.test/";
        let answer = Browser::new(&issuer).tokens(person, asked).await;
        let scope = format!("openid {scopes}");
        let token = answer["access_token"].as_str().unwrap();
        let id_token = answer["id_token"].as_str().unwrap();
        let expected = json!({
            "access_token": token, "id_token": id_token, "token_type": "Bearer",
            "expires_in": 7200, "scope": scope,
        });
        assert_eq!(answer, expected);
        let (claims, id_claims) = (claims(token, "at+jwt"), claims(id_token, "JWT"));
        let subject = format!("auth0|{person}");
        let now = issuer.now();
        let expected = json!({
            "iss": URL, "sub": subject, "aud": AUDIENCE, "azp": "spa", "client_id": "spa",
            "iat": now, "exp": now + 7200, "jti": claims["jti"], "scope": scope,
            "acr": ONE_FACTOR, "amr": ["user"], "auth_time": now,
        });
        assert_eq!(claims, expected);
        let expected = json!({
            "iss": URL, "sub": subject, "aud": "spa", "nonce": "n=",
            "iat": now, "exp": now + 36_000,
            "acr": ONE_FACTOR, "amr": ["user"], "auth_time": now,
        });
        assert_eq!(id_claims, expected);
    }
}

#[actix_web::test]
async fn an_id_token_has_the_requested_claims() {
    let issuer = Issuer::new();
    let asked = "scope=openid+profile+email";
    let answer = Browser::new(&issuer).tokens("manager", asked).await;
    let id_claims = claims(answer["id_token"].as_str().unwrap(), "JWT");
    let now = issuer.now();
    let expected = json!({
        "iss": URL, "sub": "auth0|manager", "aud": "spa", "iat": now, "exp": now + 36_000,
        "acr": ONE_FACTOR, "amr": ["user"], "auth_time": now, "name": "Manager", "nickname": "manager",
        "email": "manager@example.com", "email_verified": true,
    });
    assert_eq!(id_claims, expected);
    let answer = Browser::new(&issuer)
        .tokens("manager", "scope=read:messages")
        .await;
    assert_eq!(answer.get("id_token"), None);
}

#[actix_web::test]
async fn the_response_carries_the_state() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let response = browser.sign_in("manager", "").await;
    assert_eq!(response.status, StatusCode::SEE_OTHER);
    let location = response.header("location").unwrap();
    let code = response.redirect_parameter("code").unwrap();
    assert_eq!(
        location,
        format!("{CALLBACK}?code={code}&iss={ISS}&state=s%2B%3D")
    );
}

#[actix_web::test]
async fn a_code_is_valid_once_and_for_a_minute() {
    let issuer = Issuer::new();
    for (seconds, status) in [(59, StatusCode::OK), (60, StatusCode::BAD_REQUEST)] {
        let mut browser = Browser::new(&issuer);
        let code = browser
            .sign_in("manager", "")
            .await
            .redirect_parameter("code")
            .unwrap();
        issuer.advance(seconds);
        let response = issuer.post("/oauth/token", &trade(&code)).await;
        assert_eq!(response.status, status, "{seconds}");
        let again = issuer.post("/oauth/token", &trade(&code)).await;
        let refused = json!({
            "error": "invalid_grant",
            "error_description": "unknown, used or expired authorization code",
        });
        assert_eq!((again.status.as_u16(), again.json()), (400, refused));
    }
}

#[actix_web::test]
async fn a_code_is_bound_to_its_request_and_used_up_by_any_attempt() {
    let issuer = Issuer::new();
    let wrong = [
        ("client_id=spa", "client_id=other"),
        ("5173/callback", "5173/other"),
        ("redirect_uri=", "ignored="),
        ("code_verifier=d", "code_verifier=D"),
        ("code_verifier=", "ignored="),
        ("code=", "code=x"),
    ];
    for (right, wrong) in wrong {
        let mut browser = Browser::new(&issuer);
        let code = browser
            .sign_in("manager", "")
            .await
            .redirect_parameter("code")
            .unwrap();
        let form = trade(&code).replacen(right, wrong, 1);
        let response = issuer.post("/oauth/token", &form).await;
        assert_eq!(response.json()["error"], "invalid_grant", "{wrong}");
        let again = issuer.post("/oauth/token", &trade(&code)).await;
        let unused = right == "code=";
        assert_eq!(again.status.is_success(), unused, "{wrong}");
    }
    let no_client = issuer
        .post("/oauth/token", "grant_type=authorization_code")
        .await;
    assert_eq!(
        no_client.json()["error_description"],
        "client_id is missing"
    );
}

#[actix_web::test]
async fn a_session_suffices_unless_the_client_requests_a_sign_in() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    browser.sign_in("manager", "").await;
    issuer.advance(100);
    let cases = [
        ("", true),
        ("prompt=none", true),
        ("max_age=101", true),
        ("max_age=100", false),
        ("prompt=login", false),
        ("prompt=select_account", false),
    ];
    for (more, at_once) in cases {
        let response = browser.get(&authorize(more)).await;
        assert_eq!(response.status == StatusCode::FOUND, at_once, "{more}");
        assert_eq!(
            response.redirect_parameter("code").is_some(),
            at_once,
            "{more}"
        );
    }
    issuer.advance(24 * 60 * 60 - 101);
    assert!(
        browser
            .get(&authorize(""))
            .await
            .redirect_parameter("code")
            .is_some()
    );
    issuer.advance(1);
    assert_eq!(browser.get(&authorize("")).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_session_is_found_among_the_cookies_of_other_applications() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    browser.sign_in("manager", "").await;
    let foreign = [("a", "1"), ("", "2"), ("c", "%zz"), ("d", "\"x=y")];
    let foreign = foreign.map(|(name, value)| (name.to_owned(), value.to_owned()));
    browser.cookies.splice(0..0, foreign);
    let response = browser.get(&authorize("prompt=none")).await;
    assert!(response.redirect_parameter("code").is_some());
}

#[actix_web::test]
async fn prompt_none_without_a_session_is_an_error() {
    let issuer = Issuer::new();
    let response = Browser::new(&issuer).get(&authorize("prompt=none")).await;
    assert_eq!(response.status, StatusCode::FOUND);
    let expected = format!(
        "{CALLBACK}?error=login_required&error_description=login%20required&iss={ISS}&state=s%2B%3D"
    );
    assert_eq!(response.header("location"), Some(expected.as_str()));
}

#[actix_web::test]
async fn prompt_none_in_a_frame_is_answered_by_a_web_message() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let silent = authorize("prompt=none&response_mode=web_message");
    let response = browser.get(&silent).await;
    let refused = "{&quot;error&quot;:&quot;login_required&quot;,\
        &quot;error_description&quot;:&quot;login required&quot;,\
        &quot;iss&quot;:&quot;http://localhost:3011/&quot;,&quot;state&quot;:&quot;s+=&quot;}";
    assert!(response.text().contains(refused), "{}", response.text());
    browser.sign_in("manager", "").await;
    let response = browser.get(&silent).await;
    assert_eq!(response.status, StatusCode::OK);
    assert!(
        response
            .text()
            .contains("data-target=\"http://localhost:5173\"")
    );
    assert!(response.text().contains("{&quot;code&quot;:&quot;"));
    assert_eq!(response.header("x-frame-options"), None);
    let policy = response.header("content-security-policy").unwrap();
    assert!(!policy.contains("frame-ancestors"), "{policy}");
}

#[actix_web::test]
async fn errors_are_returned_to_the_client() {
    let issuer = Issuer::new();
    let cases = [
        ("audience=other", "access_denied"),
        ("prompt=none+login", "invalid_request"),
        ("max_age=soon", "invalid_request"),
        ("response_mode=fragment", "invalid_request"),
    ];
    for (more, error) in cases {
        let response = Browser::new(&issuer).get(&authorize(more)).await;
        assert_eq!(response.status, StatusCode::FOUND, "{more}");
        assert_eq!(
            response.redirect_parameter("error").as_deref(),
            Some(error),
            "{more}"
        );
        assert_eq!(
            response.redirect_parameter("state").as_deref(),
            Some("s+="),
            "{more}"
        );
    }
    let implicit = authorize("").replace("=code&", "=token&");
    let response = Browser::new(&issuer).get(&implicit).await;
    assert_eq!(
        response.redirect_parameter("error").as_deref(),
        Some("unsupported_response_type")
    );
}

#[actix_web::test]
async fn a_browser_is_never_redirected_to_an_invalid_redirect_uri() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    browser.sign_in("manager", "").await;
    let cases = [
        authorize("").replace("http://localhost:5173", "https://example.com"),
        authorize("prompt=none").replace("http://localhost:5173", "//example.com"),
        authorize("").replace("/callback", "/%23"),
        authorize("").replace("redirect_uri", "ignored"),
        authorize("").replace("client_id", "ignored"),
        authorize("redirect_uri=https://example.com/"),
        authorize(&format!("x={}", "x".repeat(8 * 1024))),
    ];
    for path in cases {
        let response = browser.get(&path).await;
        assert!(response.status.is_client_error(), "{path}");
        assert_eq!(response.header("location"), None, "{path}");
        assert_eq!(
            response.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(!response.text().contains("example.com"), "{path}");
    }
}

#[actix_web::test]
async fn a_form_is_accepted_only_from_the_browser_that_it_was_sent_to() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let page = browser.get(&authorize("")).await;
    let login = authorize("").replace("/authorize", "/login");
    let other = Browser::new(&issuer).choose(&page, "manager").await;
    let cases = [
        ("another browser", other),
        ("no form", browser.post(&login, "person=manager").await),
        (
            "a made-up form",
            browser.post(&login, "person=manager&form=x").await,
        ),
        (
            "neither",
            Browser::new(&issuer).post(&login, "person=manager").await,
        ),
    ];
    for (case, response) in cases {
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{case}");
        assert_eq!(response.header("location"), None, "{case}");
        assert_eq!(response.header("set-cookie"), None, "{case}");
    }
    let unknown = browser.choose(&page, "unknown").await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    let again = browser.get(&authorize("")).await;
    assert!(again.text().contains("name=\"form\""));
    let response = browser.choose(&page, "manager").await;
    assert!(
        response.redirect_parameter("code").is_some(),
        "an older page of the same browser is accepted"
    );
}
