//! Start and end of a gateway: sockets are bound, services run, signals are obeyed.
//!
//! pingora's own `Server` is not used: it sleeps through its grace period whatever happens, and SIGHUP
//! kills it. Its services run as tasks of our runtime instead. SIGTERM drains: `/readyz` says 503,
//! after `drain.delay` no connection is accepted, and the process ends as soon as no request is
//! under way, or after `drain.deadline`. SIGINT does the same. A second one of either ends it at once.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use pingora::apps::HttpServerOptions;
use pingora::proxy::http_proxy;
use pingora::server::ListenFds;
use pingora::server::configuration::ServerConf;
use pingora::services::Service as _;
use pingora::services::listening::Service;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Deadline;
use crate::settings::{self, ListenAddress, Loaded, Settings};
use crate::telemetry::{Logging, Metrics, MetricsError, start_logging};
use crate::terminal::complain;

use super::admin::Admin;
use super::door::Door;
use super::front::Front;
use super::gateway::Gateway;
use super::health::start_checks;
use super::plain::PlainService;
use super::reload::{Reloader, WatchedFile};
use super::snapshot::Snapshot;
use super::socket::BoundSockets;

/// Tries of one proxied request, over all of its attempts; `proxied` stops long before.
const MAX_TRIES: usize = 64;

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address is taken or not ours, its certificate can't be used, or signals can't
    /// be received.
    #[error("{0}")]
    Listen(#[from] std::io::Error),
    /// A fault of ours.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
}

/// A gateway that runs as tasks of a runtime.
pub struct Running {
    gateway: Arc<Gateway>,
    services: Vec<JoinHandle<()>>,
    /// Tells the front to stop accepting.
    stop: watch::Sender<bool>,
    /// The admin listener serves until the end, so that a drain can be watched.
    _admin: watch::Sender<bool>,
}

/// Starts a gateway as tasks of the runtime that this is called in.
///
/// # Errors
/// A listener can't be had.
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    let mut front = BoundSockets::default();
    for listener in &settings.listen {
        front.listen(listener)?;
    }
    let metrics = Metrics::new(super::PINGORA_VERSION)?;
    let redacted = settings::redacted(&settings);
    let admin = settings.admin.clone();
    let idle_connections = settings.limits.idle_connections;
    let snapshot = Snapshot::new(settings, redacted, &metrics, None).await;
    let gateway = Arc::new(Gateway::new(snapshot, metrics));
    gateway.metrics.record_reload(true);
    start_checks(&gateway);
    let (stop, stopped) = watch::channel(false);
    let (admin_stop, admin_stopped) = watch::channel(false);
    let mut services = Vec::new();
    if let Some(address) = admin {
        let mut admin = PlainService::new("admin", Admin(Arc::clone(&gateway)));
        match address {
            ListenAddress::Tcp(address) => admin.listen(address).map(drop)?,
            ListenAddress::Unix(path) => admin.listen_unix(&path)?,
        }
        services.push(tokio::spawn(admin.serve(admin_stopped)));
    }
    services.push(tokio::spawn(front_service(Arc::clone(&gateway), front, idle_connections)?.serve(stopped)));
    services.push(tokio::spawn(keep_resolving(Arc::clone(&gateway))));
    Ok(Running { gateway, services, stop, _admin: admin_stop })
}

/// The front with its sockets, ready to be served.
struct FrontService {
    service: Service<Door>,
    sockets: ListenFds,
}

fn front_service(
    gateway: Arc<Gateway>,
    sockets: BoundSockets,
    idle_connections: usize,
) -> std::io::Result<FrontService> {
    let conf = Arc::new(ServerConf {
        max_retries: MAX_TRIES,
        upstream_keepalive_pool_size: idle_connections,
        ..ServerConf::default()
    });
    let mut front = http_proxy(&conf, Front::new(Arc::clone(&gateway)));
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    options.h2_idle_timeout = Some(gateway.snapshot().settings.limits.keepalive_timeout);
    front.server_options = Some(options);
    let door = Door::new(gateway, front, sockets.encrypted()?);
    let mut service = Service::new("front".to_owned(), door);
    let sockets = sockets.hand_over(service.endpoints());
    Ok(FrontService { service, sockets })
}

impl FrontService {
    async fn serve(mut self, stopped: watch::Receiver<bool>) {
        self.service.start_service(Some(self.sockets), stopped, 1).await;
    }
}

/// Resolves the names of targets again from time to time.
async fn keep_resolving(gateway: Arc<Gateway>) {
    const INTERVAL: std::time::Duration = std::time::Duration::from_secs(10);
    loop {
        tokio::time::sleep(INTERVAL).await;
        let snapshot = gateway.snapshot();
        for upstream in snapshot.upstreams.iter().filter(|upstream| upstream.targets.has_names()) {
            upstream.targets.resolve().await;
        }
    }
}

impl Running {
    /// Drains and ends: returns once no request is under way, or the drain's deadline has come.
    pub async fn drain(self) {
        let drain = self.gateway.snapshot().settings.drain;
        self.gateway.start_draining();
        tokio::time::sleep(drain.delay).await;
        let _ = self.stop.send(true);
        if Deadline::after(drain.deadline).race(self.gateway.idle()).await.is_none() {
            tracing::warn!("requests were still under way at drain.deadline");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for service in &self.services {
            service.abort();
        }
    }
}

/// Serves the configuration in `file` until a signal says to end.
#[must_use]
pub fn run(file: &Path) -> ExitCode {
    // Before the file is loaded: a change from here on is noticed.
    let watched = WatchedFile::new(file.to_owned());
    let loaded = match settings::load(file) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            complain(diagnostics);
            return ExitCode::FAILURE;
        }
    };
    let logging = match start_logging(&loaded.settings.log) {
        Ok(logging) => logging,
        Err(error) => {
            complain(format_args!("batchgate: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let runtime = match runtime(&loaded.settings) {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("batchgate: no worker threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(serve(watched, loaded, &logging));
    // Connections that are still open are cut; their requests are over.
    runtime.shutdown_background();
    code
}

fn runtime(settings: &Settings) -> std::io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = settings.threads {
        builder.worker_threads(threads.get());
    }
    builder.enable_all().build()
}

async fn serve(watched: WatchedFile, loaded: Loaded, logging: &Logging) -> ExitCode {
    match serve_until_told(watched, loaded, logging).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("batchgate: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve_until_told(watched: WatchedFile, loaded: Loaded, logging: &Logging) -> Result<(), StartError> {
    // Before clients can come in: from here on no signal kills.
    let mut signals = Signals::new()?;
    for warning in loaded.warnings.iter() {
        tracing::warn!(kind = "config", line = warning.line(), warning = warning.message());
    }
    let running = start(loaded.settings).await?;
    running.gateway.metrics.watch_log(logging.dropped_lines());
    tracing::info!(kind = "start", config = %watched.path().display(), version = env!("CARGO_PKG_VERSION"));
    let mut reloader = Reloader::new(watched, Arc::clone(&running.gateway));
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hang_up.recv() => reloader.reload("SIGHUP").await,
            () = reloader.changed() => reloader.reload("the file has changed").await,
        }
    }
    tracing::info!(kind = "drain");
    tokio::select! {
        () = running.drain() => {}
        () = signals.told_to_end() => tracing::warn!(kind = "drain", "told again: ending at once"),
    }
    tracing::info!(kind = "end");
    Ok(())
}

/// The signals that a gateway obeys.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn told_to_end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
