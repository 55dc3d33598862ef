//! How many connections may be open at once: as many as set, or as the system gives files for.

/// As many as `wanted`, or fewer, with a line in the log, where this process may not open so many files.
///
/// The soft limit is raised as far as the hard one allows: 1024 files, as shells and units give by
/// default, are too few for a server.
pub(super) fn connections(wanted: usize) -> usize {
    let needed = u64::try_from(wanted.saturating_add(RESERVED)).unwrap_or(u64::MAX);
    let Ok(files) = rlimit::increase_nofile_limit(needed) else {
        return wanted;
    };
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let possible = files.saturating_sub(RESERVED).max(1);
    if wanted > possible {
        log::info!(
            "this process may open {files} files, so it keeps {possible} connections at once instead of \
             server.max_connections = {wanted}; `ulimit -Hn` gives it more"
        );
    }
    wanted.min(possible)
}

/// For the operations listener and the development issuer, sockets that listen, event queues, fetches and whatever else a process has open.
const RESERVED: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_promised_than_there_are_files() {
        assert_eq!(connections(1), 1);
        let (_, hard) = rlimit::getrlimit(rlimit::Resource::NOFILE).expect("a limit");
        let possible = usize::try_from(hard)
            .unwrap_or(usize::MAX)
            .saturating_sub(RESERVED);
        assert_eq!(connections(usize::MAX), possible);
    }
}
