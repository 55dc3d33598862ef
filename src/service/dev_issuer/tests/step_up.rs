//! Step-up authentication: a client requests two factors or a recent sign-in (RFC 9470 §5, §6).

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::service::dev_issuer::sessions::Factors;

use super::authorize::{Browser, authorize};
use super::{Issuer, Response, claims};

const NONE: &str = Factors::One.acr();
const MULTI: &str = Factors::Two.acr();

/// The claims `acr`, `amr` and `auth_time` of the access token.
fn login(answer: &Value) -> Value {
    let token = claims(answer["access_token"].as_str().unwrap(), "at+jwt");
    json!([token["acr"], token["amr"], token["auth_time"]])
}

fn assert_second_factor(response: &Response, person: &str) {
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
    let asked = response.text().contains("name=\"second_factor\"");
    let named = format!("name=\"person\" value=\"{person}\"");
    assert!(
        asked && response.text().contains(&named),
        "{}",
        response.text()
    );
}

async fn confirm(browser: &mut Browser<'_>, page: &Response, person: &str) -> Value {
    let fields = format!("person={person}&second_factor=confirmed");
    let redirect = browser.answer(page, &fields).await;
    browser.trade(&redirect).await
}

#[actix_web::test]
async fn a_client_that_requests_two_factors_gets_them() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let asked = format!("scope=openid&acr_values=urn:other+{MULTI}+{NONE}");
    let page = browser.sign_in("administrator", &asked).await;
    assert_second_factor(&page, "administrator");
    assert_eq!(page.header("location"), None);
    let answer = confirm(&mut browser, &page, "administrator").await;
    let expected = json!([MULTI, ["user", "mfa"], issuer.now()]);
    assert_eq!(login(&answer), expected);
    let id_token = claims(answer["id_token"].as_str().unwrap(), "JWT");
    assert_eq!(
        json!([id_token["acr"], id_token["amr"], id_token["auth_time"]]),
        expected
    );
    let again = browser.get(&authorize(&asked)).await;
    assert_eq!(login(&browser.trade(&again).await), expected);
}

#[actix_web::test]
async fn a_signed_in_user_only_confirms_the_second_factor() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let weak = browser.tokens("manager", "").await;
    assert_eq!(login(&weak), json!([NONE, ["user"], issuer.now()]));
    issuer.advance(100);
    let asked = format!("acr_values={MULTI}");
    let silent = browser
        .get(&authorize(&format!("{asked}&prompt=none")))
        .await;
    assert_eq!(
        silent.redirect_parameter("error").as_deref(),
        Some("login_required")
    );
    let page = browser.get(&authorize(&asked)).await;
    assert_second_factor(&page, "manager");
    let strong = confirm(&mut browser, &page, "manager").await;
    let expected = json!([MULTI, ["user", "mfa"], issuer.now()]);
    assert_eq!(login(&strong), expected);
    let silent = browser
        .get(&authorize(&format!("{asked}&prompt=none")))
        .await;
    assert_eq!(login(&browser.trade(&silent).await), expected);
}

#[actix_web::test]
async fn a_stronger_sign_in_has_the_requested_acr() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let asked = format!("acr_values={MULTI}");
    let page = browser.sign_in("manager", &asked).await;
    confirm(&mut browser, &page, "manager").await;
    for (more, class) in [
        ("", MULTI),
        ("acr_values=urn:other", MULTI),
        (&format!("acr_values={NONE}"), NONE),
    ] {
        let response = browser.get(&authorize(more)).await;
        let expected = json!([class, ["user", "mfa"], issuer.now()]);
        assert_eq!(login(&browser.trade(&response).await), expected, "{more}");
    }
}

#[actix_web::test]
async fn an_unknown_acr_value_is_no_error() {
    let issuer = Issuer::new();
    let answer = Browser::new(&issuer)
        .tokens("manager", "acr_values=urn:other+7")
        .await;
    assert_eq!(login(&answer), json!([NONE, ["user"], issuer.now()]));
}

#[actix_web::test]
async fn max_age_and_prompt_request_a_recent_sign_in() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let first = issuer.now();
    let answer = browser.tokens("manager", "").await;
    assert_eq!(login(&answer)[2], first);
    issuer.advance(300);
    let kept = browser.get(&authorize("max_age=301")).await;
    assert_eq!(login(&browser.trade(&kept).await)[2], first);
    for more in ["max_age=300", "max_age=0", "prompt=login"] {
        issuer.advance(1);
        let answer = browser.tokens("manager", more).await;
        assert_eq!(login(&answer)[2], issuer.now(), "{more}");
    }
}

#[actix_web::test]
async fn refreshed_tokens_keep_the_claims_of_the_sign_in() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let asked = format!("scope=offline_access&acr_values={MULTI}");
    let page = browser.sign_in("manager", &asked).await;
    let first = confirm(&mut browser, &page, "manager").await;
    issuer.advance(1000);
    let form = format!(
        "grant_type=refresh_token&client_id=spa&refresh_token={}",
        first["refresh_token"].as_str().unwrap()
    );
    let second = issuer.post("/oauth/token", &form).await.json();
    assert_eq!(login(&second), login(&first));
}

#[actix_web::test]
async fn no_session_starts_before_the_second_factor_is_confirmed() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let asked = format!("acr_values={MULTI}");
    let page = browser.sign_in("manager", &asked).await;
    assert_second_factor(&page, "manager");
    let silent = browser.get(&authorize("prompt=none")).await;
    assert_eq!(
        silent.redirect_parameter("error").as_deref(),
        Some("login_required")
    );
    let again = browser.choose(&page, "manager").await;
    assert_second_factor(&again, "manager");
    let other = Browser::new(&issuer)
        .answer(&page, "person=manager&second_factor=confirmed")
        .await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
}
