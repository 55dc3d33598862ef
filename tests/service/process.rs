//! A child process: its output, its signals and its working directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::transcript::Transcript;

/// The result of a process that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) log: String,
}

/// A child process and what it writes; it is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) output: Transcript,
    pub(crate) log: Transcript,
    _directory: Directory,
    /// Whether a panic is expected.
    pub(crate) may_panic: bool,
}

impl Process {
    /// Starts `command` in `directory`.
    pub(crate) fn spawn(mut command: Command, directory: Directory) -> Self {
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            output: Transcript::of(child.stdout.take().unwrap()),
            log: Transcript::of(child.stderr.take().unwrap()),
            child,
            _directory: directory,
            may_panic: false,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.id();
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{signal} {id}")])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> Ended {
        let ended = self.output.wait_for_end() && self.log.wait_for_end();
        assert!(ended, "the process goes on: {}", self.log.text());
        Ended {
            code: self.child.wait().unwrap().code(),
            output: self.output.text(),
            log: self.log.text(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() && !self.may_panic {
            let log = self.log.text();
            assert!(!log.contains("panicked at"), "{log}");
        }
    }
}

/// An empty directory, removed when it is dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Files that are left are in the build directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}
