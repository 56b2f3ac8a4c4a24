//! The structure that `gateway/ARCHITECTURE.md` describes: which module may use which, no circles, no
//! function and no file longer than can be read. `tests/README.md` says what to do when a check fails.

#![cfg(test)]

mod arrows;
mod costs;
mod files;
mod modules;
mod small_crate;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;
use std::sync::LazyLock;

use arrows::Arrows;
use files::{files_below, read, root};
use modules::{Function, Tree};

/// The top-level modules. Each uses only those of a lower rank, and itself.
const RANKS: [(&str, usize); 37] = [
    ("words", 0),
    ("workers", 0),
    ("clock", 0),
    ("http1", 0),
    ("address", 0),
    ("terminal", 0),
    ("tls_advice", 0),
    ("http_client", 1),
    ("route", 0),
    ("reference", 0),
    ("phase", 1),
    ("limiter", 1),
    ("header", 1),
    ("memory", 2),
    ("batch", 2),
    ("format", 3),
    ("plan", 3),
    ("dispatch", 4),
    ("dialect", 4),
    ("problem", 5),
    ("config", 5),
    ("stitch", 6),
    ("explain", 6),
    ("telemetry", 7),
    ("transport", 8),
    ("admission", 8),
    ("session", 9),
    ("upstream", 9),
    ("state", 10),
    ("listener", 11),
    ("serve", 12),
    ("admin", 12),
    ("process", 13),
    ("openapi", 13),
    ("demo", 14),
    ("cli", 15),
    ("lib", 16),
];

/// The folders that talk to clients, services and the process. No other names pingora.
const PINGORA_USERS: [&str; 5] = ["transport", "session", "upstream", "serve", "listener"];

/// Lines in a file of the gateway, with its tests.
const LONGEST_FILE: usize = 450;

/// Lines between the braces of a function, unless a comment above it begins with `// Long because`.
const LONGEST_FUNCTION: usize = 60;

/// Lines of the shortest function in the longest tenth.
const LONGEST_TENTH: usize = 22;

/// Parameters of a tuple type. The number may only get smaller.
const TUPLE_PARAMETERS: usize = 0;

/// Parameters of type `bool`. The number may only get smaller.
const BOOL_PARAMETERS: usize = 10;

static TREE: LazyLock<Tree> = LazyLock::new(|| Tree::read(&root().join("gateway/lib.rs")));
static ARROWS: LazyLock<Arrows> = LazyLock::new(|| Arrows::of(&TREE));

#[test]
fn modules_use_only_what_is_below_them() {
    let mut wrong = Vec::new();
    for (from, others) in &ARROWS.0 {
        for (to, names) in others {
            let (own, used) = (rank(from), rank(to));
            if top(from) != top(to) && own <= used {
                let (from, to) = (from.display(), to.display());
                wrong.push(format!("{from} (rank {own}) uses {names:?} of {to} (rank {used})"));
            }
        }
    }
    none("cut these ties, or change RANKS here and in ARCHITECTURE.md", &wrong);
    let modules: BTreeSet<_> = TREE.modules.values().map(|module| top(&module.file)).collect();
    let gone: Vec<_> = RANKS.iter().filter(|(name, _)| !modules.contains(name)).collect();
    none("there is no such module: take it out of RANKS", &gone);
}

#[test]
fn imports_make_no_circle() {
    let circles: Vec<_> = ARROWS.circles().iter().map(|circle| ARROWS.within(circle)).collect();
    none("move a name that closes a circle to a file of its own", &circles);
}

#[test]
fn only_the_listed_folders_name_pingora() {
    let is_pingora = |path: &&Vec<String>| path.len() > 1 && path[0].starts_with("pingora");
    let named = TREE.modules.values().flat_map(|module| {
        let paths = module.paths.iter().chain(module.imports.values());
        paths.filter(is_pingora).map(|_| &module.file)
    });
    let wrong: BTreeSet<_> = named.filter(|file| !PINGORA_USERS.contains(&top(file))).collect();
    none("these files name pingora", &wrong.into_iter().collect::<Vec<_>>());
}

#[test]
fn no_path_has_super_super() {
    let climbs = |line: &str| line.split("//").next().unwrap().contains("super::super");
    let files = files_below("gateway", "rs");
    let wrong: Vec<_> = files.iter().filter(|file| read(file).lines().any(climbs)).collect();
    none("write crate::… instead of super::super", &wrong);
}

#[test]
fn a_function_over_sixty_lines_gives_a_reason() {
    let long = |function: &&Function| function.lines > LONGEST_FUNCTION && !function.has_reason;
    let wrong: Vec<_> = TREE.functions.iter().filter(long).map(Function::to_string).collect();
    none("split them, or write above them: // Long because …", &wrong);
}

#[test]
fn nine_of_ten_functions_are_short() {
    let mut functions: Vec<_> = TREE.functions.iter().collect();
    functions.sort_by_key(|function| function.lines);
    let tenth = &functions[functions.len() * 9 / 10..];
    let names: Vec<_> = tenth.iter().map(ToString::to_string).collect();
    let shortest = tenth[0].lines;
    assert!(shortest <= LONGEST_TENTH, "a tenth of all functions has {shortest} lines or more: {names:#?}");
}

#[test]
fn tuple_parameters_do_not_increase() {
    at_most(TUPLE_PARAMETERS, |function| function.tuples, "a struct with named fields reads better");
}

#[test]
fn bool_parameters_do_not_increase() {
    at_most(BOOL_PARAMETERS, |function| function.bools, "an enum with two variants reads better");
}

#[test]
fn no_file_is_too_long() {
    let files = files_below("gateway", "rs").into_iter().chain(files_below("tests", "rs"));
    let long: Vec<_> =
        files.map(|file| (read(&file).lines().count(), file)).filter(|file| file.0 > LONGEST_FILE).collect();
    none("split these files", &long);
}

#[test]
fn every_file_begins_with_a_comment_about_itself() {
    let files = files_below("gateway", "rs").into_iter().chain(files_below("tests", "rs"));
    let silent: Vec<_> = files.filter(|file| !read(file).starts_with("//! ")).collect();
    none("a file begins with a comment about itself", &silent);
}

fn none(advice: &str, wrong: &[impl Debug]) {
    assert!(wrong.is_empty(), "{advice}: {wrong:#?}");
}

/// Counts the parameters of a kind, over all functions.
fn at_most(most: usize, count: impl Fn(&Function) -> usize, advice: &str) {
    let found: Vec<_> = TREE.functions.iter().filter(|function| count(function) > 0).collect();
    let total: usize = found.iter().map(|function| count(function)).sum();
    let names: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(total <= most, "{advice}: {total} parameters, not {most}: {names:#?}");
}

fn rank(file: &Path) -> usize {
    let module = top(file);
    let known = RANKS.iter().find(|(name, _)| *name == module);
    known.unwrap_or_else(|| panic!("gateway/{module} has no rank; give it one here and in ARCHITECTURE.md")).1
}

/// The top-level module that a file is in.
fn top(file: &Path) -> &str {
    let first = file.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs")
}
