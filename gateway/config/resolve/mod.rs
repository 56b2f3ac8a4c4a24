//! From what the operator wrote to [`Settings`], or to every error at once.
//!
//! Each part is resolved on its own and says all that is wrong with it; a part that fails yields
//! [`Refused`] and the others go on. In: the document, and the names that the file defines even where
//! their definition is broken, so that one error does not bring forth others.

mod auth;
mod bulk;
mod endpoint;
mod gateway;
mod header;
mod listener;
mod name_servers;
mod path;
mod pem;
mod rate_limit;
mod resilience;
mod route;
mod target;
mod trusted;
mod upstream;

pub(super) use pem::read_file;
pub(super) use trusted::UNIX_PEERS;

use std::path::{Path, PathBuf};

use super::document::Document;
use super::yaml::diagnostic::{Diagnostic, Findings};
use super::yaml::span::Span;
use super::yaml::wrappers::At;
use super::{ReadFile, Settings};
use crate::route::{CanonicalPath, RouteTable, Strictness};
use path::{Pattern, pattern_in};

/// A part is wrong, and that has been reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// A part, if nothing in it is wrong.
type Resolved<T> = Result<T, Refused>;

/// What every part needs to be resolved.
pub(super) struct Resolver<'a> {
    /// The configuration file's folder.
    pub(super) base: &'a Path,
    /// Names of upstreams in the file, resolved or not, in its order.
    pub(super) upstream_names: &'a [String],
    /// What was found.
    pub(super) findings: &'a mut Findings,
    /// The files that were read, and are read again when they change.
    pub(super) files: Vec<ReadFile>,
}

impl Resolver<'_> {
    /// The settings, if nothing in them is wrong.
    pub(super) fn settings(&mut self, document: &Document) -> Resolved<Settings> {
        let listen = self.listeners(&document.listen.0);
        let admin = self.admin(&document.admin, &document.listen.0);
        let upstreams = self.upstreams(&document.upstreams);
        let routes = self.routes(&document.routes).map(RouteTable::new);
        let batch = self.endpoints(&document.batch);
        let bulk = self.bulk_routes(document, routes.as_ref().ok());
        self.hidden_routes(document);
        self.deadlines(document);
        self.memory(document);
        self.heads(&document.limits);
        let auth = document.auth.as_ref().map(|auth| self.auth(auth));
        let rate_limits = self.rate_limits(document);
        let resolver = self.name_servers(&document.resolver);
        let trusted_proxies = self.trusted_proxies(&document.trusted_proxies);
        let log = self.log(&document.log);
        let cors = self.cors(&document.cors);
        if !self.findings.has_errors() {
            // A route that is wrong may have been the one.
            self.unused_upstreams(document);
        }
        Ok(Settings {
            listen: listen?,
            admin: admin?,
            upstreams: upstreams?,
            routes: routes?,
            batch: batch?,
            bulk: bulk?,
            auth: auth.transpose()?,
            rate_limits: rate_limits?,
            trusted_proxies: trusted_proxies?,
            resolver: resolver?,
            limits: gateway::limits(&document.limits),
            log: log?,
            drain: gateway::drain(&document.drain),
            threads: document.threads,
            cors: cors?,
        })
    }

    /// Reports an error; stands where a value would.
    fn refuse<T>(
        &mut self,
        span: Option<Span>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Resolved<T> {
        self.findings.push(Diagnostic::error(span, message).help(help));
        Err(Refused)
    }

    fn warn(&mut self, span: Option<Span>, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(Diagnostic::warning(span, message).help(help));
    }

    /// A path of the gateway's side.
    fn path(&mut self, path: &At<String>) -> Resolved<CanonicalPath> {
        if let Some(Pattern { problem, help, may_be_meant }) = pattern_in(&path.value) {
            // What came from the environment is not shown, nor what could be written in its place.
            let help = if path.from_environment {
                "a path is a prefix and covers all below it".to_owned()
            } else {
                help
            };
            let message = format!("the path {} {problem}", path.shown());
            if !may_be_meant {
                return self.refuse(path.span, message, help);
            }
            self.warn(path.span, message, help);
        }
        match CanonicalPath::parse(&path.value, Strictness::Item) {
            Ok(canonical) => Ok(canonical),
            Err(error) => {
                let message = format!("the path {} {error}", path.shown());
                self.refuse(path.span, message, "write it as clients send it, such as `/orders/`")
            }
        }
    }

    /// A file's bytes, `limit` of them at most; it is watched from here on.
    fn watched_file(&mut self, path: &At<String>, limit: u64) -> Result<Vec<u8>, pem::PemError> {
        let file = self.file(path);
        let bytes = read_file(&file, limit)?;
        self.files.push(ReadFile::new(file, &bytes));
        Ok(bytes)
    }

    fn file(&self, path: &At<String>) -> PathBuf {
        self.base.join(&path.value)
    }
}

/// All of them, or none if one failed; every one has been looked at.
fn all<T>(parts: Vec<Resolved<T>>) -> Resolved<Vec<T>> {
    parts.into_iter().collect()
}

/// A path whose faults are reported elsewhere.
fn quiet_path(path: &At<String>) -> Option<CanonicalPath> {
    CanonicalPath::parse(&path.value, Strictness::Item).ok()
}

/// Finds what is there twice.
struct Seen<K>(Vec<(K, Option<Span>)>);

impl<K: PartialEq> Seen<K> {
    const fn new() -> Self {
        Self(Vec::new())
    }

    /// The help to give where an equal key was seen before; else remembers this one.
    fn earlier(&mut self, key: K, span: Option<Span>) -> Option<String> {
        let earlier = self.0.iter().find(|(other, _)| *other == key).map(|(_, span)| already(*span));
        if earlier.is_none() {
            self.0.push((key, span));
        }
        earlier
    }
}

/// `it is on line 7 already`, for the help of what is there twice.
fn already(span: Option<Span>) -> String {
    match span {
        Some(span) => format!("it is on line {} already", span.line),
        None => "it is there by default".to_owned(),
    }
}
