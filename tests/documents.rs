//! Documents that can't go stale: configurations in the repository load, links lead somewhere, and
//! tables are complete.

#[path = "structure/files.rs"]
mod files;

use std::path::Path;

pub(crate) use files::{files_below, read, root};

use crate::harness::gateway::{batchgate, check};
use crate::harness::programs::{run, text};

#[test]
fn every_configuration_in_the_repository_loads() {
    let files = files_below("config", "yaml");
    assert!(files.iter().any(|file| file.ends_with("config/batchgate.yaml")), "{files:?}");
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        assert_loads(&file, &file.display().to_string());
    }
}

#[test]
fn the_schema_in_the_repository_is_the_one_the_program_prints() {
    let printed = run(batchgate().arg("schema"));
    assert!(printed.status.success());
    let kept = read(&root().join("config/schema.json"));
    let hint = "update it: batchgate schema > config/schema.json";
    assert_eq!(String::from_utf8(printed.stdout).unwrap().trim_end(), kept.trim_end(), "{hint}");
}

#[test]
fn every_configuration_fits_the_schema() {
    let schema = root().join("config/schema.json");
    let python = crate::harness::programs::python();
    let mut judge = std::process::Command::new(python.with_file_name("check-jsonschema"));
    judge.arg("--schemafile").arg(schema).args(files_below("config", "yaml"));
    let output = run(&mut judge);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn the_pages_that_readers_are_sent_to_are_there() {
    for page in [
        "README.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "LICENSE",
        "config/README.md",
        "deploy/operations.md",
        "gateway/ARCHITECTURE.md",
        "gateway/CONTRIBUTING.md",
        "tests/README.md",
        "deny.toml",
    ] {
        assert!(root().join(page).is_file(), "{page} is missing");
    }
}

/// The table has a row for each of the 33 classes, in order, and each file of a class stands in its row.
#[test]
fn every_class_of_attack_has_its_row() {
    let table = read(&root().join("tests/attacks/README.md"));
    let rows: Vec<_> =
        table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #")).collect();
    assert_eq!(rows.len(), 33);
    for (number, row) in (1..).zip(&rows) {
        assert!(row.starts_with(&format!("| {number} |")), "{row}");
    }
    for file in files_below("tests/attacks", "rs").iter().filter(|file| !file.ends_with("mod.rs")) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let number: usize = name.split('_').next().unwrap().parse().unwrap();
        assert!(rows[number - 1].contains(&format!("({name})")), "{name} is not in the row of its class");
    }
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    for page in files_below("", "md") {
        for link in links(&read(&page)) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{} links to {link}, which is not there", page.display());
            if !heading.is_empty() {
                let there = headings(&read(&target)).any(|anchor| anchor == heading);
                assert!(there, "{} links to {link}, but there is no such heading", page.display());
            }
        }
    }
}

#[test]
fn the_readme_can_be_read_at_a_sitting() {
    let lines = read(&root().join("README.md")).lines().count();
    assert!(lines <= 200, "{lines} lines; what is long belongs on a page of its own");
}

fn assert_loads(file: &Path, what: &str) {
    let output = check(file);
    assert!(output.status.success(), "{what}\n{}", text(&output));
}

/// The anchors of a page's headings, as GitHub makes them. Lines of code that begin with `#` do no harm.
fn headings(markdown: &str) -> impl Iterator<Item = String> {
    let titles = markdown.lines().filter(|line| line.starts_with('#'));
    titles.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        title.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
    })
}

/// The links of Markdown to files of the repository, and to headings of the page itself.
fn links(markdown: &str) -> Vec<String> {
    let starts = markdown.match_indices("](").map(|(start, _)| &markdown[start + 2..]);
    let targets = starts.filter_map(|rest| rest.split(')').next());
    targets.filter(|link| !link.contains(':')).map(str::to_owned).collect()
}
