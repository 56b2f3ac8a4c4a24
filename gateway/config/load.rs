//! From texts to settings, in six steps: trees, environment, one tree, shape, document, names.
//!
//! Each step passes on what it understood, so that one run reports the problems at every
//! level. A file that is not YAML has no tree; only then is there a single error.

use std::path::Path;

use serde::Deserialize;

use super::environment::Environment;
use super::include::include;
use super::listener::ListenAddress;
use super::overrides::Override;
use super::read_file::ReadFile;
use super::resolver::{Refused, Resolver};
use super::settings::{Document, Settings, default_admin};
use super::text::{read, text_of};
use super::vocabulary::VOCABULARY;
use super::yaml::diagnostic::{Diagnostic, Diagnostics, Findings};
use super::yaml::schema::schema_of;
use super::yaml::schema_check;
use super::yaml::schema_check::Fitness;
use super::yaml::tree::{Node, NodeValue};
use super::yaml::wrappers::At;
use super::yaml::written::Written;

/// Settings, and the warnings about them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The other files that it takes something from, except those of certificates.
    pub files: Vec<ReadFile>,
    /// The files of certificates and keys, which [`Settings::renew_certificates`] reads again.
    pub certificates: Vec<ReadFile>,
    /// Settings that are allowed but hardly intended.
    pub warnings: Diagnostics,
}

/// Reads a configuration from `text`.
///
/// `name` is what messages call the file, `base` the folder for relative paths, and `env` reads an
/// environment variable.
///
/// # Errors
/// Everything that is wrong with the text, and with the files that it includes.
pub fn parse(text: &str, name: &str, base: &Path, env: Environment<'_>) -> Result<Loaded, Diagnostics> {
    parse_with(text, name, base, env, &[])
}

/// The same, with what the command line sets.
pub(super) fn parse_with(
    text: &str,
    name: &str,
    base: &Path,
    env: Environment<'_>,
    overrides: &[Override],
) -> Result<Loaded, Diagnostics> {
    let (mut tree, files, mut findings) = merged(text, name, base, env, overrides)?;
    // Taken before anything is refused, so that one error does not bring forth others.
    let upstream_names: Vec<_> = Written::root(&tree).key("upstreams").keys().map(str::to_owned).collect();
    let settings = document(&mut tree, &mut findings).and_then(|document| {
        let (written, upstream_names) = (Written::root(&tree), upstream_names.as_slice());
        let certificates = Vec::new();
        let mut resolver = Resolver {
            written,
            upstream_names,
            findings: &mut findings,
            environment: env,
            files,
            certificates,
        };
        let settings = resolver.settings(document).ok()?;
        Some((settings, resolver.files, resolver.certificates))
    });
    let failed = findings.has_errors();
    let diagnostics = findings.diagnostics();
    match settings {
        Some((settings, files, certificates)) if !failed => {
            Ok(Loaded { settings, files, certificates, warnings: diagnostics })
        }
        Some(_) | None => Err(diagnostics),
    }
}

/// The text with the files that it includes and what the command line sets: the tree, the files, and what is wrong so far.
///
/// # Errors
/// The text is not YAML.
fn merged(
    text: &str,
    name: &str,
    base: &Path,
    env: Environment<'_>,
    overrides: &[Override],
) -> Result<(Node, Vec<ReadFile>, Findings), Diagnostics> {
    let mut findings = Findings::default();
    let Some(mut tree) = read(text_of(text, name, base), env, &mut findings) else {
        return Err(findings.diagnostics());
    };
    let mut files = Vec::new();
    include(&mut tree, base, env, &mut findings, &mut files);
    for set in overrides {
        set.apply(&mut tree, env, &mut findings);
    }
    Ok((tree, files, findings))
}

/// Reads only `admin` from `text` and what it includes; `None` if it is off.
///
/// # Errors
/// The text is not YAML, or `admin` is wrong.
pub(super) fn admin_in(
    text: &str,
    name: &str,
    base: &Path,
    env: Environment<'_>,
    overrides: &[Override],
) -> Result<Option<ListenAddress>, Diagnostics> {
    let (tree, files, mut findings) = merged(text, name, base, env, overrides)?;
    findings.forget();
    let admin = tree.get("admin").filter(|node| node.value != NodeValue::Empty);
    let written = admin.map_or_else(|| Ok(default_admin()), At::deserialize);
    let Ok(written) = written else {
        let message = "`admin` is not an address, or has a variable that is not set";
        findings.push(Diagnostic::error(admin.map(|node| node.span), message));
        return Err(findings.diagnostics());
    };
    let mut resolver = Resolver {
        written: Written::default(),
        upstream_names: &[],
        findings: &mut findings,
        environment: env,
        files,
        certificates: Vec::new(),
    };
    let address = resolver.admin(&written, &[]);
    address.map_err(|Refused| findings.diagnostics())
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
