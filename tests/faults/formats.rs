//! The formats that a fault is tried in: how items are sent, and what each says of the results.

use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, Request};

/// A way to send calls to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Xml,
    Multipart,
    Stream,
    Bulk,
    Single,
}

/// What a client sees of a call.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) status: u16,
    /// `answered`, `unknown`, `not_sent`; of a proxied reply `cut` or `endless` too.
    pub(super) outcome: String,
    pub(super) body: String,
}

/// A method and a url.
pub(super) type Item<'a> = (&'a str, String);

impl Format {
    /// The place of its column among the formats of the table.
    pub(super) const fn column(self) -> usize {
        match self {
            Self::Json => 0,
            Self::Xml => 1,
            Self::Multipart => 2,
            Self::Stream => 3,
            Self::Bulk => 4,
            Self::Single => 5,
        }
    }

    /// Whether a call leaves its connection to the pool, and not to the next call of its channel.
    pub(super) const fn uses_the_pool(self) -> bool {
        match self {
            Self::Json | Self::Xml | Self::Multipart | Self::Bulk => false,
            Self::Stream | Self::Single => true,
        }
    }

    /// Sends the items one after the other; gives their results in that order.
    pub(super) fn send(self, gateway: &Gateway, items: &[Item<'_>]) -> Vec<Seen> {
        let request = match self {
            Self::Json => Request::batch(&json!({"requests": as_json(items)})),
            Self::Xml => Request::xml_batch(&as_xml(items)),
            Self::Multipart => Request::post("/batch", "multipart/mixed; boundary=b", as_multipart(items)),
            Self::Stream => Request::lines(as_lines(items)),
            Self::Bulk => as_bulk(items),
            Self::Single => panic!("that is no batch"),
        };
        let reply = gateway.send(&request.header("Prefer", "order=sequential"));
        assert!([200, 207].contains(&reply.status), "{}", String::from_utf8_lossy(&reply.body));
        match self {
            Self::Json | Self::Bulk => reply.results().iter().map(of_json).collect(),
            Self::Xml => of_xml(&reply.text()),
            Self::Multipart => of_multipart(&reply),
            Self::Stream => of_lines(&reply),
            Self::Single => Vec::new(),
        }
    }
}

fn as_json(items: &[Item<'_>]) -> Vec<Value> {
    items.iter().map(|(method, url)| json!({"method": method, "url": url})).collect()
}

fn as_xml(items: &[Item<'_>]) -> String {
    let item = |(method, url): &Item<'_>| format!("<request method=\"{method}\" href=\"{url}\"/>");
    format!("<batch>{}</batch>", items.iter().map(item).collect::<Vec<_>>().concat())
}

fn as_multipart(items: &[Item<'_>]) -> String {
    let part = |(method, url): &Item<'_>| {
        format!("--b\r\nContent-Type: application/http\r\n\r\n{method} {url} HTTP/1.1\r\n\r\n\r\n")
    };
    items.iter().map(part).collect::<Vec<_>>().concat() + "--b--\r\n"
}

fn as_lines(items: &[Item<'_>]) -> String {
    as_json(items).iter().map(|item| format!("{item}\n")).collect::<Vec<_>>().concat()
}

/// The method of a bulk is that of all its records: the faulty one's.
fn as_bulk(items: &[Item<'_>]) -> Request {
    let folder = items[0].1.rsplit_once('/').unwrap().0;
    let id = |url: &str| url.rsplit('/').next().unwrap().to_owned();
    if items.iter().any(|(method, _)| *method == "GET") {
        let ids: Vec<_> = items.iter().map(|(_, url)| format!("id={}", id(url))).collect();
        return Request::get(&format!("{folder}?{}", ids.join("&")));
    }
    let records: Vec<_> = items.iter().map(|(_, url)| json!({"id": id(url)})).collect();
    Request::post(folder, "application/json", json!(records).to_string())
}

fn of_json(result: &Value) -> Seen {
    Seen {
        status: result["status"].as_u64().unwrap().try_into().unwrap(),
        outcome: result["outcome"].as_str().unwrap_or("answered").to_owned(),
        body: result["body"].as_str().unwrap_or_default().to_owned(),
    }
}

fn of_lines(reply: &Reply) -> Vec<Seen> {
    let mut lines = reply.lines();
    let summary = lines.pop().unwrap();
    assert_eq!(summary["summary"]["items"], lines.len(), "{summary}");
    lines.iter().map(of_json).collect()
}

fn of_xml(document: &str) -> Vec<Seen> {
    let items = document.split("<b:item ").skip(1).map(|item| item.split("</b:item>").next().unwrap());
    let mut items: Vec<_> = items.map(|item| (attribute(item, "id").unwrap().to_owned(), item)).collect();
    items.sort();
    let seen = |(_, item): (String, &str)| Seen {
        status: attribute(item, "status").unwrap().parse().unwrap(),
        outcome: attribute(item, "outcome").unwrap_or("answered").to_owned(),
        body: between(item, "<b:body", "</b:body>")
            .and_then(|body| body.split_once('>'))
            .map_or("", |body| body.1)
            .to_owned(),
    };
    items.into_iter().map(seen).collect()
}

/// An attribute of the tag whose inside this text begins with.
fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    between(text.split('>').next()?, &format!("{name}=\""), "\"")
}

fn of_multipart(reply: &Reply) -> Vec<Seen> {
    let boundary = reply.header("Content-Type").unwrap().split_once("boundary=").unwrap().1.trim_matches('"');
    let (text, delimiter) = (reply.text(), format!("--{boundary}\r\n"));
    let message = |part: &str| {
        let message = part.split_once("\r\n\r\n").unwrap().1;
        of_message(message.split(&format!("\r\n--{boundary}")).next().unwrap())
    };
    text.split(&delimiter).skip(1).map(message).collect()
}

/// A reply as bytes; its outcome stands in Proxy-Status where the gateway made it.
fn of_message(message: &str) -> Seen {
    let (head, body) = message.split_once("\r\n\r\n").unwrap_or((message, ""));
    let outcome = between(head, "outcome=", "\r\n").unwrap_or("answered");
    let outcome = outcome.split([';', '"', ',']).find(|word| !word.is_empty()).unwrap();
    Seen {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        outcome: outcome.to_owned(),
        body: body.trim_end_matches("\r\n").to_owned(),
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = text.split_once(start)?.1;
    Some(rest.split(end).next().unwrap_or(rest))
}

/// What a client reads of an endless reply before it leaves.
const LARGE: usize = 1 << 20;

/// Sends a proxied request.
pub(super) fn single(gateway: &Gateway, method: &str, url: &str) -> Seen {
    let mut client = gateway.connect();
    let request = Request::new(method, url).header("Connection", "close");
    let request = if method == "POST" { request.body("") } else { request };
    client.write(&request.to_bytes(gateway.address()));
    let bytes = without_interim(client.rest_up_to(LARGE));
    let head_ends = memchr::memmem::find(&bytes, b"\r\n\r\n").unwrap() + 4;
    let (head, body) = bytes.split_at(head_ends);
    let head = String::from_utf8(head.to_vec()).unwrap();
    assert!(head.trim_end().split("\r\n").skip(1).all(|line| line.contains(": ")), "{head}");
    let mut seen = of_message(&format!("{head}{}", String::from_utf8_lossy(body)));
    let fields = head.to_ascii_lowercase();
    let is_cut = match between(&fields, "content-length: ", "\r\n") {
        Some(claimed) if method != "HEAD" && seen.status != 304 => body.len().to_string() != claimed,
        Some(_) => false,
        None => fields.contains("transfer-encoding: chunked") && !body.ends_with(b"0\r\n\r\n"),
    };
    if is_cut {
        let word = if body.len() >= LARGE / 2 { "endless" } else { "cut" };
        word.clone_into(&mut seen.outcome);
    }
    seen
}

/// What follows the interim replies.
fn without_interim(mut bytes: Vec<u8>) -> Vec<u8> {
    while bytes.starts_with(b"HTTP/1.1 10") && !bytes.starts_with(b"HTTP/1.1 101") {
        let end = memchr::memmem::find(&bytes, b"\r\n\r\n").unwrap() + 4;
        bytes.drain(..end);
    }
    bytes
}
