//! A real server with a folder and a port of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::ports::{accepts, loopback, start_again, start_on_free_ports};
use super::process::Process;

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    program: &'static str,
    process: Process,
    port: u16,
    folder: TempDir,
    command_in: fn(&Path) -> Command,
}

impl Server {
    /// One whose configuration stands in `file` in its folder, and is started by the command for that folder.
    pub(super) fn start(
        program: &'static str,
        (folder, file): (TempDir, &str),
        configuration: impl Fn(&Path, u16) -> String,
        command_in: fn(&Path) -> Command,
    ) -> Self {
        let command = |[port]: [u16; 1]| {
            fs::write(folder.path().join(file), configuration(folder.path(), port)).unwrap();
            command_in(folder.path())
        };
        let (process, [port]) = start_on_free_ports(program, command, |[port]| accepts(loopback(port)));
        Self { program, process, port, folder, command_in }
    }

    /// Kills it (SIGKILL).
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// Kills it, and starts it again with the same configuration on the same port.
    pub(crate) fn restart(&mut self) {
        if self.process.is_running() {
            self.kill();
        }
        self.process = start_again(self.program, (self.command_in)(self.folder()), self.port);
    }

    /// Sends it a signal, by its name without SIG.
    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// The id of its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// Its url, for a target.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where its configuration and all else of it is.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the files below `/webdav` are.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder().join("root/webdav")
    }

    /// What it wrote.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }
}
