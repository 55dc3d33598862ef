//! Runs the real binary, with its own directory and environment.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Instant;

use actix_resource_server::test_kit::TestIssuer;

use crate::process::{Directory, Ended, Process};
use crate::transcript::{LIMIT, Transcript};
use crate::wire::{Answer, Request};

/// How the service is started: it gets only these variables and files.
pub(crate) struct Launch {
    command: Command,
    directory: Directory,
}

impl Launch {
    pub(crate) fn new() -> Self {
        Self::of(Command::new(env!("CARGO_BIN_EXE_actix-resource-server")))
    }

    /// Another program.
    pub(crate) fn of(mut command: Command) -> Self {
        let directory = Directory::new();
        command.env_clear().current_dir(directory.path());
        Self { command, directory }
    }

    /// As a user configures a tenant: two variables for the issuer and the audience.
    pub(crate) fn trusting(issuer: &TestIssuer) -> Self {
        Self::new()
            .variable("ISSUER_BASE_URL", issuer.url())
            .variable("AUDIENCE", issuer.audience())
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn variables(mut self, variables: &[(&str, &str)]) -> Self {
        self.command.envs(variables.iter().copied());
        self
    }

    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Writes a file into the working directory.
    pub(crate) fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.directory.path().join(name), text).unwrap();
        self
    }

    /// Starts the service on free ports and waits until it listens.
    pub(crate) fn serve(mut self) -> TestApp {
        let dev_issuer = ["APP__DEV_ISSUER__PORT", "APP__DEV_ISSUER__TLS_PORT"];
        for name in dev_issuer.into_iter().chain(["PORT"]) {
            if self.command.get_envs().all(|(known, _)| known != name) {
                self.command.env(name, "0");
            }
        }
        let process = Process::spawn(self.command, self.directory);
        let address = process.log.find(|log| {
            let (_, address) = following(log, "listening on ")?.split_once("://")?;
            address.parse::<SocketAddr>().ok()
        });
        let address = address
            .unwrap_or_else(|| panic!("the service does not listen: {}", process.log.text()));
        TestApp { process, address }
    }

    /// Starts the program and waits until it ends.
    pub(crate) fn run(self) -> Ended {
        Process::spawn(self.command, self.directory).wait()
    }
}

/// A service that listens; it is killed when it is dropped.
pub(crate) struct TestApp {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl TestApp {
    /// A service that has the keys of `issuer` and trusts no other issuer.
    pub(crate) fn trusting(issuer: &TestIssuer) -> Self {
        Self::ready(Launch::trusting(issuer))
    }

    pub(crate) fn ready(launch: Launch) -> Self {
        let app = launch.serve();
        app.wait_for(200, &Request::get("/readyz"));
        app
    }

    pub(crate) fn send(&self, request: &Request) -> Answer {
        request.send(self.address)
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.send(&Request::get(target))
    }

    /// Requests the route that requires any valid token.
    pub(crate) fn private(&self, token: &str) -> Answer {
        self.send(&Request::get("/api/private").bearer(token))
    }

    /// Requests the route that requires `read:messages`.
    pub(crate) fn scoped(&self, token: &str) -> Answer {
        self.send(&Request::get("/api/private-scoped").bearer(token))
    }

    /// Waits until the log contains `part`.
    pub(crate) fn wait_for_log(&self, part: &str) {
        let found = self
            .process
            .log
            .find(|log| log.contains(part).then_some(()));
        assert!(found.is_some(), "no {part}: {}", self.process.log.text());
    }

    /// Repeats a request until it is answered with `status`.
    pub(crate) fn wait_for(&self, status: u16, request: &Request) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.send(request);
            if answer.status == status {
                return answer;
            }
            let log = || self.process.log.text();
            assert!(begun.elapsed() < LIMIT, "{answer:?}\n{}", log());
            thread::yield_now();
        }
    }

    /// Waits until the metric has this value.
    pub(crate) fn wait_for_metric(&self, name: &str, count: u64) {
        let begun = Instant::now();
        while self.metric(name) < count {
            assert!(begun.elapsed() < LIMIT, "{}", self.metric(name));
            thread::yield_now();
        }
    }

    /// The sum of the samples of `/metrics` with this name and these labels, which may have others.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics").body;
        let parts = |sample: &str| match sample.split_once('{') {
            Some((name, labels)) => (name.to_owned(), labels.trim_end_matches('}').to_owned()),
            None => (sample.to_owned(), String::new()),
        };
        let (wanted, labels) = parts(name);
        let samples = metrics.lines().filter_map(|line| line.rsplit_once(' '));
        let values = samples.filter_map(|(sample, value)| {
            let (name, found) = parts(sample);
            let has_labels = labels.split(',').all(|label| found.contains(label));
            (name == wanted && has_labels).then(|| value.parse::<u64>().unwrap())
        });
        let values: Vec<_> = values.collect();
        assert!(!values.is_empty(), "no {name}: {metrics}");
        values.iter().sum()
    }

    /// The base URL of the development issuer, which ends in a slash.
    pub(crate) fn dev_issuer(&self) -> String {
        let url = self.process.log.find(|log| {
            let url = following(log, "tokens are issued to anybody at ")?;
            Some(url.to_owned())
        });
        url.unwrap()
    }

    pub(crate) fn log(&self) -> &Transcript {
        &self.process.log
    }

    pub(crate) fn output(&self) -> &Transcript {
        &self.process.output
    }

    /// Sends the process a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// Waits until the process ends by itself.
    pub(crate) fn wait(self) -> Ended {
        self.process.wait()
    }
}

/// The word that follows `before` in the first whole line that has it.
fn following<'a>(log: &'a str, before: &str) -> Option<&'a str> {
    let line = log
        .split_inclusive('\n')
        .find(|line| line.contains(before))?;
    let (_, rest) = line.strip_suffix('\n')?.split_once(before)?;
    rest.split([' ', '"']).next()
}
