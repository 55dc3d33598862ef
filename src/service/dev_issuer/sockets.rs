//! Binds one port on both loopback addresses, since `localhost` may mean either.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

/// Binds `port`, or any port that is free on both for 0, and says which one it is.
///
/// # Errors
/// The port is taken on either address: half an issuer would leave `localhost` to somebody else.
pub(super) fn bind(port: u16) -> io::Result<(u16, Vec<TcpListener>)> {
    let mut attempts_left = if port == 0 { ATTEMPTS } else { 1 };
    loop {
        attempts_left -= 1;
        match bind_both(port) {
            Err(taken) if taken.kind() == io::ErrorKind::AddrInUse && attempts_left > 0 => {}
            decided => return decided,
        }
    }
}

fn bind_both(port: u16) -> io::Result<(u16, Vec<TcpListener>)> {
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let port = v4.local_addr()?.port();
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Ok(v6) => Ok((port, vec![v4, v6])),
        Err(taken) if taken.kind() == io::ErrorKind::AddrInUse => Err(taken),
        Err(_no_such_address) => Ok((port, vec![v4])),
    }
}

/// A free port of one address is taken on the other once in a few thousand times.
const ATTEMPTS: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_free_port_is_the_same_on_every_loopback_address() {
        let (port, listeners) = bind(0).unwrap();
        assert_ne!(port, 0);
        for listener in listeners {
            let address = listener.local_addr().unwrap();
            assert_eq!(address.port(), port);
            assert!(address.ip().is_loopback());
        }
    }

    #[test]
    fn a_port_that_is_taken_is_an_error() {
        let (port, _listeners) = bind(0).unwrap();
        assert_eq!(bind(port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
