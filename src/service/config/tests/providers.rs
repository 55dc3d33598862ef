//! docs/providers.md: the settings of each block, and tokens of the providers' shapes (`tests/providers/`) under them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{issuers, parsed};
use crate::test_kit::{TokenBuilder, shared};
use crate::verifier::VerifyError;
use crate::{Algorithm, Verifier};

/// A token of a provider and the decision on it; of an opaque token, the response to introspection, which is judged as
/// the claims of a JWT are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    /// What it is, in words.
    token: String,
    /// Parameters that differ from those of the block's first token, or from the type `JWT`; `null` removes one.
    #[serde(default)]
    header: Map<String, Value>,
    /// The claims of the block's first token.
    #[serde(default)]
    claims: Map<String, Value>,
    /// Claims that differ from those of the block's first token; `null` removes one.
    #[serde(default)]
    changes: Map<String, Value>,
    /// The scopes that it grants, if it is accepted.
    scopes: Option<Vec<String>>,
    /// A part of the error's name, if it is rejected.
    error: Option<String>,
    /// The setting without which it would be accepted.
    needs: Option<String>,
}

/// The tokens of each block by its heading.
type Tokens = BTreeMap<String, Vec<Token>>;

fn tokens() -> Tokens {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/providers");
    let files = std::fs::read_dir(folder).unwrap();
    let files = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
    files
        .flat_map(|file| serde_json::from_slice::<Tokens>(&file).unwrap())
        .collect()
}

/// A block of settings on the page.
struct Block {
    heading: &'static str,
    lines: Vec<&'static str>,
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut heading = "";
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix('#') {
            heading = title.trim_start_matches('#').trim();
        } else if line == "```toml" {
            let lines = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(Block { heading, lines });
        }
    }
    blocks
}

impl Block {
    fn introspects(&self) -> bool {
        self.lines.contains(&INTROSPECTION)
    }

    /// The value of `iss` in tokens that do not say it.
    fn issuer(&self) -> &'static str {
        let issuer = value(&self.lines, "issuer");
        issuer
            .or_else(|| value(&self.lines, "issuer_base_url"))
            .unwrap_or_default()
    }

    /// A verifier with these settings but for the key `without`, and with the key of the test in place of the issuer's.
    fn verifier(&self, tokens: &[Token], without: Option<&str>) -> Verifier {
        let sections = self.lines.chunk_by(|_, next| !next.starts_with('['));
        let text: String = sections
            .map(|section| offline(section, tokens, without))
            .collect();
        let issuers = issuers(&text, &[]);
        let issuers = issuers.unwrap_or_else(|error| panic!("{}: {error}\n{text}", self.heading));
        Verifier::start(issuers).unwrap()
    }
}

/// A section without the key `without`, and with the key of the test in place of what would be fetched.
fn offline(section: &[&str], tokens: &[Token], without: Option<&str>) -> String {
    if section.contains(&INTROSPECTION) {
        return String::new();
    }
    let replaced = ["issuer_base_url", "jwks_uri", "public_key"];
    let kept = section
        .iter()
        .filter(|line| !replaced.contains(&key(line)) && without != Some(key(line)));
    let mut text: String = kept.flat_map(|line| [line, "\n"]).collect();
    let base_url = value(section, "issuer_base_url");
    let issuer = value(section, "issuer");
    if let (None, Some(base_url)) = (issuer, base_url) {
        text.push_str(&format!("issuer = '{}'\n", issuer_at(base_url, tokens)));
    }
    if issuer.or(base_url).is_some() {
        text.push_str(&format!("{}\n", public_key()));
    }
    text
}

/// The setting with the key of the test.
fn public_key() -> String {
    let key = shared(Algorithm::Es256).public_jwk().unwrap();
    format!("public_key = '{key}'")
}

/// The issuer that the document at `base_url` names, as tokens do: the same up to a slash at the end.
fn issuer_at<'t>(base_url: &'t str, tokens: &'t [Token]) -> &'t str {
    let claims = tokens
        .iter()
        .flat_map(|token| [&token.claims, &token.changes]);
    let mut issuers = claims.filter_map(|claims| claims.get("iss")?.as_str());
    issuers
        .find(|issuer| issuer.trim_end_matches('/') == base_url.trim_end_matches('/'))
        .unwrap_or(base_url)
}

fn key<'l>(line: &&'l str) -> &'l str {
    line.split(" = ").next().unwrap_or_default()
}

fn value<'l>(section: &[&'l str], name: &str) -> Option<&'l str> {
    let line = section.iter().find(|line| key(line) == name)?;
    line.split('"').nth(1)
}

impl Token {
    /// The token, whose claims are those of `first` but for its changes.
    fn build(&self, block: &Block, first: &Self) -> String {
        let key = shared(Algorithm::Es256);
        let mut token = TokenBuilder::new(block.issuer(), "", &key).header("typ", "JWT");
        for name in ["sub", "aud", "azp", "client_id", "jti"] {
            token = token.without(name);
        }
        for (name, value) in first.header.iter().chain(&self.header) {
            token = match value {
                Value::Null => token.without_header(name),
                value => token.header(name, value.clone()),
            };
        }
        for (name, value) in first.claims.iter().chain(&self.changes) {
            token = match value {
                Value::Null => token.without(name),
                value => token.claim(name, value.clone()),
            };
        }
        token.build()
    }
}

/// The scopes that `token` grants.
fn outcome(verifier: &Verifier, token: &str) -> Result<Vec<String>, VerifyError> {
    let verified = verifier.verify(token, SystemTime::now())?;
    Ok(verified.scopes().iter().map(str::to_owned).collect())
}

#[test]
fn the_documented_settings_are_valid() {
    for block in blocks() {
        let secret = [("APP__AUTH__INTROSPECTION__CLIENT_SECRET", "hush")];
        let variables = if block.introspects() {
            &secret[..]
        } else {
            &[]
        };
        let text = block.lines.join("\n").replace(KEY_FILE, &public_key());
        let settings = parsed(&text, variables).map(drop);
        assert_eq!(settings, Ok(()), "{}", block.heading);
    }
}

#[test]
fn tokens_of_providers_are_accepted_and_rejected_as_documented() {
    let all = tokens();
    for block in &blocks() {
        let tokens = &all[block.heading];
        let verifier = block.verifier(tokens, None);
        for token in tokens {
            let name = format!("{}: {}", block.heading, token.token);
            let text = token.build(block, &tokens[0]);
            match (&token.scopes, outcome(&verifier, &text)) {
                (Some(expected), Ok(scopes)) => assert_eq!(scopes, *expected, "{name}"),
                (None, Err(error)) => {
                    let expected = token.error.as_ref().unwrap();
                    let error = format!("{error:?}");
                    assert!(error.contains(expected), "{name}: {error}, not {expected}");
                }
                (_, outcome) => panic!("{name}: {outcome:?}"),
            }
            if let Some(key) = &token.needs {
                assert!(
                    block.lines.iter().any(|line| self::key(line) == key),
                    "{name}"
                );
                let without = block.verifier(tokens, Some(key));
                assert!(outcome(&without, &text).is_ok(), "{name}, without {key}");
            }
        }
    }
}

#[test]
fn every_block_has_tokens_that_are_accepted_and_others_that_are_rejected() {
    let all = tokens();
    let blocks = blocks();
    for block in &blocks {
        let tokens = all.get(block.heading).map_or(&[][..], Vec::as_slice);
        let accepted = tokens.iter().filter(|token| token.scopes.is_some()).count();
        assert!(0 < accepted && accepted < tokens.len(), "{}", block.heading);
    }
    for heading in all.keys() {
        let found = blocks.iter().any(|block| block.heading == heading);
        assert!(found, "{heading} is not on the page");
    }
}

#[test]
fn every_provider_has_a_row_in_the_overview() {
    let headings = PAGE.lines().filter_map(|line| line.strip_prefix("# "));
    let providers = headings.filter(|heading| !OTHERS.contains(heading));
    for provider in providers {
        let link = provider.to_lowercase().replace(' ', "-");
        let row = format!("\n| [{provider}](#{link}) | ");
        assert!(PAGE.contains(&row), "{row}");
    }
}

const PAGE: &str = include_str!("../../../../docs/providers.md");

const INTROSPECTION: &str = "[auth.introspection]";

/// The setting that names a file which the test does not have.
const KEY_FILE: &str = "public_key = \"propelauth.pem\"";

/// The headings that are no providers.
const OTHERS: [&str; 2] = ["Several issuers", "What cannot be used"];
