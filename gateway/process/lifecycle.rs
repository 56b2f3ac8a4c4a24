//! Start and end of a gateway: binds sockets, runs services, obeys signals. The order of events is described in
//! [the module above](super).

use std::error::Error;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Deadline;
use crate::config::{ConfigSource, Loaded, Settings};
use crate::telemetry::{
    AccessLog, HandoverResult, Logging, Metrics, MetricsError, ReloadResult, start_logging,
};

use super::handover::{HandoverError, Successor};
use super::reload::{Change, Reloader, WatchedFile};
use super::signals::{SignalAction, Signals};
use super::systemd::{self, notify_ready, notify_stopping};
use crate::admin::Admin;
use crate::listener::bind::BoundSockets;
use crate::listener::inherited::{Inherited, READY};
use crate::listener::plain_service::PlainService;
use crate::listener::service::ClientService;
use crate::serve::front::Front;
use crate::state::activity::Awaited;
use crate::state::gateway::Gateway;
use crate::state::snapshot::Snapshot;
use crate::workers::Workers;

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// A socket can't be used, or signals can't be received.
    #[error("{0}")]
    Listen(#[from] std::io::Error),
    /// TLS of a listener can't be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// A listener's address is taken, or does not belong to this host.
    #[error("{error}; the address is `{key}` in the configuration")]
    Address {
        /// The key that has the address.
        key: &'static str,
        /// Why it can't be used; names the address.
        error: std::io::Error,
    },
    /// The system has no room for the worker threads.
    #[error("could not start worker threads: {0}")]
    Workers(std::io::Error),
    /// A bug in this program.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
}

/// A gateway that runs as tasks of a runtime. Dropping it aborts them.
pub(crate) struct Running {
    gateway: Arc<Gateway>,
    services: Vec<JoinHandle<()>>,
    /// Serve the connections of clients.
    _workers: Arc<Workers>,
    /// Makes the front stop accepting.
    stop: watch::Sender<bool>,
    /// Makes the admin listener stop. It serves until the end, so that a drain can be watched, or until a successor
    /// serves.
    stop_admin: watch::Sender<bool>,
    /// Duplicates of all listening sockets, for a successor.
    sockets: Vec<OwnedFd>,
}

/// How long the end waits for the receiver of traces, which may be down. What manages the process waits, too, and clients may wait for a
/// new one.
const LAST_TRACES: Duration = Duration::from_secs(2);

/// Starts a gateway as tasks of the current runtime.
///
/// # Errors
/// A listener could not be set up.
pub(crate) async fn start(settings: Settings) -> Result<Running, StartError> {
    start_on(settings, &mut Inherited::default(), AccessLog::off()).await
}

/// The same, with inherited sockets for those listeners of the configuration that have one.
async fn start_on(
    settings: Settings,
    inherited: &mut Inherited,
    access: AccessLog,
) -> Result<Running, StartError> {
    let mut front = BoundSockets::default();
    for listener in &settings.listen {
        front
            .listen_on(&listener.address, inherited)
            .map_err(|error| StartError::Address { key: "listen", error })?;
    }
    let metrics = Metrics::new(super::PINGORA_VERSION)?;
    let admin = settings.admin.clone();
    let snapshot = Snapshot::new(settings, &metrics, None).await?;
    let gateway = Arc::new(Gateway::new(snapshot, metrics, access));
    gateway.metrics.record_reload(ReloadResult::Taken);
    gateway.start_checks();
    gateway.traces.configure(gateway.snapshot().settings.tracing.as_ref());
    let (stop, stopped) = watch::channel(false);
    let (stop_admin, admin_stopped) = watch::channel(false);
    let mut services = Vec::new();
    let mut sockets = front.duplicates()?;
    if let Some(address) = admin {
        let mut admin = PlainService::new("admin", Admin(Arc::clone(&gateway)));
        admin.listen_on(&address, inherited).map_err(|error| StartError::Address { key: "admin", error })?;
        sockets.extend(admin.duplicate_sockets()?);
        services.push(tokio::spawn(admin.serve(admin_stopped)));
    }
    let handler = Front::new(Arc::clone(&gateway));
    let workers =
        Arc::new(Workers::start(gateway.snapshot().settings.workers()).map_err(StartError::Workers)?);
    let clients = ClientService::new(Arc::clone(&gateway), handler, front, Arc::clone(&workers))?;
    services.push(tokio::spawn(clients.serve(stopped)));
    services.push(tokio::spawn(keep_house(Arc::clone(&gateway))));
    Ok(Running { gateway, services, _workers: workers, stop, stop_admin, sockets })
}

/// Looks up the names of targets again when their answers expire, and closes connections that were idle for too long.
async fn keep_house(gateway: Arc<Gateway>) {
    const INTERVAL: Duration = Duration::from_secs(1);
    loop {
        tokio::time::sleep(INTERVAL).await;
        let snapshot = gateway.snapshot();
        snapshot.sweep_connections();
        join_all(snapshot.upstreams.iter().map(|upstream| upstream.targets.resolve_if_due())).await;
    }
}

impl Running {
    /// Drains. Returns once nothing is in flight, or at the drain's deadline.
    async fn drain(&mut self) {
        let delay = self.gateway.snapshot().settings.drain.delay;
        self.gateway.start_draining();
        tokio::time::sleep(delay).await;
        self.stop_accepting();
        self.wait_for(Awaited::Requests).await;
    }

    /// Drains after a successor has taken over. Nothing waits for the end, so clients may keep their connections until
    /// they use them again.
    async fn retire(&mut self) {
        self.gateway.start_draining();
        self.stop_accepting();
        let _ = self.stop_admin.send(true);
        self.wait_for(Awaited::Connections).await;
    }

    fn stop_accepting(&mut self) {
        // A socket accepts connections as long as any copy of it is open.
        self.sockets.clear();
        let _ = self.stop.send(true);
        self.gateway.end_lasting_exchanges();
    }

    async fn wait_for(&self, awaited: Awaited) {
        let deadline = Deadline::after(self.gateway.snapshot().settings.drain.deadline);
        let activity = &self.gateway.activity;
        if deadline.race(activity.quiet(awaited)).await.is_none() {
            let (requests, connections) = activity.counts();
            if requests > 0 {
                let limit = "drain.deadline";
                tracing::warn!(kind = "drain", limit, requests, connections, "requests are cut off");
            } else {
                tracing::info!(kind = "drain", connections, "drain.deadline closes idle connections");
            }
        }
        self.send_the_last_traces(deadline.remaining().min(LAST_TRACES)).await;
    }

    async fn send_the_last_traces(&self, most: Duration) {
        let spans = self.gateway.traces.waiting();
        if spans == 0 {
            return;
        }
        tracing::info!(kind = "drain", spans, most_ms = most.as_millis(), "waits for the receiver of traces");
        if Deadline::after(most).race(self.gateway.traces.send_the_last()).await.is_none() {
            tracing::warn!(
                kind = "drain",
                spans = self.gateway.traces.waiting(),
                "traces that were not sent yet are lost"
            );
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

/// Serves a configuration until a signal ends it.
///
/// # Errors
/// The gateway could not start; the error is for people.
pub(crate) fn run(source: ConfigSource) -> Result<(), Box<dyn Error>> {
    let inherited = Inherited::from_environment();
    // Before the file is loaded, so that a change from here on is noticed.
    let watched = WatchedFile::new(source);
    let loaded = watched.source().load()?;
    let (logging, access) =
        start_logging(&loaded.settings.log).map_err(|error| format!("batchgate: {error}"))?;
    let runtime = runtime().map_err(|error| format!("batchgate: could not start threads: {error}"))?;
    let log = Log { logging: &logging, access };
    let ended = runtime.block_on(serve(watched, loaded, log, inherited));
    // Cuts connections that are still open; their requests have ended.
    runtime.shutdown_background();
    Ok(ended.map_err(|error| format!("batchgate: {error}"))?)
}

/// The runtime of all that is not a client's connection: it accepts, checks the health of targets, and serves operators. With two
/// threads, so that clients are accepted while metrics are written.
fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

async fn serve(
    mut watched: WatchedFile,
    loaded: Loaded,
    log: Log<'_>,
    mut inherited: Inherited,
) -> Result<(), StartError> {
    // Before clients can come in: from here on no signal kills the process.
    let mut signals = Signals::new()?;
    for warning in loaded.warnings.iter() {
        let (file, line) = (warning.file(), warning.line());
        tracing::warn!(kind = "config", file, line, warning = warning.message);
    }
    watched.watch_others(loaded.files, loaded.certificates);
    let given = inherited.count();
    let began = Began::new(&loaded.settings);
    let mut running = start_on(loaded.settings, &mut inherited, log.access).await?;
    let metrics = &running.gateway.metrics;
    metrics.watch_log(log.logging.dropped_lines());
    let sockets = given - inherited.count();
    inherited.close_the_rest();
    began.log(&watched.source().to_string(), sockets);
    let predecessor = inherited.take_predecessor();
    if let Some(predecessor) = predecessor {
        notify_ready(systemd::Start::Succeeding);
        metrics.record_handover(HandoverResult::Taken);
        // If it has already ended, there is nothing to notify.
        let _ = predecessor.send(READY);
    } else {
        notify_ready(systemd::Start::Fresh);
    }
    let reloader = Reloader::new(watched, Arc::clone(&running.gateway));
    let ending = obey(&mut signals, reloader, &running).await;
    end(&mut running, &mut signals, ending).await;
    Ok(())
}

/// The log that has started.
struct Log<'run> {
    logging: &'run Logging,
    access: AccessLog,
}

/// What the first line says of a configuration.
struct Began {
    listen: String,
    admin: String,
    upstreams: usize,
    targets: usize,
    routes: usize,
    endpoints: usize,
}

impl Began {
    fn new(settings: &Settings) -> Self {
        let listen: Vec<_> = settings.listen.iter().map(|listener| listener.address.to_string()).collect();
        Self {
            listen: listen.join(", "),
            admin: settings.admin.as_ref().map_or_else(|| "off".to_owned(), ToString::to_string),
            upstreams: settings.upstreams.len(),
            targets: settings.upstreams.iter().map(|upstream| upstream.targets.len()).sum(),
            routes: settings.routes.routes().len(),
            endpoints: settings.batch.len() + settings.bulk.len(),
        }
    }

    fn log(&self, config: &str, sockets_taken_over: usize) {
        let Self { listen, admin, upstreams, targets, routes, endpoints } = self;
        tracing::info!(
            kind = "start",
            config,
            version = env!("CARGO_PKG_VERSION"),
            pid = std::process::id(),
            listen,
            admin,
            upstreams,
            targets,
            routes,
            endpoints,
            sockets_taken_over,
        );
    }
}

/// Why a gateway ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// A signal has asked for it.
    Signalled,
    /// A successor is serving.
    HandedOver,
}

/// Obeys signals, and reloads changed files, until the gateway has to end.
async fn obey(signals: &mut Signals, mut reloader: Reloader, running: &Running) -> Ending {
    let mut successor = None;
    loop {
        tokio::select! {
            action = signals.next() => match action {
                SignalAction::Reload => reloader.reload("SIGHUP").await,
                SignalAction::HandOver if successor.is_some() => {
                    tracing::warn!(kind = "handover", "SIGQUIT is ignored: a successor is already starting");
                }
                SignalAction::HandOver => successor = start_successor(running, reloader.stdin()),
                SignalAction::End => {
                    if let Some(successor) = successor {
                        successor.end().await;
                    }
                    return Ending::Signalled;
                }
            },
            change = reloader.changed() => match change {
                Change::Configuration => reloader.reload("a file has changed").await,
                Change::Certificates => reloader.renew_certificates(),
            },
            served = served(&mut successor) => match served {
                Ok(()) => return Ending::HandedOver,
                Err(error) => give_up(successor.take(), running, &error).await,
            },
        }
    }
}

fn start_successor(running: &Running, stdin: Option<Arc<str>>) -> Option<Successor> {
    match Successor::start(&running.sockets, stdin) {
        Ok(successor) => {
            tracing::info!(kind = "handover", successor = successor.id(), "a successor is started");
            Some(successor)
        }
        Err(error) => {
            record_failure(running, &error);
            None
        }
    }
}

/// Waits for the successor to serve or to fail; forever if there is none.
async fn served(successor: &mut Option<Successor>) -> Result<(), HandoverError> {
    match successor {
        Some(successor) => successor.serves().await,
        None => std::future::pending().await,
    }
}

async fn give_up(successor: Option<Successor>, running: &Running, error: &HandoverError) {
    if let Some(successor) = successor {
        successor.end().await;
    }
    record_failure(running, error);
}

fn record_failure(running: &Running, error: &HandoverError) {
    running.gateway.metrics.record_handover(HandoverResult::Failed);
    tracing::error!(kind = "handover", %error, "the hand-over failed; this process continues");
}

async fn end(running: &mut Running, signals: &mut Signals, ending: Ending) {
    tracing::info!(kind = "drain", handed_over = ending == Ending::HandedOver);
    let drain = async {
        match ending {
            Ending::Signalled => running.drain().await,
            Ending::HandedOver => running.retire().await,
        }
    };
    // systemd signals all processes of a service. For the one that is ending anyway that is not a second signal.
    let signals_to_exit = match ending {
        Ending::Signalled => 1,
        Ending::HandedOver => 2,
    };
    if ending == Ending::Signalled {
        notify_stopping();
    }
    tokio::select! {
        () = drain => {}
        () = signals.end_requests(signals_to_exit) => {
            tracing::warn!(kind = "drain", "second signal: exiting now");
        },
    }
    let totals = running.gateway.metrics.totals();
    tracing::info!(kind = "end", batches = totals.batches, items = totals.items, requests = totals.requests);
}
