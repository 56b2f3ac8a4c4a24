//! A row of the table: what a client asks for, what the service says, and what has to hold on every path.

use std::fmt;

use super::path::{Ask, Form, Http, Path, Told, every_path};
use super::service::{Says, Service};
use crate::harness::upstream::Recorded;
use crate::harness::{Config, Gateway};

type Field = (&'static str, &'static str);

/// A row. Without more calls, a GET of `/api/resource` is answered with 200 over HTTP/1.1, on every path.
#[derive(Clone, Debug)]
pub(super) struct Row {
    input: &'static str,
    method: &'static str,
    resource: &'static str,
    sends: Vec<Field>,
    says: Vec<Says>,
    service: Http,
    upstream: &'static str,
    forms: Vec<Form>,
    fronts: Vec<Http>,
    expects: Vec<Expect>,
}

/// What has to hold.
#[derive(Clone, Debug)]
enum Expect {
    Calls(usize),
    Call(&'static str, Option<&'static str>),
    CallSpells(&'static str),
    Status(u64),
    Result(&'static str, Option<&'static str>),
    ResultHas(&'static str, &'static str),
    ResultSpells(&'static str),
    Reply(&'static str, Option<&'static str>),
    SameId,
    Body(&'static str),
}

/// A row of this name.
pub(super) fn row(input: &'static str) -> Row {
    Row {
        input,
        method: "GET",
        resource: "resource",
        sends: Vec::new(),
        says: vec![Says::status(200)],
        service: Http::One,
        upstream: "",
        forms: Vec::new(),
        fronts: Vec::new(),
        expects: Vec::new(),
    }
}

impl Row {
    /// With another method.
    pub(super) fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    /// With another resource below `/api`.
    pub(super) fn resource(self, resource: &'static str) -> Self {
        Self { resource, ..self }
    }

    /// The client sends this field, if its version of HTTP has it.
    pub(super) fn sends(mut self, name: &'static str, value: &'static str) -> Self {
        self.sends.push((name, value));
        self
    }

    /// The service does this, call by call; the last over and over.
    pub(super) fn says(self, says: impl IntoIterator<Item = Says>) -> Self {
        Self { says: says.into_iter().collect(), ..self }
    }

    /// The service replies with this status, these fields and this body.
    pub(super) fn replies(self, status: u16, fields: &[Field], body: &'static str) -> Self {
        self.says([Says::Reply { status, fields: fields.to_vec(), body }])
    }

    /// The service speaks HTTP/2.
    pub(super) fn over_http2(self) -> Self {
        Self { service: Http::Two, ..self }
    }

    /// With these members of the upstream.
    pub(super) fn upstream(self, upstream: &'static str) -> Self {
        Self { upstream, ..self }
    }

    /// Only for clients of this version.
    pub(super) fn front(self, front: Http) -> Self {
        Self { fronts: vec![front], ..self }
    }

    /// Only in these forms.
    pub(super) fn forms(self, forms: &[Form]) -> Self {
        Self { forms: forms.to_vec(), ..self }
    }

    /// The service gets so many calls.
    pub(super) fn calls(self, count: usize) -> Self {
        self.expects(Expect::Calls(count))
    }

    /// The service gets a field with this value, or none of that name.
    pub(super) fn call(self, name: &'static str, value: impl Into<Option<&'static str>>) -> Self {
        self.expects(Expect::Call(name, value.into()))
    }

    /// The service gets a field whose name is spelt like this.
    pub(super) fn call_spells(self, name: &'static str) -> Self {
        self.expects(Expect::CallSpells(name))
    }

    /// The result has this status.
    pub(super) fn status(self, status: u64) -> Self {
        self.expects(Expect::Status(status))
    }

    /// The result has a field with this value, or none of that name.
    pub(super) fn result(self, name: &'static str, value: impl Into<Option<&'static str>>) -> Self {
        self.expects(Expect::Result(name, value.into()))
    }

    /// The result has a field with this text in it.
    pub(super) fn result_has(self, name: &'static str, text: &'static str) -> Self {
        self.expects(Expect::ResultHas(name, text))
    }

    /// The result has a field whose name is spelt like this. To an HTTP/2 client all names are in lower case.
    pub(super) fn result_spells(self, name: &'static str) -> Self {
        self.expects(Expect::ResultSpells(name))
    }

    /// The reply around the result has a field with this value, or none of that name. In a single request, the reply is
    /// the result.
    pub(super) fn reply(self, name: &'static str, value: impl Into<Option<&'static str>>) -> Self {
        self.expects(Expect::Reply(name, value.into()))
    }

    /// The service and the client get the same request id.
    pub(super) fn same_id(self) -> Self {
        self.expects(Expect::SameId)
    }

    /// The result's body has this text in it.
    pub(super) fn body(self, text: &'static str) -> Self {
        self.expects(Expect::Body(text))
    }

    fn expects(mut self, expect: Expect) -> Self {
        self.expects.push(expect);
        self
    }

    fn is_for(&self, path: Path) -> bool {
        (self.forms.is_empty() || self.forms.contains(&path.form))
            && (self.fronts.is_empty() || self.fronts.contains(&path.front))
    }

    fn asks(&self, path: Path) -> Ask {
        let fields = self.sends.iter().filter(|(name, _)| path.front.has_field(name));
        Ask {
            method: self.method,
            resource: self.resource.to_owned(),
            query: "",
            fields: fields.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    /// What does not hold on this path.
    fn faults(&self, path: Path, service: &Service, gateway: &Gateway) -> Vec<String> {
        service.says(&self.says);
        let told = path.ask(gateway, &self.asks(path));
        let calls = service.calls();
        let broken = self.expects.iter().filter_map(|expect| expect.fault(path, &calls, &told));
        broken.map(|fault| format!("{}, {path}: {fault}", self.input)).collect()
    }
}

impl Expect {
    fn fault(&self, path: Path, calls: &[Recorded], told: &Told) -> Option<String> {
        let of_call = |name: &str| calls.last().and_then(|call| call.header(name)).map(str::to_owned);
        let (result, reply) = (&told.result, &told.reply);
        match self {
            Self::Calls(count) => differs("calls", count, &calls.len()),
            Self::Call(name, value) => {
                differs(&format!("{name} of the call"), &value.map(str::to_owned), &of_call(name))
            }
            Self::CallSpells(name) => {
                let names: Vec<_> =
                    calls.iter().flat_map(|call| &call.headers).map(|(name, _)| name).collect();
                let is_there = names.iter().any(|given| given == name);
                (!is_there).then(|| format!("no field of the call is spelt {name}: {names:?}"))
            }
            Self::Status(status) => differs("the status", status, &result.status),
            Self::Result(name, value) => {
                differs(&format!("{name} of the result"), &value.map(str::to_owned), &result.field(name))
            }
            Self::ResultHas(name, text) => {
                let value = result.field(name).unwrap_or_default();
                (!value.contains(text)).then(|| format!("{name} of the result lacks {text}: {value:?}"))
            }
            Self::ResultSpells(name) => {
                let is_lower = path.form == Form::Single && path.front == Http::Two;
                let name = if is_lower { name.to_ascii_lowercase() } else { (*name).to_owned() };
                let is_there = result.fields.iter().any(|(given, _)| *given == name);
                (!is_there).then(|| format!("no field of the result is spelt {name}: {:?}", result.fields))
            }
            Self::Reply(name, value) => {
                differs(&format!("{name} of the reply"), &value.map(str::to_owned), &reply.field(name))
            }
            Self::SameId => {
                let id = reply.field("X-Request-Id");
                if id.is_none() {
                    Some("no request id".to_owned())
                } else {
                    differs("the request id", &id, &of_call("X-Request-Id"))
                }
            }
            Self::Body(text) => {
                (!result.body.contains(text)).then(|| format!("the body lacks {text}: {}", result.body))
            }
        }
    }
}

fn differs<T: PartialEq + fmt::Debug>(what: &str, right: &T, seen: &T) -> Option<String> {
    (right != seen).then(|| format!("{what}: {seen:?} instead of {right:?}"))
}

/// Runs each row over each path. Rows with the same members of the upstream share a gateway.
pub(super) fn run(rows: &[Row]) {
    let mut faults = Vec::new();
    let mut scene: Option<(&Row, Service, Gateway)> = None;
    for row in rows {
        let is_same = |before: &Row| (before.upstream, before.service) == (row.upstream, row.service);
        if !scene.as_ref().is_some_and(|(before, ..)| is_same(before)) {
            let service = Service::start(row.service);
            let gateway = start(&service, row.upstream);
            scene = Some((row, service, gateway));
        }
        let (_, service, gateway) = scene.as_ref().unwrap();
        for path in every_path().filter(|path| row.is_for(*path)) {
            faults.extend(row.faults(path, service, gateway));
        }
    }
    assert!(faults.is_empty(), "{} do not hold:\n{}", faults.len(), faults.join("\n"));
}

/// A gateway with every way in. The service knows nothing of `/api`.
pub(super) fn start(service: &Service, upstream: &str) -> Gateway {
    config(service, upstream).start()
}

/// Its configuration.
pub(super) fn config(service: &Service, upstream: &str) -> Config {
    let route = Config::new().upstream("service", service.url()).with(upstream).route("/api", "service");
    route.with("strip_prefix: /api").batch("/batch").bulk("/api", "GET, POST, PUT, PATCH, DELETE")
}
