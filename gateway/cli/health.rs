//! `batchgate health`: asks a running gateway's admin listener whether it takes requests. Container runtimes call it, so it
//! answers within seconds, by its exit code and one line.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};

use crate::admin::{DRAINING, READY};
use crate::config::{ConfigSource, Diagnostics, ListenAddress, Override};
use crate::http_client::{ClientError, HttpClient, Server};
use crate::terminal::{one_line, print_line};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer, and the characters of it that are shown.
const MAX_REPLY: usize = 64 << 10;
const SHOWN: usize = 100;

#[derive(Debug, clap::Args)]
pub(super) struct HealthArguments {
    /// The address of the admin listener: `HOST:PORT` or `unix:/path`
    #[arg(long, value_name = "ADDRESS", conflicts_with = "config", value_parser = server, default_value = "127.0.0.1:9901")]
    pub(super) admin: Server,
    /// Take the address from this configuration
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// A value in place of the configuration's, as for the gateway itself
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "config")]
    pub(super) overrides: Vec<Override>,
}

/// Why the gateway is not ready, or nobody knows.
#[derive(Debug, thiserror::Error)]
enum HealthError {
    #[error("batchgate health: not known: the configuration does not say where to ask\n{0}")]
    Configuration(#[from] Diagnostics),
    #[error("batchgate health: not known: `admin` is `off` in {0}")]
    NoAdmin(ConfigSource),
    #[error("batchgate health: not ready: {0}{hint}", hint = hint(.0))]
    NoAnswer(#[from] ClientError),
    #[error("batchgate health: not ready: {server} answers {status}: {text}")]
    Refused { server: Server, status: StatusCode, text: String },
    #[error(
        "batchgate health: not ready: {server} answers {status}, but not as an admin listener does: {text}; ask the address that `admin` has in the configuration"
    )]
    Another { server: Server, status: StatusCode, text: String },
    #[error("batchgate health: {0}")]
    System(#[from] std::io::Error),
    #[error("batchgate health: {0}")]
    Request(#[from] http::Error),
}

/// What to look at.
const fn hint(error: &ClientError) -> &'static str {
    match error {
        ClientError::NotConnected { .. } => {
            "; look whether the gateway runs, and whether its configuration has this address as `admin`"
        }
        ClientError::NoReply { .. } | ClientError::TooLarge { .. } => {
            "; look whether its configuration has this address as `admin`"
        }
        ClientError::TimedOut { .. } => "",
    }
}

impl HealthError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) | Self::NoAdmin(_) => ExitCode::from(2),
            Self::NoAnswer(_)
            | Self::Refused { .. }
            | Self::Another { .. }
            | Self::System(_)
            | Self::Request(_) => ExitCode::FAILURE,
        }
    }
}

/// What the shell gets for this error, if it is one of this command.
pub(super) fn exit_code(error: &(dyn Error + 'static)) -> Option<ExitCode> {
    error.downcast_ref::<HealthError>().map(HealthError::exit_code)
}

/// Asks, and returns an error if the gateway is not ready.
pub(super) fn run(arguments: HealthArguments) -> Result<(), Box<dyn Error>> {
    Ok(ask(arguments)?)
}

fn ask(arguments: HealthArguments) -> Result<(), HealthError> {
    let server = match arguments.config {
        Some(file) => configured(ConfigSource::from_argument(&file)?.with(&arguments.overrides))?,
        None => arguments.admin,
    };
    let request = Request::get("/readyz").body(Bytes::new())?;
    let client = HttpClient { timeout: TIMEOUT, max_reply: MAX_REPLY, tls: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reply = runtime.block_on(client.send(&server, request))?;
    let (status, body) = (reply.status(), &**reply.body());
    let text = one_line(&String::from_utf8_lossy(body), SHOWN);
    // Whatever else listens there may answer anything with 200: the service behind a route, for one.
    match status {
        StatusCode::OK if body == READY => {}
        StatusCode::SERVICE_UNAVAILABLE if body == DRAINING => {
            return Err(HealthError::Refused { server, status, text });
        }
        _ => return Err(HealthError::Another { server, status, text }),
    }
    // The exit code is the answer: a full disk must not make a gateway that is ready look dead.
    let _ = print_line("ready");
    Ok(())
}

/// Where the admin listener of this configuration can be reached from this machine.
fn configured(source: ConfigSource) -> Result<Server, HealthError> {
    match source.admin()? {
        Some(ListenAddress::Unix(path)) => Ok(Server::Unix(path)),
        Some(ListenAddress::Tcp(address)) => Ok(Server::bound_to(address)),
        None => Err(HealthError::NoAdmin(source)),
    }
}

fn server(text: &str) -> Result<Server, &'static str> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Server::Unix(path.into()));
    }
    if text.contains('/') {
        return Err("write HOST:PORT without a scheme and a path, such as 127.0.0.1:9901");
    }
    let port =
        text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    if matches!(port, Some(Ok(_))) {
        return Ok(Server::Tcp(text.to_owned()));
    }
    Err("write HOST:PORT, such as 127.0.0.1:9901, or unix:/path")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for good in ["127.0.0.1:9901", "[::1]:9901", "gateway:9901"] {
            assert_eq!(server(good), Ok(Server::Tcp(good.to_owned())));
        }
        assert_eq!(server("unix:/run/admin.sock"), Ok(Server::Unix("/run/admin.sock".into())));
        for bad in [
            "9901",
            ":9901",
            "gateway",
            "gateway:http",
            "gateway:99999",
            "",
            "http://127.0.0.1:9901",
            "127.0.0.1:9901/readyz",
        ] {
            assert!(server(bad).is_err(), "{bad}");
        }
    }
}
