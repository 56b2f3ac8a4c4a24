//! The text of an explanation, for people: a few lines for each item. Text of a client can't control the terminal.

use std::fmt;

use super::explanation::{ExplainedCall, ExplainedItem, Explanation, Fate};
use super::limits::UpstreamLimits;
use crate::terminal::{counted, one_line};

/// Characters of a client's text that are shown.
const WIDTH: usize = 200;

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.order {
            "parallel" => format!("in parallel, at most {} at once", self.concurrency),
            _ => "one by one, in this order".to_owned(),
        };
        let dialect = match self.dialect {
            "batchgate" => String::new(),
            other => format!(", {other}"),
        };
        let stop = if self.continue_on_error { "" } else { "; stops at the first error" };
        writeln!(
            formatter,
            "{} ({}{dialect}): {}, {order}{stop}; all within {} ms",
            self.endpoint,
            self.format,
            counted(self.items.len() as u64, "item", "items"),
            self.deadline_milliseconds
        )?;
        if !self.auth.is_empty() {
            writeln!(formatter, "clients must authenticate: {}", self.auth.join(", "))?;
        }
        if !self.ignored_members.is_empty() {
            let names = one_line(&self.ignored_members.join(", "), WIDTH);
            writeln!(formatter, "ignored, because a batch has no such members: {names}")?;
        }
        if self.query_is_ignored {
            writeln!(
                formatter,
                "ignored: the query of the batch's url, which items do not get in this dialect"
            )?;
        }
        if let Some(reason) = &self.refused {
            writeln!(formatter, "the batch would be refused: {reason}")?;
        }
        for item in &self.items {
            write_item(formatter, item)?;
        }
        write!(
            formatter,
            "\n{} to be sent or answered, {} rejected; nothing was sent",
            self.items.len() - self.rejected(),
            self.rejected()
        )
    }
}

/// Which route the item meets, why, and who has access to it.
fn write_route(formatter: &mut fmt::Formatter<'_>, item: &ExplainedItem) -> fmt::Result {
    let ExplainedItem { route, access, chosen_by, .. } = item;
    if let Some(route) = route {
        writeln!(formatter, "   route     {route}")?;
    }
    if !chosen_by.is_empty() {
        writeln!(formatter, "   by        {}", one_line(&chosen_by.join(", "), WIDTH))?;
    }
    if let Some(access) = access {
        writeln!(
            formatter,
            "   access    only for clients that authenticate with {access}; of others it is rejected"
        )?;
    }
    Ok(())
}

fn write_item(formatter: &mut fmt::Formatter<'_>, item: &ExplainedItem) -> fmt::Result {
    let ExplainedItem {
        position, id, method, url, after, follows, undo, condition, rate_limits, fate, ..
    } = item;
    let (id, url) = (one_line(id, WIDTH), one_line(url, WIDTH));
    writeln!(formatter, "\n{position}. {id}  {method} {url}")?;
    write_changes(formatter, item)?;
    if !after.is_empty() {
        let positions: Vec<_> = after.iter().map(ToString::to_string).collect();
        writeln!(formatter, "   after     {}", positions.join(", "))?;
    }
    if let Some(position) = follows {
        let group = if undo.is_some() { "is undone if it fails" } else { "is not atomic" };
        writeln!(formatter, "   follows   {position}, of the same group, which {group}")?;
    }
    if let Some(undo) = undo {
        writeln!(formatter, "   undo      {undo}")?;
    }
    if let Some(condition) = condition {
        writeln!(formatter, "   if        {}", one_line(condition, WIDTH))?;
    }
    write_route(formatter, item)?;
    if !rate_limits.is_empty() {
        writeln!(formatter, "   counts    towards the rate limits {}", rate_limits.join(", "))?;
    }
    match fate {
        Fate::Call(call) => write_call(formatter, call),
        Fate::SharesCallOf(position) => {
            writeln!(formatter, "   shares    the call of item {position}")
        }
        Fate::Respond { status, location } => {
            let to =
                location.as_ref().map(|url| format!(", to {}", one_line(url, WIDTH))).unwrap_or_default();
            writeln!(formatter, "   answered  {status} by the route, without an upstream{to}")
        }
        Fate::Later => writeln!(formatter, "   later     its url refers to another item's result"),
        Fate::Rejected(rejection) => {
            let detail = one_line(&rejection.detail, WIDTH);
            writeln!(formatter, "   rejected  {} {}: {detail}", rejection.status, rejection.reason)
        }
    }
}

/// What became of what the client wrote.
fn write_changes(formatter: &mut fmt::Formatter<'_>, item: &ExplainedItem) -> fmt::Result {
    let ExplainedItem { resolved_url, encoded, ignored_members, taken_for, dropped_headers, .. } = item;
    if let Some(url) = resolved_url {
        writeln!(formatter, "   url       {} (relative to the endpoint)", one_line(url, WIDTH))?;
    }
    if !encoded.is_empty() {
        let characters: Vec<_> = encoded.iter().map(|character| format!("`{character}`")).collect();
        let characters = one_line(&characters.join(" "), WIDTH);
        writeln!(formatter, "   encoded   {characters} (sent percent-encoded)")?;
    }
    for (member, meant) in taken_for {
        writeln!(formatter, "   taken     {member} for {meant}")?;
    }
    if !dropped_headers.is_empty() {
        let names = dropped_headers.join(", ");
        writeln!(formatter, "   dropped   {names} (a call has its own or none)")?;
    }
    if !ignored_members.is_empty() {
        let names = one_line(&ignored_members.join(", "), WIDTH);
        writeln!(formatter, "   ignored   {names} (an item has no such member)")?;
    }
    Ok(())
}

fn write_call(formatter: &mut fmt::Formatter<'_>, call: &ExplainedCall) -> fmt::Result {
    let targets =
        if call.targets.is_empty() { String::new() } else { format!(" ({})", call.targets.join(", ")) };
    writeln!(formatter, "   upstream  {}{targets}", call.upstream)?;
    writeln!(formatter, "   path      {}", one_line(&call.path, WIDTH))?;
    for (name, value) in &call.headers.0 {
        writeln!(formatter, "   header    {name}: {}", one_line(value, WIDTH))?;
    }
    if let Some(bytes) = call.body_bytes {
        writeln!(formatter, "   body      {}", counted(bytes as u64, "byte", "bytes"))?;
    }
    let UpstreamLimits { upstream_concurrency, upstream_queue, client_share_percent, upstream_rate, retry } =
        &call.limits;
    let share = client_share_percent
        .map_or_else(String::new, |percent| format!(", {percent} % of each for one client"));
    let rate = upstream_rate.as_ref().map_or_else(String::new, |rate| {
        format!(
            ", one start every {} ms (a burst of {} after a pause)",
            rate.interval_milliseconds, rate.burst
        )
    });
    writeln!(
        formatter,
        "   limits    {} ms for the call; this upstream: {upstream_concurrency} calls at once, queue {upstream_queue}{share}{rate}",
        call.timeout_milliseconds
    )?;
    let Some(retry) = retry else { return Ok(()) };
    writeln!(formatter, "   retry     up to {} attempts, after {}", retry.attempts, retry.after.join(", "))
}
