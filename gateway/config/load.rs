//! From a text to settings, in five steps: tree, environment, shape, document, names.
//!
//! Each step passes on what it understood, so that one run reports the problems at every
//! level. A file that is not YAML has no tree; only then is there a single error.

use std::path::Path;

use serde::Deserialize;

use super::environment::{Environment, substitute};
use super::listener::ListenAddress;
use super::masking;
use super::read_file::ReadFile;
use super::resolver::{Refused, Resolver};
use super::settings::{Document, Settings, default_admin};
use super::vocabulary::VOCABULARY;
use super::yaml::diagnostic::{Diagnostic, Diagnostics, Findings, Source};
use super::yaml::schema::schema_of;
use super::yaml::schema_check::Fitness;
use super::yaml::tree::{Node, NodeValue};
use super::yaml::wrappers::At;
use super::yaml::written::Written;
use super::yaml::{schema_check, secrets, tree};

/// Settings, and the warnings about them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The other files that it takes something from, except those that are only read at the start.
    pub files: Vec<ReadFile>,
    /// Settings that are allowed but hardly intended.
    pub warnings: Diagnostics,
}

/// Reads a configuration from `text`.
///
/// `name` is what messages call the file, `base` the folder for relative paths, and `env` reads an
/// environment variable.
///
/// # Errors
/// Everything that is wrong with the text.
pub fn parse(text: &str, name: &str, base: &Path, env: Environment<'_>) -> Result<Loaded, Diagnostics> {
    let mut source = Source { file: name, text, secret: secrets::in_words(text) };
    let mut findings = Findings::default();
    let mut tree = match tree::read(text) {
        Ok(tree) => tree,
        Err(error) => {
            source.secret = masking::in_text(text);
            return Err(source.diagnostics(Findings::of(*error)));
        }
    };
    source.secret.extend(masking::in_tree(&tree));
    // Taken before anything is refused, so that one error does not bring forth others.
    let upstream_names: Vec<_> = Written::root(&tree).key("upstreams").keys().map(str::to_owned).collect();
    substitute(&mut tree, text, env, &mut findings);
    let settings = document(&mut tree, &mut findings).and_then(|document| {
        let files = Vec::new();
        let (written, upstream_names) = (Written::root(&tree), upstream_names.as_slice());
        let mut resolver = Resolver { base, written, upstream_names, findings: &mut findings, files };
        let settings = resolver.settings(document).ok()?;
        Some((settings, resolver.files))
    });
    let failed = findings.has_errors();
    let diagnostics = source.diagnostics(findings);
    match settings {
        Some((settings, files)) if !failed => Ok(Loaded { settings, files, warnings: diagnostics }),
        Some(_) | None => Err(diagnostics),
    }
}

/// Reads only `admin` from `text`; `None` if it is off.
///
/// # Errors
/// The text is not YAML, or `admin` is wrong.
pub(super) fn admin_in(
    text: &str,
    name: &str,
    env: Environment<'_>,
) -> Result<Option<ListenAddress>, Diagnostics> {
    let mut source = Source { file: name, text, secret: masking::in_text(text) };
    let mut findings = Findings::default();
    let admin = tree::read(text).map_err(|error| source.diagnostics(Findings::of(*error)))?;
    source.secret = secrets::in_words(text);
    let mut admin = admin.get("admin").cloned();
    if let Some(node) = &mut admin {
        substitute(node, text, env, &mut findings);
    }
    let written = admin.as_ref().and_then(|node| At::deserialize(node).ok()).unwrap_or_else(default_admin);
    let (written_at, files) = (Written::default(), Vec::new());
    let mut resolver = Resolver {
        base: Path::new(""),
        written: written_at,
        upstream_names: &[],
        findings: &mut findings,
        files,
    };
    let address = resolver.admin(&written, &[]);
    match address {
        Ok(address) if !findings.has_errors() => Ok(address),
        Ok(_) | Err(Refused) => Err(source.diagnostics(findings)),
    }
}

fn document(tree: &mut Node, findings: &mut Findings) -> Option<Document> {
    if tree.value == NodeValue::Empty {
        findings.push(
            Diagnostic::error(None, "the configuration is empty")
                .help("it needs `listen` and `routes`; `batchgate demo` runs without any"),
        );
        return None;
    }
    if schema_check::check(tree, &schema_value(), VOCABULARY, findings) == Fitness::Broken {
        return None;
    }
    match Document::deserialize(&*tree) {
        Ok(document) => Some(document),
        Err(error) => {
            findings.push(Diagnostic::error(None, format!("the configuration can't be read: {error}")));
            None
        }
    }
}

/// The JSON Schema as published in `config/schema.json`: draft 2020-12, indented.
#[must_use]
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schema_value()).unwrap_or_default();
    text.push('\n');
    text
}

fn schema_value() -> serde_json::Value {
    schema_of::<Document>("urn:batchgate:configuration")
}
