//! Judges of a multistatus that know nothing of the gateway: RFC 4918's grammar by lxml, and the
//! webdav4 client library.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::programs::{python, test_file};

/// What the judges saw: one object for each `DAV:response`, as `python/multistatus.py` prints them.
#[derive(Clone, Debug)]
pub(crate) struct Judged(Vec<Value>);

/// Has a multistatus judged.
///
/// # Panics
/// When it breaks RFC 4918, or webdav4 can't read it; with what the judge says.
pub(crate) fn judge(document: &[u8]) -> Judged {
    let mut judge = Command::new(python());
    judge.arg(test_file("python/multistatus.py"));
    judge.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = judge.spawn().unwrap();
    child.stdin.take().unwrap().write_all(document).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(document));
    Judged(serde_json::from_slice(&output.stdout).unwrap())
}

impl Judged {
    /// The response of this href; a trailing slash makes no difference.
    pub(crate) fn response(&self, href: &str) -> &Value {
        let same = |response: &&Value| bare(response["href"].as_str().unwrap()) == bare(href);
        self.0.iter().find(same).unwrap_or_else(|| panic!("no response has {href}: {:?}", self.0))
    }

    /// The status of the response of this href, without the protocol.
    pub(crate) fn status(&self, href: &str) -> u16 {
        let line = self.response(href)["status"].as_str().unwrap_or_else(|| panic!("{href} has no status"));
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The item with this id, wherever it stands.
    pub(crate) fn item(&self, id: &str) -> &Value {
        let items = self.0.iter().filter_map(|response| response["items"].as_array()).flatten();
        let mut found = items.filter(|item| item["id"] == id);
        let item = found.next().unwrap_or_else(|| panic!("no item {id}: {:?}", self.0));
        assert!(found.next().is_none(), "the item {id} stands twice");
        item
    }

    /// The hrefs in order.
    pub(crate) fn hrefs(&self) -> Vec<&str> {
        self.0.iter().map(|response| response["href"].as_str().unwrap()).collect()
    }
}

fn bare(href: &str) -> &str {
    href.trim_end_matches('/')
}
