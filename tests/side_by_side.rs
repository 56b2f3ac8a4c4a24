//! The gateway beside nginx and Traefik: one configuration in three languages, the same requests, and what comes of them. Where
//! the three differ, the case says why that is right. `side_by_side/README.md` describes the cases; with `UPDATE_GOLDEN=1` in the
//! environment the outcomes are written anew.

mod case;
mod proxies;
mod ways;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use case::{Case, Outcome};
use proxies::Proxies;

use crate::harness::programs::test_file;

/// The files, each with its cases.
fn files() -> Vec<(PathBuf, Vec<Case>)> {
    let entries = fs::read_dir(test_file("side_by_side")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "cases")).collect();
    files.sort();
    let read = |path: PathBuf| {
        let cases = Case::read(&fs::read_to_string(&path).unwrap());
        (path, cases)
    };
    files.into_iter().map(read).collect()
}

/// What was not as it is kept.
#[derive(Default)]
struct Findings {
    wrong: Vec<String>,
    /// Where the gateway does something else over HTTP/2, or with an item.
    by_way: Vec<String>,
    other_ways: usize,
}

impl Findings {
    /// Sends a request of a case to all, and keeps in the case what came of it.
    fn look_at(&mut self, proxies: &Proxies, case: &mut Case, at: usize) {
        let asked = &case.asked[at];
        for (way, [single, other]) in proxies.other_ways(case, asked) {
            self.other_ways += 1;
            if single != other {
                let (about, line) = (&case.about, &asked.line);
                self.by_way.push(format!("{about}: {line}\n  {single}\n  {other} {way}"));
            }
        }
        let now = Outcome { of: proxies.outcomes(case, asked), why: asked.outcome.why.clone() };
        let is_explained = now.why != "?" && now.is_same() == now.why.is_empty();
        let asked = &mut case.asked[at];
        if now != asked.outcome || !is_explained {
            asked.outcome = now;
            self.wrong.push(format!("{}: {asked}", case.about));
        }
    }
}

#[test]
fn requests_end_as_with_nginx_and_traefik_or_for_a_reason() {
    let mut files = files();
    let mut cases: Vec<_> = files.iter_mut().flat_map(|(_, cases)| std::mem::take(cases)).collect();
    let hosts: BTreeSet<_> = cases.iter().map(Case::host).collect();
    assert_eq!(hosts.len(), cases.len(), "two cases are about the same");
    let (proxies, mut found) = (Proxies::start(&cases), Findings::default());
    for case in &mut cases {
        for at in 0..case.asked.len() {
            found.look_at(&proxies, case, at);
        }
    }
    let Findings { wrong, by_way, other_ways } = found;
    assert!(by_way.is_empty(), "{} do not end as over HTTP/1.1:\n{}", by_way.len(), by_way.join("\n"));
    assert!(other_ways > 2 * cases.len(), "only {other_ways} requests were sent in another way, too");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return write_anew(cases);
    }
    assert!(wrong.is_empty(), "{} differ from what is kept; now:\n{}", wrong.len(), wrong.join("\n"));
}

/// Writes what came of the requests into the files.
fn write_anew(cases: Vec<Case>) {
    let mut cases = cases.into_iter();
    for (path, _) in files() {
        let text = fs::read_to_string(&path).unwrap();
        let count = Case::read(&text).len();
        let comments = text.lines().take_while(|line| line.starts_with('#'));
        let comment: String = comments.flat_map(|line| [line, "\n"]).collect();
        let written: Vec<_> = cases.by_ref().take(count).map(|case| format!("\n{case}")).collect();
        fs::write(path, comment + &written.concat()).unwrap();
    }
}
