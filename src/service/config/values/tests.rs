use std::time::Duration;

use actix_web::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::deserialize;
use super::super::layers::merge;
use super::*;
use crate::jose::Algorithm;

/// The value of `x = …` as `check` shows it, or the message about it.
fn shown<'de, T: Deserialize<'de> + Serialize>(value: &str) -> Result<Value, String> {
    let root = merge(Some(("f", &format!("x = {value}"))), [], None).unwrap();
    let read = deserialize::read::<T>("x", &root["x"]);
    read.map(|value| json!(value))
        .map_err(|error| error.to_string())
}

fn assert_accepted<'de, T: Deserialize<'de> + Serialize>(cases: &[(&str, Value)]) {
    for (value, expected) in cases {
        assert_eq!(shown::<T>(value), Ok(expected.clone()), "{value}");
    }
}

fn assert_rejected<'de, T: Deserialize<'de> + Serialize>(values: &[&str], remedy: &str) {
    for value in values {
        let message = format!("x (file f): {remedy}");
        assert_eq!(shown::<T>(value), Err(message), "{value}");
    }
}

const QUOTED: &str = "has quotation marks around its value: remove them";

#[test]
fn flags_are_true_or_false() {
    assert_accepted::<Flag>(&[
        ("true", json!(true)),
        ("'true'", json!(true)),
        ("\" False\\n\"", json!(false)),
        ("false", json!(false)),
    ]);
    assert_rejected::<Flag>(&["1", "'yes'", "''", "[]"], "must be true or false");
}

#[test]
fn numbers_stay_within_their_bounds() {
    type Bounded = Number<u16, 1, 65535>;
    assert_accepted::<Bounded>(&[
        ("3010", json!(3010)),
        ("' 3010 '", json!(3010)),
        ("1", json!(1)),
        ("65535", json!(65535)),
        ("0x10", json!(16)),
    ]);
    let others = [
        "0",
        "65536",
        "-1",
        "'-1'",
        "'+1'",
        "''",
        "1.0",
        "nan",
        "true",
        "[1]",
        "{ y = 1 }",
        "'99999999999999999999'",
    ];
    assert_rejected::<Bounded>(&others, "must be a number from 1 to 65535");
    assert_rejected::<Bounded>(&["'\"1\"'"], QUOTED);
}

#[test]
fn durations_have_a_unit_or_are_seconds() {
    for (value, milliseconds, text) in [
        ("60", 60_000, "1m"),
        ("'60'", 60_000, "1m"),
        ("' 75s '", 75_000, "75s"),
        ("'500ms'", 500, "500ms"),
        ("'10m'", 600_000, "10m"),
        ("'24h'", 86_400_000, "24h"),
        ("'1h 30m'", 5_400_000, "90m"),
        ("'1.5s'", 1_500, "1500ms"),
        ("'0s'", 0, "0s"),
        ("0", 0, "0s"),
    ] {
        let root = merge(Some(("f", &format!("x = {value}"))), [], None).unwrap();
        let period: Period = deserialize::read("x", &root["x"]).unwrap();
        assert_eq!(period.0, Duration::from_millis(milliseconds), "{value}");
        assert_eq!(json!(period), text, "{value}");
    }
    let others = [
        "-1",
        "'-1s'",
        "'1s ago'",
        "''",
        "'soon'",
        "'1 fortnight'",
        "'9999999999999999999999s'",
        "1.5",
        "true",
        "[]",
    ];
    let form = "must be a duration such as 500ms, 60s, 5m or 1h";
    assert_rejected::<Period>(&others, form);
    let limit = "must be at most 87600h (ten years)";
    assert_rejected::<Period>(&["'87601h'", "9223372036854775807"], limit);
    assert_rejected::<PositivePeriod>(&["'0ms'", "0"], "must be longer than 0s");
}

#[test]
fn texts_are_trimmed_and_not_in_quotation_marks() {
    assert_accepted::<One<Text>>(&[
        ("' a b\\t'", json!("a b\\t")),
        ("\"\\u00a0a\\n\"", json!("a")),
        ("\"'\"", json!("'")),
        ("''", json!("")),
    ]);
    assert_rejected::<One<Text>>(&["'\"a\"'", "\" 'a' \"", "'\"\"'"], QUOTED);
    let others = ["123", "true", "[]", "{ y = 1 }", "1.5"];
    assert_rejected::<One<Text>>(&others, TEXT_NEEDED);
}

#[test]
fn a_secret_is_kept_exactly_and_not_shown() {
    let root = merge(Some(("f", "x = \" '0123'\\n\"")), [], None).unwrap();
    let secret: Secret = deserialize::read("x", &root["x"]).unwrap();
    assert_eq!(secret.0.as_str(), " '0123'\n");
    assert_eq!(json!(secret), NOT_SHOWN);
    assert_rejected::<Secret>(&["123", "[]"], TEXT_NEEDED);
}

#[test]
fn lists_are_arrays_or_texts_with_commas() {
    assert_accepted::<List<Text>>(&[
        ("'a'", json!(["a"])),
        ("'a, b ,,c,'", json!(["a", "b", "c"])),
        ("['a', ' b ', '', 'c,d']", json!(["a", "b", "c,d"])),
        ("''", json!([])),
        ("' , '", json!([])),
        ("[]", json!([])),
    ]);
    let form = "must be a list of texts, or one text with commas";
    assert_rejected::<List<Text>>(&["1", "true", "['a', 1]", "{ y = 1 }"], form);
    let brackets = "has brackets around its value: write the parts with commas alone";
    assert_rejected::<List<Text>>(&["'[\"a\", \"b\"]'", "'[a]'", "' [] '"], brackets);
    assert_rejected::<List<Text>>(&["'\"a\", \"b\"'", "'a, \"b\"'", "['\"a\"']"], QUOTED);
}

#[test]
fn a_host_is_an_address_or_a_name() {
    assert_accepted::<One<Host>>(&[
        ("'localhost'", json!("localhost")),
        ("'::1'", json!("::1")),
        ("'[::]'", json!("::")),
        ("'api.example'", json!("api.example")),
    ]);
    let others = [
        "''",
        "'localhost:3010'",
        "'http://localhost'",
        "'a b'",
        "'256.1.1.1'",
        "'*'",
        "'127.0.0.1:80'",
        "'[::1]:80'",
    ];
    let form = "must be an IP address or a host name without a port, such as 127.0.0.1 or 0.0.0.0";
    assert_rejected::<One<Host>>(&others, form);
}

#[test]
fn a_public_url_has_no_more_than_a_path() {
    assert_accepted::<One<PublicUrl>>(&[(
        "'https://api.example/v1'",
        json!("https://api.example/v1"),
    )]);
    let others = [
        "'api.example'",
        "'ftp://api.example'",
        "'https://me:hush@api.example'",
        "'https://api.example?q'",
        "'https://api{1}.example'",
        "'https://api.example/%zz'",
    ];
    let form = "must be an absolute URL such as https://api.example, without more than a path";
    assert_rejected::<One<PublicUrl>>(&others, form);
}

#[test]
fn a_proxy_is_an_address_or_a_network() {
    let networks = "['10.1.2.3', '10.1.2.3/8', '::1', 'fd00::/8']";
    let expected = json!(["10.1.2.3/32", "10.0.0.0/8", "::1/128", "fd00::/8"]);
    assert_accepted::<List<Network>>(&[(networks, expected)]);
    let form = "must be IP addresses or networks, such as 10.0.0.1 or 10.0.0.0/8";
    assert_rejected::<List<Network>>(&["['proxy']", "'10.0.0.0/33'"], form);
}

#[test]
fn an_origin_takes_the_form_that_browsers_send() {
    assert_accepted::<List<WebOrigin>>(&[
        ("'http://localhost:5173'", json!(["http://localhost:5173"])),
        ("'https://App.Example/'", json!(["https://app.example"])),
        ("'https://app.example:443'", json!(["https://app.example"])),
        ("'http://[::1]:80/'", json!(["http://[::1]"])),
        ("'capacitor://localhost'", json!(["capacitor://localhost"])),
        ("'*'", json!(["*"])),
        (
            "'https://*.App.Example:443/, http://*.localhost:3000'",
            json!(["https://*.app.example", "http://*.localhost:3000"]),
        ),
    ]);
    let others = [
        "'null'",
        "'app.example'",
        "'https://app.example/path'",
        "'https://app.example?q'",
        "'https://app.example#f'",
        "'https://me@app.example'",
        "'https://*.example'",
        "'https://*.example.'",
        "'https://*.*.app.example'",
        "'https://a.*.example'",
        "'https://a*.app.example'",
        "'https://*.10.0.0.1'",
        "'*.app.example'",
        "'file:///'",
        "'localhost:5173'",
        "'https://'",
    ];
    let form = <WebOrigin as Kind>::REMEDY;
    assert_rejected::<List<WebOrigin>>(&others, form);
}

#[test]
fn methods_are_in_upper_case() {
    assert_accepted::<List<Method>>(&[("'get, Patch,'", json!(["GET", "PATCH"]))]);
    assert_rejected::<List<Method>>(&["'*'", "'GET POST'", "[]"], <Method as Kind>::REMEDY);
}

#[test]
fn a_value_without_its_debris_is_named() {
    for marks in [
        "\"x\"",
        "'x'",
        "`x`",
        "\\\"x\\\"",
        "“x”",
        "„x“",
        "‘x’",
        "«x»",
    ] {
        let value = json!(marks).to_string();
        assert_rejected::<One<Text>>(&[&value], QUOTED);
        assert_rejected::<List<Text>>(&[&value], QUOTED);
    }
    let angled = "has angle brackets around its value: remove them";
    assert_rejected::<One<IssuerUrl>>(&["'<https://a.example/>'"], angled);
    let placeholder =
        "contains a placeholder such as ${NAME} that nothing replaced: set the value itself";
    assert_rejected::<One<Text>>(&["'${A}'", "'https://${A}/'", "'$(A)'"], placeholder);
    assert_rejected::<Flag>(&["'${A}'"], placeholder);
}

#[test]
fn a_pem_file_is_named_and_not_written_out() {
    let others = ["''", "' '", "'-----BEGIN PRIVATE KEY-----hush'"];
    assert_rejected::<One<PemPath>>(&others, "must be the path of a PEM file");
}

#[test]
fn a_url_is_shown_without_its_query() {
    let shown = json!("https://a.example/keys?(not shown)");
    assert_accepted::<One<IssuerUrl>>(&[("'https://a.example/keys?key=hush'", shown)]);
}

#[cfg(feature = "redis")]
#[test]
fn a_redis_that_could_not_be_used_is_rejected_and_a_password_is_not_shown() {
    assert_accepted::<One<StoreUrl>>(&[
        ("'memory'", json!("memory")),
        ("'rediss://a.example'", json!("rediss://a.example")),
        ("'redis://:hush@a.example/1'", json!(NOT_SHOWN)),
    ]);
    let others = [
        "'http://a.example'",
        "'redis:'",
        "'rediss://:hush@a.example/#insecure'",
        "'redis://:hush@a.example/#'",
        "'redis://:hush@a.example/database'",
        "'redis://:hush@a.example/0?protocol=x'",
    ];
    let form = "must be memory, or a URL such as redis://127.0.0.1:6379/0 or rediss://redis.example, \
                without a fragment";
    assert_rejected::<One<StoreUrl>>(&others, form);
}

#[test]
fn the_message_about_algorithms_names_all() {
    let names: Vec<_> = Algorithm::ALL.iter().map(|known| known.name()).collect();
    let remedy = format!("must be one or more of {}", names.join(", "));
    assert_rejected::<List<Algorithm>>(&["'none'", "['RS256', 'rs256']", "[]", "' , '"], &remedy);
}
