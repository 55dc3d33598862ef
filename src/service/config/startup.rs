//! Says what the first keys mean to the start of the service.

use std::time::Duration;

use super::error::SettingsError;
use super::section::Section;

/// When the service begins to serve, and what it does when the first keys do not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Startup {
    pub(crate) mode: StartupMode,
    /// How long the first keys are waited for, where they are.
    pub(crate) limit: Duration,
}

/// What the first keys mean to the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartupMode {
    /// Serve at once; be unready until they are there.
    Background,
    /// Wait for them; end the program when they do not come.
    Require,
    /// Wait for them; serve without them when they do not come.
    Wait,
}

impl Startup {
    pub(super) fn read(auth: &mut Section) -> Result<Self, SettingsError> {
        let mode = auth.take("startup").map(|said| match said.text() {
            Ok("background") => Ok(StartupMode::Background),
            Ok("require") => Ok(StartupMode::Require),
            Ok("wait") => Ok(StartupMode::Wait),
            _ => Err(said.place().refuse("must be background, wait or require")),
        });
        let limit = auth
            .take("startup_timeout")
            .map(|said| said.duration_above_zero());
        Ok(Self {
            mode: mode.transpose()?.unwrap_or(StartupMode::Background),
            limit: limit.transpose()?.unwrap_or(DEFAULT_STARTUP_TIMEOUT),
        })
    }
}

/// Two fetches and the pause between them.
const DEFAULT_STARTUP_TIMEOUT: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::super::tests::parsed;
    use super::*;

    #[test]
    fn the_start_may_wait_for_keys() {
        let startup =
            |text: &str| parsed(&format!("[auth]\n{text}"), &[]).map(|settings| settings.startup);
        let seconds = Duration::from_secs;
        assert_eq!(
            startup(""),
            Ok(Startup {
                mode: StartupMode::Background,
                limit: seconds(15)
            })
        );
        let waiting = "startup = 'wait'\nstartup_timeout = '3s'";
        assert_eq!(
            startup(waiting),
            Ok(Startup {
                mode: StartupMode::Wait,
                limit: seconds(3)
            })
        );
        let requiring = startup("startup = 'require'").map(|startup| startup.mode);
        assert_eq!(requiring, Ok(StartupMode::Require));
        let message = "auth.startup (file Settings.toml): must be background, wait or require";
        assert_eq!(startup("startup = 'soon'"), Err(message.to_owned()));
    }
}
