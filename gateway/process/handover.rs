//! Handing over to a successor: the program as it stands on the disk now, started with our arguments and
//! our listening sockets. It says when it serves; until then, and if it never does, all stays as it was.
//!
//! Both processes hold the same sockets, so a connection that nobody has accepted yet is accepted by either.

use std::env;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::process::{Command as PlainCommand, ExitStatus};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping, FdMappingCollision};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use crate::clock::Deadline;

use crate::listener::inherited::READY;

/// A successor that does not serve by then is ended.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The descriptor at which sockets begin: `SD_LISTEN_FDS_START` of `sd_listen_fds(3)`.
const FIRST: RawFd = 3;

/// Why there is no successor.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoverError {
    /// In a container, say: it ends with its first process.
    #[error("as process 1 it can't be succeeded: all others would end with it")]
    FirstProcess,
    #[error("it was started without a name of its program")]
    Nameless,
    #[error("{0} can't be started: {1}")]
    Start(String, io::Error),
    #[error("sockets can't be passed on: {0}")]
    Sockets(#[from] io::Error),
    #[error("sockets can't be passed on: {0}")]
    Places(#[from] FdMappingCollision),
    #[error("the successor ended before it served ({0})")]
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
    /// Starts it with these listening sockets.
    ///
    /// # Errors
    /// It can't be started.
    pub(crate) fn start(sockets: &[OwnedFd]) -> Result<Self, HandoverError> {
        if std::process::id() == 1 {
            return Err(HandoverError::FirstProcess);
        }
        let (word, its_word) = std::os::unix::net::UnixDatagram::pair()?;
        word.set_nonblocking(true)?;
        let mut passed = sockets.iter().map(OwnedFd::try_clone).collect::<io::Result<Vec<_>>>()?;
        passed.push(its_word.into());
        let child = spawn(passed)?;
        Ok(Self { child, word: UnixDatagram::from_std(word)?, deadline: Deadline::after(READY_WITHIN) })
    }

    /// Its process id; 0 once it has ended.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Returns once it serves. May be dropped and called again.
    ///
    /// # Errors
    /// It never will.
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

    /// Ends it at once.
    pub(crate) async fn end(mut self) {
        // It may have ended by itself.
        let _ = self.child.kill().await;
    }
}

/// Starts the program at the place from which this process was started, which may hold a new file by now.
fn spawn(passed: Vec<OwnedFd>) -> Result<Child, HandoverError> {
    let mut arguments = env::args_os();
    let program = arguments.next().ok_or(HandoverError::Nameless)?;
    let mut command = PlainCommand::new(&program);
    command.args(arguments).env("LISTEN_FDS", passed.len().to_string());
    // A process can't know its own id before it is there; without this name its sockets are for whoever reads.
    command.env_remove("LISTEN_PID").env_remove("LISTEN_FDNAMES").env_remove("LISTEN_FDS_FIRST_FD");
    let mappings = passed.into_iter().zip(FIRST..);
    command.fd_mappings(mappings.map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd }).collect())?;
    let start_error = |error| HandoverError::Start(program.display().to_string(), error);
    Command::from(command).spawn().map_err(start_error)
}
