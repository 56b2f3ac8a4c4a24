//! A gateway that hands over: its processes one after the other. Only the first is a child of the tests; the
//! others are known by the log, and by the configuration's path in their command line.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::gateway::Gateway;
use super::wait::until_true;

impl Gateway {
    /// The process that serves now: the last that has said that it starts.
    pub(crate) fn serving(&self) -> u32 {
        self.generations().last().copied().unwrap_or_else(|| self.process().id())
    }

    /// Hands over by SIGQUIT and waits until the successor serves; returns its id.
    pub(crate) fn hand_over(&self) -> u32 {
        let before = self.generations().len();
        let drains = self.lines_of("drain").len();
        self.signal("QUIT");
        until_true("a successor", || self.generations().len() > before.max(1));
        until_true("its predecessor to drain", || self.lines_of("drain").len() > drains);
        self.serving()
    }

    /// The JSON log lines of this kind, of all processes. Unlike [`Gateway::log_lines`] it is fast with many lines.
    pub(crate) fn lines_of(&self, kind: &str) -> Vec<Value> {
        let part = format!("\"kind\":\"{kind}\"");
        let lines = self.process().lines();
        let lines = lines.iter().filter(|line| line.contains(&part));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Batches, items and single requests, as so many processes have summed them up at their end.
    pub(crate) fn totals(&self, processes: usize) -> [usize; 3] {
        until_true("the last log lines", || self.lines_of("end").len() == processes);
        ["batches", "items", "requests"].map(|name| {
            let of = |line: &Value| usize::try_from(line[name].as_u64().unwrap()).unwrap();
            self.lines_of("end").iter().map(of).sum()
        })
    }

    /// Ends all its processes.
    pub(super) fn end_all(&self) {
        let file = self.config_file();
        until_true("the end of all processes", || {
            let processes = processes_of(&file);
            for process in &processes {
                signal(*process, "KILL");
            }
            processes.is_empty()
        });
    }

    fn generations(&self) -> Vec<u32> {
        let id = |line: &Value| line["pid"].as_u64()?.try_into().ok();
        self.lines_of("start").iter().filter_map(id).collect()
    }
}

/// Waits until a process has ended.
pub(crate) fn wait_until_gone(process: u32) {
    until_true("the end of a process", || !is_there(process));
}

/// Whether a process has not ended. One that nobody has waited for yet has no command line any more.
pub(crate) fn is_there(process: u32) -> bool {
    fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// Sends a signal, by its name without SIG; that the process has just ended is no error.
pub(super) fn signal(process: u32, signal: &str) {
    let kill = format!("kill -{signal} {process} 2>/dev/null");
    Command::new("sh").args(["-c", &kill]).status().unwrap();
}

/// The processes that were started with this file, which no other test has.
fn processes_of(file: &Path) -> Vec<u32> {
    let file = file.to_str().unwrap();
    let ids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let has_it = |id: &u32| {
        fs::read(format!("/proc/{id}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(file))
    };
    ids.filter(has_it).collect()
}
