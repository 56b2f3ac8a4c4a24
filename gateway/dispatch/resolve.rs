//! Fills in an item's references once the results that it refers to are there (protocol §6). Results so far go in, a call
//! comes out. Pure.
//!
//! A value from a result is data. In a url it is percent-encoded except for letters, digits and `-._~`; in a field it can't
//! have control characters; in a JSON body it is a JSON value or part of a JSON string. The filled item is then checked
//! like one that a client wrote, and has to meet the route that was planned ([`CallTemplate::call`]).

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderName};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::Answer;
use super::outcome::{Outcome, SkipReason};
use crate::batch::{Bounded, ItemId, ItemIndex, ItemRejection};
use crate::format::json;
use crate::header::field::{FieldError, Fields, checked_field};
use crate::plan::{Call, CallTemplate, Filled, PlanContext, parse_item_url};
use crate::reference::expression::{Expression, Part, TextTemplate};
use crate::reference::template::BodyPiece;
use crate::route::{AbsoluteUrl, Mapping, Route, RouteAction, RouteIndex, UpstreamIndex};

/// All but RFC 3986's unreserved characters.
const IN_URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Fields whose value is a url of the upstream's.
const URLS: [HeaderName; 2] = [header::LOCATION, header::CONTENT_LOCATION];

/// Bytes of results that the references of one batch may look through and insert in all.
pub(crate) const MAX_LOOKED_THROUGH: usize = 64 << 20;

/// Bytes of results that one line of a stream may look through and insert. A stream may never end, so
/// the limit is for each line.
pub(crate) const MAX_LOOKED_THROUGH_BY_LINE: usize = 8 << 20;

/// Fills in the references of items. The caller of a dispatch knows the gateway and passes one in; it calls [`resolve`].
pub trait Resolver: Sync {
    /// Makes the call of a template.
    ///
    /// # Errors
    /// Says why the call can't be made.
    fn resolve(&self, template: &CallTemplate, answers: &mut Answers<'_>) -> Result<Call, Unfit>;

    /// Makes a call, with these fields, to the url in the Location of a reply that came over a route. `None` if that does
    /// not lead to the same upstream. See [`locate`].
    fn locate(&self, location: &str, route: RouteIndex, method: &Method, fields: Fields) -> Option<Call>;
}

/// What resolving needs to know of the gateway.
pub struct Surroundings<'context> {
    /// What planning knew.
    pub plan: PlanContext<'context>,
    /// The gateway's own `scheme://authority`, as the client used it.
    pub own_origin: &'context str,
    /// Whether an authority is one of the upstream's own names.
    pub is_upstream: &'context (dyn Fn(UpstreamIndex, &str) -> bool + Sync),
}

/// The results so far.
pub struct Answers<'work> {
    /// The result of an item, if it has ended.
    pub(crate) earlier: &'work dyn Fn(ItemIndex) -> Option<Earlier<'work>>,
    /// Bytes that may still be looked through.
    pub(crate) left: &'work mut usize,
}

/// An item's result, and the route it came over.
#[derive(Clone, Copy)]
pub(crate) struct Earlier<'work> {
    pub(crate) outcome: &'work Outcome,
    pub(crate) route: Option<RouteIndex>,
}

/// Why an item can't be sent after all.
#[derive(Debug, PartialEq)]
pub enum Unfit {
    /// A reference refers to nothing.
    Skipped(SkipReason),
    /// The filled item is refused.
    Rejected(ItemRejection),
}

type Problem = &'static str;

/// A result, and where it came from; `None`: not from an upstream.
type Found<'run, 'work> = (Answer<'work>, Option<Source<'run>>);

/// The upstream that a result came from, and how its urls map.
#[derive(Clone, Copy)]
struct Source<'run> {
    upstream: UpstreamIndex,
    mapping: &'run Mapping,
}

impl From<ItemRejection> for Unfit {
    fn from(rejection: ItemRejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Unfit> for Outcome {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Skipped(reason) => Self::Skipped(reason),
            Unfit::Rejected(rejection) => Self::Rejected(rejection),
        }
    }
}

/// Makes a call of a template.
///
/// # Errors
/// Names the reference that refers to nothing, or says why the filled item is refused.
pub fn resolve(
    template: &CallTemplate,
    answers: &mut Answers<'_>,
    around: &Surroundings<'_>,
) -> Result<Call, Unfit> {
    let mut filling = Filling { template, answers, around };
    let filled = Filled { href: filling.url()?, headers: filling.headers()?, body: filling.body()? };
    Ok(template.call(filled, &around.plan)?)
}

/// A template that is being filled in.
struct Filling<'run, 'work> {
    template: &'run CallTemplate,
    answers: &'run mut Answers<'work>,
    around: &'run Surroundings<'run>,
}

impl<'run, 'work> Filling<'run, 'work> {
    fn url(&mut self) -> Result<String, Unfit> {
        let Some(url) = &self.template.template.url else { return Ok(self.template.href.to_string()) };
        let base = url.location_of.as_ref().map(|id| self.location(id)).transpose()?.unwrap_or_default();
        let in_query = base.contains('?');
        let rest = url.rest.fill(|expression, before| {
            let value = self.text(expression)?;
            let in_path = !in_query && !before.contains('?');
            if in_path && value.contains("..") {
                return Err(unresolved(expression, "it has `..`, which a path can't have"));
            }
            if in_path && value.is_empty() {
                // `/orders/` and nothing behind it would be all orders.
                return Err(unresolved(expression, "it is empty, but a path needs something there"));
            }
            Ok(utf8_percent_encode(&value, IN_URL).to_string())
        })?;
        if in_query && !rest.is_empty() {
            let problem = "the Location has a query, and nothing can follow that";
            return Err(skipped(
                format!("${}", url.location_of.as_ref().map_or("", ItemId::as_str)),
                problem,
            ));
        }
        let joined = if rest.starts_with('/') { base.trim_end_matches('/') } else { &base };
        let filled = format!("{joined}{rest}");
        let limit = self.template.template.limits.max_url;
        if filled.len() > limit {
            return Err(ItemRejection::OverLimit { what: Bounded::Url, limit }.into());
        }
        Ok(filled)
    }

    /// The Location of an item's result as a path of the gateway's (RFC 9110 §10.2.2).
    fn location(&self, id: &ItemId) -> Result<String, Unfit> {
        let fail = |problem| skipped(format!("${id}"), problem);
        let (answer, source) = self.answer(id).map_err(fail)?;
        let value = answer.header("location").ok_or_else(|| fail("the result has no Location"))?;
        let source = source.ok_or_else(|| fail("the result has no Location"))?;
        followed(&value, source, self.around).map_err(fail)
    }

    fn headers(&mut self) -> Result<Fields, Unfit> {
        let mut fields = self.template.headers.clone();
        for (place, text) in &self.template.template.headers {
            let Some((name, value)) = fields.get_mut(*place) else { continue };
            // A Destination is a url.
            let encode = name == "destination";
            let filled = text.fill(|expression, _| {
                let value = self.text(expression)?;
                Ok::<_, Unfit>(if encode { utf8_percent_encode(&value, IN_URL).to_string() } else { value })
            })?;
            let bad = |error: FieldError| ItemRejection::BadHeader { name: name.as_str().to_owned(), error };
            *value = checked_field(name.as_str(), filled.as_bytes()).map_err(bad)?.1;
        }
        let limit = self.template.template.limits.max_header_bytes;
        if fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > limit {
            return Err(ItemRejection::OverLimit { what: Bounded::HeaderBytes, limit }.into());
        }
        Ok(fields)
    }

    fn body(&mut self) -> Result<Option<Bytes>, Unfit> {
        let Some(pieces) = &self.template.template.body else { return Ok(self.template.body.clone()) };
        let limit = self.template.template.limits.max_body;
        let mut body = Vec::new();
        for piece in pieces {
            match piece {
                BodyPiece::Raw(bytes) => body.extend_from_slice(bytes),
                BodyPiece::Value(expression) => body.extend_from_slice(&self.json(expression)?),
                BodyPiece::Text(text) => body.extend_from_slice(&self.string(text)?),
            }
            if body.len() > limit {
                return Err(ItemRejection::OverLimit { what: Bounded::Body, limit }.into());
            }
        }
        Ok(Some(Bytes::from(body)))
    }

    fn string(&mut self, text: &TextTemplate) -> Result<Vec<u8>, Unfit> {
        text.fill(|expression, _| self.text(expression)).map(|text| json::quoted(&text))
    }

    /// The value as text.
    fn text(&mut self, expression: &Expression) -> Result<String, Unfit> {
        let fail = |problem| unresolved(expression, problem);
        let (answer, source) = self.answer(&expression.item).map_err(fail)?;
        let value = answer.text(expression, self.answers.left).map_err(fail)?;
        Ok(match (&expression.part, source) {
            (Part::Header(name), Some(source)) if URLS.contains(name) => {
                to_gateway(&value, source, self.around)
            }
            (Part::Header(_) | Part::Status | Part::Body(_), _) => value,
        })
    }

    /// The value as JSON.
    fn json(&mut self, expression: &Expression) -> Result<Vec<u8>, Unfit> {
        let fail = |problem| unresolved(expression, problem);
        match &expression.part {
            Part::Header(_) => self.text(expression).map(|value| json::quoted(&value)),
            Part::Status | Part::Body(_) => {
                let (answer, _) = self.answer(&expression.item).map_err(fail)?;
                answer.json(expression, self.answers.left).map_err(fail)
            }
        }
    }

    /// An item's result, and where it came from.
    fn answer(&self, id: &ItemId) -> Result<Found<'run, 'work>, Problem> {
        let result = self.template.source(id).and_then(|index| (self.answers.earlier)(index));
        let result = result.ok_or("that item has no result")?;
        let route = result.route.and_then(|index| self.around.plan.routes.get(index));
        let source = route.and_then(Source::from_route);
        Ok((Answer::from_outcome(result.outcome).ok_or("that item has no result")?, source))
    }
}

impl<'run> Source<'run> {
    /// `None` for a route that answers by itself.
    fn from_route(route: &'run Route) -> Option<Self> {
        match &route.action {
            RouteAction::Forward { upstream, mapping } => Some(Self { upstream: *upstream, mapping }),
            RouteAction::Respond(_) => None,
        }
    }
}

/// The url in a Location as a path of the gateway's.
fn followed(location: &str, source: Source<'_>, around: &Surroundings<'_>) -> Result<String, Problem> {
    // A fragment is for the reader of the resource that the Location names, and is never sent.
    let location = location.split('#').next().unwrap_or_default();
    if !location.starts_with('/') && AbsoluteUrl::parse(location).is_none() {
        return Err("the Location is relative, and only a path or an absolute url can be followed");
    }
    let mapped = to_gateway(location, source, around);
    let url = parse_item_url(&mapped, around.plan.own_authority)
        .map_err(|_| "the Location does not stay at this gateway")?;
    Ok(format!("{}{}", url.path.as_written(), url.query))
}

/// An upstream's url as the client would see it.
fn to_gateway(url: &str, source: Source<'_>, around: &Surroundings<'_>) -> String {
    let is_upstream = |authority: &str| (around.is_upstream)(source.upstream, authority);
    source.mapping.reference_to_gateway(url, is_upstream, around.own_origin).into_owned()
}

/// A call, with this method and these fields, to the url in the Location of a reply that came over a route. `None` if that does not lead to
/// the same upstream.
pub fn locate(
    location: &str,
    route: RouteIndex,
    method: &Method,
    fields: Fields,
    around: &Surroundings<'_>,
) -> Option<Call> {
    let source = around.plan.routes.get(route).and_then(Source::from_route)?;
    let href = followed(location, source, around).ok()?;
    let call = around.plan.call_to(&href, method, fields).ok()?;
    (call.upstream == source.upstream).then_some(call)
}

fn unresolved(expression: &Expression, problem: Problem) -> Unfit {
    skipped(expression.to_string(), problem)
}

fn skipped(reference: String, problem: Problem) -> Unfit {
    Unfit::Skipped(SkipReason::ReferenceUnresolved { reference, problem })
}
