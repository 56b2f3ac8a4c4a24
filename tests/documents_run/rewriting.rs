//! Ports of documents: each number that a document names becomes a free port, the same one wherever it stands, and
//! what programs print is turned back. Ports have four digits, as the documents' have, so that places and lengths that
//! documents show hold.

use std::cell::RefCell;

use crate::harness::ports::free_ports_in_a_row;

/// What stands before the number of a port.
const BEFORE_PORTS: [&str; 7] =
    ["127.0.0.1:", "0.0.0.0:", "localhost:", "[::1]:", "--port ", "--port=", "/dev/tcp/127.0.0.1/"];

/// The ports of `batchgate demo` without `--port`, in the order in which `--port N` has them.
const DEMO_PORTS: [u16; 3] = [8080, 8081, 9901];

/// The ports of one document: as it names them, and as they are.
#[derive(Debug)]
pub(super) struct PortMap(RefCell<Vec<(u16, u16)>>);

impl PortMap {
    /// For a document. `--port N` needs N and the two numbers after it, which the document may name earlier.
    pub(super) fn of_document(text: &str) -> Self {
        let ports = Self(RefCell::new(Vec::new()));
        ports.add_row(DEMO_PORTS);
        for (at, before) in text.match_indices("--port ") {
            if let Some((first, _)) = number(&text[at + before.len()..]) {
                ports.add_row([first, first + 1, first + 2]);
            }
        }
        ports
    }

    /// The port that stands for a number.
    pub(super) fn real(&self, documented: u16) -> u16 {
        if let Some((_, real)) = self.0.borrow().iter().find(|(own, _)| *own == documented) {
            return *real;
        }
        let real = free_ports_in_a_row(1);
        self.0.borrow_mut().push((documented, real));
        real
    }

    /// Says which port stands for a number.
    pub(super) fn set(&self, documented: u16, real: u16) {
        self.0.borrow_mut().retain(|(own, _)| *own != documented);
        self.0.borrow_mut().push((documented, real));
    }

    /// A text with the ports that are, on loopback only. A bare `batchgate demo` gets its three ports.
    pub(super) fn rewrite(&self, text: &str) -> String {
        let demo = format!("batchgate demo --port {}", self.real(DEMO_PORTS[0]));
        let mut rewritten = String::new();
        for line in text.split_inclusive('\n') {
            let is_bare_demo = line.contains("batchgate demo") && !line.contains("--port");
            let line = self.rewrite_numbers(line);
            rewritten += &if is_bare_demo { line.replace("batchgate demo", &demo) } else { line };
        }
        rewritten.replace("0.0.0.0:", "127.0.0.1:")
    }

    fn rewrite_numbers(&self, text: &str) -> String {
        let mut rewritten = String::new();
        let mut rest = text;
        while let Some((at, before)) = first_of(rest, &BEFORE_PORTS) {
            let after = at + before.len();
            rewritten += &rest[..after];
            rest = &rest[after..];
            if let Some((port, digits)) = number(rest) {
                rewritten += &self.real(port).to_string();
                rest = &rest[digits..];
            }
        }
        rewritten + rest
    }

    /// What a program has printed, with the numbers that the document has.
    pub(super) fn back(&self, printed: &str) -> String {
        let mut text = String::new();
        for piece in printed.split_inclusive(|c: char| !c.is_ascii_digit()) {
            let digits = piece.trim_end_matches(|c: char| !c.is_ascii_digit());
            let known = digits.parse().ok().and_then(|real: u16| {
                self.0.borrow().iter().find(|(_, own)| *own == real).map(|(documented, _)| *documented)
            });
            match known {
                Some(documented) => text += &piece.replacen(digits, &documented.to_string(), 1),
                None => text += piece,
            }
        }
        text
    }

    fn add_row(&self, documented: [u16; 3]) {
        if self.0.borrow().iter().any(|(own, _)| documented.contains(own)) {
            return;
        }
        let first = free_ports_in_a_row(3);
        self.0.borrow_mut().extend((first..).zip(documented).map(|(real, documented)| (documented, real)));
    }
}

/// The first of several words in a text, and which one it is.
fn first_of<'a>(text: &str, words: &[&'a str]) -> Option<(usize, &'a str)> {
    words.iter().filter_map(|word| Some((text.find(word)?, *word))).min_by_key(|(at, _)| *at)
}

/// The number at the beginning of a text, and how many digits it has.
fn number(text: &str) -> Option<(u16, usize)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, digits))
}

#[test]
fn ports_are_rewritten_and_turned_back() {
    let ports = PortMap::of_document("batchgate demo --port 7000");
    let text = "http://127.0.0.1:7001/a 0.0.0.0:8080 x:7001";
    let (second, gateway) = (ports.real(7000) + 1, ports.real(8080));
    let rewritten = ports.rewrite(text);
    assert_eq!(rewritten, format!("http://127.0.0.1:{second}/a 127.0.0.1:{gateway} x:7001"));
    assert_eq!(ports.back(&format!("a {second}, {gateway}0\n")), format!("a 7001, {gateway}0\n"));
    assert_eq!(ports.rewrite("batchgate demo --once"), format!("batchgate demo --port {gateway} --once"));
}
