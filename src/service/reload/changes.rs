//! Which settings change at once, and what is logged about changes.

use crate::issuer::Issuer;
use crate::service::config::applies_to_issuers;

/// What can change in this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// Whether issuers are configured, before and after; the development issuer starts and ends with the process.
    pub(super) issuers: bool,
    /// Whether the listener uses TLS, before and after.
    pub(super) tls: bool,
    /// Whether there are endpoints for logout tokens and events.
    pub(super) events: bool,
    /// Whether the logger is that of the service.
    pub(super) level: bool,
}

impl Scope {
    /// Whether a change of the setting is applied while the service runs.
    pub(super) fn applies_at_once(self, key: &str) -> bool {
        match key.rsplit_once('.').unwrap_or_default() {
            ("cors" | "reload", _) => true,
            ("log", "level") => self.level,
            ("server.tls", _) => self.tls,
            (section, "event_audience") if !self.events && section.starts_with("auth") => false,
            _ => applies_to_issuers(key) && self.issuers,
        }
    }
}

/// One line about the keys that were applied, and those that need a restart.
pub(super) fn report(applied: &[String], restart: &[String]) -> String {
    let mut report = "the settings are read anew".to_owned();
    for (what, keys) in [("changed", applied), ("needs a restart", restart)] {
        if !keys.is_empty() {
            report = format!("{report}; {what}: {}", keys.join(", "));
        }
    }
    if applied.is_empty() && restart.is_empty() {
        report.push_str("; no key has changed");
    }
    report
}

/// Logs which issuers are new, changed and gone.
pub(super) fn report_issuers(former: &[Issuer], current: &[Issuer], cause: &str) {
    let has_name = |issuers: &[Issuer], issuer: &Issuer| {
        let mut issuers = issuers.iter();
        issuers.any(|other| other.identity == issuer.identity)
    };
    for issuer in current.iter().filter(|issuer| !former.contains(issuer)) {
        let label = issuer.label();
        if has_name(former, issuer) {
            log::info!("{cause}: the issuer {label} is trusted by other rules from now on");
        } else {
            log::info!("{cause}: the issuer {label} is trusted from now on");
        }
    }
    for issuer in former.iter().filter(|issuer| !has_name(current, issuer)) {
        log::info!(
            "{cause}: the issuer {} is no longer trusted",
            issuer.label()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Scope = Scope {
        issuers: true,
        tls: true,
        events: true,
        level: true,
    };

    #[test]
    fn tls_issuers_and_level_change_at_once_where_they_can() {
        let none = Scope {
            issuers: false,
            tls: false,
            events: false,
            level: false,
        };
        for key in [
            "server.tls.key",
            "auth.audience",
            "auth.issuers[1].strict",
            "log.level",
        ] {
            assert!(
                ALL.applies_at_once(key) && !none.applies_at_once(key),
                "{key}"
            );
        }
        for key in ["cors.max_age", "reload.watch"] {
            assert!(none.applies_at_once(key), "{key}");
        }
        for key in [
            "server.port",
            "auth.startup",
            "dev_issuer.port",
            "todo.cors",
            "reload",
        ] {
            assert!(!ALL.applies_at_once(key), "{key}");
        }
    }

    #[test]
    fn without_endpoints_an_audience_for_events_needs_a_restart() {
        let without = Scope {
            events: false,
            ..ALL
        };
        for key in ["auth.event_audience", "auth.issuers[0].event_audience"] {
            assert!(ALL.applies_at_once(key), "{key}");
            assert!(!without.applies_at_once(key), "{key}");
        }
        assert!(without.applies_at_once("auth.issuers[0].audience"));
    }

    #[test]
    fn the_report_names_all_keys() {
        let keys = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let (a, b) = (keys(&["a", "b"]), keys(&["c"]));
        assert_eq!(
            report(&[], &[]),
            "the settings are read anew; no key has changed"
        );
        assert_eq!(report(&a, &[]), "the settings are read anew; changed: a, b");
        assert_eq!(
            report(&[], &b),
            "the settings are read anew; needs a restart: c"
        );
        assert_eq!(
            report(&a, &b),
            "the settings are read anew; changed: a, b; needs a restart: c"
        );
    }
}
