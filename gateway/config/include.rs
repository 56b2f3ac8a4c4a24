//! `include`: other files whose parts are added to the configuration.
//!
//! Lists are joined, those of the configuration itself first, then file by file in the order of `include`, and by name where a
//! pattern fits several files. In mappings each name may be in one file only. Nothing else can be in two files. An included file
//! includes no others. The folder of a pattern is watched for new files.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::pem::read_file;
use super::read_file::{ReadFile, matches};
use super::text::{MAX_FILE, read, text_of};
use super::yaml::diagnostic::{Diagnostic, Findings, quoted};
use super::yaml::tree::{Key, Node, NodeValue};

/// Included files together.
const MAX_FILES: usize = 500;

/// Adds the files that `tree` includes to it, and to `files`, which are watched.
pub(super) fn include(
    tree: &mut Node,
    base: &Path,
    env: Environment<'_>,
    findings: &mut Findings,
    files: &mut Vec<ReadFile>,
) {
    for path in included(tree, base, findings, files) {
        if let Some(part) = part(&path, env, findings, files) {
            merge(tree, part, findings);
        }
    }
}

/// The files in order, each once.
fn included(tree: &Node, base: &Path, findings: &mut Findings, files: &mut Vec<ReadFile>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // What is not a list of texts is reported by the schema check.
    let Some(NodeValue::List(patterns)) = tree.get("include").map(|node| &node.value) else { return found };
    let own = findings.text(0).and_then(|text| std::fs::canonicalize(&text.name).ok());
    for pattern in patterns {
        let NodeValue::Scalar(written) = &pattern.value else { continue };
        match files_of(base, written, own.as_deref(), files) {
            Ok(paths) if paths.is_empty() => {
                let message = format!("{} fits no file, so that nothing is included", quoted(written));
                let help = "paths are relative to the configuration's folder; files that come later are included then";
                findings.push(Diagnostic::warning(Some(pattern.span), message).help(help));
            }
            Ok(paths) => paths.into_iter().for_each(|path| {
                if !found.contains(&path) {
                    found.push(path);
                }
            }),
            Err(problem) => {
                let message = format!("{} {problem}", quoted(written));
                let help = "paths are relative to the configuration's folder; `*` and `?` stand for parts of a file's name";
                findings.push(Diagnostic::error(Some(pattern.span), message).help(help));
            }
        }
        if found.len() > MAX_FILES {
            let message = format!("more than {MAX_FILES} files would be included");
            findings.push(Diagnostic::error(Some(pattern.span), message));
            found.clear();
            return found;
        }
    }
    found
}

/// The files that one element of `include` means. `own`: the file that it is in, which a pattern may fit without meaning it.
fn files_of(
    base: &Path,
    written: &str,
    own: Option<&Path>,
    files: &mut Vec<ReadFile>,
) -> Result<Vec<PathBuf>, &'static str> {
    let is_own = |path: &Path| own.is_some() && std::fs::canonicalize(path).ok().as_deref() == own;
    let is_pattern = |text: &str| text.contains(['*', '?', '[']);
    let (folder, name) = written.rsplit_once('/').map_or(("", written), |(folder, name)| (folder, name));
    if is_pattern(folder) {
        return Err("has a pattern in the name of a folder");
    }
    if !is_pattern(name) {
        let path = base.join(written);
        return match path.is_file() {
            true if is_own(&path) => Err("is the file that includes it"),
            true => Ok(vec![path]),
            false => Err("is not a file"),
        };
    }
    let pattern = base.join(written);
    let found = matches(&pattern).ok_or("is not a pattern")?;
    files.push(ReadFile::from_pattern(pattern, &found));
    Ok(found.into_iter().filter(|path| !is_own(path)).collect())
}

/// What one file adds.
fn part(
    path: &Path,
    env: Environment<'_>,
    findings: &mut Findings,
    files: &mut Vec<ReadFile>,
) -> Option<Node> {
    let name = path.display().to_string();
    let folder = path.parent().unwrap_or(Path::new(""));
    let bytes = match read_file(path, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(error) => {
            findings.push(Diagnostic::error(None, format!("the file {} {error}", quoted(&name))));
            return None;
        }
    };
    files.push(ReadFile::new(path.to_owned(), &bytes));
    let Ok(text) = String::from_utf8(bytes) else {
        findings.push(Diagnostic::error(None, format!("the file {} is not UTF-8", quoted(&name))));
        return None;
    };
    let mut tree = read(text_of(&text, &name, folder), env, findings)?;
    match &mut tree.value {
        NodeValue::Mapping(entries) => entries.retain(|(key, _)| !is_include(key, findings)),
        NodeValue::Empty => return None,
        NodeValue::Broken | NodeValue::Scalar(_) | NodeValue::List(_) => {
            findings.push(Diagnostic::error(
                Some(tree.span),
                "an included file is a mapping, such as `routes: […]`",
            ));
            return None;
        }
    }
    Some(tree)
}

fn is_include(key: &Key, findings: &mut Findings) -> bool {
    let is_it = key.name == "include";
    if is_it {
        let help = "name all files in the configuration itself";
        findings.push(Diagnostic::error(Some(key.span), "an included file can't include others").help(help));
    }
    is_it
}

/// Adds `part` to `tree`; both are mappings.
fn merge(tree: &mut Node, part: Node, findings: &mut Findings) {
    let (NodeValue::Mapping(entries), NodeValue::Mapping(added)) = (&mut tree.value, part.value) else {
        return;
    };
    for (key, value) in added {
        let Some((earlier, existing)) = entries.iter_mut().find(|(earlier, _)| earlier.name == key.name)
        else {
            entries.push((key, value));
            continue;
        };
        match (&mut existing.value, value.value) {
            (NodeValue::List(items), NodeValue::List(more)) => items.extend(more),
            (NodeValue::Mapping(names), NodeValue::Mapping(more)) => {
                for entry in more {
                    add(names, entry, findings);
                }
            }
            (NodeValue::Empty, value) => existing.value = value,
            (_, NodeValue::Empty) => {}
            (_, _) => findings.push(twice(&key, earlier, findings)),
        }
    }
}

/// Adds an entry to a mapping that may have its name already.
fn add(names: &mut Vec<(Key, Node)>, entry: Entry, findings: &mut Findings) {
    match names
        .iter()
        .find(|(earlier, _)| earlier.name == entry.0.name && earlier.span.file != entry.0.span.file)
    {
        Some((earlier, _)) => findings.push(twice(&entry.0, earlier, findings)),
        // The same name twice in one file is reported by the schema check.
        None => names.push(entry),
    }
}

type Entry = (Key, Node);

fn twice(key: &Key, earlier: &Key, findings: &Findings) -> Diagnostic {
    let message = format!("{} is in two files", quoted(&key.name));
    Diagnostic::error(Some(key.span), message).help(findings.already(Some(earlier.span)))
}
