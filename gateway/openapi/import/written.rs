//! Writes the configuration, for people: comments say what was derived, what is different from the document, and what got
//! lost.

use std::fmt::Write;

use http::Method;

use super::derived::{BulkDraft, Derived, Undo};
use super::loss::Losses;
use super::operations::Operation;
use super::paths::{Found, ImportedPath};
use super::servers::Upstream;
use crate::config::scalar;
use crate::problem::is_idempotent;
use crate::terminal::one_line;

/// Paths for the batch endpoint; the first that the document does not have is taken.
const BATCH: [&str; 3] = ["/batch", "/_batch", "/-/batch"];

/// Characters of the document's own in a comment, which they can't end.
const SHOWN: usize = 500;

/// Everything that is written.
pub(super) struct Content<'all> {
    /// The name of the document's file.
    pub(super) name: &'all str,
    pub(super) found: &'all Found<'all>,
    pub(super) derived: &'all Derived,
    /// Whether the services ask for credentials.
    pub(super) secured: bool,
    pub(super) losses: &'all Losses,
}

/// The configuration.
pub(super) fn write(content: &Content<'_>) -> String {
    let mut text = head(content);
    text.push_str("listen: 127.0.0.1:8080\n\nupstreams:\n");
    content.found.upstreams.list.iter().for_each(|upstream| text.push_str(&of_upstream(upstream)));
    text.push_str("\nroutes:\n");
    for (path, undo) in content.found.paths.iter().zip(&content.derived.undo) {
        text.push_str(&of_route(path, undo, &content.found.upstreams.list));
    }
    let path = BATCH.into_iter().find(|path| content.found.paths.iter().all(|other| other.written != *path));
    let _ = writeln!(text, "\nbatch:\n  - path: {}", path.unwrap_or_default());
    if content.derived.undo.iter().any(|undo| !undo.rules.is_empty()) {
        text.push_str("    # Groups (atomicityGroup, change sets) are undone if one of their items fails.\n");
        text.push_str("    groups: compensate\n");
    }
    if !content.derived.bulk.is_empty() {
        text.push_str("\n# A list of records at the path becomes a request for each record.\nbulk:\n");
        content.derived.bulk.iter().for_each(|bulk| text.push_str(&of_bulk(bulk)));
    }
    text
}

fn head(content: &Content<'_>) -> String {
    let mut text = format!(
        "# Made of {} by `batchgate import openapi`.\n\
         #\n\
         #   batchgate check --config FILE     lists every error, each with its line\n\
         #   batchgate run --config FILE       serves; a changed file is taken at once\n\
         #\n\
         # A route takes the paths below its own, too. Methods that the document does not have get 405: add OPTIONS if\n\
         # browsers ask the service whether a page may send a request.\n",
        one_line(content.name, SHOWN),
    );
    if content.secured {
        text.push_str(
            "# The services check the credentials of their clients, as before: the gateway passes them on.\n",
        );
    }
    let extensions: Vec<_> = content.losses.extensions().collect();
    if !extensions.is_empty() {
        let _ = writeln!(
            text,
            "# Extensions of vendors were not read: {}.",
            one_line(&extensions.join(", "), SHOWN)
        );
    }
    if !content.losses.list().is_empty() {
        text.push_str("#\n# What the document says and this file can't:\n");
        for loss in content.losses.list() {
            let _ = writeln!(text, "#   {}", one_line(&loss.to_string(), SHOWN));
        }
    }
    text
}

fn of_upstream(upstream: &Upstream) -> String {
    let mut text = format!("  {}:\n", upstream.name);
    for (name, value) in &upstream.variables {
        let _ = writeln!(text, "    # {} is {}, its default.", one_line(name, SHOWN), one_line(value, SHOWN));
    }
    let _ = writeln!(text, "    targets: [{}]", scalar(&upstream.target));
    text
}

fn of_route(path: &ImportedPath<'_>, undo: &Undo, upstreams: &[Upstream]) -> String {
    let methods: Vec<_> = path.operations.iter().map(|operation| operation.method.as_str()).collect();
    let upstream = upstreams.get(path.upstream).map_or("", |upstream| &upstream.name);
    let mut text = format!(
        "  - path: {}\n    upstream: {upstream}\n    methods: [{}]\n",
        scalar(path.pattern.as_str()),
        methods.join(", "),
    );
    if !undo.rules.is_empty() {
        let rules: Vec<_> =
            undo.rules.iter().map(|(method, rule)| format!("{method}: {}", scalar(rule))).collect();
        let _ = writeln!(text, "    undo: {{ {} }}", rules.join(", "));
    }
    if undo.lacks_location {
        text.push_str("    # If its replies have a Location: undo: { POST: 'DELETE {location}' }\n");
    }
    let is_keyed =
        |operation: &&Operation<'_>| operation.has_idempotency_key && !is_idempotent(&operation.method);
    let keyed = path.operations.iter().filter(is_keyed);
    for operation in keyed {
        let _ = writeln!(
            text,
            "    # {} takes a key that makes it safe to send again: items should have one each.",
            operation.method
        );
    }
    text
}

fn of_bulk(bulk: &BulkDraft) -> String {
    let methods: Vec<_> = bulk.methods.iter().map(Method::as_str).collect();
    format!(
        "  - {{ path: {}, methods: [{}], each: {} }}\n",
        scalar(&bulk.path),
        methods.join(", "),
        scalar(&bulk.each)
    )
}
