//! Documents that can't go stale: configurations in the repository load, and the code keeps to the
//! structure that `gateway/ARCHITECTURE.md` describes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::gateway::{batchgate, check};
use crate::harness::programs::{run, text};

/// Which module may use which: only those of a lower rank, and its own.
const RANKS: [(&str, usize); 31] = [
    ("phase", 0),
    ("clock", 0),
    ("http1", 0),
    ("terminal", 0),
    ("route", 0),
    ("limiter", 0),
    ("memory", 1),
    ("reference", 1),
    ("format", 1),
    ("header", 1),
    ("batch", 1),
    ("plan", 2),
    ("dispatch", 3),
    ("stitch", 4),
    ("problem", 4),
    ("config", 5),
    ("explain", 6),
    ("telemetry", 6),
    ("transport", 7),
    ("session", 8),
    ("upstream", 8),
    ("state", 8),
    ("admission", 8),
    ("serve", 8),
    ("listener", 8),
    ("admin", 9),
    ("process", 10),
    ("demo", 11),
    ("cli", 12),
    ("main", 13),
    ("lib", 13),
];

/// The ranks whose folders still use each other. They are being untied, one after the other.
const TIED: [usize; 3] = [1, 4, 8];

/// Lines in a file of the gateway, tests beside the code included.
const LONGEST_FILE: usize = 450;

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
fn modules_use_only_what_is_below_them() {
    let mut wrong = Vec::new();
    for file in files_below("gateway", "rs") {
        let own = module_of(&file);
        for used in uses(&code_of(&read(&file))) {
            if used != own
                && (rank(&used) > rank(&own) || rank(&used) == rank(&own) && !TIED.contains(&rank(&own)))
            {
                wrong.push(format!(
                    "{} (rank {}) uses crate::{used} (rank {})",
                    file.display(),
                    rank(&own),
                    rank(&used)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The folders that talk to clients, services and the process. All others know nothing of pingora.
const PINGORA_USERS: [&str; 10] = [
    "transport",
    "session",
    "upstream",
    "state",
    "admission",
    "serve",
    "listener",
    "admin",
    "process",
    "demo",
];

#[test]
fn only_what_listens_or_connects_names_pingora() {
    for file in files_below("gateway", "rs") {
        let code = code_of(&read(&file));
        let named = code.match_indices("pingora").any(|(start, _)| is_path(&code[..start], &code[start..]));
        assert!(!named || PINGORA_USERS.contains(&&*module_of(&file)), "{} names pingora", file.display());
    }
}

#[test]
fn no_file_is_longer_than_can_be_read() {
    let files = files_below("gateway", "rs").into_iter().chain(files_below("tests", "rs"));
    let long: Vec<_> =
        files.map(|file| (read(&file).lines().count(), file)).filter(|file| file.0 > LONGEST_FILE).collect();
    assert!(long.is_empty(), "over {LONGEST_FILE} lines: {long:?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    for file in files_below("gateway", "rs").into_iter().chain(files_below("tests", "rs")) {
        assert!(
            read(&file).starts_with("//! "),
            "{} does not begin with a comment about itself",
            file.display()
        );
    }
}

#[test]
fn the_pages_that_readers_are_sent_to_are_there() {
    for page in [
        "README.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "LICENSE",
        "gateway/ARCHITECTURE.md",
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
            let target = page.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(target.exists(), "{} links to {link}, which is not there", page.display());
        }
    }
}

fn assert_loads(file: &Path, what: &str) {
    let output = check(file);
    assert!(output.status.success(), "{what}\n{}", text(&output));
}

/// The modules that a file's `use crate::…` lines and paths name.
fn uses(code: &str) -> Vec<String> {
    let after = code.match_indices("crate::").map(|(start, word)| &code[start + word.len()..]);
    let names =
        after.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>());
    names.filter(|name| RANKS.iter().any(|(module, _)| module == name)).collect()
}

fn rank(module: &str) -> usize {
    let known = RANKS.iter().find(|(name, _)| *name == module);
    known.unwrap_or_else(|| panic!("gateway/{module} has no rank; give it one here and in ARCHITECTURE.md")).1
}

/// The module of `gateway/` a file belongs to.
fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("gateway")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// A file's code without its comments.
fn code_of(source: &str) -> String {
    source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Whether a crate's name begins a path, `pingora::…` or `pingora_core::…`, outside of a string.
fn is_path(before: &str, name: &str) -> bool {
    let rest = name.trim_start_matches(|c: char| c == '_' || c.is_ascii_lowercase());
    rest.starts_with("::") && !before.ends_with('"')
}

/// The links of Markdown to other files.
fn links(markdown: &str) -> Vec<String> {
    let starts = markdown.match_indices("](").map(|(start, _)| &markdown[start + 2..]);
    let targets = starts.filter_map(|rest| rest.split(')').next());
    targets.filter(|link| !link.contains(':') && !link.starts_with('#')).map(str::to_owned).collect()
}

/// The files with this extension below a folder of the repository, in order.
pub(crate) fn files_below(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for found in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = found.unwrap().path();
            let hidden = path.file_name().unwrap().to_string_lossy().starts_with(['.', '_']);
            if path.is_dir()
                && !hidden
                && !["target", "stand-in", "shared"].iter().any(|name| path.ends_with(name))
            {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
