//! How many connections may be open at once: as many as set, or as the system gives files for.

use std::fs;

/// As many as `wanted`, or fewer, with a line in the log, where this process may open fewer files.
pub(super) fn connections(wanted: usize) -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let Some(files) = open_files(&limits) else {
        return wanted;
    };
    let possible = files.saturating_sub(RESERVED).max(1);
    if wanted > possible {
        log::warn!(
            "this process may open {files} files, so it keeps {possible} connections at once instead of \
             server.max_connections = {wanted}; `ulimit -n` gives it more"
        );
    }
    wanted.min(possible)
}

/// The soft limit, as Linux writes it (`proc_pid_limits(5)`); `None` is none.
fn open_files(limits: &str) -> Option<usize> {
    let mut lines = limits.lines();
    let limit = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    limit.split_whitespace().next()?.parse().ok()
}

/// For sockets that listen, event queues, fetches and whatever else a process has open.
const RESERVED: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_the_one_that_holds() {
        let limits = |files: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max processes             95614                95614                processes \n\
                 Max open files            {files} files     \n"
            )
        };
        let cases = [
            (
                limits("1024                 524288              "),
                Some(1024),
            ),
            (limits("unlimited            unlimited           "), None),
            (String::new(), None),
        ];
        for (limits, files) in cases {
            assert_eq!(open_files(&limits), files, "{limits}");
        }
    }

    #[test]
    fn no_more_is_promised_than_there_are_files() {
        assert_eq!(connections(1), 1);
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let possible = open_files(&limits).map_or(usize::MAX, |files| files - RESERVED);
        assert_eq!(connections(usize::MAX), possible);
    }
}
