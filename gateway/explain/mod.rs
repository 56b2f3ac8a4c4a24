//! What would happen to a batch, and nothing sent: the plan, said to people and machines.
//!
//! In: a [`Plan`], the settings it was made under, and what its items inherit. Out: an
//! [`Explanation`], which serialises to JSON and prints as text. Pure. Values that may be secret are
//! masked; a client is told neither the upstreams' addresses nor what the operator sets.

mod headers;
mod limits;
mod text;

use std::time::Duration;

use http::{HeaderMap, Method};
use serde::Serialize;

use crate::batch::ItemIndex;
use crate::config::{BatchEndpoint, Scheme, Settings, Target, Upstream};
use crate::dialect::InputFormat;
use crate::header::forwarded::ForwardedBy;
use crate::plan::{Call, CallTemplate, Plan, PlannedItem, Preferences, Step, coalesce};
use crate::problem;
use crate::route::UpstreamIndex;

use headers::ShownHeaders;
use limits::UpstreamLimits;

/// Who reads the explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Whoever holds the configuration file.
    Operator,
    /// Whoever may send a batch.
    Client,
}

/// What an explanation needs beside the plan.
pub struct ExplainContext<'context> {
    /// The settings.
    pub settings: &'context Settings,
    /// Where the batch was, or would be, sent.
    pub endpoint: &'context BatchEndpoint,
    /// What the client asked for.
    pub preferences: Preferences,
    /// The fields that the items inherit.
    pub inherited: &'context HeaderMap,
    /// What the gateway says about the hop.
    pub hop: &'context ForwardedBy,
    /// Who reads it.
    pub audience: Audience,
}

/// What would happen to a batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    endpoint: String,
    format: &'static str,
    order: &'static str,
    continue_on_error: bool,
    concurrency: usize,
    deadline_milliseconds: u64,
    /// How a client can show that it may send the batch; none: it need not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    auth: Vec<&'static str>,
    /// Members of the batch that the gateway does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored_members: Vec<String>,
    items: Vec<ExplainedItem>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExplainedItem {
    position: usize,
    id: String,
    method: String,
    url: String,
    /// The positions of the items that have to end first: well, unless there is a condition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after: Vec<usize>,
    /// What has to hold then.
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    /// The rate limits against which it counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rate_limits: Vec<String>,
    /// Its members that the gateway does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored_members: Vec<String>,
    #[serde(flatten)]
    fate: Fate,
}

/// What would become of an item; the key says which.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Fate {
    Call(ExplainedCall),
    /// The position of the item whose call it shares.
    SharesCallOf(usize),
    Respond {
        status: u16,
    },
    Rejected(ExplainedRejection),
    /// Where it goes is known only once the item is there that its url refers to.
    Later,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExplainedCall {
    upstream: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    targets: Vec<String>,
    path: String,
    headers: ShownHeaders,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_bytes: Option<usize>,
    timeout_milliseconds: u64,
    #[serde(flatten)]
    limits: UpstreamLimits,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct ExplainedRejection {
    status: u16,
    reason: &'static str,
    detail: String,
}

/// Explains a plan of items that came in this form.
#[must_use]
pub fn explain(mut plan: Plan, form: InputFormat, context: &ExplainContext<'_>) -> Explanation {
    let ExplainContext { endpoint, preferences, .. } = context;
    let mut execution_policy = endpoint.execution_policy(form, preferences);
    execution_policy.sequential |= plan.sequential;
    if !execution_policy.sequential {
        coalesce(&mut plan, &context.settings.routes);
    }
    let deadline = preferences.wait.map_or(endpoint.deadline, |wait| wait.min(endpoint.deadline));
    let items = plan.items.iter().enumerate();
    Explanation {
        endpoint: endpoint.path.as_str().to_owned(),
        format: form.as_str(),
        order: if execution_policy.sequential { "sequential" } else { "parallel" },
        continue_on_error: !execution_policy.stop_on_error,
        concurrency: if execution_policy.sequential { 1 } else { endpoint.concurrency.get() },
        deadline_milliseconds: milliseconds(deadline),
        auth: limits::ways_in(context.settings.auth.as_ref()),
        ignored_members: texts(&plan.ignored),
        items: items
            .map(|(index, item)| {
                let after =
                    plan.dependencies.get(index).into_iter().flatten().map(|on| on.position()).collect();
                let condition = plan.conditions.get(&ItemIndex(index));
                let condition = condition.map(|planned| planned.condition.to_string());
                ExplainedItem { condition, ..explain_item(index + 1, item, after, context) }
            })
            .collect(),
    }
}

impl Explanation {
    /// The explanation as a JSON document.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// How many items the gateway would refuse.
    #[must_use]
    pub fn rejected(&self) -> usize {
        self.items.iter().filter(|item| matches!(item.fate, Fate::Rejected(_))).count()
    }
}

fn explain_item(
    position: usize,
    item: &PlannedItem,
    after: Vec<usize>,
    context: &ExplainContext<'_>,
) -> ExplainedItem {
    let route = item.route.and_then(|index| context.settings.routes.get(index));
    let fate = match &item.step {
        Step::Call(call) => fate_of_call(call, &item.subject.method, context),
        // Shown with its references as they stand: what they become is known only later.
        Step::Later(template) => match template.destination {
            Some(destination) => {
                fate_of_call(&as_written(template, destination.upstream), &item.subject.method, context)
            }
            None => Fate::Later,
        },
        Step::Same(first) => Fate::SharesCallOf(first.position()),
        Step::Respond(respond) => Fate::Respond { status: respond.status.as_u16() },
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
        url: item.subject.href.to_string(),
        after,
        condition: None,
        route: route.map(|route| route.name.clone()),
        rate_limits,
        ignored_members: texts(&item.subject.form.ignored),
        fate,
    }
}

fn texts(names: &[Box<str>]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn fate_of_call(call: &Call, method: &Method, context: &ExplainContext<'_>) -> Fate {
    match context.settings.upstream(call.upstream) {
        Some(upstream) => Fate::Call(explain_call(call, (upstream, method), context)),
        None => Fate::Respond { status: 502 },
    }
}

fn as_written(template: &CallTemplate, upstream: UpstreamIndex) -> Call {
    Call {
        upstream,
        target: template.href.clone(),
        headers: template.headers.clone(),
        references: Vec::new(),
        body: template.body.clone(),
        timeout: template.timeout,
    }
}

fn explain_call(
    call: &Call,
    (upstream, method): (&Upstream, &Method),
    context: &ExplainContext<'_>,
) -> ExplainedCall {
    let timeout = call.timeout.map_or(upstream.timeout.item, |own| own.min(upstream.timeout.item));
    ExplainedCall {
        upstream: upstream.name.clone(),
        targets: match context.audience {
            Audience::Operator => upstream.targets.iter().map(target).collect(),
            Audience::Client => Vec::new(),
        },
        path: call.target.to_string(),
        headers: ShownHeaders::of(call, upstream, context),
        body_bytes: call.body.as_ref().map(bytes::Bytes::len),
        timeout_milliseconds: milliseconds(timeout),
        limits: UpstreamLimits::of(upstream, method),
    }
}

fn target(target: &Target) -> String {
    let scheme = match target.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
        Scheme::H2c => "h2c",
        Scheme::H2 => "h2",
    };
    format!("{scheme}://{}", target.authority())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
