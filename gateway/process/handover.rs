//! Hand-over to a successor: the program as it is on the disk now, started with our arguments and our listening
//! sockets. It reports when it serves. Until then, and if it never does, nothing changes.
//!
//! Both processes hold the same sockets, so either of them accepts a connection that is still waiting.

use std::env;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::process::{Command as PlainCommand, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping, FdMappingCollision};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use crate::clock::Deadline;
use crate::listener::inherited::READY;

/// A successor that does not serve within this time is killed.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The first descriptor that is passed on: `SD_LISTEN_FDS_START` of `sd_listen_fds(3)`.
const FIRST: RawFd = 3;

/// Why a hand-over failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoverError {
    /// A container, for example, ends with its first process.
    #[error("process 1 can't hand over: all other processes would end with it")]
    FirstProcess,
    #[error("the program was started without its name")]
    Nameless,
    #[error("{0} can't be started: {1}")]
    Start(String, io::Error),
    #[error("sockets can't be passed on: {0}")]
    Sockets(#[from] io::Error),
    #[error("sockets can't be passed on: {0}")]
    Places(#[from] FdMappingCollision),
    #[error("the successor ended before it was serving ({0})")]
    Ended(ExitStatus),
    #[error("the successor did not serve within {} seconds", READY_WITHIN.as_secs())]
    Late,
}

/// A process that was started to succeed this one.
#[derive(Debug)]
pub(crate) struct Successor {
    child: Child,
    word: UnixDatagram,
    deadline: Deadline,
}

impl Successor {
    /// Starts the successor with these listening sockets. `stdin` is the configuration, if this process read it from its
    /// standard input.
    ///
    /// # Errors
    /// It can't be started.
    pub(crate) fn start(sockets: &[OwnedFd], stdin: Option<Arc<str>>) -> Result<Self, HandoverError> {
        if std::process::id() == 1 {
            return Err(HandoverError::FirstProcess);
        }
        let (word, its_word) = std::os::unix::net::UnixDatagram::pair()?;
        word.set_nonblocking(true)?;
        let mut passed = sockets.iter().map(OwnedFd::try_clone).collect::<io::Result<Vec<_>>>()?;
        passed.push(its_word.into());
        let mut child = spawn(passed, if stdin.is_some() { Stdio::piped() } else { Stdio::inherit() })?;
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            // In a task of its own, because a pipe may have less room than the text needs. If the successor does not read
            // it all, it says why it ended.
            tokio::spawn(async move { pipe.write_all(text.as_bytes()).await });
        }
        Ok(Self { child, word: UnixDatagram::from_std(word)?, deadline: Deadline::after(READY_WITHIN) })
    }

    /// The successor's process id; 0 once it has ended.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Completes when the successor is serving. Cancel-safe.
    ///
    /// # Errors
    /// The successor has ended, or did not serve in time.
    pub(crate) async fn serves(&mut self) -> Result<(), HandoverError> {
        let mut said = [0; READY.len()];
        let news = async {
            tokio::select! {
                biased;
                heard = self.word.recv(&mut said) => heard.map(drop).map_err(HandoverError::Sockets),
                ended = self.child.wait() => Err(HandoverError::Ended(ended?)),
            }
        };
        self.deadline.race(news).await.unwrap_or(Err(HandoverError::Late))
    }

    /// Kills the successor.
    pub(crate) async fn end(mut self) {
        // It may have ended by itself.
        let _ = self.child.kill().await;
    }
}

/// Starts the program from the path of this process, which may be a new file by now.
fn spawn(passed: Vec<OwnedFd>, stdin: Stdio) -> Result<Child, HandoverError> {
    let mut arguments = env::args_os();
    let program = arguments.next().ok_or(HandoverError::Nameless)?;
    let mut command = PlainCommand::new(&program);
    command.args(arguments).stdin(stdin).env("LISTEN_FDS", passed.len().to_string());
    // LISTEN_PID would have to name a process that does not exist yet. Without it, the
    // sockets are for any process that reads it.
    command.env_remove("LISTEN_PID").env_remove("LISTEN_FDNAMES").env_remove("LISTEN_FDS_FIRST_FD");
    let mappings = passed.into_iter().zip(FIRST..);
    command.fd_mappings(mappings.map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd }).collect())?;
    let start_error = |error| HandoverError::Start(program.display().to_string(), error);
    Command::from(command).spawn().map_err(start_error)
}
