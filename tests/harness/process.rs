//! A program under test: what it writes is kept line by line, and it never outlives its test.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::wait::until;

/// A started program.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Mutex<Child>,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
}

impl Process {
    /// Starts the command with no input, its output captured.
    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            keep_lines(child.stdout.take().unwrap(), &lines),
            keep_lines(child.stderr.take().unwrap(), &lines),
        ];
        Self { name: name.to_owned(), child: Mutex::new(child), lines, readers: Mutex::new(readers) }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child().id()
    }

    /// The most memory it has ever had resident, in bytes.
    pub(crate) fn peak_memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        let kibibytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kibibytes << 10
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&self) -> bool {
        self.child().try_wait().unwrap().is_none()
    }

    /// How it ended; waits for that, within bounds.
    pub(crate) fn wait(&self) -> ExitStatus {
        until(&format!("the end of {}", self.name), || self.child().try_wait().unwrap())
    }

    /// Sends a signal, by its name without SIG.
    pub(crate) fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success(), "{kill} failed");
    }

    /// Ends it at once (SIGKILL), with all its connections.
    pub(crate) fn kill(&self) {
        self.child().kill().unwrap();
        self.wait();
    }

    /// The lines written so far, of both streams.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was written so far.
    pub(crate) fn output(&self) -> String {
        self.lines().join("\n")
    }

    /// All that was written; waits for the end of the program.
    pub(crate) fn final_output(&self) -> String {
        self.wait();
        let readers = std::mem::take(&mut *self.readers.lock().unwrap_or_else(PoisonError::into_inner));
        for reader in readers {
            reader.join().unwrap();
        }
        self.output()
    }

    /// Waits for a line that has all these parts.
    pub(crate) fn line_with(&self, parts: &[&str]) -> String {
        until(&format!("a line of {} with {parts:?}", self.name), || {
            self.lines().into_iter().find(|line| parts.iter().all(|part| line.contains(part)))
        })
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = self.child();
        drop(child.kill());
        drop(child.wait());
        drop(child);
        if thread::panicking() {
            let lines = self.lines();
            let last = lines.len().saturating_sub(40);
            println!("--- the last lines of {}:\n{}", self.name, lines[last..].join("\n"));
        }
    }
}

fn keep_lines(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    })
}
