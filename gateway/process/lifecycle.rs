//! Start and end of a gateway: sockets are bound, services run, signals are obeyed.
//!
//! pingora's own `Server` is not used: it sleeps through its grace period whatever happens, and SIGHUP
//! kills it. Its services run as tasks of our runtime instead. SIGTERM drains: `/readyz` says 503,
//! after `drain.delay` no connection is accepted, and the process ends as soon as all is quiet
//! ([`Activity`](crate::state::activity::Activity)), or after `drain.deadline`. SIGINT does the same. A second one of
//! either ends it at once. SIGQUIT hands over to a successor first ([`Successor`]), and then drains.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::future::join_all;
use pingora::server::ListenFds;
use pingora::services::Service as _;
use pingora::services::listening::Service;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Deadline;
use crate::config::{self, Loaded, Settings};
use crate::telemetry::{Logging, Metrics, MetricsError, start_logging};
use crate::terminal::print_error;

use super::handover::{HandoverError, Successor};
use super::reload::{Reloader, WatchedFile};
use super::signals::{SignalAction, Signals};
use super::systemd::{tell_ready, tell_stopping};
use crate::admin::Admin;
use crate::listener::acceptor::Acceptor;
use crate::listener::bind::BoundSockets;
use crate::listener::inherited::{Inherited, READY};
use crate::listener::plain_service::PlainService;
use crate::serve::front::Front;
use crate::state::activity::Awaited;
use crate::state::gateway::Gateway;
use crate::state::snapshot::Snapshot;

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// A listener's certificate can't be used, or signals can't be received.
    #[error("{0}")]
    Listen(#[from] std::io::Error),
    /// A listener's address is taken or not ours.
    #[error("{error}; the address is `{key}` in the configuration")]
    Address {
        /// The key that has the address.
        key: &'static str,
        /// Why it can't be listened on; names the address.
        error: std::io::Error,
    },
    /// A fault of ours.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
}

/// A gateway that runs as tasks of a runtime.
pub(crate) struct Running {
    gateway: Arc<Gateway>,
    services: Vec<JoinHandle<()>>,
    /// Tells the front to stop accepting.
    stop: watch::Sender<bool>,
    /// Tells the admin listener likewise. It serves until the end, so that a drain can be watched; or until a
    /// successor does.
    stop_admin: watch::Sender<bool>,
    /// All listening sockets once more, for a successor.
    sockets: Vec<OwnedFd>,
}

/// Starts a gateway as tasks of the runtime that this is called in.
///
/// # Errors
/// A listener can't be had.
pub(crate) async fn start(settings: Settings) -> Result<Running, StartError> {
    start_on(settings, &mut Inherited::default()).await
}

/// The same on sockets that are there already, as far as they are those of the configuration.
async fn start_on(settings: Settings, inherited: &mut Inherited) -> Result<Running, StartError> {
    let mut front = BoundSockets::default();
    for listener in &settings.listen {
        front.listen(listener, inherited).map_err(|error| StartError::Address { key: "listen", error })?;
    }
    let metrics = Metrics::new(super::PINGORA_VERSION)?;
    let redacted = config::redacted(&settings);
    let admin = settings.admin.clone();
    let snapshot = Snapshot::new(settings, redacted, &metrics, None).await;
    let gateway = Arc::new(Gateway::new(snapshot, metrics));
    gateway.metrics.record_reload(true);
    gateway.start_checks();
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
    services.push(tokio::spawn(front_service(Arc::clone(&gateway), front)?.serve(stopped)));
    services.push(tokio::spawn(keep_resolving(Arc::clone(&gateway))));
    Ok(Running { gateway, services, stop, stop_admin, sockets })
}

/// The front with its sockets, ready to be served.
struct FrontService {
    service: Service<Acceptor<Front>>,
    sockets: ListenFds,
}

fn front_service(gateway: Arc<Gateway>, sockets: BoundSockets) -> std::io::Result<FrontService> {
    let front = Front::new(Arc::clone(&gateway));
    let acceptor = Acceptor::new(gateway, front, sockets.encrypted()?);
    let mut service = Service::new("front".to_owned(), acceptor);
    let sockets = sockets.give_to(service.endpoints());
    Ok(FrontService { service, sockets })
}

impl FrontService {
    async fn serve(mut self, stopped: watch::Receiver<bool>) {
        self.service.start_service(Some(self.sockets), stopped, 1).await;
    }
}

/// Looks the names of targets up again, as often as their answers say.
async fn keep_resolving(gateway: Arc<Gateway>) {
    /// No answer is kept for less.
    const INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
    loop {
        tokio::time::sleep(INTERVAL).await;
        let snapshot = gateway.snapshot();
        join_all(snapshot.upstreams.iter().map(|upstream| upstream.targets.resolve_if_due())).await;
    }
}

impl Running {
    /// Drains and ends: returns once all is quiet, or the drain's deadline has come.
    async fn drain(&mut self) {
        let delay = self.gateway.snapshot().settings.drain.delay;
        self.gateway.start_draining();
        tokio::time::sleep(delay).await;
        self.stop_accepting();
        self.wait_for(Awaited::Requests).await;
    }

    /// Ends after a successor has taken over: as [`Self::drain`], but nobody waits for the end, so that clients
    /// may keep their connections until they use them again.
    async fn retire(&mut self) {
        self.gateway.start_draining();
        self.stop_accepting();
        let _ = self.stop_admin.send(true);
        self.wait_for(Awaited::Connections).await;
    }

    fn stop_accepting(&mut self) {
        // A socket that is open somewhere still takes connections.
        self.sockets.clear();
        let _ = self.stop.send(true);
        self.gateway.end_lasting_exchanges();
    }

    async fn wait_for(&self, awaited: Awaited) {
        let deadline = self.gateway.snapshot().settings.drain.deadline;
        let activity = &self.gateway.activity;
        if Deadline::after(deadline).race(activity.quiet(awaited)).await.is_none() {
            let (requests, connections) = activity.counts();
            if requests > 0 {
                let limit = "drain.deadline";
                tracing::warn!(kind = "drain", limit, requests, connections, "requests are cut off");
            } else {
                tracing::info!(kind = "drain", connections, "drain.deadline closes idle connections");
            }
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
pub(crate) fn run(file: &Path) -> ExitCode {
    let inherited = Inherited::from_environment();
    // Before the file is loaded: a change from here on is noticed.
    let watched = WatchedFile::new(file.to_owned());
    let loaded = match config::load(file) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            print_error(diagnostics);
            return ExitCode::FAILURE;
        }
    };
    let logging = match start_logging(&loaded.settings.log) {
        Ok(logging) => logging,
        Err(error) => {
            print_error(format_args!("batchgate: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let runtime = match runtime(&loaded.settings) {
        Ok(runtime) => runtime,
        Err(error) => {
            print_error(format_args!("batchgate: no worker threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(serve(watched, loaded, &logging, inherited));
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

async fn serve(watched: WatchedFile, loaded: Loaded, logging: &Logging, inherited: Inherited) -> ExitCode {
    match serve_until_told(watched, loaded, logging, inherited).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(format_args!("batchgate: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve_until_told(
    mut watched: WatchedFile,
    loaded: Loaded,
    logging: &Logging,
    mut inherited: Inherited,
) -> Result<(), StartError> {
    // Before clients can come in: from here on no signal kills.
    let mut signals = Signals::new()?;
    for warning in loaded.warnings.iter() {
        tracing::warn!(kind = "config", line = warning.line(), warning = warning.message());
    }
    watched.watch_others(loaded.files);
    let came = inherited.count();
    let mut running = start_on(loaded.settings, &mut inherited).await?;
    let metrics = &running.gateway.metrics;
    metrics.watch_log(logging.dropped_lines());
    let sockets = came - inherited.count();
    inherited.close_the_rest();
    let (config, version, pid) = (watched.path().display(), env!("CARGO_PKG_VERSION"), std::process::id());
    tracing::info!(kind = "start", %config, version, pid, sockets_taken_over = sockets);
    let predecessor = inherited.take_predecessor();
    tell_ready(predecessor.is_some());
    if let Some(predecessor) = predecessor {
        metrics.record_handover(true);
        // If it is gone, it serves no more either.
        let _ = predecessor.send(READY);
    }
    let reloader = Reloader::new(watched, Arc::clone(&running.gateway));
    let ending = obey(&mut signals, reloader, &running).await;
    end(&mut running, &mut signals, ending).await;
    Ok(())
}

/// How a gateway comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It was told to.
    Told,
    /// A successor serves.
    HandedOver,
}

/// Does what signals ask for until one of them ends it.
async fn obey(signals: &mut Signals, mut reloader: Reloader, running: &Running) -> Ending {
    let mut successor = None;
    loop {
        tokio::select! {
            wish = signals.next() => match wish {
                SignalAction::Reload => reloader.reload("SIGHUP").await,
                SignalAction::HandOver if successor.is_some() => {
                    tracing::warn!(kind = "handover", "SIGQUIT is ignored: a successor is about to start");
                }
                SignalAction::HandOver => successor = start_successor(running),
                SignalAction::End => {
                    if let Some(successor) = successor {
                        successor.end().await;
                    }
                    return Ending::Told;
                }
            },
            () = reloader.changed() => reloader.reload("a file has changed").await,
            served = served(&mut successor) => match served {
                Ok(()) => return Ending::HandedOver,
                Err(error) => give_up(successor.take(), running, &error).await,
            },
        }
    }
}

fn start_successor(running: &Running) -> Option<Successor> {
    match Successor::start(&running.sockets) {
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

/// Returns once the successor serves, or an error once it never will; never if there is none.
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
    running.gateway.metrics.record_handover(false);
    tracing::error!(kind = "handover", %error, "there is no successor; this process goes on");
}

async fn end(running: &mut Running, signals: &mut Signals, ending: Ending) {
    tracing::info!(kind = "drain", handed_over = ending == Ending::HandedOver);
    let drain = async {
        match ending {
            Ending::Told => running.drain().await,
            Ending::HandedOver => running.retire().await,
        }
    };
    // systemd asks all processes of a service to end: for the one that is ending anyway that is no second time.
    let patience = match ending {
        Ending::Told => 1,
        Ending::HandedOver => 2,
    };
    if ending == Ending::Told {
        tell_stopping();
    }
    tokio::select! {
        () = drain => {}
        () = signals.told_to_end(patience) => tracing::warn!(kind = "drain", "told again: ending at once"),
    }
    let totals = running.gateway.metrics.totals();
    tracing::info!(kind = "end", batches = totals.batches, items = totals.items, requests = totals.requests);
}
