//! A browser is asked for a second factor, which the token records (RFC 9470 §5, §6).

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::dev_issuer::address;
use crate::expected::{PRIVATE, assert_answer};
use crate::wire::{Answer, Request};

const FORM: &str = "application/x-www-form-urlencoded";
const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// Verifier and challenge of RFC 7636, Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "http://localhost:5173/callback";

/// A browser at the development issuer, and its cookies.
struct Browser<'a> {
    app: &'a TestApp,
    cookies: Vec<String>,
}

impl Browser<'_> {
    fn send(&mut self, request: Request) -> Answer {
        let request = request.header("Cookie", self.cookies.join("; "));
        let answer = request.send(address(self.app));
        let set = answer.all("set-cookie").into_iter();
        let set = set.filter_map(|cookie| cookie.split(';').next());
        self.cookies.extend(set.map(str::to_owned));
        answer
    }

    fn authorize(&mut self, more: &str) -> Answer {
        self.send(Request::get(&format!(
            "/authorize?response_type=code&client_id=spa&redirect_uri={CALLBACK}&code_challenge={CHALLENGE}\
             &code_challenge_method=S256&scope=read:messages&{more}"
        )))
    }

    /// Sends the form of a page with these further fields.
    fn answer(&mut self, page: &Answer, fields: &str) -> Answer {
        let action = attribute(page, "action").replace("&amp;", "&");
        let (_, form) = page.body.split_once("name=\"form\" value=\"").unwrap();
        let form = form.split('"').next().unwrap();
        let body = format!("form={form}&{fields}");
        self.send(Request::new("POST", &action).body(FORM, &body))
    }
}

fn attribute(page: &Answer, name: &str) -> String {
    let (_, rest) = page.body.split_once(&format!("{name}=\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// The access token for the code in a redirect.
fn traded(app: &TestApp, led_back: &Answer) -> String {
    let (_, code) = led_back
        .header("location")
        .unwrap()
        .split_once("code=")
        .unwrap();
    let form = format!(
        "grant_type=authorization_code&client_id=spa&code={code}&redirect_uri={CALLBACK}&code_verifier={VERIFIER}"
    );
    let answer = Request::new("POST", "/oauth/token").body(FORM, &form);
    let answer = answer.send(address(app)).json();
    answer["access_token"].as_str().unwrap().to_owned()
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
}

#[test]
fn a_stronger_login_is_requested_and_recorded_in_the_token() {
    let app = TestApp::ready(Launch::new());
    let mut browser = Browser {
        app: &app,
        cookies: Vec::new(),
    };
    let page = browser.authorize("");
    let led_back = browser.answer(&page, "person=manager");
    let weak = traded(&app, &led_back);
    let weak_claims = claims(&weak);
    assert_eq!(weak_claims["amr"], json!(["user"]));
    let strong = format!("acr_values=urn:other+{MULTI_FACTOR}&max_age=300");
    let silent = browser.authorize(&format!("{strong}&prompt=none"));
    let location = silent.header("location").unwrap();
    assert!(location.contains("error=login_required"), "{location}");
    let page = browser.authorize(&strong);
    assert!(page.body.contains("second_factor"), "{}", page.body);
    let led_back = browser.answer(&page, "person=manager&second_factor=confirmed");
    let strong = traded(&app, &led_back);
    let claims = claims(&strong);
    assert_eq!(claims["acr"], MULTI_FACTOR);
    assert_eq!(claims["amr"], json!(["user", "mfa"]));
    assert_eq!(claims["sub"], weak_claims["sub"]);
    let time = |claims: &Value, name: &str| claims[name].as_u64().unwrap();
    assert!(time(&claims, "auth_time") <= time(&claims, "iat"));
    assert!(time(&claims, "auth_time") >= time(&weak_claims, "auth_time"));
    for token in [weak, strong] {
        assert_answer(
            &app.private(&token),
            PRIVATE,
            "both are accepted where no level is required",
        );
    }
}
