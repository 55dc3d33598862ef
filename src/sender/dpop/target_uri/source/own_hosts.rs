//! The hosts by which a server may name itself to clients: those that are listed, and loopback where it listens there.

use super::super::{BaseUri, Scheme, TargetUriError, split_port};

/// Which bases of URLs, as requests name them, are the server's own.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnHosts {
    /// Each under both schemes, since the default port differs.
    listed: Vec<BaseUri>,
    /// Whether `localhost`, `127.0.0.1` and `[::1]` are the server: only where it listens on loopback.
    loopback: bool,
}

impl OwnHosts {
    /// Adds `host[:port][/prefix]`.
    pub(super) fn list(&mut self, host: &str) -> Result<(), TargetUriError> {
        let (authority, prefix) = host.split_at(host.find('/').unwrap_or(host.len()));
        for scheme in [Scheme::Http, Scheme::Https] {
            let base = BaseUri::new(scheme, authority)?;
            self.listed.push(match prefix.trim_end_matches('/') {
                "" => base,
                prefix => base.below(prefix).ok_or(TargetUriError::NotPlain)?,
            });
        }
        Ok(())
    }

    pub(super) fn add_loopback(&mut self) {
        self.loopback = true;
    }

    /// The paths of the listed ones.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.listed.iter().map(|base| base.split_path().1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty() && !self.loopback
    }

    /// Whether `base` is the server's own; a loopback one only where the request itself names it: a host that leads here
    /// by a changed DNS entry is not repeated.
    pub(super) fn has(&self, base: &BaseUri, is_forwarded: bool) -> bool {
        self.listed.contains(base) || (self.loopback && !is_forwarded && is_loopback(base))
    }
}

fn is_loopback(base: &BaseUri) -> bool {
    let (origin, path) = base.split_path();
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let host = authority.map(|authority| split_port(authority).0);
    path.is_empty() && matches!(host, Some("localhost" | "127.0.0.1" | "[::1]"))
}
