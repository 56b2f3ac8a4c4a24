//! What it costs to add one: a metric needs at most three files, a setting at most six. The examples are as good as any
//! other metric or setting. Files of `gateway/` and `config/` count, but no tests: what an operator does with a metric
//! in an alert or on the dashboard is not needed to add it.

use std::path::{Path, PathBuf};

use crate::files::{files_below, read, root};

/// The names of one thing, and in how many files they may be.
struct Example {
    what: &'static str,
    names: &'static [&'static str],
    most: usize,
}

const EXAMPLES: &[Example] = &[
    // Where the metric is made, where it is counted, the list of metrics.
    Example { what: "a metric", names: &["memory_gave_way", "batchgate_memory_gave_way_total"], most: 3 },
    Example {
        what: "a metric",
        names: &["client_share_waits", "batchgate_client_share_waits_total"],
        most: 3,
    },
    // Its section under `config/`, where it is used, the example, the schema, the list of limits.
    Example { what: "a setting", names: &["allow_headers"], most: 6 },
    Example { what: "a setting", names: &["max_ejected"], most: 6 },
    Example { what: "a setting", names: &["hash_header"], most: 6 },
];

#[test]
fn one_more_costs_few_files() {
    let files = files_to_touch();
    let mut wrong = Vec::new();
    for Example { what, names, most } in EXAMPLES {
        let has_one = |file: &&PathBuf| names.iter().any(|name| has_word(&read(file), name));
        let mentions: Vec<_> = files.iter().filter(has_one).collect();
        assert!(!mentions.is_empty(), "{names:?} is gone: choose another example of {what}");
        if mentions.len() > *most {
            wrong.push(format!("{what}, {names:?}: {} files, not {most}: {mentions:#?}", mentions.len()));
        }
    }
    let advice = "to add one would cost this much again: let the other files take the value from one of them, \
                  or change ARCHITECTURE.md (How to add) and the number here";
    assert!(wrong.is_empty(), "{advice}\n{}", wrong.join("\n"));
}

/// The files that one more may need.
fn files_to_touch() -> Vec<PathBuf> {
    let below = |folder, extensions: &[&str]| {
        extensions.iter().flat_map(|extension| files_below(folder, extension)).collect::<Vec<_>>()
    };
    let all = [below("gateway", &["rs"]), below("config", &["yaml", "md", "json"])].concat();
    all.into_iter().filter(|file| !is_test(file)).collect()
}

fn is_test(file: &Path) -> bool {
    let inside = file.strip_prefix(root()).unwrap();
    inside.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"))
}

/// Whether a text has this name, and not only a longer one.
fn has_word(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(start, _)| {
        !text[..start].ends_with(is_part) && !text[start + name.len()..].starts_with(is_part)
    })
}
