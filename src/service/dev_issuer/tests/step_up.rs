//! A client asks for a stronger or a more recent sign-in, and gets tokens that tell of it (RFC 9470 §5, §6).

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::service::dev_issuer::login::Strength;

use super::authorize::{Browser, authorize};
use super::{Issuer, Seen, claims};

const NONE: &str = Strength::OneFactor.class();
const MULTI: &str = Strength::TwoFactors.class();

/// What the access token of this answer tells of the sign-in.
fn login(answer: &Value) -> Value {
    let token = claims(answer["access_token"].as_str().unwrap(), "at+jwt");
    json!([token["acr"], token["amr"], token["auth_time"]])
}

fn assert_second_factor(seen: &Seen, person: &str) {
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text());
    let asked = seen.text().contains("name=\"second_factor\"");
    let named = format!("name=\"person\" value=\"{person}\"");
    assert!(asked && seen.text().contains(&named), "{}", seen.text());
}

async fn confirm(browser: &mut Browser<'_>, page: &Seen, person: &str) -> Value {
    let fields = format!("person={person}&second_factor=confirmed");
    let led_back = browser.answer(page, &fields).await;
    browser.trade(&led_back).await
}

#[actix_web::test]
async fn a_client_that_asks_for_two_factors_gets_them() {
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
async fn who_is_signed_in_only_confirms_the_second_factor() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let weak = browser.tokens("manager", "").await;
    assert_eq!(login(&weak), json!([NONE, ["user"], issuer.now()]));
    issuer.pass(100);
    let asked = format!("acr_values={MULTI}");
    let silent = browser
        .get(&authorize(&format!("{asked}&prompt=none")))
        .await;
    assert_eq!(silent.told("error").as_deref(), Some("login_required"));
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
async fn a_stronger_sign_in_is_named_as_the_client_asks() {
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
        let seen = browser.get(&authorize(more)).await;
        let expected = json!([class, ["user", "mfa"], issuer.now()]);
        assert_eq!(login(&browser.trade(&seen).await), expected, "{more}");
    }
}

#[actix_web::test]
async fn a_class_that_is_not_known_is_no_error() {
    let issuer = Issuer::new();
    let answer = Browser::new(&issuer)
        .tokens("manager", "acr_values=urn:other+7")
        .await;
    assert_eq!(login(&answer), json!([NONE, ["user"], issuer.now()]));
}

#[actix_web::test]
async fn a_recent_sign_in_is_asked_for_by_max_age_or_prompt() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let first = issuer.now();
    let answer = browser.tokens("manager", "").await;
    assert_eq!(login(&answer)[2], first);
    issuer.pass(300);
    let kept = browser.get(&authorize("max_age=301")).await;
    assert_eq!(login(&browser.trade(&kept).await)[2], first);
    for more in ["max_age=300", "max_age=0", "prompt=login"] {
        issuer.pass(1);
        let answer = browser.tokens("manager", more).await;
        assert_eq!(login(&answer)[2], issuer.now(), "{more}");
    }
}

#[actix_web::test]
async fn a_refresh_tells_of_the_sign_in_that_it_rests_on() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let asked = format!("scope=offline_access&acr_values={MULTI}");
    let page = browser.sign_in("manager", &asked).await;
    let first = confirm(&mut browser, &page, "manager").await;
    issuer.pass(1000);
    let form = format!(
        "grant_type=refresh_token&client_id=spa&refresh_token={}",
        first["refresh_token"].as_str().unwrap()
    );
    let second = issuer.post("/oauth/token", &form).await.json();
    assert_eq!(login(&second), login(&first));
}

#[actix_web::test]
async fn nobody_is_signed_in_before_the_second_factor_is_confirmed() {
    let issuer = Issuer::new();
    let mut browser = Browser::new(&issuer);
    let asked = format!("acr_values={MULTI}");
    let page = browser.sign_in("manager", &asked).await;
    assert_second_factor(&page, "manager");
    let silent = browser.get(&authorize("prompt=none")).await;
    assert_eq!(silent.told("error").as_deref(), Some("login_required"));
    let again = browser.choose(&page, "manager").await;
    assert_second_factor(&again, "manager");
    let stranger = Browser::new(&issuer)
        .answer(&page, "person=manager&second_factor=confirmed")
        .await;
    assert_eq!(stranger.status, StatusCode::BAD_REQUEST);
}
