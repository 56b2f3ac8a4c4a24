//! Reads a batch of plain items: first the members that hold for all items, wherever they are, then the items.

use bytes::Bytes;

use crate::batch::{Batch, BatchItem, BatchRefusal, ItemIndex};
use crate::format::ReadContext;
use crate::format::json::error::{JsonError, JsonErrorKind, check_unknown};
use crate::format::json::lexer::Lexer;
use crate::format::json::members::read_members;
use crate::format::json::text::text_of;
use crate::format::shown::shown;

/// A dialect's batch: the members that hold for all items, and how an item is read.
pub(crate) trait Plain<'a>: Sized {
    /// The member that holds the items.
    const ITEMS: &'static str;
    /// The error for a batch without that member.
    const MISSING: &'static str;
    /// The error for a batch in which that member is not a list.
    const NO_LIST: &'static str;

    /// The members of the batch.
    const KNOWN: &'static [&'static str];

    /// Reads a known member of the batch other than the items.
    fn read_shared(
        &mut self,
        lexer: &mut Lexer<'a>,
        name: &str,
        context: &ReadContext<'_>,
    ) -> Result<(), JsonError>;

    /// Reads an item.
    fn read_item(
        &self,
        lexer: &mut Lexer<'a>,
        index: ItemIndex,
        context: &ReadContext<'_>,
    ) -> Result<BatchItem, JsonError>;

    /// True if the items run one by one.
    fn sequential(&self) -> bool;
}

/// Reads a batch; `plain` is one in which nothing was read yet.
pub(crate) fn read<'a, P: Plain<'a>>(
    body: &'a Bytes,
    context: &ReadContext<'_>,
    mut plain: P,
) -> Result<Batch, BatchRefusal> {
    let text = text_of(body)?;
    let (mut items, mut ignored) = (Vec::new(), Vec::new());
    let lexer = Lexer::new(text, context.limits.max_depth);
    let read = read_around(lexer, &mut plain, context, &mut ignored)
        .and_then(|lexer| read_items(lexer, &plain, context, &mut items));
    match read {
        Ok(()) => Ok(Batch { items, sequential: plain.sequential(), ignored, ..Batch::default() }),
        Err(fault) => {
            let item = Some(ItemIndex(items.len())).filter(|_| !items.is_empty());
            Err(fault.into_refusal(body, item, context.limits))
        }
    }
}

/// Reads everything but the items, and returns a lexer that is right before them.
fn read_around<'a, P: Plain<'a>>(
    mut lexer: Lexer<'a>,
    plain: &mut P,
    context: &ReadContext<'_>,
    ignored: &mut Vec<Box<str>>,
) -> Result<Lexer<'a>, JsonError> {
    let missing = || JsonError { at: 0, kind: JsonErrorKind::NotABatch(P::MISSING) };
    if lexer.peek() != Some(b'{') {
        // If this is not JSON at all, that is the better error.
        lexer.value()?;
        return Err(missing());
    }
    let mut before_items = None;
    read_members(&mut lexer, |lexer, name, at| {
        if name == P::ITEMS {
            // Skips blanks, so that the copy is at the first byte of the value.
            lexer.peek();
            before_items = Some(lexer.clone());
            return lexer.value().map(|_| ());
        }
        if P::KNOWN.contains(&name) {
            return plain.read_shared(lexer, name, context);
        }
        lexer.value()?;
        ignored.push(shown(name).into());
        check_unknown(name, at, P::KNOWN)
    })?;
    lexer.end()?;
    before_items.ok_or_else(missing)
}

fn read_items<'a, P: Plain<'a>>(
    mut lexer: Lexer<'a>,
    plain: &P,
    context: &ReadContext<'_>,
    items: &mut Vec<BatchItem>,
) -> Result<(), JsonError> {
    if lexer.peek() != Some(b'[') {
        return Err(JsonError { at: lexer.position(), kind: JsonErrorKind::NotABatch(P::NO_LIST) });
    }
    lexer.elements(|lexer| {
        if items.len() == context.limits.max_items {
            return Err(JsonError { at: lexer.position(), kind: JsonErrorKind::TooManyItems });
        }
        items.push(plain.read_item(lexer, ItemIndex(items.len()), context)?);
        Ok(())
    })
}
