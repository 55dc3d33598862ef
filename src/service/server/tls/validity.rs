//! When a certificate expires, and when to say so.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::jose::public_key;

/// The validity period of a certificate, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    from: i64,
    until: i64,
}

impl Validity {
    /// The period of a certificate in DER; `None` where it cannot be read.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let [from, until] = public_key::validity(certificate)?;
        Some(Self {
            from: seconds(from)?,
            until: seconds(until)?,
        })
    }

    /// When the certificate expires, in seconds since 1970.
    pub(crate) fn until(self) -> i64 {
        self.until
    }

    /// What to log at `now`: nothing while most of the period is left.
    pub(crate) fn remark(self, now: SystemTime) -> Option<String> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let left = self
            .until
            .saturating_sub(i64::try_from(now).unwrap_or(i64::MAX));
        if left <= 0 {
            return Some("has expired".to_owned());
        }
        let tenth = self.until.saturating_sub(self.from) / 10;
        let is_soon = left < tenth.min(SOON);
        is_soon.then(|| match (left / DAY, left / HOUR) {
            (0, hours) => format!("expires in {hours} hours"),
            (1, _) => "expires in 1 day".to_owned(),
            (days, _) => format!("expires in {days} days"),
        })
    }
}

/// A `UTCTime` or `GeneralizedTime` in the forms of RFC 5280 §4.1.2.5, in seconds since 1970.
fn seconds((tag, text): (u8, &[u8])) -> Option<i64> {
    let text = text.strip_suffix(b"Z")?;
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_first_chunk::<2>()?;
            let year = number(year);
            // Until 2049.
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_first_chunk::<4>()?;
            (number(year), rest)
        }
        _ => return None,
    };
    let rest: &[u8; 10] = rest.try_into().ok()?;
    let parts: Vec<_> = rest.chunks_exact(2).map(number).collect();
    let [month, day, hour, minute, second] = parts.try_into().ok()?;
    let part = |number: i16| i8::try_from(number).ok();
    let date = Date::new(year, part(month)?, part(day)?).ok()?;
    let in_day = jiff::civil::Time::new(part(hour)?, part(minute)?, part(second)?, 0).ok()?;
    let time = date.to_datetime(in_day).to_zoned(TimeZone::UTC).ok()?;
    Some(time.timestamp().as_second())
}

/// Of at most four digits.
fn number(digits: &[u8]) -> i16 {
    digits
        .iter()
        .fold(0, |number, digit| number * 10 + i16::from(digit - b'0'))
}

/// How often a certificate that expires soon is logged.
pub(crate) const REMARKS: Duration = Duration::from_secs(24 * 3600);

/// Certificates of a long period are renewed weeks before they expire, those of a short one by then.
const SOON: i64 = 14 * DAY;

const DAY: i64 = 24 * HOUR;

const HOUR: i64 = 3600;

const UTC_TIME: u8 = 0x17;

const GENERALIZED_TIME: u8 = 0x18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", None),
            (UTC_TIME, "20500101000000Z", None),
            (GENERALIZED_TIME, "500101000000Z", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "700101000000", None),
            (UTC_TIME, "700101000000+0100", None),
            (UTC_TIME, "701301000000Z", None),
            (UTC_TIME, "700230000000Z", None),
            (UTC_TIME, "7001010000-1Z", None),
            (UTC_TIME, "Z", None),
            (0x04, "700101000000Z", None),
        ] {
            let found = seconds((tag, text.as_bytes()));
            if text.starts_with("9999") {
                assert!(found.is_none_or(|at| at > 253_000_000_000), "{text}");
            } else {
                assert_eq!(found, expected, "{text}");
            }
        }
    }

    #[test]
    fn a_certificate_is_reported_when_a_tenth_of_its_period_is_left_or_two_weeks() {
        let of_days = |days: i64| Validity {
            from: 0,
            until: days * DAY,
        };
        let after = |hours: u64| UNIX_EPOCH + Duration::from_secs(hours * 3600);
        for (days, hours, expected) in [
            (90, 80 * 24, None),
            (90, 82 * 24, Some("expires in 8 days")),
            (398, 383 * 24, None),
            (398, 385 * 24, Some("expires in 13 days")),
            (6, 5 * 24, None),
            (6, 5 * 24 + 10, Some("expires in 14 hours")),
            (90, 88 * 24 + 1, Some("expires in 1 day")),
            (90, 90 * 24, Some("has expired")),
            (90, 900 * 24, Some("has expired")),
        ] {
            let remark = of_days(days).remark(after(hours));
            assert_eq!(
                remark.as_deref(),
                expected,
                "{days} days after {hours} hours"
            );
        }
        assert_eq!(
            of_days(90).remark(UNIX_EPOCH - Duration::from_secs(9)),
            None
        );
    }

    #[test]
    fn the_period_of_a_certificate_is_found() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(2024, 2, 29);
        params.not_after = rcgen::date_time_ymd(2051, 1, 1);
        let certificate = params.self_signed(&key).expect("a certificate");
        let expected = Validity {
            from: 1_709_164_800,
            until: 2_556_144_000,
        };
        assert_eq!(Validity::of(certificate.der()), Some(expected));
        for length in 0..certificate.der().len() {
            assert_eq!(Validity::of(&certificate.der()[..length]), None);
        }
    }
}
