//! Serves the API until it is told to stop.

use crate::service::app;
use crate::service::config::Settings;
use crate::service::failure::Failure;
use crate::service::telemetry;

pub(super) fn run(settings: Settings) -> Result<(), Failure> {
    telemetry::start(&settings.log);
    actix_web::rt::System::new().block_on(app::serve(settings))
}
