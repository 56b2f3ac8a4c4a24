//! Every fault of an upstream crossed with every format: what the faulty item says, and whether its
//! connection is used again. The items beside it never notice. `faults/table.txt` says what is expected;
//! another fault is a line in it, and an answer in `faults/answers.rs`.

mod answers;
mod formats;
mod pipes;
mod servers;

use std::fs;
use std::thread;
use std::time::Duration;

use batchgate::clock::Deadline;

use crate::harness::programs::test_file;
use crate::harness::upstream::{Refusing, Unreachable};
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gateway, Upstream};

use formats::{Format, Seen};

/// How many calls follow the faulty one, and may be the next on its connection.
const LOOKS: usize = 3;

/// How long a connection may take to close. One that is open then, and was not used again, waits in the pool.
const CLOSING: Duration = Duration::from_secs(2);

/// A line of the table.
struct Row {
    name: String,
    method: String,
    folder: String,
    cells: Vec<String>,
}

impl Row {
    fn url(&self) -> String {
        format!("{}/{}", self.folder, self.name)
    }

    /// Whether the scripted upstream gets the request, as against nobody.
    fn is_scripted(&self) -> bool {
        ["/patient", "/hasty"].contains(&self.folder.as_str())
    }
}

#[test]
fn faults_stay_with_their_items_in_json() {
    check(Format::Json);
}

#[test]
fn faults_stay_with_their_items_in_xml() {
    check(Format::Xml);
}

#[test]
fn faults_stay_with_their_items_in_multipart() {
    check(Format::Multipart);
}

#[test]
fn faults_stay_with_their_items_in_a_stream() {
    check(Format::Stream);
}

#[test]
fn faults_stay_with_their_items_in_a_bulk() {
    check(Format::Bulk);
}

#[test]
fn faults_stay_with_their_requests_in_proxying() {
    check(Format::Single);
}

/// Tries each row of the table in a format, and tells all that differ.
fn check(format: Format) {
    let rows = table();
    let world = World::start(&rows);
    let mut wrong = Vec::new();
    for row in &rows {
        let expected = &row.cells[format.column()];
        if expected == "-" {
            continue;
        }
        let mut found = world.run(row, format);
        // pingora's pool closes a connection that it is asked for in the moment in which it gets it back.
        for _ in 0..if format.uses_the_pool() { 20 } else { 0 } {
            if found == *expected || !expected.ends_with("kept") {
                break;
            }
            found = world.run(row, format);
        }
        if found != *expected {
            wrong.push(format!("{} {format:?}: expected `{expected}`, found `{found}`", row.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cells:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    until_true("all memory to be given back", || {
        world.gateway.metrics().sum("batchgate_buffer_bytes", &[]) == 0.0
    });
}

/// The rows of `faults/table.txt`; `=` stands for what the column before has.
fn table() -> Vec<Row> {
    let text = fs::read_to_string(test_file("faults/table.txt")).unwrap();
    let rows: Vec<Row> =
        text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(row).collect();
    assert!(rows.len() > 50, "only {} rows", rows.len());
    rows
}

fn row(line: &str) -> Row {
    let mut words: Vec<String> = line.split('|').map(|word| word.trim().to_owned()).collect();
    assert_eq!(words.len(), 8, "{line}");
    for column in 1..words.len() {
        if words[column] == "=" {
            let before = words[column - 1].clone();
            words[column] = before;
        }
    }
    let (method, folder) = words[1].split_once(' ').unwrap_or_else(|| panic!("no method and folder: {line}"));
    Row {
        name: words[0].clone(),
        method: method.to_owned(),
        folder: folder.to_owned(),
        cells: words[2..].to_vec(),
    }
}

/// A gateway before one scripted upstream, which it knows as a patient and as a hasty one, and two addresses
/// where nobody answers.
struct World {
    upstream: Upstream,
    gateway: Gateway,
    _refusing: Refusing,
    _unreachable: Unreachable,
}

impl World {
    fn start(rows: &[Row]) -> Self {
        let upstream = Upstream::answering(|request| Answer::text(200, &request.target));
        for row in rows.iter().filter(|row| row.is_scripted()) {
            upstream.on(&row.url(), answers::named(&row.name));
        }
        let (refusing, unreachable) = (Refusing::start(), Unreachable::start());
        let folders = ["patient", "hasty", "refusing", "unreachable"];
        let upstreams = Config::new()
            .upstream("patient", upstream.url())
            .with("timeout: { item: 20s }")
            .upstream("hasty", upstream.url())
            .with("timeout: { item: 500ms }")
            .upstream("refusing", refusing.url())
            .upstream("unreachable", unreachable.url())
            .with("timeout: { connect: 200ms }");
        let endpoint = upstreams.batch("/batch").with("max_item_reply: 64KiB, deadline: 60s");
        let config = folders.iter().fold(endpoint, |config, name| {
            let path = format!("/{name}");
            config.route(&path, name).bulk(&path, "GET, POST").with("max_item_reply: 64KiB")
        });
        let gateway = config.start();
        Self { upstream, gateway, _refusing: refusing, _unreachable: unreachable }
    }

    /// What the cell of this row is, found by trying: status, outcome, and what became of the connection.
    fn run(&self, row: &Row, format: Format) -> String {
        let before = self.upstream.requests().len();
        let Seen { status, outcome, .. } = match format {
            Format::Single => self.request_among_others(row),
            Format::Json | Format::Xml | Format::Multipart | Format::Stream | Format::Bulk => {
                self.item_among_others(row, format)
            }
        };
        let requests = self.upstream.requests();
        let mut after = requests[before..].iter();
        let faulty: Vec<_> = after.clone().filter(|request| request.target == row.url()).collect();
        assert!(faulty.len() <= 1 || row.method == "GET", "{} was sent {} times", row.name, faulty.len());
        let connection = faulty.last().map(|request| request.connection);
        let later = after.by_ref().skip_while(|request| request.target != row.url());
        let later = later.filter(|request| request.target != row.url());
        let again = later.take(LOOKS).any(|request| Some(request.connection) == connection);
        let fate = connection.map_or("none", |connection| self.fate(connection, again));
        format!("{status} {outcome} {fate}")
    }

    fn fate(&self, connection: usize, used_again: bool) -> &'static str {
        let deadline = Deadline::after(CLOSING);
        while !used_again && !deadline.is_over() {
            if self.upstream.is_closed(connection) {
                return "closed";
            }
            thread::sleep(Duration::from_millis(2));
        }
        "kept"
    }

    /// The faulty item's result, in a sequence of good ones, all of which have to be answered as ever.
    fn item_among_others(&self, row: &Row, format: Format) -> Seen {
        let neighbours = if row.is_scripted() { row.folder.as_str() } else { "/patient" };
        let good = |name| ("POST", format!("{neighbours}/{name}"));
        let faulty = (row.method.as_str(), row.url());
        // The records of a bulk all go to one upstream.
        let alone = format == Format::Bulk && !row.is_scripted();
        let after = if alone { Vec::new() } else { vec![good("after"); LOOKS] };
        let before = (!alone).then(|| good("before"));
        let place = before.iter().len();
        let items: Vec<_> = before.into_iter().chain([faulty]).chain(after).collect();
        let mut seen = format.send(&self.gateway, &items);
        assert_eq!(seen.len(), items.len(), "{}", row.name);
        let faulty = seen.remove(place);
        let neighbours = items.iter().map(|(_, url)| url).filter(|url| **url != row.url());
        for (url, Seen { status, body, .. }) in neighbours.zip(&seen) {
            assert_eq!((*status, body), (200, url), "{} {format:?}: beside the fault", row.name);
        }
        faulty
    }

    /// The faulty request's reply. Those that follow it have to be answered as ever.
    fn request_among_others(&self, row: &Row) -> Seen {
        let seen = formats::single(&self.gateway, &row.method, &row.url());
        for look in 0..LOOKS {
            let url = format!("/patient/{look}");
            let url = if row.folder == "/hasty" { url.replace("patient", "hasty") } else { url };
            let good = formats::single(&self.gateway, "GET", &url);
            assert_eq!((good.status, good.body.as_str()), (200, url.as_str()), "after {}", row.name);
        }
        seen
    }
}
