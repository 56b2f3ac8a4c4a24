//! Writes the results of a batch as JSON (protocol §4.1; OData JSON Format 4.01 §19.3).
//!
//! Invariants: a body that is JSON is written as it came, never re-serialised; whatever the body,
//! the document is well-formed; a client can always get the body's exact bytes back, except for text
//! in a charset other than UTF-8, which it gets as characters.

use std::borrow::Cow;

use bytes::Bytes;

use super::conventions::{Base64Alphabet, JsonOutput};
use super::fields::{Lists, write_fields};
use super::result_body::{BodyForm, ToldBy, WrittenBody};
use super::strings::write as write_string;
use crate::batch::{GatewayMade, IdForm, ItemResult, ResultBody, Subject, Summary};
use crate::format::base64;
use crate::format::chunk_writer::ChunkWriter;
use crate::format::media::MediaType;
use crate::format::result_writer::{ReplyEnd, ResultWriter};

/// Before the value of a body.
const BODY: &[u8] = b",\"body\":";

/// What a reply in JSON is.
#[derive(Debug)]
enum Form {
    /// An object with the results in it, by these conventions.
    Document(JsonOutput),
    /// An array of results, each written by this.
    Array(fn(&mut ChunkWriter, ItemResult)),
}

/// Writes a reply in JSON.
#[derive(Debug)]
pub(crate) struct JsonWriter {
    output: ChunkWriter,
    form: Form,
    /// Written before the next result.
    separator: &'static [u8],
}

impl JsonWriter {
    /// An empty reply, by these conventions.
    pub(crate) fn new(conventions: JsonOutput) -> Self {
        Self { output: ChunkWriter::new(0), form: Form::Document(conventions), separator: b"" }
    }

    /// An empty reply that is an array, in the order of the request. `write` writes one result in the dialect's way.
    pub(crate) fn of_array(write: fn(&mut ChunkWriter, ItemResult)) -> Self {
        Self { output: ChunkWriter::new(0), form: Form::Array(write), separator: b"" }
    }
}

impl ResultWriter for JsonWriter {
    fn content_type(&self) -> Cow<'static, str> {
        "application/json".into()
    }

    fn begin(&mut self, expected: usize) {
        self.output = ChunkWriter::new(expected);
        self.output.put(match self.form {
            Form::Document(_) => b"{\"responses\":[".as_slice(),
            Form::Array(_) => b"[",
        });
    }

    fn put(&mut self, result: ItemResult) {
        self.output.put(self.separator);
        self.separator = b",";
        match &self.form {
            Form::Document(conventions) => write_item(&mut self.output, &result, conventions),
            Form::Array(write) => write(&mut self.output, result),
        }
    }

    fn end(&mut self, end: &ReplyEnd<'_>) {
        self.output.put(b"]");
        match &self.form {
            Form::Document(conventions) => {
                if conventions.own_members {
                    self.output.put(b",");
                    write_summary(&mut self.output, end.summary);
                    self.output.put(b"}");
                }
                self.output.put(b"}");
            }
            Form::Array(_) => {}
        }
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.output.take()
    }
}

/// Writes the member `summary`, but for the brace at its end.
pub(crate) fn write_summary(output: &mut ChunkWriter, summary: Summary) {
    output.put(b"\"summary\":{\"items\":");
    output.put_number(summary.items);
    output.put(b",\"failed\":");
    output.put_number(summary.failed);
}

/// Writes one result.
pub(crate) fn write_item(output: &mut ChunkWriter, result: &ItemResult, conventions: &JsonOutput) {
    output.put(b"{\"id\":");
    write_id(output, &result.subject);
    if let Some(group) = result.subject.form.group.as_ref().filter(|_| conventions.echoes_group) {
        output.put(b",\"atomicityGroup\":");
        write_string(output, group.as_str());
    }
    output.put(b",\"status\":");
    output.put_number(result.status.as_u16());
    let upstreams = match &result.body {
        ResultBody::Bytes(bytes) => {
            let told_by = if conventions.own_members { ToldBy::Encoding } else { ToldBy::MediaType };
            Some(WrittenBody::new(bytes, MediaType::from_fields(&result.headers), told_by))
        }
        ResultBody::Absent | ResultBody::Problem(_) => None,
    };
    let relabelled = upstreams.as_ref().and_then(|body| body.media_type);
    output.put(b",\"headers\":{");
    write_fields(output, result, conventions.error.media_type_of(result).or(relabelled), Lists::OfCookies);
    output.put(b"}");
    let form = upstreams.map_or(BodyForm::Absent, |body| body.form);
    let encoding = if let ResultBody::Problem(problem) = &result.body {
        output.put(BODY);
        (conventions.error.write)(output, problem);
        Encoding::None
    } else {
        write_body(output, form, conventions)
    };
    if conventions.own_members {
        write_own_members(output, result.gateway, result.retryable, encoding);
    }
    output.put(b"}");
}

fn write_own_members(
    output: &mut ChunkWriter,
    made: Option<GatewayMade>,
    retryable: bool,
    encoding: Encoding,
) {
    if let Some(made) = made {
        output.put(b",\"outcome\":\"");
        output.put(made.outcome.as_str().as_bytes());
        output.put(b"\"");
    }
    if retryable {
        output.put(b",\"retryable\":true");
    }
    if encoding == Encoding::Base64 {
        output.put(b",\"encoding\":\"base64\"");
    }
}

/// An id that was an integer is an integer again, with all its digits.
fn write_id(output: &mut ChunkWriter, subject: &Subject) {
    match subject.form.id {
        IdForm::Number => output.put(subject.id.as_str().as_bytes()),
        IdForm::Position | IdForm::Plain | IdForm::Bracketed => write_string(output, subject.id.as_str()),
    }
}

/// How a body is encoded in its member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// As JSON or as text.
    None,
    /// In base64.
    Base64,
}

/// Writes the member of an upstream's body. Returns its encoding.
fn write_body(output: &mut ChunkWriter, form: BodyForm<'_>, conventions: &JsonOutput) -> Encoding {
    match form {
        BodyForm::Absent => output.put(conventions.absent_body),
        BodyForm::Json(value) => {
            output.put(BODY);
            output.put_shared(value);
        }
        BodyForm::Text(text) => {
            output.put(BODY);
            write_string(output, &text);
        }
        BodyForm::Base64(bytes) => {
            output.put(BODY);
            write_base64(output, bytes, conventions.base64);
            return Encoding::Base64;
        }
    }
    Encoding::None
}

fn write_base64(output: &mut ChunkWriter, bytes: &[u8], alphabet: Base64Alphabet) {
    output.put(b"\"");
    match alphabet {
        Base64Alphabet::Standard => base64::write(output, bytes),
        Base64Alphabet::UrlSafe => base64::write_url_safe(output, bytes),
    }
    output.put(b"\"");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderName, HeaderValue, Method, StatusCode};
    use serde_json::{Value, json};

    use super::*;
    use crate::batch::{ItemForm, ItemId, MultiStatus, OutcomeKind, Problem, ProxyError};
    use crate::format::json::ErrorForm;
    use crate::format::json::result_body::MAX_EMBEDDED_DEPTH;
    use crate::format::write_all;
    use crate::header::spelling::Spellings;

    fn result(fields: &[(&'static str, &[u8])], body: ResultBody) -> ItemResult {
        let field = |(name, value): &(&'static str, &[u8])| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
        };
        ItemResult {
            subject: Subject {
                id: ItemId::from("a\"\n"),
                method: Method::GET,
                href: "/a".into(),
                form: ItemForm::default(),
            },
            status: StatusCode::OK,
            headers: fields.iter().map(field).collect(),
            body,
            spellings: Spellings::default(),
            gateway: None,
            retryable: false,
            retry_after: None,
        }
    }

    fn upstream(media_type: &'static str, body: &[u8]) -> ItemResult {
        result(&[("content-type", media_type.as_bytes())], ResultBody::Bytes(Bytes::copy_from_slice(body)))
    }

    fn written_by(conventions: JsonOutput, results: Vec<ItemResult>) -> Vec<Bytes> {
        write_all(Box::new(JsonWriter::new(conventions)), MultiStatus { results }).chunks
    }

    fn text(results: Vec<ItemResult>) -> String {
        String::from_utf8(written_by(JsonOutput::default(), results).concat()).unwrap()
    }

    fn item(result: ItemResult) -> Value {
        let mut document: Value = serde_json::from_str(&text(vec![result])).unwrap();
        document["responses"][0].take()
    }

    #[test]
    fn the_document_is_that_of_the_protocol() {
        let mut failed = upstream("text/plain", b"no\n");
        failed.status = StatusCode::NOT_FOUND;
        let expected = concat!(
            r#"{"responses":[{"id":"a\"\n","status":200,"headers":{"Content-Type":"application/json"},"body": {"x": 1.0} },"#,
            r#"{"id":"a\"\n","status":404,"headers":{"Content-Type":"text/plain"},"body":"no\n"}],"#,
            r#""summary":{"items":2,"failed":1}}"#,
        );
        assert_eq!(text(vec![upstream("application/json", br#" {"x": 1.0} "#), failed]), expected);
        assert_eq!(text(Vec::new()), r#"{"responses":[],"summary":{"items":0,"failed":0}}"#);
    }

    #[test]
    fn what_the_gateway_made_says_so() {
        let problem = Problem {
            kind: "urn:x",
            title: "Too slow",
            status: StatusCode::GATEWAY_TIMEOUT,
            detail: "a \"detail\"".into(),
            place: None,
        };
        let mut made = result(
            &[("proxy-status", b"x"), ("content-type", b"text/x")],
            ResultBody::Problem(Box::new(problem)),
        );
        made.status = StatusCode::GATEWAY_TIMEOUT;
        made.gateway =
            Some(GatewayMade { outcome: OutcomeKind::NotSent, error: ProxyError("connection_timeout") });
        made.retryable = true;
        made.retry_after = Some(Duration::from_secs(1));
        let expected = json!({
            "id": "a\"\n", "status": 504,
            "headers": {"Content-Type": "application/problem+json", "Proxy-Status": "x"},
            "body": {
                "type": "urn:x", "title": "Too slow", "status": 504, "detail": "a \"detail\"",
                "error": {"code": 504, "message": "a \"detail\""},
            },
            "outcome": "not_sent", "retryable": true,
        });
        assert_eq!(item(made), expected);
    }

    #[test]
    fn fields_that_occur_twice_are_joined_but_cookies_are_listed() {
        let fields: [(&str, &[u8]); 6] = [
            ("set-cookie", b"a=1"),
            ("vary", b"a"),
            ("etag", b"\"1\""),
            ("vary", b"b"),
            ("set-cookie", b"b=2"),
            ("x-a", b"\xe9\xff"),
        ];
        let found = item(result(&fields, ResultBody::Absent));
        let expected = json!({"Set-Cookie": ["a=1", "b=2"], "Vary": "a, b", "ETag": "\"1\"", "X-A": "éÿ"});
        assert_eq!(found["headers"], expected);
        assert_eq!(found.get("body"), None);
        let single = item(result(&[("set-cookie", b"a=1")], ResultBody::Absent));
        assert_eq!(single["headers"], json!({"Set-Cookie": "a=1"}));
        let bare = item(result(&[], ResultBody::Absent));
        assert_eq!(bare["headers"], json!({}));
    }

    #[test]
    fn a_dialect_may_have_a_body_in_every_result() {
        let error = ErrorForm::PROBLEM;
        let graph = JsonOutput { absent_body: b",\"body\":null", ..JsonOutput::interoperable(error) };
        let results = vec![result(&[], ResultBody::Absent)];
        let written = written_by(graph, results).concat();
        let expected = r#"{"responses":[{"id":"a\"\n","status":200,"headers":{},"body":null}]}"#;
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn an_id_that_was_a_number_is_one_again() {
        let mut numbered = result(&[], ResultBody::Absent);
        numbered.subject.id = "123456789012345678901234567890".into();
        numbered.subject.form.id = IdForm::Number;
        assert!(text(vec![numbered]).starts_with(r#"{"responses":[{"id":123456789012345678901234567890,"#));
    }

    #[test]
    fn bodies_follow_their_media_type() {
        let cases: [(&str, &[u8], Value, bool); 16] = [
            ("application/json", b"null", Value::Null, false),
            ("application/hal+json; charset=utf-8", b"[1,\"x\"]", json!([1, "x"]), false),
            ("application/json", b"\xef\xbb\xbf{}", json!({}), false),
            ("application/json", b"", json!(""), true),
            ("application/json", b"{]", json!("e10="), true),
            ("application/json", b"1 2", json!("MSAy"), true),
            ("application/json", b"\"\xff\"", json!("Iv8i"), true),
            ("text/plain", b"", json!(""), false),
            ("text/html", "é<\0".as_bytes(), json!("é<\0"), false),
            ("text/plain", b"\xe9", json!("6Q=="), true),
            ("text/plain; charset=iso-8859-1", b"\xe9", json!("é"), false),
            ("text/plain; charset=klingon", b"a", json!("YQ=="), true),
            ("application/atom+xml", b"<a/>", json!("<a/>"), false),
            ("application/x-www-form-urlencoded", b"a=b", json!("a=b"), false),
            ("application/octet-stream", b"\0\x01", json!("AAE="), true),
            ("x", b"a", json!("YQ=="), true),
        ];
        for (media_type, body, expected, encoded) in cases {
            let item = item(upstream(media_type, body));
            assert_eq!(item["body"], expected, "{media_type} {body:?}");
            assert_eq!(item.get("encoding").is_some(), encoded, "{media_type} {body:?}");
        }
        let item = item(result(&[], ResultBody::Bytes(Bytes::from_static(b"a"))));
        assert_eq!((&item["body"], &item["encoding"]), (&json!("YQ=="), &json!("base64")));
    }

    #[test]
    fn json_that_strict_readers_refuse_is_not_embedded() {
        for body in [r#"["\ud800"]"#, r#"{"\udc00\ud800":1}"#, "[-1e999]", &"9".repeat(400)] {
            let item = item(upstream("application/json", body.as_bytes()));
            assert_eq!(item["encoding"], "base64", "{body}");
        }
        for body in [r#"["\ud83d\ude00","\\ud800"]"#, "[1e308,-1e-999]", r#"{"e":"1e999"}"#] {
            let item = item(upstream("application/json", body.as_bytes()));
            assert!(item.get("encoding").is_none(), "{body}");
        }
    }

    #[test]
    fn json_that_nests_too_deep_is_not_embedded() {
        let nested = |depth| [b"[".repeat(depth), b"]".repeat(depth)].concat();
        let fine = item(upstream("application/json", &nested(MAX_EMBEDDED_DEPTH)));
        assert!(fine["body"].is_array());
        let deep = item(upstream("application/json", &nested(MAX_EMBEDDED_DEPTH + 1)));
        assert!(deep["body"].is_string() && deep["encoding"] == "base64");
        assert!(item(upstream("application/json", &nested(1_000_000)))["body"].is_string());
    }

    #[test]
    fn large_json_is_shared_with_the_upstream() {
        let body = Bytes::from(format!("\"{}\"", "x".repeat(100_000)));
        let result = result(&[("content-type", b"application/json")], ResultBody::Bytes(body.clone()));
        let chunks = written_by(JsonOutput::default(), vec![result]);
        assert_eq!(chunks.len(), 3);
        assert_eq!(chunks[1].as_ptr(), body.as_ptr());
    }
}
