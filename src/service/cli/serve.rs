//! Serves the API until a signal to stop.

use crate::service::MakeApi;
use crate::service::app;
use crate::service::config::Settings;
use crate::service::error::Error;
use crate::service::telemetry;

pub(super) fn run(settings: Settings, make_api: MakeApi) -> Result<(), Error> {
    telemetry::start(&settings.log);
    actix_web::rt::System::new().block_on(app::serve(settings, make_api))
}
