//! Why the gateway rejects one item. Only that item fails; the others go on. Status codes are picked in
//! `problem::table` only.

use super::groups::{no_undo, not_atomic};
use super::{AdmissionRefusal, Bounded, Place};
use crate::header::field::FieldError;
use crate::reference::item_id::ItemIndex;
use crate::route::{ReferenceProblem, RefusedReference, UrlCharacter};

/// The item is at fault. Nothing was sent for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemRejection {
    /// A line of an NDJSON batch is not an item.
    #[error("the line is not an item: {reason} at {place}")]
    BadLine {
        /// What the parser says; for people only.
        reason: String,
        /// Where in the body.
        place: Place,
    },
    /// The item is not an object (JSON) or not a `request` element (XML).
    #[error("the item is not {expected}")]
    WrongShape {
        /// What it should be.
        expected: &'static str,
    },
    /// A part of multipart has nothing in it.
    #[error("part {} of the batch is empty; a part holds an application/http request", item.position())]
    EmptyPart {
        /// The item that it would be.
        item: ItemIndex,
    },
    /// A member that every item needs is missing.
    #[error("the item has no `{member}`{}", written_instead(.instead.as_deref(), .member))]
    MissingMember {
        /// The member's name.
        member: &'static str,
        /// An unknown member that may have been meant for it, cut to a sensible length.
        instead: Option<String>,
    },
    /// A member has the wrong type or value.
    #[error("the item's `{member}` {problem}")]
    BadMember {
        /// The member's name.
        member: &'static str,
        /// The problem with it.
        problem: &'static str,
    },
    /// A record of a bulk can't fill its url's template: a variable is missing, or is not text.
    #[error("the record's `{variable}` {problem}")]
    BadVariable {
        /// The variable's name.
        variable: String,
        /// The problem with it.
        problem: &'static str,
    },
    /// A line of a bulk can't be read.
    #[error("line {line} {problem}")]
    BadRecordLine {
        /// The line, from 1.
        line: usize,
        /// The problem with it.
        problem: String,
    },
    /// An unknown member whose name is similar to a known one. In XML, where names are written by hand: any unknown
    /// attribute or element.
    #[error("the item has `{member}`, which items don't have{}", did_you_mean(*.meant))]
    UnknownMember {
        /// Its name as given, cut to a sensible length.
        member: String,
        /// The known name that is similar to it, if there is one.
        meant: Option<&'static str>,
    },
    /// A header field that an item can't have.
    #[error("the item's header `{name}` {error}")]
    BadHeader {
        /// The field's name as given, cut to a sensible length.
        name: String,
        /// Why not.
        error: FieldError,
    },
    /// A limit of the batch endpoint on one item.
    #[error("the item's {what} is over the limit of {}", what.limit_text(*.limit))]
    OverLimit {
        /// The part of the item that is too large.
        what: Bounded,
        /// The limit, in the unit of the part.
        limit: usize,
    },
    /// The body is not in the encoding it claims.
    #[error("the item's body {problem}")]
    BadBody {
        /// The problem with it.
        problem: &'static str,
    },
    /// The url may lead to another place than it seems to: another host, `..`, an encoded slash.
    #[error("the item's url {problem}")]
    ForbiddenUrl {
        /// The problem with it.
        problem: &'static str,
    },
    /// A character of the url can't be where it is, and can't be encoded without changing what the url means.
    #[error("the item's url has `{text}` at character {position}: {problem}")]
    UrlCharacter {
        /// The character, or the encoding of one.
        text: String,
        /// Where it is in the url as the client wrote it, in characters from 1.
        position: usize,
        /// Why it can't be there.
        problem: &'static str,
    },
    /// A `Destination` or `If` leads out of the route's upstream (RFC 4918 §10.3, §10.4).
    #[error("the item's `{field}` {problem}")]
    ForbiddenReference {
        /// The field's name.
        field: &'static str,
        /// The problem with it.
        problem: &'static str,
    },
    /// The url in a `Destination` or `If` is malformed.
    #[error("the item's `{field}` {problem}")]
    MalformedReference {
        /// The field's name.
        field: &'static str,
        /// The problem with it.
        problem: String,
    },
    /// A record's url belongs to another route than its template.
    #[error("the record's url leads to another route than the template of its bulk route")]
    OtherRoute,
    /// A reference to another item's result is malformed, or names no earlier item.
    #[error("the item's reference `{reference}` {problem}")]
    BadReference {
        /// The reference as given, cut to a sensible length.
        reference: String,
        /// The problem with it.
        problem: &'static str,
    },
    /// A line of a stream waits for itself.
    #[error("the item depends on itself (`{name}`)")]
    SelfDependency {
        /// Its name as given, cut to a sensible length.
        name: String,
    },
    /// A line of a stream names one that the stream does not remember: there was none, or it is too long ago.
    #[error("the item names `{name}`, but {}", window(*.lines))]
    NotInWindow {
        /// The name as given, cut to a sensible length.
        name: String,
        /// How many lines a stream remembers.
        lines: usize,
    },
    /// The item's condition is not a valid expression.
    #[error("the item's `if` {problem}, at character {column}")]
    BadCondition {
        /// Where, in characters from 1.
        column: usize,
        /// The problem there.
        problem: &'static str,
    },
    /// The item's condition uses a part of OData that this gateway does not support.
    #[error("the item's `if` uses `{what}`, which is not supported in conditions")]
    UnsupportedCondition {
        /// What, as given, cut to a sensible length.
        what: String,
    },
    /// The url is a batch endpoint's.
    #[error("a batch can't contain a batch")]
    NestedBatch,
    /// The route accepts single requests only.
    #[error("the route does not accept items of batches (batch: false); send it as a single request")]
    NotBatchable,
    /// The item's body is in a content coding, which its route decodes in single requests only.
    #[error(
        "the item's body is in a content coding (Content-Encoding), which its service does not read; send it plain, and compress \
         the whole batch"
    )]
    CodedBody,
    /// The client is not let in, or not now.
    #[error(transparent)]
    NotAdmitted(AdmissionRefusal),
    /// No route has this path.
    #[error("no route is configured for this path")]
    NoRoute,
    /// No route has the path that a relative url leads to at its endpoint.
    #[error("no route is configured for this path; the item's url is relative and means `{path}` here")]
    NoRouteForRelative {
        /// That path, cut to a sensible length.
        path: String,
    },
    /// The route does not allow the method.
    #[error("the route does not allow this method; it allows {allowed}")]
    MethodNotAllowed {
        /// The methods that it allows, comma-separated.
        allowed: String,
    },
    /// It is in a group of several items, which the endpoint refuses.
    #[error("{}", not_atomic("group"))]
    NotAtomic,
    /// It is in a group of several items that has a member which could not be undone.
    #[error("{}", no_undo(method, route, "group"))]
    NoUndo {
        /// That member's method.
        method: String,
        /// The name of its route.
        route: String,
    },
    /// The item needs something that the gateway does not support.
    #[error("{what}")]
    NotImplemented {
        /// What that is, as a sentence.
        what: &'static str,
    },
}

fn window(lines: usize) -> String {
    match lines {
        0 => "lines can't name others here (stream_window.items)".to_owned(),
        _ => format!(
            "none of the {lines} lines before it has that id, and a line can name only those (stream_window.items)"
        ),
    }
}

fn written_instead(name: Option<&str>, member: &str) -> String {
    name.map_or_else(String::new, |name| format!(", but `{name}`; did you mean `{member}`?"))
}

fn did_you_mean(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

impl From<RefusedReference> for ItemRejection {
    fn from(RefusedReference { field, problem }: RefusedReference) -> Self {
        match problem {
            ReferenceProblem::Forbidden(problem) => Self::ForbiddenReference { field, problem },
            ReferenceProblem::Malformed(problem) => Self::MalformedReference { field, problem },
        }
    }
}

impl From<UrlCharacter> for ItemRejection {
    fn from(UrlCharacter { text, position, problem }: UrlCharacter) -> Self {
        Self::UrlCharacter { text, position, problem }
    }
}
