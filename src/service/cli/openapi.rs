//! Prints the OpenAPI document of the routes.

use tokio::time::timeout;

use super::output::{line, print_json};
use crate::Verifier;
use crate::service::config::Settings;
use crate::service::error::Error;
use crate::service::issuers::TrustedIssuers;
use crate::service::openapi::{Documentation, public_url};
use crate::service::verifier;
use crate::verifier::AcceptedTokens;

/// Prints the document that the service serves, as far as settings and issuers are available.
pub(super) fn run(
    documentation: Documentation,
    settings: Result<Settings, Error>,
) -> Result<(), Error> {
    let document = match settings {
        Ok(settings) => {
            let documentation = documentation.described_by(&settings.resource);
            let server = public_url(&settings.server).map(str::to_owned);
            let tokens = accepted_tokens(settings)?;
            documentation.document(server.as_deref(), Some(tokens))
        }
        Err(error) => {
            eprintln!("the settings cannot be used, so no issuer is described: {error}");
            documentation.document(None, None)
        }
    };
    print_json(&document)
}

/// What the service accepts; discovery documents are awaited as `check` awaits keys.
fn accepted_tokens(settings: Settings) -> Result<AcceptedTokens, Error> {
    let verifier = verifier::described(&settings)?;
    let trusted = TrustedIssuers::of(settings.trust)?;
    let limit = trusted.longest_fetch();
    actix_web::rt::System::new().block_on(async {
        let verifier: Verifier = verifier.start(trusted.issuers)?;
        timeout(limit, verifier.ready()).await.ok();
        for unready in verifier.unready() {
            eprintln!(
                "{}: without its discovery document, the endpoints for tokens are not known: {}",
                line(&unready.issuer),
                line(&unready.details)
            );
        }
        Ok(verifier.accepted_tokens())
    })
}
