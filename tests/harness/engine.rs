//! The engine of a whole run of the tests: with `BATCHGATE_TEST_ENGINE`, every upstream that [`Config`](super::Config) writes
//! is asked over another one than its test says.
//!
//! - `pipeline`: requests leave ahead of the replies, unless the test says how itself.
//! - `http2`: a target that speaks HTTP/1.1 on loopback is reached over HTTP/2, by a front that speaks HTTP/1.1 to it.
//!
//! A test that is about the engine that it names, about single connections, or about bytes that only one version of HTTP has,
//! can't hold then: `tests/engines.txt` lists those, with the reason for each.

use std::env;
use std::net::SocketAddr;
use std::sync::OnceLock;

use super::http2::front;

/// The engine that the run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    AsWritten,
    Pipeline,
    Http2,
}

impl Engine {
    fn of_run() -> Self {
        static ENGINE: OnceLock<Engine> = OnceLock::new();
        *ENGINE.get_or_init(|| Self::named(&env::var("BATCHGATE_TEST_ENGINE").unwrap_or_default()))
    }

    fn named(name: &str) -> Self {
        match name {
            "" => Self::AsWritten,
            "pipeline" => Self::Pipeline,
            "http2" => Self::Http2,
            other => panic!("BATCHGATE_TEST_ENGINE is {other}, and can be pipeline or http2"),
        }
    }

    fn rewrite(self, members: &str) -> String {
        match self {
            Self::AsWritten => members.to_owned(),
            Self::Pipeline if members.contains("pipeline:") || members.contains("h2c://") => {
                members.to_owned()
            }
            Self::Pipeline => format!("{members}, pipeline: {{}}"),
            Self::Http2 => with_fronts(members),
        }
    }
}

/// The members of an upstream, for the engine of this run.
pub(super) fn for_this_run(members: &str) -> String {
    Engine::of_run().rewrite(members)
}

/// Replaces each `http://127.0.0.1:PORT` by a front of that service.
fn with_fronts(members: &str) -> String {
    const LOCAL: &str = "http://127.0.0.1:";
    let mut parts = members.split(LOCAL);
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(part.len());
        let (port, rest) = part.split_at(end);
        let service = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
        written.extend([&format!("h2c://{}", front::before(service)), rest]);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Engine;
    use crate::harness::programs::test_file;

    /// A test that has another name by now would be left out no more, and nobody would know why it was.
    #[test]
    fn the_tests_that_other_engines_leave_out_are_there_and_have_reasons() {
        let list = fs::read_to_string(test_file("engines.txt")).unwrap();
        let lines: Vec<&str> =
            list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert!(!lines.is_empty());
        for line in lines {
            let [engine, test, reason] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            assert_ne!(Engine::named(engine), Engine::AsWritten, "{line}");
            assert!(!reason.is_empty(), "{line}");
            let (module, name) = test.rsplit_once("::").unwrap();
            let source = test_file(&format!("{}.rs", module.replace("::", "/")));
            let source = fs::read_to_string(source).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(source.contains(&format!("fn {name}(")), "{line}");
        }
    }

    #[test]
    fn an_upstream_gets_the_engine_of_the_run_unless_it_has_one() {
        let (plain, h2) = ("targets: [http://127.0.0.1:1], weight: 2", "targets: [h2c://127.0.0.1:1]");
        let rows = [
            ("", plain, plain.to_owned()),
            ("pipeline", plain, format!("{plain}, pipeline: {{}}")),
            ("pipeline", "pipeline: { depth: 2 }", "pipeline: { depth: 2 }".to_owned()),
            ("pipeline", h2, h2.to_owned()),
            ("http2", h2, h2.to_owned()),
            ("http2", "targets: [\"unix:/a\"]", "targets: [\"unix:/a\"]".to_owned()),
        ];
        for (engine, members, expected) in rows {
            assert_eq!(Engine::named(engine).rewrite(members), expected, "{engine}");
        }
        let fronted = Engine::Http2.rewrite(plain);
        assert!(fronted.starts_with("targets: [h2c://127.0.0.1:") && fronted.ends_with("], weight: 2"));
    }
}
