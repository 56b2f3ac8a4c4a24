//! The parts of a configuration file that may be secret. No error, no log line and no `/config` shows them.
//!
//! A report about one mistake shows the complete line, and the line may hold a password that has nothing to do with it.
//! So the bytes that may be secret are found once for the complete file ([`in_tree`], [`in_text`]), and the renderer of
//! diagnostics shows stars in their place; what a message quotes goes through [`masked`]. Secret are:
//!
//! - the values of header fields under `headers.set` and `request_headers.set`, whatever the field is called;
//! - the value of a key that names a secret ([`is_secret_key`]), and the default of such a variable;
//! - in urls the user name with the password, and the query.
//!
//! Names of variables (`${NAME}`) and of files are not: a report about them has to show them. A file that is not valid
//! YAML has no tree, so that its lines are judged by how they look; that hides too much rather than too little.

use std::ops::Range;

use super::yaml::secrets::{in_words, names_a_secret};
use super::yaml::tree::{Node, NodeValue};

/// Whether a header field of this name, in lower case, holds a credential.
#[must_use]
pub fn is_secret_field(name: &str) -> bool {
    ["auth", "cookie", "token", "secret", "passw", "key", "credential", "session"]
        .iter()
        .any(|part| name.contains(part))
}

/// Whether a key's value is a secret. `api_keys` is a mapping that names a file.
pub(super) fn is_secret_key(name: &str) -> bool {
    names_a_secret(name) && !["api_keys", "api-keys"].iter().any(|key| key.eq_ignore_ascii_case(name))
}

/// The secret bytes of a file that was read.
pub(super) fn in_tree(node: &Node) -> Vec<Range<usize>> {
    let mut secrets = Vec::new();
    collect(node, &mut secrets);
    secrets
}

fn collect(node: &Node, secrets: &mut Vec<Range<usize>>) {
    match &node.value {
        NodeValue::List(items) => items.iter().for_each(|item| collect(item, secrets)),
        NodeValue::Mapping(entries) => {
            for (key, value) in entries {
                if matches!(&*key.name, "headers" | "request_headers") && value.get("set").is_some() {
                    value.entries().iter().filter(|(key, _)| key.name == "set").for_each(|(_, set)| {
                        set.entries().iter().for_each(|(_, value)| scalars(value, secrets));
                    });
                    collect(value, secrets);
                } else if is_secret_key(&key.name) {
                    scalars(value, secrets);
                } else {
                    collect(value, secrets);
                }
            }
        }
        NodeValue::Scalar(_) | NodeValue::Broken | NodeValue::Empty => {}
    }
}

/// All values below a secret one, and the keys that such a value may have become by mistake.
fn scalars(node: &Node, secrets: &mut Vec<Range<usize>>) {
    match &node.value {
        NodeValue::Scalar(text) if text.contains("${") && !text.contains(":-") => {}
        NodeValue::Scalar(_) => secrets.push(node.span.start..node.span.end),
        NodeValue::List(items) => items.iter().for_each(|item| scalars(item, secrets)),
        NodeValue::Mapping(entries) => {
            for (key, value) in entries.iter().filter(|(key, _)| key.name != "file") {
                secrets.push(key.span.start..key.span.end);
                scalars(value, secrets);
            }
        }
        NodeValue::Broken | NodeValue::Empty => {}
    }
}

/// The secret bytes of a file that is not valid YAML: as [`in_words`], and everything after a key that names a
/// secret, or behind any key of a `set`.
pub(super) fn in_text(text: &str) -> Vec<Range<usize>> {
    let mut secrets = in_words(text);
    let mut block = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let indentation = line.len() - line.trim_start().len();
        if block.is_some_and(|depth| indentation <= depth && !line.trim().is_empty()) {
            block = None;
        }
        let in_set = block.is_some();
        let mut within = in_set;
        for (key, value) in values(line) {
            if within || is_secret_key(key) {
                secrets.push(start + value.start..start + value.end);
            }
            if key == "set" {
                within = true;
                let is_block = line.get(value).is_none_or(|value| value.trim().is_empty());
                block = block.or(is_block.then_some(indentation));
            }
        }
        if in_set && values(line).is_empty() {
            // The rest of a value that goes on over several lines.
            secrets.push(start + indentation..start + line.trim_end().len());
        }
        start += line.len();
    }
    secrets
}

/// The keys of a line, each with the bytes behind it up to the next key or the end. A colon within a value ends no key.
fn values(line: &str) -> Vec<(&str, Range<usize>)> {
    let is_end = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
    let colons = line.match_indices(':').map(|(at, _)| at);
    let colons = colons.filter(|at| is_end(line.as_bytes().get(at + 1)));
    let keys: Vec<_> = colons.filter_map(|colon| Some((key_before(line, colon)?, colon))).collect();
    let ends = keys.iter().skip(1).map(|((_, start), _)| *start).chain([line.trim_end().len()]);
    let values = keys.iter().zip(ends).map(|(((key, _), colon), end)| (*key, colon + 1..end.max(colon + 1)));
    values.collect()
}

/// The key that ends at this colon, and where it starts; `None` if the text before it is part of a value.
fn key_before(line: &str, colon: usize) -> Option<(&str, usize)> {
    let before = line.get(..colon)?;
    let start = match before.strip_suffix(['"', '\'']) {
        Some(inner) => inner.rfind(['"', '\''])?,
        None => before.rfind(['{', ',', '[', ' ', '"', '\'']).map_or(0, |at| at + 1),
    };
    let lead = line.get(..start)?.trim_end();
    let is_key = lead.is_empty() || lead.ends_with(['{', ',', '[', '-', '?']);
    is_key.then(|| (before.get(start..).unwrap_or_default().trim_matches(['"', '\'']), start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_yaml_shows_no_value_that_may_be_secret() {
        for text in [
            "set: { X-Mine: hunter2",
            "set: { X-Mine: \"hunter2\", \"Other\": hunter2 }",
            "a: { headers: { set: { X: hunter2, Y: hunter2 }, b: [",
            "headers:\n  set:\n    X-Mine: hunter2: x\n    Y: a\n      hunter2\nroutes: [",
            "password: hunter2 # ä",
            "- \"Authorization\": Basic hunter2",
            "url: http://u:hunter2@h: x",
        ] {
            let mut shown = text.to_owned().into_bytes();
            for range in in_text(text) {
                shown[range].fill(b'*');
            }
            let shown = String::from_utf8_lossy(&shown).into_owned();
            assert!(!shown.contains("hunter2") && shown.contains(':'), "{shown}");
        }
        assert!(in_text("listen: 127.0.0.1:8080\nroutes: [{ path: /, upstream: a").is_empty());
    }
}
