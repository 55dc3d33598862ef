//! Asks the running service whether it is alive, for container runtimes that have no other means.

use std::io::{self, Read, Write};

use super::running::Running;
use crate::service::config::Settings;
use crate::service::error::Error;

pub(super) fn run(settings: &Settings) -> Result<(), Error> {
    let service = Running::of(settings);
    match service.connect().and_then(ask) {
        Ok(answer) if answer.starts_with(ALIVE) => Ok(()),
        Ok(_) => Err(service.silent(PATH, "its response is not 200")),
        Err(error) => Err(service.silent(PATH, &error.kind().to_string())),
    }
}

/// Reads the status line, which shows whether the service is alive.
fn ask(mut connection: impl Read + Write) -> io::Result<[u8; ALIVE.len()]> {
    connection.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; ALIVE.len()];
    connection.read_exact(&mut answer)?;
    Ok(answer)
}

const PATH: &str = "/livez";

const ALIVE: &[u8] = b"HTTP/1.1 200 ";
