//! The audit log: one line for each decision on a caller, as a JSON object that `docs/audit.schema.json` describes.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use log::{Level, Metadata, Record};
use serde::Serialize;

use super::request_log::SubjectHasher;
use crate::extract::{Decided, DecisionRecord};
use crate::metrics::RejectionReason;
use crate::{Actor, Caller};

/// Whether a line may be written whatever the filter of the log is.
pub(crate) fn is_line(line: &Metadata<'_>) -> bool {
    IS_ON.load(Ordering::Relaxed) && line.target() == TARGET && line.level() == Level::Info
}

/// To be called before the first request, where the log is turned on.
pub(crate) fn enable() {
    IS_ON.store(true, Ordering::Relaxed);
    DecisionRecord::enable();
}

static IS_ON: AtomicBool = AtomicBool::new(false);

/// The request that was decided on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'r> {
    pub(crate) method: &'static str,
    /// The pattern, never the path.
    pub(crate) route: &'r str,
    /// `None` where the client has left before its response.
    pub(crate) status: Option<u16>,
    pub(crate) id: &'r str,
}

/// Writes the line of one decision. The response may have a reason that the decision does not: where a handler asked an
/// access type by itself.
pub(crate) fn write(
    decided: &Decided,
    answered: Option<RejectionReason>,
    request: Request<'_>,
    subjects: &SubjectHasher,
) {
    let line = Line::new(decided, answered, request, subjects);
    log::logger().log(
        &Record::builder()
            .target(TARGET)
            .level(Level::Info)
            .args(format_args!("{line}"))
            .build(),
    );
}

/// Every member is there in every line.
#[derive(Debug, Serialize)]
struct Line<'r> {
    event: &'static str,
    decision: &'static str,
    reason: Option<&'static str>,
    status: Option<u16>,
    method: &'static str,
    route: &'r str,
    issuer: Option<String>,
    client_id: Option<String>,
    subject: Option<String>,
    /// The current one first.
    actors: Vec<ActorNames>,
    request_id: &'r str,
}

/// An actor may be a person, whose name is hashed as that of a subject.
#[derive(Debug, Serialize)]
struct ActorNames {
    issuer: Option<String>,
    client_id: Option<String>,
    subject: Option<String>,
}

impl<'r> Line<'r> {
    fn new(
        decided: &Decided,
        answered: Option<RejectionReason>,
        request: Request<'r>,
        subjects: &SubjectHasher,
    ) -> Self {
        let rejected = decided.rejected.or(answered);
        let caller = decided.caller.as_ref();
        let client_id = caller.and_then(|caller| caller.client());
        Self {
            event: "access",
            decision: if rejected.is_some() {
                "rejected"
            } else {
                "granted"
            },
            reason: rejected.map(RejectionReason::label),
            status: request.status,
            method: request.method,
            route: request.route,
            issuer: caller.map(|caller| bounded(caller.issuer())),
            client_id: client_id.map(bounded),
            subject: caller.and_then(|caller| subjects.subject(caller)),
            actors: caller.map_or_else(Vec::new, |caller| actors(caller, subjects)),
            request_id: request.id,
        }
    }
}

/// ASCII alone: no character of a name reaches a terminal, or ends a line.
impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        let mut units = [0; 2];
        for character in text.chars() {
            if character.is_ascii() && !character.is_ascii_control() {
                f.write_char(character)?;
            } else {
                for unit in character.encode_utf16(&mut units) {
                    write!(f, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

fn actors(caller: &Caller, subjects: &SubjectHasher) -> Vec<ActorNames> {
    let current = caller.actor().into_iter();
    let all = current.flat_map(|actor| std::iter::once(actor).chain(actor.prior()));
    let names = |actor: &Actor| {
        let issuer = actor.issuer().unwrap_or_else(|| caller.issuer());
        ActorNames {
            issuer: actor.issuer().map(bounded),
            client_id: actor.client_id().map(bounded),
            subject: actor
                .subject()
                .map(|subject| subjects.hash(issuer, subject)),
        }
    };
    all.map(names).collect()
}

/// A name that an issuer chose.
fn bounded(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

pub(crate) const TARGET: &str = "audit";

/// In characters.
const LONGEST_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use serde_json::{Value, json};

    use super::*;

    const SCHEMA: &str = include_str!("../../docs/audit.schema.json");

    const REQUEST: Request<'static> = Request {
        method: "GET",
        route: "/orders/{id}",
        status: Some(403),
        id: "7",
    };

    fn text(decided: &Decided, answered: Option<RejectionReason>, request: Request<'_>) -> String {
        let subjects = SubjectHasher::random().expect("random numbers");
        Line::new(decided, answered, request, &subjects).to_string()
    }

    fn line(decided: &Decided, answered: Option<RejectionReason>, request: Request<'_>) -> Value {
        serde_json::from_str(&text(decided, answered, request)).expect("one JSON object")
    }

    const GRANTED: Decided = Decided {
        method: Method::GET,
        caller: None,
        rejected: None,
    };

    #[test]
    fn a_line_without_a_caller_has_every_member() {
        let expected = json!({
            "event": "access", "decision": "granted", "reason": null, "status": 403, "method": "GET",
            "route": "/orders/{id}", "issuer": null, "client_id": null, "subject": null, "actors": [], "request_id": "7",
        });
        assert_eq!(line(&GRANTED, None, REQUEST), expected);
        let left = Request {
            status: None,
            ..REQUEST
        };
        assert_eq!(line(&GRANTED, None, left)["status"], Value::Null);
    }

    #[test]
    fn a_rejection_by_the_decision_or_the_response_is_one() {
        let reason = RejectionReason::InsufficientScope;
        let rejected = Decided {
            method: Method::GET,
            caller: None,
            rejected: Some(reason),
        };
        for line in [
            line(&rejected, None, REQUEST),
            line(&GRANTED, Some(reason), REQUEST),
        ] {
            assert_eq!(line["decision"], "rejected");
            assert_eq!(line["reason"], "insufficient_scope");
        }
    }

    #[test]
    fn the_schema_knows_every_member_and_every_reason() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("the schema");
        let names = |value: &Value| {
            let members = value.as_object().expect("an object");
            let mut names: Vec<_> = members.keys().cloned().collect();
            names.sort_unstable();
            names
        };
        let required = |schema: &Value| {
            let names = schema["required"].as_array().expect("a list").iter();
            let mut names: Vec<_> = names
                .map(|name| name.as_str().expect("a name").to_owned())
                .collect();
            names.sort_unstable();
            names
        };
        let members = names(&line(&GRANTED, None, REQUEST));
        assert_eq!(required(&schema), members);
        let of_logger = ["level".to_owned(), "time".to_owned()];
        let mut known = [members, of_logger.to_vec()].concat();
        known.sort_unstable();
        assert_eq!(names(&schema["properties"]), known);
        let actor = ActorNames {
            issuer: None,
            client_id: None,
            subject: None,
        };
        let actor = serde_json::to_value(actor).expect("an actor");
        assert_eq!(
            names(&schema["$defs"]["actor"]["properties"]),
            names(&actor)
        );
        assert_eq!(required(&schema["$defs"]["actor"]), names(&actor));
        let labels: Vec<_> = RejectionReason::ALL
            .iter()
            .map(|reason| reason.label())
            .collect();
        assert_eq!(schema["$defs"]["reason"]["enum"], json!(labels));
        let most = crate::claims::actor::MOST_LEVELS;
        assert_eq!(schema["properties"]["actors"]["maxItems"], json!(most));
        assert_eq!(schema["$defs"]["name"]["maxLength"], json!(LONGEST_NAME));
    }

    #[cfg(feature = "test-kit")]
    #[test]
    fn names_are_bounded_escaped_and_those_of_parties_hashed() {
        use crate::{AuthenticatedUser, Identified};

        let hostile = format!("\u{9b}31m\u{2028}\u{1f600}\"\n{}", "é".repeat(300));
        let user: AuthenticatedUser = crate::test_kit::caller()
            .subject("ada")
            .claim("client_id", hostile.clone())
            .claim(
                "act",
                json!({"sub": "ada", "act": {"client_id": hostile, "iss": "https://other.example/", "sub": "ada"}}),
            )
            .build();
        let decided = Decided {
            method: Method::GET,
            caller: Some(user.caller().clone()),
            rejected: None,
        };
        let text = text(&decided, None, REQUEST);
        assert!(
            text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{text}"
        );
        assert!(!text.contains("ada"), "{text}");
        let line: Value = serde_json::from_str(&text).expect("one JSON object");
        let client = line["client_id"].as_str().expect("a name");
        assert_eq!(client.chars().count(), LONGEST_NAME);
        assert!(client.starts_with("\u{9b}31m\u{2028}\u{1f600}\"\né"));
        let actors = line["actors"].as_array().expect("actors");
        assert_eq!(actors.len(), 2);
        // A name without an issuer is one of the token's.
        assert_eq!(
            (&actors[0]["subject"], &actors[0]["issuer"]),
            (&line["subject"], &Value::Null)
        );
        assert_ne!(actors[1]["subject"], line["subject"]);
        assert_eq!(actors[1]["client_id"], line["client_id"]);
    }
}
