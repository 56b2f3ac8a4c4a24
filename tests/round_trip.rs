//! What the gateway writes, parsers of others read back: the same ids, statuses, fields and bytes, in each
//! format, whatever upstreams answer and clients call their items.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::harness::programs::{program, python, test_file};
use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Gateway, Reply, Request, Upstream};

/// Items of a batch; each has a reply of its own.
const ITEMS: usize = 120;

#[test]
fn json_that_strict_parsers_refuse_costs_its_item_only() {
    let upstream = Upstream::start();
    upstream.on("/half", Answer::json(200, r#"{"a":"\ud800"}"#)).on("/large", Answer::json(200, "[1e999]"));
    let items = ["/half", "/large"].map(|url| json!({"method": "GET", "url": url}));
    let reply = Gateway::before(&upstream).batch(&json!({ "requests": items }));
    let mut php = Command::new(program("php"));
    php.args([
        "-r",
        "echo count(json_decode(stream_get_contents(STDIN), false, 512, JSON_THROW_ON_ERROR)->responses);",
    ]);
    let mut child = php.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&reply.body).unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"2", "{}", reply.text());
    let decoded: Vec<_> = reply
        .results()
        .iter()
        .map(|result| STANDARD.decode(result["body"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(decoded, [br#"{"a":"\ud800"}"#.as_slice(), b"[1e999]"]);
}

/// Ids that some format has to escape, or could take for its own.
const IDS: [&str; 12] = [
    "\"quoted\" \\back\\slashed\\",
    "<a>&amp;]]></b:item>",
    "'--b--'",
    "Łukasz & Søn 日本 😀",
    "\u{2028}line\u{2029}\u{ad}",
    "{$responses.1.status}",
    "}{\"id\":\"x\"},",
    "right to left \u{202e}abc",
    "=?utf-8?q?no=20word?=",
    "a; b=\"c\", d",
    "%00%0d%0a",
    "<response-1>",
];

/// Values of fields that some format has to escape, or could take for its own.
const VALUES: [&[u8]; 11] = [
    b"\"quoted\", \\ and \t a tab",
    b"</b:header><b:item id=\"x\">&lt;&amp;",
    b"--batchresponse_; boundary=b",
    "Łukasz & Søn 😀".as_bytes(),
    b"\xe9\xe8 in ISO-8859-1 \xff",
    b"",
    b"\"}],\"responses\":[]",
    b"=?utf-8?b?AAAA?=",
    "\u{85}\u{2028}\u{feff}\u{ad}".as_bytes(),
    b"Content-Length: 0, HTTP/1.1 200 OK",
    b"a, b;c=\"d,e\"",
];

const STATUSES: [u16; 8] = [200, 201, 206, 299, 404, 418, 500, 599];

/// What an upstream answers, and so what has to be read back.
struct Answered {
    status: u16,
    content_type: Option<&'static str>,
    value: &'static [u8],
    body: Vec<u8>,
}

impl Answered {
    /// The reply to the item at this place: always the same, so that both sides know it.
    fn to(item: usize) -> Self {
        let mut random = StdRng::seed_from_u64(u64::try_from(item).unwrap());
        let bytes = |random: &mut StdRng| -> Vec<u8> {
            let length = random.random_range(0..if item.is_multiple_of(10) { 70_000 } else { 300 });
            (0..length).map(|_| random.random()).collect()
        };
        let text = |random: &mut StdRng| -> String {
            let pieces = ["\r\n", "\r", "\n--b--\r\n", "]]>", "&lt;", "\"\\", "\u{2028}", "😀", "\t", "x"];
            // What XML can't carry sends the whole body in base64: not all of them have it.
            let unfit = if random.random_ratio(1, 4) { "\u{1}" } else { "" };
            unfit.to_owned()
                + &(0..random.random_range(0..40))
                    .map(|_| pieces[random.random_range(0..pieces.len())])
                    .collect::<String>()
        };
        let (content_type, body) = match item % 8 {
            0 => (Some("application/octet-stream"), bytes(&mut random)),
            1 => (None, bytes(&mut random)),
            2 => (Some("application/json"), bytes(&mut random)),
            3 => {
                let value = json!({"a": [text(&mut random), 1.5e-9, null]});
                // Over many lines, as servers like to write it.
                (Some("application/json"), format!("\r\n{value:#}\n\n").into())
            }
            4 => (Some("text/plain; charset=utf-8"), text(&mut random).into()),
            5 => (Some("text/xml"), format!("<a>{}</a>", text(&mut random)).into()),
            6 => (Some("multipart/mixed; boundary=b"), text(&mut random).into()),
            _ => (Some("text/plain"), bytes(&mut random)),
        };
        let status = STATUSES[item % STATUSES.len()];
        Self { status, content_type, value: VALUES[item % VALUES.len()], body }
    }

    fn answer(&self) -> Answer {
        let mut raw = format!("HTTP/1.1 {} x\r\nContent-Length: {}\r\n", self.status, self.body.len());
        raw.extend(self.content_type.map(|content_type| format!("Content-Type: {content_type}\r\n")));
        let field = [b"X-Hostile: ", self.value, b"\r\n\r\n"].concat();
        Answer::raw_kept([raw.as_bytes(), &field, &self.body].concat())
    }

    /// The field's value as text: what is no UTF-8 is ISO-8859-1.
    fn text(&self) -> String {
        let latin = || self.value.iter().copied().map(char::from).collect();
        std::str::from_utf8(self.value).map_or_else(|_| latin(), str::to_owned)
    }
}

fn id(item: usize) -> String {
    format!("{item}{}{item}", IDS[item % IDS.len()])
}

fn items() -> Vec<Value> {
    (0..ITEMS).map(|item| json!({"id": id(item), "method": "GET", "url": format!("/{item}")})).collect()
}

fn send(request: &Request) -> Reply {
    let upstream = Upstream::answering(|request: &Recorded| {
        Answered::to(request.target.trim_start_matches('/').parse().unwrap()).answer()
    });
    let reply = Gateway::before(&upstream).send(request);
    assert_eq!(reply.status, 207);
    reply
}

/// The results in the order of their items, as Python reads them.
fn read(format: &str, reply: &Reply) -> Vec<Value> {
    let mut reader = Command::new(python());
    reader.arg(test_file("python/read_reply.py")).arg(format);
    let mut reader = reader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let head = format!("Content-Type: {}\r\n\r\n", reply.header("Content-Type").unwrap());
    reader.stdin.take().unwrap().write_all(&[head.as_bytes(), &reply.body].concat()).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "Python can't read the reply in {format}");
    let mut results: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    results.sort_by_key(|result| (0..ITEMS).position(|item| result["id"] == id(item)));
    results
}

fn check(format: &str, reply: &Reply) {
    let results = read(format, reply);
    assert_eq!(results.len(), ITEMS);
    for (item, result) in results.iter().enumerate() {
        let expected = Answered::to(item);
        assert_eq!((&result["id"], &result["status"]), (&json!(id(item)), &json!(expected.status)));
        assert_eq!(result["fields"]["X-Hostile"], expected.text(), "{result}");
        assert_eq!(result["fields"]["Content-Type"].as_str(), expected.content_type);
        match result.get("value") {
            Some(value) => assert_eq!(*value, serde_json::from_slice::<Value>(&expected.body).unwrap()),
            None => assert_eq!(result["body"], STANDARD.encode(&expected.body), "item {item}"),
        }
    }
}

fn accepting(media_type: &str) -> Reply {
    send(&Request::batch(&json!({"requests": items()})).header("Accept", media_type))
}

#[test]
fn json_comes_back() {
    check("json", &accepting("application/json"));
}

#[test]
fn xml_comes_back() {
    check("xml", &accepting("application/xml"));
}

#[test]
fn multipart_comes_back() {
    check("multipart", &accepting("multipart/mixed"));
}

#[test]
fn lines_come_back_whole_and_as_a_stream() {
    check("ndjson", &accepting("application/x-ndjson"));
    let lines: String = items().iter().flat_map(|item| [item.to_string(), "\n".to_owned()]).collect();
    check("ndjson", &send(&Request::lines(lines)));
}
