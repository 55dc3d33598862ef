//! A Redis for tests.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use redis::Client;

const PASSWORD: &str = "a password that must not be shown";

/// A Redis of the test's own, which ends with it.
pub(crate) struct Server {
    program: String,
    port: u16,
    process: Child,
}

impl Server {
    /// Starts the program that `REDIS_SERVER` names; without it the test is skipped.
    pub(crate) fn start() -> Option<Self> {
        let Ok(program) = std::env::var("REDIS_SERVER") else {
            println!("skipped: REDIS_SERVER names no redis-server");
            return None;
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let process = Self::spawn(&program, port);
        Some(Self {
            program,
            port,
            process,
        })
    }

    /// Returns once it accepts connections.
    fn spawn(program: &str, port: u16) -> Child {
        let mut process = Command::new(program)
            .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
            .args(["--port", &port.to_string(), "--requirepass", PASSWORD])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        lines
            .find(|line| {
                line.as_ref()
                    .unwrap()
                    .contains("eady to accept connections")
            })
            .expect("Redis starts")
            .unwrap();
        std::thread::spawn(move || lines.count());
        process
    }

    pub(crate) fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.process = Self::spawn(&self.program, self.port);
    }

    pub(crate) fn url(&self) -> String {
        let password = PASSWORD.replace(' ', "%20");
        format!("redis://:{password}@127.0.0.1:{}/1", self.port)
    }

    pub(crate) fn query<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = Client::open(self.url()).unwrap().get_connection().unwrap();
        let mut asked = redis::cmd(command[0]);
        asked.arg(&command[1..]).query(&mut connection).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
