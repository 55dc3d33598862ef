//! Requests by curl, with or without a client certificate.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::certificates::{Authority, Signed};
use crate::process::Directory;
use crate::wire::Answer;

/// A request by curl.
pub(crate) struct Curl {
    command: Command,
    url: String,
    directory: Directory,
}

impl Curl {
    /// A request for `path` of a host that resolves to this machine and port.
    pub(crate) fn https(host: &str, port: u16, path: &str) -> Self {
        let mut command = Command::new("curl");
        command.args(["--disable", "--silent", "--show-error", "--include"]);
        command.args(["--http1.1", "--noproxy", "*", "--max-time", "20"]);
        command.args(["--connect-to", &format!("{host}:443:127.0.0.1:{port}")]);
        Self {
            command,
            url: format!("https://{host}{path}"),
            directory: Directory::new(),
        }
    }

    /// Trusts servers with certificates of this authority.
    pub(crate) fn trusting(mut self, authority: &Authority) -> Self {
        let file = self.file("ca.pem", &authority.pem);
        self.command.arg("--cacert").arg(file);
        self
    }

    /// Sends this client certificate.
    pub(crate) fn certificate(mut self, shown: &Signed) -> Self {
        let certificate = self.file("certificate.pem", &shown.pem);
        let key = self.file("key.pem", &shown.key.serialize_pem());
        self.command.arg("--cert").arg(certificate);
        self.command.arg("--key").arg(key);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.command.args(["--header", &format!("{name}: {value}")]);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn answer(self) -> Answer {
        let output = self.output();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        Answer::parse(&output.stdout)
    }

    /// The exit code with which curl failed.
    pub(crate) fn failure(self) -> Option<i32> {
        self.output().status.code()
    }

    fn output(mut self) -> Output {
        self.command.arg(&self.url).output().unwrap()
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}
