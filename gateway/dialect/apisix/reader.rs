//! APISIX's batch-requests: `{"query","headers","timeout","pipeline":[{"method","path","query","headers","body"}]}`.
//! An item's own query and fields win over the batch's; the timeout in milliseconds is each item's.

use std::borrow::Cow;

use super::query::Query;
use crate::batch::{BatchItem, ItemIndex};
use crate::format::ReadContext;
use crate::format::item_builder::{ItemBuilder, MemberNames};
use crate::format::json::plain::{Plain, PlainItem, scalar, texts};
use crate::format::json::{JsonError, JsonErrorKind, Lexer};

/// The members that an item can have.
const KNOWN: [&str; 8] = ["method", "headers", "body", "encoding", "path", "query", "version", "ssl_verify"];

const NAMES: MemberNames = MemberNames { url: "path" };

/// The members that hold for all items.
#[derive(Debug, Default)]
pub(super) struct Pipeline<'a> {
    query: Query<'a>,
    headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    timeout: Option<&'a str>,
}

impl<'a> Plain<'a> for Pipeline<'a> {
    const ITEMS: &'static str = "pipeline";
    const KNOWN: &'static [&'static str] = &["query", "headers", "timeout", "pipeline"];
    const MISSING: &'static str = "expected an object with the member `pipeline`";
    const NO_LIST: &'static str = "the member `pipeline` is not an array";

    fn read_shared(
        &mut self,
        lexer: &mut Lexer<'a>,
        name: &str,
        context: &ReadContext<'_>,
    ) -> Result<(), JsonError> {
        let at = lexer.position();
        let wrong = |problem| Err(JsonError { at, kind: JsonErrorKind::NotABatch(problem) });
        match name {
            "query" => {
                let mut query = Query::default();
                if !read_query(lexer, &mut query, context)? {
                    return wrong(
                        "the member `query` is not an object of strings, or is longer than a url (max_url)",
                    );
                }
                self.query = query;
            }
            "headers" => {
                if !self.read_headers(lexer, context)? {
                    return wrong(
                        "the member `headers` is not an object of strings, or has more fields than max_headers",
                    );
                }
            }
            "timeout" => self.timeout = Some(lexer.value()?).filter(|value| *value != "null"),
            _ => {
                lexer.value()?;
            }
        }
        Ok(())
    }

    fn read_item(
        &self,
        lexer: &mut Lexer<'a>,
        index: ItemIndex,
        context: &ReadContext<'_>,
    ) -> Result<BatchItem, JsonError> {
        let mut item = PlainItem::new(ItemBuilder::new(context.limits, NAMES));
        let (mut path, mut query) = (None, Query::default());
        item.read(lexer, |builder, lexer, name| {
            match name {
                "path" => path = scalar(lexer)?,
                "query" => {
                    if !read_query(lexer, &mut query, context)? {
                        builder.reject_member(
                            "query",
                            "is not an object of strings, or is longer than a url (max_url)",
                        );
                    }
                }
                // These say how APISIX calls itself.
                "version" | "ssl_verify" => {
                    lexer.value()?;
                }
                unknown => {
                    lexer.value()?;
                    builder.meet_unknown(unknown, &KNOWN);
                }
            }
            Ok(())
        })?;
        match path {
            Some(path) => item.builder.set_url(&query.behind(&path, &self.query)),
            None => item.builder.reject_missing("path"),
        }
        self.add_shared(&mut item.builder);
        Ok(item.finish(index))
    }

    fn sequential(&self) -> bool {
        false
    }
}

impl<'a> Pipeline<'a> {
    /// Reads the shared fields. Returns false if they are not fields, or too many.
    fn read_headers(&mut self, lexer: &mut Lexer<'a>, context: &ReadContext<'_>) -> Result<bool, JsonError> {
        let headers = &mut self.headers;
        texts(lexer, |name, value| {
            let fits = headers.len() < context.limits.max_headers;
            if fits {
                headers.push((name.clone(), value));
            }
            fits
        })
    }

    /// Adds the shared fields and the timeout that the item does not set itself.
    fn add_shared(&self, builder: &mut ItemBuilder<'_>) {
        if builder.is_rejected() {
            return;
        }
        let added: Vec<_> = self.headers.iter().filter(|(name, _)| !builder.has_header(name)).collect();
        for (name, value) in added {
            builder.add_header(name, value.as_bytes());
        }
        if let Some(timeout) = self.timeout {
            builder.set_timeout(timeout);
        }
    }
}

/// Reads a query. Returns false if it is not one, or too long.
fn read_query<'a>(
    lexer: &mut Lexer<'a>,
    query: &mut Query<'a>,
    context: &ReadContext<'_>,
) -> Result<bool, JsonError> {
    texts(lexer, |name, value| query.add(name.clone(), value, context.limits.max_url))
}
