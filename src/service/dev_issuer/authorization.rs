//! What a client asks for when it sends a browser to `/authorize` (RFC 6749 §4.1.1, OIDC Core
//! §3.1.2.1).

use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;

use super::Provider;
use super::consent::Consent;
use super::error::Refusal;
use super::grant::check_audience;
use super::login::{Login, Strength};
use super::parameters::Parameters;
use super::pkce::Challenge;
use super::redirect::Destination;
use super::sender::Sender;
use super::sessions::{Code, Session};

/// A request that is in order, wherever its answer goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authorization {
    scope: String,
    nonce: Option<String>,
    challenge: Challenge,
    sender: Sender,
    prompt: Prompt,
    max_age: Option<Duration>,
    /// None where the client leaves it to the issuer, or asks for nothing that is known.
    strength: Option<Strength>,
}

/// Whether somebody is asked who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    Always,
    Never,
    /// Only where nobody is signed in.
    WhenNeeded,
}

/// The parameters that are read; all others are ignored.
pub(super) const PARAMETERS: [&str; 14] = [
    "acr_values",
    "audience",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

impl Authorization {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// The [`Refusal`] that the client is told.
    pub(super) fn read(parameters: &Parameters, provider: &Provider) -> Result<Self, Refusal> {
        let find = |name| parameters.find(name).map(str::to_owned);
        if parameters.find("response_type") != Some("code") {
            return Err(Refusal::ResponseType);
        }
        if !matches!(
            parameters.find("response_mode"),
            None | Some("query" | "web_message")
        ) {
            return Err(Refusal::ResponseMode);
        }
        check_audience(parameters, provider)?;
        Ok(Self {
            scope: find("scope").unwrap_or_default(),
            nonce: find("nonce"),
            challenge: Challenge::read(parameters)?,
            sender: sender(parameters)?,
            prompt: Prompt::read(parameters)?,
            max_age: max_age(parameters)?,
            strength: parameters.find("acr_values").and_then(Strength::preferred),
        })
    }

    pub(super) const fn prompt(&self) -> Prompt {
        self.prompt
    }

    /// Whether a sign-in is as strong as this client prefers.
    pub(super) fn is_met_by(&self, session: Session) -> bool {
        self.strength
            .is_none_or(|strength| session.strength >= strength)
    }

    /// Whether a sign-in is fresh enough for this client, and it does not ask for another.
    pub(super) fn accepts(&self, session: Session, now: SystemTime) -> bool {
        let age = now.duration_since(session.since).unwrap_or_default();
        self.prompt != Prompt::Always && self.max_age.is_none_or(|most| age < most)
    }

    /// What the code stands for that the client gets when `session` allows what it asks.
    pub(super) fn allowed_by(self, session: Session, destination: &Destination) -> Code {
        Code {
            consent: Consent {
                client: destination.client.clone(),
                person: session.person,
                scopes: session.person.grants(&self.scope),
                login: Login {
                    since: session.since,
                    strength: session.strength,
                    class: self.strength.unwrap_or(session.strength).class(),
                },
            },
            nonce: self.nonce,
            challenge: self.challenge,
            redirect_uri: destination.redirect_uri.as_sent().to_owned(),
            sender: self.sender,
        }
    }
}

impl Prompt {
    fn read(parameters: &Parameters) -> Result<Self, Refusal> {
        let asked = parameters.find("prompt").unwrap_or_default();
        let asked: Vec<_> = asked.split(' ').filter(|word| !word.is_empty()).collect();
        match asked.as_slice() {
            ["none"] => Ok(Self::Never),
            words if words.contains(&"none") => Err(Refusal::Prompt),
            words if words.iter().any(|word| ASKING.contains(word)) => Ok(Self::Always),
            _ => Ok(Self::WhenNeeded),
        }
    }
}

/// Whose key the code is bound to: `dpop_jkt` (RFC 9449 §10).
fn sender(parameters: &Parameters) -> Result<Sender, Refusal> {
    let key = parameters.find("dpop_jkt").map(str::to_owned);
    let is_hash = |key: &str| {
        let decoded = BASE64URL_NOPAD.decode(key.as_bytes());
        decoded.is_ok_and(|hash| hash.len() == 32)
    };
    match key {
        Some(key) if !is_hash(&key) => Err(Refusal::KeyThumbprint),
        key => Ok(Sender {
            key,
            certificate: None,
        }),
    }
}

fn max_age(parameters: &Parameters) -> Result<Option<Duration>, Refusal> {
    let seconds = parameters.find("max_age").map(str::parse).transpose();
    let seconds = seconds.map_err(|_| Refusal::MaxAge)?;
    Ok(seconds.map(Duration::from_secs))
}

/// One page serves them all: it asks who signs in, and for which client.
const ASKING: [&str; 3] = ["consent", "login", "select_account"];

#[cfg(test)]
mod tests {
    use super::super::tests::provider;
    use super::super::users::Person;
    use super::*;

    const GOOD: &str = "response_type=code&client_id=spa&redirect_uri=http://localhost&code_challenge_method=S256&\
        code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn read(query: &str) -> Result<Authorization, Refusal> {
        Authorization::read(&Parameters::of_query(query, &PARAMETERS)?, &provider())
    }

    fn with(more: &str) -> Result<Authorization, Refusal> {
        read(&format!("{GOOD}&{more}"))
    }

    fn session(seconds: u64) -> Session {
        Session {
            person: Person::find("manager").unwrap(),
            since: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            strength: Strength::OneFactor,
        }
    }

    #[test]
    fn a_request_that_is_not_in_order_is_refused() {
        let cases = [
            (GOOD.replace("=code&", "=token&"), Refusal::ResponseType),
            (GOOD.replace("=code&", "=&"), Refusal::ResponseType),
            (
                GOOD.replace("=code&", "=code+id_token&"),
                Refusal::ResponseType,
            ),
            (GOOD.replace("S256", "plain"), Refusal::Challenge),
            (
                format!("{GOOD}&response_mode=form_post"),
                Refusal::ResponseMode,
            ),
            (format!("{GOOD}&audience=other"), Refusal::UnknownAudience),
            (format!("{GOOD}&prompt=none+login"), Refusal::Prompt),
            (format!("{GOOD}&dpop_jkt=abc"), Refusal::KeyThumbprint),
            (
                format!("{GOOD}&dpop_jkt=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="),
                Refusal::KeyThumbprint,
            ),
            (format!("{GOOD}&max_age=-1"), Refusal::MaxAge),
            (format!("{GOOD}&max_age=1h"), Refusal::MaxAge),
            (format!("{GOOD}&client_id=other"), Refusal::Repeated),
        ];
        for (query, expected) in cases {
            assert_eq!(read(&query), Err(expected), "{query}");
        }
        let unknown = with("audience=https://api.test/&ui_locales=de&ui_locales=en&prompt=create");
        assert_eq!(unknown.map(|asked| asked.prompt), Ok(Prompt::WhenNeeded));
    }

    #[test]
    fn a_sign_in_is_asked_for_as_the_client_wishes() {
        let cases = [
            ("", 100, true),
            ("prompt=none", 100, true),
            ("prompt=login", 100, false),
            ("prompt=select_account", 100, false),
            ("prompt=consent+login", 100, false),
            ("max_age=60", 159, true),
            ("max_age=60", 160, false),
            ("max_age=0", 100, false),
            ("max_age=60", 0, true),
        ];
        for (query, now, expected) in cases {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
            let accepted = with(query).unwrap().accepts(session(100), now);
            assert_eq!(accepted, expected, "{query} {now:?}");
        }
    }

    #[test]
    fn a_code_stands_for_what_was_asked_and_is_the_persons() {
        let asked = with("scope=openid+read:messages+write:messages&nonce=n%2B&max_age=60");
        let to = Parameters::of_query(GOOD, &PARAMETERS).unwrap();
        let to = Destination::read(&to, GOOD).unwrap();
        let code = asked.unwrap().allowed_by(session(100), &to);
        assert_eq!(code.consent.scopes, ["openid", "read:messages"]);
        assert_eq!(code.consent.client, "spa");
        assert_eq!(code.consent.login.since, session(100).since);
        assert_eq!(code.nonce.as_deref(), Some("n+"));
        assert_eq!(code.redirect_uri, "http://localhost");
        let code = with("").unwrap().allowed_by(session(100), &to);
        assert_eq!(code.nonce, None);
        assert!(code.consent.scopes.is_empty());
    }

    #[test]
    fn a_sign_in_is_as_strong_as_the_client_prefers_and_named_as_it_asks() {
        let [none, multi] = Strength::ALL.map(Strength::class);
        let [weak, strong] = Strength::ALL.map(|strength| Session {
            strength,
            ..session(100)
        });
        let to = Parameters::of_query(GOOD, &PARAMETERS).unwrap();
        let to = Destination::read(&to, GOOD).unwrap();
        let cases = [
            (String::new(), weak, true, none),
            (String::new(), strong, true, multi),
            ("acr_values=urn:other".to_owned(), weak, true, none),
            ("acr_values=urn:other".to_owned(), strong, true, multi),
            (format!("acr_values={none}"), weak, true, none),
            (format!("acr_values={none}"), strong, true, none),
            (format!("acr_values={multi}"), weak, false, multi),
            (format!("acr_values={multi}"), strong, true, multi),
            (format!("acr_values=x+{multi}+{none}"), weak, false, multi),
            (format!("acr_values=x+{none}+{multi}"), weak, true, none),
        ];
        for (query, session, met, class) in cases {
            let asked = with(&query).unwrap();
            assert_eq!(asked.is_met_by(session), met, "{query}");
            let login = asked.allowed_by(session, &to).consent.login;
            assert_eq!(login.class, class, "{query}");
            assert_eq!(login.strength, session.strength, "{query}");
        }
    }
}
