//! A batch that owns everything it needs: who sent it, what was asked for, and the body. It can be stored, and run later
//! in another process with the same configuration. The session is needed only to read the body and to write the reply.
//!
//! In: the head of a request at an [`EntryPoint`], and its body. Out: a [`Plan`]. The formats of the input and of the reply
//! are known before the items are read, so that a refusal of the items is written as the client expects it.
//!
//! This is the one path from bytes to a plan: the server, `batchgate explain` and the golden cases in `tests/cases` take
//! it. It does not send anything ([`Runner`](super::runner::Runner) does).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderMap};
use http::request::Parts;
use pingora::http::RequestHeader;
use serde::{Deserialize, Serialize};

use crate::admission::{Caller, withheld};
use crate::batch::{Batch, BatchItem, BatchRefusal};
use crate::clock::Stopwatch;
use crate::config::Settings;
use crate::dialect::{Dialect, ExecutionPolicy, InputFormat};
use crate::explain::Arrival;
use crate::format::ndjson::{Lines, check_start, read_line};
use crate::format::{Format, ReadContext, cross_site, decode_batch, is_postable_cross_site, wants_text_xml};
use crate::header::field::Fields;
use crate::header::forwarded::ForwardedBy;
use crate::header::inherit::{as_list, inherited_fields, same_to_cgi};
use crate::header::spelling::Spellings;
use crate::header::stored;
use crate::phase::Phase;
use crate::plan::{EarlierLines, OnlyRoute, Plan, PlanContext, PlannedLine, Preferences, plan};
use crate::telemetry::{PhaseTimes, TRACESTATE, TraceContext};
use crate::transport::field_names;

use super::entry_point::EntryPoint;
use super::error_format::content_type;

/// A batch, a bulk request, or everything but the lines of a stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BatchRequest {
    pub(crate) caller: Arc<Caller>,
    pub(crate) trace: TraceContext,
    /// The name of its [`EntryPoint`].
    pub(crate) endpoint: String,
    /// The dialect that it is in: its endpoint's, or a variant of it.
    pub(crate) dialect: Dialect,
    #[serde(with = "stored_method")]
    method: Method,
    /// The query, in which a bulk request can have its records.
    pub(crate) query: String,
    content_type: Option<String>,
    /// The format of the items.
    pub(crate) input: InputFormat,
    /// The format of the results.
    pub(crate) reply_format: Format,
    /// The client asked for `text/xml` and does not accept `application/xml`.
    pub(crate) is_text_xml: bool,
    /// Fields of the reply that the dialect adds.
    #[serde(with = "stored::fields")]
    pub(crate) reply_fields: Fields,
    pub(crate) preferences: Preferences,
    /// The fields that every item inherits.
    #[serde(with = "stored_map")]
    pub(crate) inherited: HeaderMap,
    /// How the names of these fields were spelt.
    #[serde(default)]
    pub(crate) spellings: Spellings,
    /// The fields that say how the request reached the gateway.
    pub(crate) hop: ForwardedBy,
    /// How long its items may take in all.
    pub(crate) patience: Duration,
    /// Its content codings are undone.
    body: Bytes,
}

/// A request at an entry point, whose body has not been read yet.
#[derive(Clone, Copy)]
pub(crate) struct Incoming<'request> {
    pub(crate) settings: &'request Settings,
    pub(crate) entry: EntryPoint<'request>,
    pub(crate) caller: &'request Arc<Caller>,
    pub(crate) trace: TraceContext,
    pub(crate) head: &'request Parts,
    /// The head with the case of its names, if it came over a connection.
    pub(crate) as_sent: Option<&'request RequestHeader>,
}

impl Incoming<'_> {
    /// Checks what has to be right before the body is worth reading.
    ///
    /// # Errors
    /// The endpoint does not take this method or version, or a page of another site sent the request.
    pub(crate) fn check(&self) -> Result<(), BatchRefusal> {
        let headers = &self.head.headers;
        let is_post = self.head.method == Method::POST;
        if !is_post && self.entry.is_batch() {
            return Err(BatchRefusal::MethodNotAllowed);
        }
        self.dialect().check(headers)?;
        // A page of another site has to ask before it may use other methods (Fetch §2.2.1), and GET changes nothing.
        let is_postable = is_post && is_postable_cross_site(content_type(headers));
        let allowed = &self.settings.cors.allow_origins;
        if is_postable && cross_site(headers, &self.caller.authority, allowed) {
            return Err(BatchRefusal::CrossSite);
        }
        Ok(())
    }

    /// The dialect that it is in.
    fn dialect(&self) -> Dialect {
        self.entry.endpoint.dialect.of_request(&self.head.headers)
    }

    /// The fields that every item inherits.
    fn inherited(&self) -> HeaderMap {
        let (endpoint, outer) = (self.entry.endpoint, &self.head.headers);
        let mut inherited =
            inherited_fields(outer, endpoint.inherit.as_deref(), self.dialect().handed_down(outer));
        for name in withheld(self.settings, &self.caller.identity) {
            let same: Vec<_> = inherited.keys().filter(|other| same_to_cgi(name, other)).cloned().collect();
            for name in same {
                inherited.remove(name);
            }
        }
        if let Some(state) = self.trace.state(outer) {
            inherited.insert(TRACESTATE, state);
        }
        inherited
    }
}

impl BatchRequest {
    /// A batch or a bulk request with this body.
    ///
    /// # Errors
    /// The body is too large or has an unknown coding, or it or the reply has no format that the endpoint has.
    pub(crate) fn new(incoming: &Incoming<'_>, body: Bytes) -> Result<Self, BatchRefusal> {
        let Incoming { entry: EntryPoint { endpoint, .. }, head, .. } = incoming;
        let limit = endpoint.limits.max_body;
        if body.len() > limit {
            return Err(BatchRefusal::BodyTooLarge { limit });
        }
        let body =
            decode_batch(&as_list(&head.headers, header::CONTENT_ENCODING).unwrap_or_default(), body, limit)?;
        let dialect = incoming.dialect();
        let source = incoming.entry.item_source(dialect, &head.method, head.uri.query().unwrap_or_default());
        let input = source.recognize(content_type(&head.headers), &body)?;
        let accept = endpoint.reply_format.accept(&head.headers);
        let reply_format = dialect.reply_format(&accept, input.usual_reply())?;
        let is_text_xml = reply_format == Format::Xml && wants_text_xml(&accept);
        Ok(Self { reply_format, is_text_xml, body, ..Self::without_body(incoming, input) })
    }

    /// A stream, whose lines are planned one by one.
    pub(crate) fn stream(incoming: &Incoming<'_>) -> Self {
        Self::without_body(incoming, InputFormat::Batch(Format::Ndjson))
    }

    fn without_body(incoming: &Incoming<'_>, input: InputFormat) -> Self {
        let Incoming { entry: EntryPoint { endpoint, .. }, caller, trace, head, .. } = incoming;
        let preferences = Preferences::parse(&head.headers);
        let dialect = incoming.dialect();
        Self {
            caller: Arc::clone(caller),
            trace: *trace,
            endpoint: endpoint.path.as_str().to_owned(),
            dialect,
            method: head.method.clone(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            content_type: content_type(&head.headers).map(str::to_owned),
            input,
            reply_format: input.usual_reply(),
            is_text_xml: false,
            reply_fields: dialect.reply_fields(&head.headers),
            inherited: incoming.inherited(),
            spellings: incoming.as_sent.map(field_names::of_request).unwrap_or_default(),
            hop: caller.forwarded_by(&head.headers),
            patience: preferences.wait.map_or(endpoint.deadline, |wait| wait.min(endpoint.deadline)),
            preferences,
            body: Bytes::new(),
        }
    }

    /// Bytes of the body, its content codings undone.
    pub(crate) fn body_length(&self) -> usize {
        self.body.len()
    }

    /// Reads the items and plans them. `phases` gets how long both took.
    ///
    /// # Errors
    /// The body is malformed, or an item depends on one that it can't wait for.
    pub(crate) fn plan(
        &self,
        settings: &Settings,
        entry: EntryPoint<'_>,
        phases: &mut PhaseTimes,
    ) -> Result<Plan, BatchRefusal> {
        let stopwatch = Stopwatch::start();
        let context = ReadContext {
            limits: &entry.endpoint.limits,
            content_type: self.content_type.as_deref(),
            endpoint: &self.endpoint,
            query: &self.query,
            own_authority: &self.caller.authority,
            reply: self.reply_format,
        };
        let source = entry.item_source(self.dialect, &self.method, &self.query);
        let batch = source.read(self.input, &self.body, &context)?;
        phases.set(Phase::Parse, stopwatch.elapsed());
        let stopwatch = Stopwatch::start();
        let plan = self.plan_items(batch, settings, entry)?;
        phases.set(Phase::Plan, stopwatch.elapsed());
        Ok(plan)
    }

    /// Plans all items for an explanation. Lines that would be answered as lines are planned as those of a stream.
    ///
    /// # Errors
    /// The body is malformed, or an item depends on one that it can't wait for.
    pub(crate) fn plan_to_explain(
        &self,
        settings: &Settings,
        entry: EntryPoint<'_>,
        phases: &mut PhaseTimes,
    ) -> Result<Plan, BatchRefusal> {
        match self.arrival() {
            Arrival::Batch => self.plan(settings, entry, phases),
            Arrival::Stream => self.plan_lines(settings, entry),
        }
    }

    /// How the items arrive if they are sent and not explained.
    pub(crate) fn arrival(&self) -> Arrival {
        let is_lines = self.input == InputFormat::Batch(Format::Ndjson);
        if is_lines && self.reply_format == Format::Ndjson { Arrival::Stream } else { Arrival::Batch }
    }

    fn plan_lines(&self, settings: &Settings, entry: EntryPoint<'_>) -> Result<Plan, BatchRefusal> {
        let limits = &entry.endpoint.limits;
        let mut lines = Lines::new(limits.max_body);
        lines.push(self.body.clone());
        lines.end();
        let mut earlier = EarlierLines::new(limits.stream_window.items);
        let mut planned = Vec::new();
        while let Some(line) = lines.next_line() {
            check_start(&line)?;
            if planned.len() == limits.max_stream_items {
                return Err(BatchRefusal::StreamTooLong { limit: limits.max_stream_items });
            }
            planned.push(self.plan_line(read_line(line, limits), &mut earlier, settings, entry));
        }
        Ok(Plan::from_lines(planned))
    }

    /// Plans items that have been read.
    ///
    /// # Errors
    /// An item depends on one that it can't wait for.
    fn plan_items(
        &self,
        batch: Batch,
        settings: &Settings,
        entry: EntryPoint<'_>,
    ) -> Result<Plan, BatchRefusal> {
        self.with_context(settings, entry, |context| plan(batch, context))
    }

    /// Plans the next line of a stream.
    pub(crate) fn plan_line(
        &self,
        item: BatchItem,
        earlier: &mut EarlierLines,
        settings: &Settings,
        entry: EntryPoint<'_>,
    ) -> PlannedLine {
        self.with_context(settings, entry, |context| earlier.plan_line(item, context))
    }

    fn with_context<T>(
        &self,
        settings: &Settings,
        entry: EntryPoint<'_>,
        work: impl FnOnce(&PlanContext<'_>) -> T,
    ) -> T {
        let only_route = entry.only_route_of().map(OnlyRoute::of);
        work(&PlanContext {
            routes: &settings.routes,
            own_authority: &self.caller.authority,
            is_batch_endpoint: &|path, query| settings.batch_endpoint_for(path, query).is_some(),
            groups: entry.endpoint.sets.groups,
            inherited: &self.inherited,
            only_route: only_route.as_ref(),
        })
    }

    /// How its items run.
    pub(crate) fn execution_policy(&self, entry: EntryPoint<'_>) -> ExecutionPolicy {
        entry.endpoint.execution_policy(self.dialect, self.input, &self.preferences)
    }
}

/// serde for a method.
mod stored_method {
    use http::Method;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(method.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// serde for fields in a map.
mod stored_map {
    use http::HeaderMap;
    use serde::{Deserializer, Serializer};

    use crate::header::stored::fields;

    pub(super) fn serialize<S: Serializer>(map: &HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
        let list: Vec<_> = map.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        fields::serialize(&list, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderMap, D::Error> {
        let mut map = HeaderMap::new();
        for (name, value) in fields::deserialize(deserializer)? {
            map.append(name, value);
        }
        Ok(map)
    }
}
