//! A Redis for one test, which can be stopped and started again.

use std::process::Command;

use crate::documented::Documented;
use crate::process::{Directory, Process};
use crate::proxy::free_port;

pub(crate) struct Redis {
    port: u16,
    directory: Directory,
    running: Option<Process>,
}

impl Redis {
    /// With the documented configuration.
    pub(crate) fn start() -> Self {
        Self::start_with(&Documented::block("Replicas", "text"))
    }

    pub(crate) fn start_with(configuration: &Documented) -> Self {
        let directory = Directory::new();
        let file = directory.path().join("redis.conf");
        std::fs::write(file, configuration.text()).unwrap();
        let mut redis = Self {
            port: free_port(),
            directory,
            running: None,
        };
        redis.start_again();
        redis
    }

    /// Returns once it accepts connections.
    pub(crate) fn start_again(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.arg(self.directory.path().join("redis.conf"));
        command.args(["--port", &port, "--bind", "127.0.0.1", "--dir"]);
        command.arg(self.directory.path());
        let running = Process::spawn(command, Directory::new());
        let is_ready = |log: &str| log.contains("Ready to accept connections").then_some(());
        assert!(running.output.find(is_ready).is_some());
        self.running = Some(running);
    }

    /// Kills it, as a crash would.
    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    /// Sets its memory limit, for example `256mb`.
    pub(crate) fn limit(&self, memory: &str) {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string(), "-e"]);
        let output = command
            .args(["CONFIG", "SET", "maxmemory", memory])
            .output();
        assert!(output.unwrap().status.success());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn url_with(&self, password: &str) -> String {
        format!("redis://:{password}@127.0.0.1:{}", self.port)
    }
}
