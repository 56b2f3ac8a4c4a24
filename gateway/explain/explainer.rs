//! Explains a plan.

use std::time::Duration;

use http::Method;
use http::header::LOCATION;

use super::context::{Arrival, Audience, ExplainContext};
use super::explanation::{ExplainedCall, ExplainedItem, ExplainedRejection, Explanation, Fate};
use super::headers::ShownHeaders;
use super::limits::{self, UpstreamLimits};
use crate::batch::ItemIndex;
use crate::config::{Target, Upstream};
use crate::dialect::InputFormat;
use crate::plan::{Call, CallTemplate, Plan, PlannedItem, Step, Undo, coalesce};
use crate::problem;
use crate::route::{Route, RouteAction, UpstreamIndex, encoded_characters, without_user};

/// Explains a plan of items that arrived in this format.
#[must_use]
pub fn explain(mut plan: Plan, form: InputFormat, context: &ExplainContext<'_>) -> Explanation {
    let ExplainContext { endpoint, dialect, preferences, .. } = context;
    let mut execution_policy = endpoint.execution_policy(*dialect, form, preferences);
    execution_policy.sequential |= plan.sequential;
    if !execution_policy.sequential && context.arrival == Arrival::Batch {
        coalesce(&mut plan, &context.settings.routes);
    }
    let deadline = preferences.wait.map_or(endpoint.deadline, |wait| wait.min(endpoint.deadline));
    let items = plan.items.iter().enumerate();
    let nothing_runs = || plan.items.iter().all(|item| matches!(item.step, Step::Rejected(_)));
    Explanation {
        endpoint: endpoint.path.as_str().to_owned(),
        dialect: dialect.name(),
        format: form.as_str(),
        groups: endpoint.sets.groups.as_str(),
        order: if execution_policy.sequential { "sequential" } else { "parallel" },
        continue_on_error: !execution_policy.stop_on_error,
        concurrency: if execution_policy.sequential { 1 } else { endpoint.concurrency.get() },
        deadline_milliseconds: milliseconds(deadline),
        auth: limits::ways_in(context.settings.auth.as_ref(), endpoint),
        ignored_members: texts(&plan.ignored),
        query_is_ignored: match form {
            InputFormat::Batch(_) => endpoint.ignores(*dialect, context.query),
            InputFormat::Records(_) => false,
        },
        refused: plan.group_refusal().filter(|_| nothing_runs()).map(|refusal| refusal.to_string()),
        items: items
            .map(|(index, item)| {
                let after =
                    plan.dependencies.get(index).into_iter().flatten().map(|on| on.position()).collect();
                let condition = plan.conditions.get(&ItemIndex(index));
                let condition = condition.map(|planned| planned.condition.to_string());
                let follows = plan.follows.get(index).copied().flatten().map(ItemIndex::position);
                let undo = plan.undo(ItemIndex(index)).map(|undo| match undo {
                    Undo::Nothing => "nothing".to_owned(),
                    Undo::By(rule) => rule.to_string(),
                });
                ExplainedItem { follows, undo, condition, ..explain_item(index + 1, item, after, context) }
            })
            .collect(),
    }
}

fn explain_item(
    position: usize,
    item: &PlannedItem,
    after: Vec<usize>,
    context: &ExplainContext<'_>,
) -> ExplainedItem {
    let form = &item.subject.form;
    let route = item.route.and_then(|index| context.settings.routes.get(index));
    let policy = item.route.and_then(|index| context.settings.policy(index));
    let fate = match &item.step {
        Step::Call(call) => fate_of_call(call, &item.subject.method, context),
        // Shown with its references as written: their values are known only later.
        Step::Later(template) => match template.destination {
            Some(destination) => {
                fate_of_call(&as_written(template, destination.upstream), &item.subject.method, context)
            }
            None => Fate::Later,
        },
        Step::Same(first) => Fate::SharesCallOf(first.position()),
        Step::Respond(respond) => {
            let location = respond.header(&LOCATION).and_then(|url| url.to_str().ok());
            let location = location.map(|url| shown_location(url, route));
            Fate::Respond { status: respond.status.as_u16(), location }
        }
        Step::Rejected(rejection) => {
            let error_reply = problem::of_rejection(rejection);
            Fate::Rejected(ExplainedRejection {
                status: error_reply.problem.status.as_u16(),
                reason: error_reply.reason,
                detail: error_reply.problem.detail,
            })
        }
    };
    let counted = if matches!(fate, Fate::Rejected(_)) { None } else { item.route };
    let rate_limits = limits::rate_limits(context.settings, counted);
    ExplainedItem {
        position,
        id: item.subject.id.as_str().to_owned(),
        method: item.subject.method.as_str().to_owned(),
        url: without_user(item.subject.written_url()).into_owned(),
        resolved_url: (item.subject.written_url() != &*item.subject.href)
            .then(|| without_user(&item.subject.href).into_owned()),
        encoded: encoded(item),
        after,
        follows: None,
        undo: None,
        condition: None,
        route: route.map(|route| route.name.clone()),
        access: policy.and_then(|policy| limits::only(policy.auth.as_ref()?)),
        chosen_by: route.map(|route| chosen_by(route, context)).unwrap_or_default(),
        rate_limits,
        ignored_members: texts(&form.ignored),
        taken_for: form.taken.iter().map(|taken| (taken.member, taken.meant)).collect(),
        dropped_headers: form.dropped.names().collect(),
        fate,
    }
}

/// Why an item meets this route. A client does not learn which values the configuration looks for.
fn chosen_by(route: &Route, context: &ExplainContext<'_>) -> Vec<String> {
    let Route { path, conditions, .. } = route;
    let host = route.host_for(context.authority).map(|host| format!("host {host}"));
    if host.is_none() && path.is_literal() && conditions.count() == 0 {
        return Vec::new();
    }
    let methods = conditions.methods.as_ref().map(|methods| format!("method {}", methods.allow_value()));
    let fields = conditions.fields.iter().map(|(name, value)| match context.audience {
        Audience::Operator if !value.is_sensitive() => {
            format!("header {name}: {}", String::from_utf8_lossy(value.as_bytes()))
        }
        Audience::Operator | Audience::Client => format!("header {name}"),
    });
    let path = Some(format!("path {}", path.as_str()));
    host.into_iter().chain(path).chain(methods).chain(fields).collect()
}

/// Where an answer leads. The query that a redirect adds may be a secret.
fn shown_location(url: &str, route: Option<&Route>) -> String {
    let adds_query = route.is_some_and(|route| match &route.action {
        RouteAction::Redirect(redirect) => redirect.query.has_own(),
        RouteAction::Forward { .. } | RouteAction::Respond(_) => false,
    });
    match url.split_once('?') {
        Some((before, _)) if adds_query => format!("{before}?***"),
        Some(_) | None => url.to_owned(),
    }
}

/// The characters of the url that are percent-encoded. Those of a rejected item are not sent; of a reference, only the value
/// is.
fn encoded(item: &PlannedItem) -> Vec<String> {
    match item.step {
        Step::Rejected(_) | Step::Later(_) => Vec::new(),
        Step::Call(_) | Step::Same(_) | Step::Respond(_) => {
            encoded_characters(&item.subject.href).iter().map(ToString::to_string).collect()
        }
    }
}

fn texts(names: &[Box<str>]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn fate_of_call(call: &Call, method: &Method, context: &ExplainContext<'_>) -> Fate {
    match context.settings.upstream(call.upstream) {
        Some(upstream) => Fate::Call(explain_call(call, upstream, method, context)),
        None => Fate::Respond { status: 502, location: None },
    }
}

fn as_written(template: &CallTemplate, upstream: UpstreamIndex) -> Call {
    Call {
        upstream,
        route: template.destination.map(|destination| destination.route),
        target: template.href.clone(),
        headers: template.headers.clone(),
        spellings: template.spellings.clone(),
        references: Vec::new(),
        body: template.body.clone(),
        timeout: template.timeout,
    }
}

fn explain_call(
    call: &Call,
    upstream: &Upstream,
    method: &Method,
    context: &ExplainContext<'_>,
) -> ExplainedCall {
    let most = context.settings.timeout_of(call.route, upstream).item;
    let timeout = call.timeout.map_or(most, |own| own.min(most));
    ExplainedCall {
        upstream: upstream.name.clone(),
        targets: match context.audience {
            Audience::Operator => upstream.targets.iter().map(Target::url).collect(),
            Audience::Client => Vec::new(),
        },
        path: call.target.to_string(),
        headers: ShownHeaders::new(call, upstream, context),
        body_bytes: call.body.as_ref().map(bytes::Bytes::len),
        timeout_milliseconds: milliseconds(timeout),
        limits: UpstreamLimits::new(upstream, method),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
