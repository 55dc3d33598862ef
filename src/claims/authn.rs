//! Authentication requirements: how the user must have logged in for a route, and how recently ([RFC 9470], [RFC 8176]).
//!
//! [RFC 9470]: https://www.rfc-editor.org/rfc/rfc9470
//! [RFC 8176]: https://www.rfc-editor.org/rfc/rfc8176

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::NumericDate;
use super::scope::is_scope_token;
use crate::jose::json::FromJson;

/// The authentication that a route requires; declared with [`step_up!`](crate::step_up), or by hand.
///
/// At least one of the three is set. Values are compared exactly, and they are written as
/// those of a scope are:
///
/// ```text
/// value = 1*( %x21 / %x23-5B / %x5D-7E )      ; such as urn:example:gold
/// ```
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use actix_resource_server::{AuthnLevel, StepUp};
///
/// const SESSION: Duration = Duration::from_secs(15 * 60);
///
/// /// As long as the bank's own pages keep a user logged in.
/// struct InSession;
///
/// impl AuthnLevel for InSession {
///     const MAX_AGE: Option<Duration> = Some(SESSION);
/// }
///
/// async fn transfer(_: StepUp<InSession>) {}
/// ```
///
/// A level that requires nothing, or something impossible, does not compile where it is used:
///
/// ```compile_fail
/// use actix_resource_server::{Access, AuthnLevel, StepUp};
///
/// struct Anything;
///
/// impl AuthnLevel for Anything {}
///
/// StepUp::<Anything>::requirement();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no level of a login",
    label = "a level is needed here",
    note = "`step_up!(pub Recently = max_age 5 minutes);` makes one, and so does `impl AuthnLevel`"
)]
pub trait AuthnLevel: 'static {
    /// The classes (`acr`) of which the login must be one, the preferred one first; any where none is named.
    const ACR_VALUES: &'static [&'static str] = &[];

    /// The methods (`amr`, RFC 8176 §2) that the login must have used, all of them.
    const AMR_VALUES: &'static [&'static str] = &[];

    /// How long ago the login (`auth_time`) may be, in whole seconds.
    const MAX_AGE: Option<Duration> = None;
}

/// Makes a [`AuthnLevel`] that a [`StepUp`](crate::StepUp) can ask for.
///
/// `acr` and `amr` take one value or a list, `max_age` a number of seconds, minutes, hours or days.
/// The values are checked at compile time.
///
/// # Examples
/// ```
/// use actix_resource_server::{Scoped, StepUp, scope, step_up};
///
/// scope!(pub Transfer = "transfer");
/// step_up!(pub Recently = max_age 5 minutes);
/// step_up!(pub Strong = acr ["urn:example:gold", "urn:example:silver"], amr "mfa", max_age 1 hour);
///
/// async fn transfer(_: StepUp<Recently, Scoped<Transfer>>) {}
/// async fn close_account(_: StepUp<Strong>) {}
/// ```
///
/// ```compile_fail
/// actix_resource_server::step_up!(Strong = acr ["gold silver"]);
/// ```
#[macro_export]
macro_rules! step_up {
    (@ acr $value:literal) => {
        const ACR_VALUES: &'static [&'static str] = &[$value];
    };
    (@ acr [$($value:literal),+ $(,)?]) => {
        const ACR_VALUES: &'static [&'static str] = &[$($value),+];
    };
    (@ amr $value:literal) => {
        const AMR_VALUES: &'static [&'static str] = &[$value];
    };
    (@ amr [$($value:literal),+ $(,)?]) => {
        const AMR_VALUES: &'static [&'static str] = &[$($value),+];
    };
    (@ max_age $number:literal $unit:ident) => {
        const MAX_AGE: ::core::option::Option<::core::time::Duration> = ::core::option::Option::Some(
            $crate::__private::age($number, ::core::stringify!($unit)),
        );
    };
    (@ $($other:tt)*) => {
        ::core::compile_error!("a level asks for acr \"…\", amr \"…\" or max_age 5 minutes");
    };
    ($(#[$attribute:meta])* $visibility:vis $name:ident = $($demand:ident $value:tt $($unit:ident)?),+ $(,)?) => {
        $(#[$attribute])*
        #[doc = concat!("The level `", stringify!($($demand $value $($unit)?),+), "` of a login.")]
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name;

        impl $crate::AuthnLevel for $name {
            $( $crate::step_up!(@ $demand $value $($unit)?); )+
        }

        const _: () = $crate::__private::check::<$name>();
    };
}

/// The requirements of an [`AuthnLevel`], as data.
///
/// As JSON it has the members `acr_values`, `amr_values` and `max_age`, those that are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuthnRequirement {
    /// The classes of which the login must be one, the preferred one first.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub acr_values: &'static [&'static str],
    /// The methods that the login must have used, all of them.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub amr_values: &'static [&'static str],
    /// How long ago the login may be.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "seconds")]
    pub max_age: Option<Duration>,
}

impl AuthnRequirement {
    /// The requirements of `L`; invalid ones do not compile where this is a constant.
    pub(crate) const fn of<L: AuthnLevel>() -> Self {
        check::<L>();
        Self {
            acr_values: L::ACR_VALUES,
            amr_values: L::AMR_VALUES,
            max_age: L::MAX_AGE,
        }
    }

    /// Whether a login suffices at `now` since 1970, by the token's claims `acr`, `amr` and
    /// `auth_time`; a required claim that is absent or malformed never suffices.
    pub(crate) fn is_met_by<'t>(
        &self,
        claim: impl Fn(&str) -> Option<&'t Value>,
        now: Duration,
        tolerance: Duration,
    ) -> bool {
        (self.acr_values.is_empty() || self.is_of_class(claim("acr")))
            && (self.amr_values.is_empty() || self.has_methods(claim("amr")))
            && self
                .max_age
                .is_none_or(|max_age| is_recent(claim("auth_time"), max_age, now, tolerance))
    }

    fn is_of_class(&self, acr: Option<&Value>) -> bool {
        let acr = acr.and_then(Value::as_str);
        acr.is_some_and(|acr| self.acr_values.contains(&acr))
    }

    /// An array of texts alone names methods.
    fn has_methods(&self, amr: Option<&Value>) -> bool {
        let methods = amr.and_then(Value::as_array);
        let methods = methods.and_then(|methods| methods.iter().map(Value::as_str).collect());
        methods.is_some_and(|methods: Vec<_>| {
            self.amr_values
                .iter()
                .all(|required| methods.contains(required))
        })
    }
}

/// Whether `auth_time` is neither too long ago nor ahead of the clock.
fn is_recent(
    auth_time: Option<&Value>,
    max_age: Duration,
    now: Duration,
    tolerance: Duration,
) -> bool {
    let auth_time = auth_time.cloned().and_then(NumericDate::from_json);
    auth_time
        .map(NumericDate::since_epoch)
        .is_some_and(|since| {
            let too_old = since.saturating_add(max_age).saturating_add(tolerance);
            (since.saturating_sub(tolerance)..=too_old).contains(&now)
        })
}

impl fmt::Display for AuthnRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut demands = Vec::new();
        if !self.acr_values.is_empty() {
            demands.push(format!("with acr {}", self.acr_values.join(" or ")));
        }
        if !self.amr_values.is_empty() {
            demands.push(format!("with amr {}", self.amr_values.join(" and ")));
        }
        if let Some(max_age) = self.max_age {
            demands.push(format!("at most {} s ago", max_age.as_secs()));
        }
        write!(f, "a login {}", demands.join(", "))
    }
}

fn seconds<S: Serializer>(age: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    age.map(|age| age.as_secs()).serialize(serializer)
}

/// Refuses, while compiling, a level that can be no level.
#[doc(hidden)]
pub const fn check<L: AuthnLevel>() {
    assert!(
        !(L::ACR_VALUES.is_empty() && L::AMR_VALUES.is_empty() && L::MAX_AGE.is_none()),
        "a level asks for something: acr, amr or max_age"
    );
    check_values(L::ACR_VALUES);
    check_values(L::AMR_VALUES);
    if let Some(max_age) = L::MAX_AGE {
        assert!(
            max_age.as_secs() > 0 && max_age.subsec_nanos() == 0,
            "a max_age is a whole number of seconds, and more than none"
        );
    }
}

const fn check_values(mut values: &[&str]) {
    while let [first, others @ ..] = values {
        assert!(
            is_scope_token(first),
            "a value of acr or amr is one or more visible ASCII characters other than the quotation mark and the backslash"
        );
        values = others;
    }
}

/// A number of seconds, minutes, hours or days.
#[doc(hidden)]
#[must_use]
pub const fn age(number: u64, unit: &str) -> Duration {
    let seconds = match unit.as_bytes() {
        b"second" | b"seconds" => 1,
        b"minute" | b"minutes" => 60,
        b"hour" | b"hours" => 60 * 60,
        b"day" | b"days" => 24 * 60 * 60,
        _ => 0,
    };
    assert!(
        seconds > 0,
        "a max_age is in seconds, minutes, hours or days"
    );
    Duration::from_secs(number.saturating_mul(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    step_up!(Gold = acr ["gold", "urn:example:silver"]);
    step_up!(Mfa = amr ["mfa", "hwk"]);
    step_up!(Recently = max_age 5 minutes);
    step_up!(Strong = acr "gold", amr "mfa", max_age 1 hour,);

    const TOLERANCE: Duration = Duration::from_secs(5);

    /// Whether the level is met at 10,000 s past 1970 by a token with these claims.
    fn is_met<L: AuthnLevel>(claims: &Value) -> bool {
        let now = Duration::from_secs(10_000);
        AuthnRequirement::of::<L>().is_met_by(|name| claims.get(name), now, TOLERANCE)
    }

    #[test]
    fn one_of_the_classes_is_named_to_the_letter() {
        for acr in ["gold", "urn:example:silver"] {
            assert!(is_met::<Gold>(&json!({"acr": acr})), "{acr}");
        }
        for claims in [
            json!({}),
            json!({"acr": null}),
            json!({"acr": 1}),
            json!({"acr": true}),
            json!({"acr": ["gold"]}),
            json!({"acr": {"gold": true}}),
            json!({"acr": ""}),
            json!({"acr": "Gold"}),
            json!({"acr": "gold "}),
            json!({"acr": "gold urn:example:silver"}),
            json!({"acr": "bronze"}),
            json!({"acr_values": "gold"}),
        ] {
            assert!(!is_met::<Gold>(&claims), "{claims}");
        }
    }

    #[test]
    fn every_method_is_named_in_an_array_of_texts() {
        for amr in [
            json!(["mfa", "hwk"]),
            json!(["hwk", "pwd", "mfa"]),
            json!(["mfa", "mfa", "hwk"]),
        ] {
            assert!(is_met::<Mfa>(&json!({"amr": amr})), "{amr}");
        }
        for claims in [
            json!({}),
            json!({"amr": null}),
            json!({"amr": "mfa hwk"}),
            json!({"amr": "mfa"}),
            json!({"amr": []}),
            json!({"amr": ["mfa"]}),
            json!({"amr": ["MFA", "hwk"]}),
            json!({"amr": ["mfa hwk"]}),
            json!({"amr": ["mfa", "hwk", 1]}),
            json!({"amr": ["mfa", "hwk", null]}),
            json!({"amr": [["mfa", "hwk"]]}),
            json!({"amr": {"mfa": true, "hwk": true}}),
        ] {
            assert!(!is_met::<Mfa>(&claims), "{claims}");
        }
    }

    #[test]
    fn the_login_is_neither_too_long_ago_nor_ahead_of_the_clock() {
        for auth_time in [
            json!(10_000),
            json!(9_700),
            json!(9_695),
            json!(10_005),
            json!(9_999.5),
            json!(10_004.9),
        ] {
            let claims = json!({"auth_time": auth_time});
            assert!(is_met::<Recently>(&claims), "{claims}");
        }
        for auth_time in [
            json!(null),
            json!("10000"),
            json!(true),
            json!([10_000]),
            json!({}),
            json!(-1),
            json!(0),
            json!(9_694),
            json!(9_694.9),
            json!(10_005.1),
            json!(10_006),
            json!(10_000_000),
            json!(253_402_300_800_u64),
            json!(1e300),
        ] {
            let claims = json!({"auth_time": auth_time});
            assert!(!is_met::<Recently>(&claims), "{claims}");
        }
        assert!(!is_met::<Recently>(&json!({})));
        assert!(!is_met::<Recently>(&json!({"iat": 10_000})));
    }

    #[test]
    fn of_several_demands_each_is_to_be_met() {
        let good = json!({"acr": "gold", "amr": ["mfa"], "auth_time": 6_400});
        assert!(is_met::<Strong>(&good));
        for (name, wrong) in [
            ("acr", json!("silver")),
            ("amr", json!(["pwd"])),
            ("auth_time", json!(6_394)),
        ] {
            let mut claims = good.clone();
            claims[name] = wrong;
            assert!(!is_met::<Strong>(&claims), "{claims}");
            claims.as_object_mut().expect("an object").remove(name);
            assert!(!is_met::<Strong>(&claims), "{claims}");
        }
    }

    #[test]
    fn what_is_not_asked_for_may_be_anything() {
        let claims = json!({"acr": "gold", "amr": 1, "auth_time": "never"});
        assert!(is_met::<Gold>(&claims));
    }

    #[test]
    fn a_demand_reads_as_words_and_as_members() {
        let shown = |demand: AuthnRequirement| {
            let members = serde_json::to_value(demand).expect("JSON");
            (demand.to_string(), members)
        };
        for (demand, words, members) in [
            (
                AuthnRequirement::of::<Gold>(),
                "a login with acr gold or urn:example:silver",
                json!({"acr_values": ["gold", "urn:example:silver"]}),
            ),
            (
                AuthnRequirement::of::<Mfa>(),
                "a login with amr mfa and hwk",
                json!({"amr_values": ["mfa", "hwk"]}),
            ),
            (
                AuthnRequirement::of::<Recently>(),
                "a login at most 300 s ago",
                json!({"max_age": 300}),
            ),
            (
                AuthnRequirement::of::<Strong>(),
                "a login with acr gold, with amr mfa, at most 3600 s ago",
                json!({"acr_values": ["gold"], "amr_values": ["mfa"], "max_age": 3600}),
            ),
        ] {
            assert_eq!(shown(demand), (words.to_owned(), members));
        }
    }

    #[test]
    fn an_age_is_a_number_of_units() {
        for (number, unit, seconds) in [
            (1, "second", 1),
            (90, "seconds", 90),
            (1, "minute", 60),
            (5, "minutes", 300),
            (1, "hour", 3600),
            (2, "hours", 7200),
            (1, "day", 86_400),
            (30, "days", 2_592_000),
        ] {
            assert_eq!(age(number, unit), Duration::from_secs(seconds), "{unit}");
        }
    }
}
