//! The ways a call takes through the gateway: in what it comes in, and in which version of HTTP. Whatever the way,
//! a test asks for the same and reads the same.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::http2::{Call, Http2Client};
use crate::harness::{Gateway, Request};

/// Fields by name and value, in order.
pub(super) type Fields = Vec<(String, String)>;

/// In what a call comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A request that is not a batch.
    Single,
    /// An item of a batch in JSON.
    Item,
    /// A line of an NDJSON stream.
    Line,
    /// A record of a bulk route.
    Record,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Http {
    One,
    Two,
}

/// A way through the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) form: Form,
    /// What the client speaks.
    pub(super) front: Http,
}

const FORMS: [Form; 4] = [Form::Single, Form::Item, Form::Line, Form::Record];

/// Every path.
pub(super) fn every_path() -> impl Iterator<Item = Path> {
    [Http::One, Http::Two].into_iter().flat_map(|front| FORMS.map(|form| Path { form, front }))
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            Form::Single => "a single request",
            Form::Item => "an item of a batch",
            Form::Line => "a line of a stream",
            Form::Record => "a record of a bulk route",
        };
        write!(formatter, "{form} over {}", if self.front == Http::One { "HTTP/1.1" } else { "HTTP/2" })
    }
}

/// What a client asks for: a resource below `/api`. The fields are those of the client's request, also where that is
/// a batch.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) resource: String,
    pub(super) query: &'static str,
    pub(super) fields: Fields,
}

/// A message with a status.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) status: u64,
    pub(super) fields: Fields,
    pub(super) body: String,
}

/// What the client is told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The reply.
    pub(super) reply: Message,
    /// The result in it. A single request's is the reply, and so is that of a refused batch.
    pub(super) result: Message,
}

impl Message {
    /// The values of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |(given, _): &&(String, String)| given.eq_ignore_ascii_case(name);
        self.fields.iter().filter(named).map(|(_, value)| value.as_str())
    }

    /// A field's first value.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        self.all(name).next().map(str::to_owned)
    }
}

impl Path {
    /// Asks, and reads the reply.
    pub(super) fn ask(self, gateway: &Gateway, ask: &Ask) -> Told {
        let reply = self.front.send(gateway, &self.request(ask));
        let result = if self.form == Form::Single || reply.status != 207 {
            reply.clone()
        } else {
            self.result(&reply.body)
        };
        Told { reply, result }
    }

    fn request(self, ask: &Ask) -> Sent {
        let Ask { method, resource, query, .. } = ask;
        let separator = if query.is_empty() { "" } else { "?" };
        let url = format!("/api/{resource}{separator}{query}");
        let item = json!({"method": method, "url": url});
        let has_body = matches!(*method, "POST" | "PUT" | "PATCH");
        let json = "application/json";
        let (method, target, content_type, body) = match self.form {
            Form::Single if has_body => (*method, url, json, json!({"id": resource}).to_string()),
            Form::Single => (*method, url, "", String::new()),
            Form::Item => ("POST", "/batch".to_owned(), json, json!({"requests": [item]}).to_string()),
            Form::Line => ("POST", "/batch".to_owned(), "application/x-ndjson", format!("{item}\n")),
            Form::Record if matches!(*method, "GET" | "DELETE") => {
                let and = if query.is_empty() { "" } else { "&" };
                (*method, format!("/api?id={resource}{and}{query}"), "", String::new())
            }
            Form::Record => {
                (*method, format!("/api{separator}{query}"), json, json!([{"id": resource}]).to_string())
            }
        };
        let mut fields = ask.fields.clone();
        if !content_type.is_empty() {
            fields.push(("Content-Type".to_owned(), content_type.to_owned()));
        }
        if self.form == Form::Record {
            fields.push(("Accept".to_owned(), json.to_owned()));
        }
        Sent { method: method.to_owned(), target, fields, body }
    }

    fn result(self, body: &str) -> Message {
        let result: Value = match self.form {
            Form::Line => serde_json::from_str(body.lines().next().unwrap()).unwrap(),
            Form::Single | Form::Item | Form::Record => {
                serde_json::from_str::<Value>(body).unwrap()["responses"][0].clone()
            }
        };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let field = |(name, value): (&String, &Value)| match value.as_array() {
            Some(values) => values.iter().map(|value| (name.clone(), text(value))).collect(),
            None => vec![(name.clone(), text(value))],
        };
        let body = result.get("body").map_or_else(String::new, text);
        let is_base64 = result["encoding"] == "base64";
        Message {
            status: result["status"].as_u64().unwrap(),
            fields: result["headers"].as_object().unwrap().iter().flat_map(field).collect(),
            body: if is_base64 { decoded(&body) } else { body },
        }
    }
}

fn decoded(base64: &str) -> String {
    String::from_utf8(STANDARD.decode(base64).unwrap()).unwrap()
}

/// A request in any version of HTTP.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) fields: Fields,
    pub(super) body: String,
}

impl Http {
    /// Sends a request and reads the reply.
    pub(super) fn send(self, gateway: &Gateway, sent: &Sent) -> Message {
        match self {
            Self::One => {
                let mut request = Request::new(&sent.method, &sent.target);
                if !sent.body.is_empty() {
                    request = request.body(&sent.body);
                }
                let request =
                    sent.fields.iter().fold(request, |request, (name, value)| request.header(name, value));
                let reply = gateway.send(&request);
                let body = String::from_utf8_lossy(&reply.body).into_owned();
                Message { status: reply.status.into(), fields: reply.headers, body }
            }
            Self::Two => {
                let mut call = Call::new(&sent.method, &sent.target);
                if !sent.body.is_empty() {
                    call = call.body(sent.body.as_bytes());
                }
                let call = sent.fields.iter().fold(call, |call, (name, value)| call.header(name, value));
                let reply = Http2Client::connect(gateway.address()).call(&call);
                Message { status: reply.status.into(), body: reply.text(), fields: reply.headers }
            }
        }
    }

    /// Whether a field may be sent in this version.
    pub(super) fn has_field(self, name: &str) -> bool {
        const OF_CONNECTIONS: [&str; 5] =
            ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
        self == Self::One || !OF_CONNECTIONS.contains(&&*name.to_ascii_lowercase())
    }
}
