//! `batchgate demo`: a legacy API with state, the gateway in front of it, a sample batch, and addresses to try. It needs
//! no configuration, only free ports on this machine.

mod gateway;
mod legacy;
mod ports;
mod sample;
mod screen;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::clock::{Deadline, Stopwatch};
use crate::http_client::{ClientError, HttpClient, Server};
use crate::listener::plain_service::PlainService;
use crate::process::lifecycle::Running;
use crate::terminal::{Colour, Unwritten, print_line};
use gateway::GatewayError;
use legacy::LegacyApi;
use ports::Ports;

pub(crate) use ports::LAST_FIRST_PORT;

/// How long the gateway may take to accept connections.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the work in progress may take at the end.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// The options of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoOptions {
    /// When the demonstration ends.
    pub until: DemoUntil,
    /// The first of three ports in a row; `None`: 8080, 8081 and 9901.
    pub port: Option<u16>,
}

/// When the demonstration ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemoUntil {
    /// After the batch (`--once`).
    BatchAnswered,
    /// At Ctrl-C or SIGTERM.
    Interrupted,
}

/// Why the demonstration failed.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("{0}")]
    System(#[from] std::io::Error),
    #[error("{0}")]
    Gateway(#[from] GatewayError),
    #[error("{0}")]
    Client(#[from] ClientError),
    #[error("the batch can't be sent: {0}")]
    Request(#[from] http::Error),
    #[error("the gateway answered {status} instead of 207:\n{body}")]
    NoMultiStatus { status: StatusCode, body: String },
    #[error("the gateway's reply can't be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("batchgate demo: {0}")]
    Unwritten(#[from] Unwritten),
}

/// Runs the demonstration.
///
/// # Errors
/// A port is taken, or the demonstration failed; the error is for people.
pub fn run(options: DemoOptions) -> Result<(), Box<dyn Error>> {
    let ports = Ports::new(options.port);
    let taken = ports.taken();
    if !taken.is_empty() {
        let lines = taken.iter().map(|(whose, error)| format!("batchgate demo: {whose} {error}\n"));
        let hint = "`batchgate demo --port N` uses the ports N, N+1 and N+2 instead.";
        return Err((lines.collect::<String>() + hint).into());
    }
    Ok(serve(ports, options.until).map_err(|error| format!("batchgate demo: {error}"))?)
}

fn serve(ports: Ports, until: DemoUntil) -> Result<(), DemoError> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let (stop, stopped) = watch::channel(false);
    let result = start(ports, &runtime, &stopped).and_then(|gateway| {
        let shown = runtime.block_on(show(ports, until));
        drop(gateway);
        shown
    });
    stop.send_replace(true);
    runtime.shutdown_timeout(STOP_TIMEOUT);
    result
}

fn start(ports: Ports, runtime: &Runtime, stopped: &watch::Receiver<bool>) -> Result<Running, DemoError> {
    let mut legacy = PlainService::new("legacy API", LegacyApi::new());
    legacy.listen(ports.legacy)?;
    runtime.spawn(legacy.serve(stopped.clone()));
    Ok(gateway::start(ports, runtime.handle())?)
}

async fn show(ports: Ports, until: DemoUntil) -> Result<(), DemoError> {
    let colour = Colour::for_stdout();
    let url = format!("http://{}{}", ports.gateway, sample::ENDPOINT);
    print_line(screen::request(&url, sample::BATCH, colour))?;
    let (reply, took) = send_batch(ports.gateway).await?;
    print_line(screen::reply_line(reply.status(), took, colour))?;
    let body = String::from_utf8_lossy(reply.body()).into_owned();
    if reply.status() != StatusCode::MULTI_STATUS {
        return Err(DemoError::NoMultiStatus { status: reply.status(), body });
    }
    print_line(format_args!("\n{}", screen::table(sample::BATCH, &body, colour)?))?;
    match until {
        DemoUntil::BatchAnswered => Ok(()),
        DemoUntil::Interrupted => {
            print_line(addresses(ports))?;
            Ok(interrupted().await?)
        }
    }
}

/// Sends the batch as soon as the gateway accepts connections. Returns the reply, and how long it took. Nothing is sent
/// twice: only a connection that could not be opened is tried again.
async fn send_batch(gateway: SocketAddr) -> Result<(Response<Bytes>, Duration), DemoError> {
    let deadline = Deadline::after(START_TIMEOUT);
    loop {
        let request = Request::post(sample::ENDPOINT)
            .header(CONTENT_TYPE, "application/json")
            .body(Bytes::from_static(sample::BATCH.as_bytes()))?;
        let stopwatch = Stopwatch::start();
        match HttpClient::default().send(&Server::from(gateway), request).await {
            Err(ClientError::NotConnected { .. }) if !deadline.is_over() => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            result => return Ok((result?, stopwatch.elapsed())),
        }
    }
}

async fn interrupted() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}

/// The commands and addresses to try next.
fn addresses(ports: Ports) -> String {
    let Ports { gateway, legacy, admin } = ports;
    let endpoint = sample::ENDPOINT;
    let (json, xml, records) = (sample::JSON_TO_TRY, sample::XML_TO_TRY, sample::RECORDS_TO_TRY);
    format!(
        "
In another terminal:
  curl -i http://{gateway}{endpoint} -H 'Content-Type: application/json' --data '{json}'
  curl -i http://{gateway}{endpoint} -H 'Content-Type: application/xml' --data '{xml}'
  curl -i http://{gateway}/orders/9

The API takes one order at a time. The gateway takes several at once:
  curl -X PATCH http://{gateway}/orders -d '{records}'
  curl -X DELETE 'http://{gateway}/orders?id=14,15'

In a browser:
  http://{gateway}{endpoint}      limits and formats of the batch endpoint
  http://{gateway}/orders/1   one order, through the gateway
  http://{legacy}/orders/1   the same from the legacy API itself
  http://{admin}/           the console: traffic, batches, targets, and a batch to write
  http://{admin}/metrics    counters for Prometheus
  http://{admin}/config     the active configuration

Press Ctrl-C to stop."
    )
}

#[cfg(test)]
mod tests;
