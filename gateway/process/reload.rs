//! A new configuration without a restart: on SIGHUP, or when the file has changed. A file with an error changes
//! nothing: the old configuration stays, and the log says why the new one was refused. The same holds for the files
//! from which the configuration takes keys and secrets. If only files of certificates have changed, only these are read
//! again, and each that can't be used leaves the one before in use.
//!
//! We watch the folders of these files and not the files, because editors and Kubernetes replace files by renaming. An
//! event is only a hint; a reload happens if the content of a file differs from the last one read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::config::{ConfigSource, ReadFile, Settings, why_unreadable};
use crate::state::gateway::Gateway;
use crate::state::snapshot::Snapshot;
use crate::telemetry::ReloadResult;
use crate::upstream::instance::Upstream;

/// Writes to a file come in bursts. We wait this long after an event before we look.
const SETTLE: Duration = Duration::from_millis(200);

/// Network file systems send no change events, so we also poll at this interval.
const LOOK: Duration = Duration::from_secs(30);

/// The configuration's source, and the content of its file when it was last read. A text from standard input does not
/// change, but the files that it names do.
pub(crate) struct WatchedFile {
    source: ConfigSource,
    content: Option<Vec<u8>>,
    /// The other files that the configuration in use was read from.
    others: Vec<ReadFile>,
    /// The files of its certificates and keys.
    certificates: Vec<ReadFile>,
    events: mpsc::Receiver<()>,
    /// Those of all these files that could not be read when they were last looked at, and the kind of the line that said so.
    unreadable: BTreeMap<PathBuf, &'static str>,
    /// Watches until it is dropped; an error if the system can't watch.
    watcher: notify::Result<RecommendedWatcher>,
}

impl WatchedFile {
    /// Watches from now on: a change after this call is noticed.
    pub(crate) fn new(source: ConfigSource) -> Self {
        let (sender, events) = mpsc::channel(1);
        let watcher = watch(source.file(), sender);
        let content = content(&source);
        let (others, certificates) = (Vec::new(), Vec::new());
        Self { source, content, others, certificates, events, unreadable: BTreeMap::new(), watcher }
    }

    pub(crate) const fn source(&self) -> &ConfigSource {
        &self.source
    }

    fn change(&self) -> Option<Change> {
        let content = content(&self.source);
        if (content.is_some() && content != self.content) || self.others.iter().any(ReadFile::has_changed) {
            return Some(Change::Configuration);
        }
        self.certificates.iter().any(ReadFile::has_changed).then_some(Change::Certificates)
    }

    /// Why each file that can't be read now can't be, and the kind of a line about it.
    fn problems(&self) -> BTreeMap<PathBuf, (&'static str, String)> {
        let own = self.source.file().and_then(|file| Some((file, why_unreadable(file)?)));
        let of = |file: &'_ ReadFile| Some((file.path().to_owned(), file.why_unreadable()?));
        let own = own.map(|(file, reason)| (file.to_owned(), ("reload", reason)));
        let others = self.others.iter().filter_map(of).map(|(file, reason)| (file, ("reload", reason)));
        let certificates = self.certificates.iter().filter_map(of);
        let certificates = certificates.map(|(file, reason)| (file, ("certificate", reason)));
        certificates.chain(others).chain(own).collect()
    }

    /// Says once that a file can't be read any more, and once that it can be again. Cancel-safe.
    async fn tell_unreadable(&mut self) {
        let mut problems = self.problems();
        if problems.keys().any(|file| !self.unreadable.contains_key(file)) {
            // Some programs remove a file before they write the new one.
            tokio::time::sleep(SETTLE).await;
            problems = self.problems();
        }
        for (file, (kind, reason)) in &problems {
            if !self.unreadable.contains_key(file) {
                let file = file.display();
                tracing::warn!(kind, %file, reason, "a file can't be read any more; what was read of it stays in use");
            }
        }
        for (file, kind) in self.unreadable.iter().filter(|(file, _)| !problems.contains_key(*file)) {
            tracing::info!(kind, file = %file.display(), "a file can be read again");
        }
        self.unreadable = problems.into_iter().map(|(file, (kind, _))| (file, kind)).collect();
    }

    fn remember(&mut self) {
        self.content = content(&self.source);
        self.others.iter_mut().for_each(ReadFile::remember);
        self.remember_certificates();
    }

    fn remember_certificates(&mut self) {
        self.certificates.iter_mut().for_each(ReadFile::remember);
    }

    /// Watches these other files, in place of the earlier ones.
    pub(crate) fn watch_others(&mut self, files: Vec<ReadFile>, certificates: Vec<ReadFile>) {
        if let Ok(watcher) = &mut self.watcher {
            for folder in files.iter().chain(&certificates).filter_map(|file| folder_of(file.path())) {
                if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                    tracing::warn!(folder = %folder.display(), %error, "could not watch a folder; SIGHUP still reloads");
                }
            }
        }
        self.others = files;
        self.certificates = certificates;
    }

    /// Waits until there may be a change. Cancel-safe.
    async fn hint(&mut self) {
        tokio::select! {
            event = self.events.recv() => if event.is_none() { tokio::time::sleep(LOOK).await },
            () = tokio::time::sleep(LOOK) => {}
        }
        tokio::time::sleep(SETTLE).await;
    }
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The configuration, or a file that it takes something from.
    Configuration,
    /// Only files of certificates and keys.
    Certificates,
}

/// Reloads one gateway from one file.
pub(crate) struct Reloader {
    file: WatchedFile,
    gateway: Arc<Gateway>,
}

impl Reloader {
    pub(crate) fn new(file: WatchedFile, gateway: Arc<Gateway>) -> Self {
        if let Err(error) = &file.watcher {
            tracing::warn!(%error, "could not watch the configuration's folder; SIGHUP still reloads");
        }
        Self { file, gateway }
    }

    /// What a successor has to find on its standard input.
    pub(crate) fn stdin(&self) -> Option<Arc<str>> {
        self.file.source.stdin().map(Arc::clone)
    }

    /// Waits until the content of a file has changed. Cancel-safe.
    pub(crate) async fn changed(&mut self) -> Change {
        loop {
            self.file.tell_unreadable().await;
            if let Some(change) = self.file.change() {
                return change;
            }
            self.file.hint().await;
        }
    }

    /// Puts the certificates into use that their files have now. The configuration is not read again, so it does not matter
    /// whether it is being edited.
    pub(crate) fn renew_certificates(&mut self) {
        self.file.remember_certificates();
        let before = self.gateway.snapshot();
        let mut settings = before.settings.clone();
        let renewal = settings.renew_certificates();
        let renewed = if renewal.taken.is_empty() {
            Ok(())
        } else {
            before.renewed(settings, &self.gateway.metrics).map(|snapshot| {
                self.gateway.replace(snapshot);
                self.gateway.start_checks();
            })
        };
        match renewed {
            Ok(()) => self.gateway.metrics.certificates.record(&renewal),
            Err(error) => tracing::error!(kind = "certificate", %error, "new certificates can't be used"),
        }
    }

    /// Puts the file's configuration into use, or logs why not.
    pub(crate) async fn reload(&mut self, cause: &str) {
        self.file.remember();
        match self.file.source.load() {
            Ok(mut loaded) => {
                warn_of_start(&loaded.settings.keep_until_start(&self.gateway.snapshot().settings));
                self.file.watch_others(loaded.files, loaded.certificates);
                match self.take(loaded.settings).await {
                    Ok(()) => {
                        self.gateway.metrics.record_reload(ReloadResult::Taken);
                        tracing::info!(kind = "reload", cause, "the new configuration is in use");
                    }
                    Err(error) => self.refuse(cause, &format!("TLS can't be set up: {error}")),
                }
            }
            Err(diagnostics) => self.refuse(cause, &diagnostics.to_string()),
        }
    }

    fn refuse(&self, cause: &str, errors: &str) {
        self.gateway.metrics.record_reload(ReloadResult::Refused);
        tracing::error!(
            kind = "reload",
            cause,
            errors,
            "the new configuration was refused; the old one stays in use"
        );
    }

    async fn take(&self, settings: Settings) -> Result<(), rustls::Error> {
        let before = self.gateway.snapshot();
        let snapshot = Snapshot::new(settings, &self.gateway.metrics, Some(&before)).await?;
        self.gateway.replace(snapshot);
        let snapshot = self.gateway.snapshot();
        self.gateway.metrics.forget_removed(&snapshot.settings);
        let upstreams = &snapshot.upstreams;
        let has = |target: &str, name: &str| {
            let named = |upstream: &&Arc<Upstream>| upstream.settings.name == name;
            let mut targets = upstreams.iter().filter(named).flat_map(|upstream| upstream.targets.names());
            targets.any(|(own, _)| own == target)
        };
        self.gateway.metrics.targets.keep_only(|upstream, target| has(target, upstream));
        self.gateway.start_checks();
        for upstream in upstreams.iter().filter(|upstream| upstream.targets.are_all_out()) {
            tracing::warn!(
                kind = "target",
                upstream = upstream.settings.name,
                "no target of this upstream gets calls: an operator took out all that are left; POST /targets/UPSTREAM/TARGET/in puts one back"
            );
        }
        Ok(())
    }
}

fn warn_of_start(waiting: &[&str]) {
    for key in waiting {
        tracing::warn!(
            kind = "reload",
            key,
            "this change takes effect only at the next start, or with a hand-over (SIGQUIT)"
        );
    }
}

fn content(source: &ConfigSource) -> Option<Vec<u8>> {
    std::fs::read(source.file()?).ok()
}

fn watch(file: Option<&Path>, sender: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Our own reads are events as well; they must not make us read again. An error may mean that events were
        // lost.
        if event.is_err() || event.is_ok_and(|event| !event.kind.is_access()) {
            // If a hint is waiting already, it is enough.
            let _ = sender.try_send(());
        }
    })?;
    if let Some(file) = file {
        watcher.watch(folder_of(file).unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn folder_of(file: &Path) -> Option<&Path> {
    file.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}
