//! The process, as Linux shows it in `/proc/self`; on other systems, and where that cannot be read, only its start.

use std::fmt;
use std::fs;
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Unit;

use super::encoder::gauge;
use crate::verifier::clock::since_epoch;

#[derive(Debug)]
pub(super) struct Process {
    /// Since 1970.
    started: Duration,
}

impl Process {
    pub(super) fn started_now() -> Self {
        Self {
            started: since_epoch(SystemTime::now()),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let started = self.started.as_secs_f64();
        let help = "Start of the process since 1970";
        let (name, unit) = ("process_start_time", Some(&Unit::Seconds));
        gauge(&mut encoder, name, help, unit, started)?;
        if let Some(seconds) = read("stat").and_then(|stat| cpu_seconds(&stat)) {
            let (name, help) = ("process_cpu", "CPU time in user and system mode");
            let kind = MetricType::Counter;
            let encoder = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?;
            ConstCounter::new(seconds).encode(encoder)?;
        }
        if let Some(bytes) = read("status").and_then(|status| resident_bytes(&status)) {
            let help = "Resident memory";
            let (name, unit) = ("process_resident_memory", Some(&Unit::Bytes));
            gauge(&mut encoder, name, help, unit, bytes)?;
        }
        if let Some(open) = open_fds() {
            let help = "Open file descriptors";
            gauge(&mut encoder, "process_open_fds", help, None, open)?;
        }
        Ok(())
    }
}

fn read(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/self/{name}")).ok()
}

/// `utime` and `stime`, which follow the name of the program; that may contain anything, and ends at the last parenthesis.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let ticks = [times.next()?, times.next()?].map(|time| time.parse::<u32>().ok());
    let [user, system] = ticks;
    Some((f64::from(user?) + f64::from(system?)) / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Without the one that lists them.
fn open_fds() -> Option<usize> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(open.saturating_sub(1))
}

/// Linux's `USER_HZ`, the same on all of its architectures that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_may_contain_anything() {
        let stat = "7 (a) 1 2) S 1 7 7 0 -1 4194304 90 0 0 0 150 50 0 0 20 0 4 0 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
        assert_eq!(cpu_seconds(""), None);
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(
            resident_bytes("Name:\ta\nVmRSS:\t    12 kB\n"),
            Some(12 * 1024)
        );
        assert_eq!(resident_bytes("VmRSS:\t12 MB"), None);
        assert_eq!(resident_bytes("Name:\ta"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_can_be_read() {
        assert!(read("stat").and_then(|stat| cpu_seconds(&stat)).is_some());
        assert!(read("status").and_then(|status| resident_bytes(&status)) > Some(1024 * 1024));
        assert!(open_fds() > Some(2));
    }
}
