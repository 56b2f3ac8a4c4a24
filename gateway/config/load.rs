//! From a file to settings, in five steps: tree, environment, shape, document, names.
//!
//! Each step passes on what it understood, so that one run reports the problems at every
//! level. A file that is not YAML has no tree; only then is there a single error.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::environment::{Environment, substitute};
use super::masking;
use super::read_file::ReadFile;
use super::resolver::Resolver;
use super::settings::{Document, Settings};
use super::vocabulary::VOCABULARY;
use super::yaml::diagnostic::{Diagnostic, Diagnostics, Findings, Source};
use super::yaml::schema::schema_of;
use super::yaml::schema_check::Fitness;
use super::yaml::tree::{Node, NodeValue};
use super::yaml::written::Written;
use super::yaml::{schema_check, secrets, tree};

/// Bytes of a configuration file.
const MAX_FILE: u64 = 1 << 20;

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

/// Loads a configuration file; paths in it are relative to its folder.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    let name = path.display().to_string();
    let text = read(path).map_err(|message| Diagnostics::of_file(&name, message))?;
    let base = path.parent().unwrap_or_else(|| Path::new(""));
    parse(&text, &name, base, &|name| std::env::var(name).ok())
}

fn read(path: &Path) -> Result<String, String> {
    let failure = |error: std::io::Error| format!("the file can't be read: {error}");
    let file = std::fs::File::open(path).map_err(failure)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failure)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err("the file is larger than 1 MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        format!("the file is not UTF-8: byte {} does not start a character", error.utf8_error().valid_up_to())
    })
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
            findings.push(*error);
            return Err(source.diagnostics(findings));
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
