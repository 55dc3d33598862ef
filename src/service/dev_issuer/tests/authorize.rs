//! A browser is sent to `/authorize`, a person is chosen, and the client trades the code.

use actix_web::http::StatusCode;
use actix_web::http::header::COOKIE;
use actix_web::test::TestRequest;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::jose::digest::sha256;
use crate::service::dev_issuer::login::Strength;

use super::{AUDIENCE, Issuer, Seen, URL, claims};

pub(super) const CALLBACK: &str = "http://localhost:5173/callback";
/// What a sign-in is that proves nothing.
const ONE_FACTOR: &str = Strength::OneFactor.class();
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// One browser, which keeps its cookies.
pub(super) struct Browser<'a> {
    pub(super) issuer: &'a Issuer,
    cookies: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    pub(super) fn new(issuer: &'a Issuer) -> Self {
        let cookies = Vec::new();
        Self { issuer, cookies }
    }

    pub(super) async fn get(&mut self, path: &str) -> Seen {
        self.send(TestRequest::get().uri(path)).await
    }

    async fn send(&mut self, request: TestRequest) -> Seen {
        let pairs = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let pairs: Vec<_> = pairs.collect();
        let seen = self
            .issuer
            .send(request.insert_header((COOKIE, pairs.join("; "))))
            .await;
        for cookie in seen.headers.get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split_once('=').unwrap();
            let (value, attributes) = value.split_once(';').unwrap();
            assert!(
                attributes.starts_with(" Path=/; HttpOnly; SameSite=Lax"),
                "{attributes}"
            );
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        seen
    }

    /// Chooses somebody on a page that was shown.
    pub(super) async fn choose(&mut self, page: &Seen, person: &str) -> Seen {
        self.answer(page, &format!("person={person}")).await
    }

    /// Sends the form of a page that was shown, with these further fields.
    pub(super) async fn answer(&mut self, page: &Seen, fields: &str) -> Seen {
        let attribute = |name: &str| {
            let (_, rest) = page.text().split_once(name).unwrap();
            rest.split_once('"').unwrap().0.replace("&amp;", "&")
        };
        let action = attribute("action=\"");
        let form = format!("form={}&{fields}", attribute("name=\"form\" value=\""));
        self.post(&action, &form).await
    }

    async fn post(&mut self, path: &str, form: &str) -> Seen {
        let request = TestRequest::post()
            .uri(path)
            .insert_header(("Content-Type", "application/x-www-form-urlencoded"))
            .set_payload(form.to_owned());
        self.send(request).await
    }

    pub(super) async fn sign_in(&mut self, person: &str, more: &str) -> Seen {
        let page = self.get(&authorize(more)).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        self.choose(&page, person).await
    }

    /// Signs in and trades the code.
    pub(super) async fn tokens(&mut self, person: &str, more: &str) -> Value {
        let led_back = self.sign_in(person, more).await;
        self.trade(&led_back).await
    }

    /// Trades the code that the browser was led back with.
    pub(super) async fn trade(&mut self, led_back: &Seen) -> Value {
        let code = led_back.told("code").unwrap();
        let seen = self.issuer.post("/oauth/token", &trade(&code)).await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.text());
        seen.json()
    }
}

/// A request that is in order, and `more`.
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
async fn a_person_signs_in_and_the_client_gets_what_is_theirs() {
    let cases = [
        ("manager", "read:messages"),
        ("administrator", "read:messages write:messages"),
    ];
    for (person, theirs) in cases {
        let issuer = Issuer::new();
        let asked =
            "scope=openid+read:messages+write:messages+other&nonce=n%3D&audience=https://api.test/";
        let answer = Browser::new(&issuer).tokens(person, asked).await;
        let scope = format!("openid {theirs}");
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
async fn an_id_token_says_what_was_asked_for() {
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
async fn the_answer_leads_back_with_the_state() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let seen = browser.sign_in("manager", "").await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    let location = seen.header("location").unwrap();
    let code = seen.told("code").unwrap();
    assert_eq!(location, format!("{CALLBACK}?code={code}&state=s%2B%3D"));
}

#[actix_web::test]
async fn a_code_is_good_once_and_for_a_minute() {
    let issuer = Issuer::new();
    for (seconds, status) in [(59, StatusCode::OK), (60, StatusCode::BAD_REQUEST)] {
        let mut browser = Browser::new(&issuer);
        let code = browser.sign_in("manager", "").await.told("code").unwrap();
        issuer.pass(seconds);
        let seen = issuer.post("/oauth/token", &trade(&code)).await;
        assert_eq!(seen.status, status, "{seconds}");
        let again = issuer.post("/oauth/token", &trade(&code)).await;
        let refused = json!({
            "error": "invalid_grant",
            "error_description": "unknown, used or expired authorization code",
        });
        assert_eq!((again.status.as_u16(), again.json()), (400, refused));
    }
}

#[actix_web::test]
async fn a_code_is_for_the_one_who_asked_and_used_by_any_try() {
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
        let code = browser.sign_in("manager", "").await.told("code").unwrap();
        let form = trade(&code).replacen(right, wrong, 1);
        let seen = issuer.post("/oauth/token", &form).await;
        assert_eq!(seen.json()["error"], "invalid_grant", "{wrong}");
        let again = issuer.post("/oauth/token", &trade(&code)).await;
        let unused = right == "code=";
        assert_eq!(again.status.is_success(), unused, "{wrong}");
    }
    let nobody = issuer
        .post("/oauth/token", "grant_type=authorization_code")
        .await;
    assert_eq!(nobody.json()["error_description"], "client_id is missing");
}

#[actix_web::test]
async fn who_is_signed_in_is_not_asked_again_unless_the_client_wants_it() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    browser.sign_in("manager", "").await;
    issuer.pass(100);
    let cases = [
        ("", true),
        ("prompt=none", true),
        ("max_age=101", true),
        ("max_age=100", false),
        ("prompt=login", false),
        ("prompt=select_account", false),
    ];
    for (more, at_once) in cases {
        let seen = browser.get(&authorize(more)).await;
        assert_eq!(seen.status == StatusCode::FOUND, at_once, "{more}");
        assert_eq!(seen.told("code").is_some(), at_once, "{more}");
    }
    issuer.pass(24 * 60 * 60 - 101);
    assert!(browser.get(&authorize("")).await.told("code").is_some());
    issuer.pass(1);
    assert_eq!(browser.get(&authorize("")).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_silent_request_learns_that_nobody_is_signed_in() {
    let issuer = Issuer::new();
    let seen = Browser::new(&issuer).get(&authorize("prompt=none")).await;
    assert_eq!(seen.status, StatusCode::FOUND);
    let expected =
        format!("{CALLBACK}?error=login_required&error_description=login%20required&state=s%2B%3D");
    assert_eq!(seen.header("location"), Some(expected.as_str()));
}

#[actix_web::test]
async fn a_silent_request_in_a_frame_is_answered_by_message() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let silent = authorize("prompt=none&response_mode=web_message");
    let seen = browser.get(&silent).await;
    let refused = "{&quot;error&quot;:&quot;login_required&quot;,\
        &quot;error_description&quot;:&quot;login required&quot;,&quot;state&quot;:&quot;s+=&quot;}";
    assert!(seen.text().contains(refused), "{}", seen.text());
    browser.sign_in("manager", "").await;
    let seen = browser.get(&silent).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(
        seen.text()
            .contains("data-target=\"http://localhost:5173\"")
    );
    assert!(seen.text().contains("{&quot;code&quot;:&quot;"));
    assert_eq!(seen.header("x-frame-options"), None);
    let policy = seen.header("content-security-policy").unwrap();
    assert!(!policy.contains("frame-ancestors"), "{policy}");
}

#[actix_web::test]
async fn what_is_wrong_is_told_to_the_client() {
    let issuer = Issuer::new();
    let cases = [
        ("audience=other", "access_denied"),
        ("prompt=none+login", "invalid_request"),
        ("max_age=soon", "invalid_request"),
        ("response_mode=fragment", "invalid_request"),
    ];
    for (more, error) in cases {
        let seen = Browser::new(&issuer).get(&authorize(more)).await;
        assert_eq!(seen.status, StatusCode::FOUND, "{more}");
        assert_eq!(seen.told("error").as_deref(), Some(error), "{more}");
        assert_eq!(seen.told("state").as_deref(), Some("s+="), "{more}");
    }
    let implicit = authorize("").replace("=code&", "=token&");
    let seen = Browser::new(&issuer).get(&implicit).await;
    assert_eq!(
        seen.told("error").as_deref(),
        Some("unsupported_response_type")
    );
}

#[actix_web::test]
async fn a_browser_is_never_led_to_a_page_that_is_refused() {
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
        let seen = browser.get(&path).await;
        assert!(seen.status.is_client_error(), "{path}");
        assert_eq!(seen.header("location"), None, "{path}");
        assert_eq!(
            seen.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(!seen.text().contains("example.com"), "{path}");
    }
}

#[actix_web::test]
async fn a_form_counts_only_from_the_browser_that_was_shown_it() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let page = browser.get(&authorize("")).await;
    let login = authorize("").replace("/authorize", "/login");
    let stranger = Browser::new(&issuer).choose(&page, "manager").await;
    let cases = [
        ("a stranger's browser", stranger),
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
    for (case, seen) in cases {
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{case}");
        assert_eq!(seen.header("location"), None, "{case}");
        assert_eq!(seen.header("set-cookie"), None, "{case}");
    }
    let unknown = browser.choose(&page, "stranger").await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    let again = browser.get(&authorize("")).await;
    assert!(again.text().contains("name=\"form\""));
    let seen = browser.choose(&page, "manager").await;
    assert!(
        seen.told("code").is_some(),
        "an older page of the same browser counts"
    );
}
