//! Reads a JSON batch (protocol §2.1; OData JSON Format 4.01 §19): one pass over the text, no
//! tree, bodies as slices of the text.
//!
//! What is wrong with the document refuses the batch, with the place; what is wrong with one item
//! rejects that item. Members that the protocol does not know are skipped, for clients send more
//! than it asks for.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;

use super::item::{ItemReader, Members};
use super::lexer::{Fault, FaultKind, Lexer};
use crate::format::draft::{NO_TRANSACTIONS, check_ids};
use crate::format::{Batch, BatchItem, BatchLimits, BatchRefusal, ItemIndex, ItemRejection, Place};

/// Reads a batch.
pub(in crate::format) fn read(body: &Bytes, limits: &BatchLimits) -> Result<Batch, BatchRefusal> {
    let text = text_of(body)?;
    let mut reader = Reader { body, limits, items: Vec::new(), groups: Vec::new(), in_items: false };
    match reader.read(Lexer::new(text, limits.max_depth)) {
        Ok(()) => reader.finish(),
        Err(fault) => Err(reader.refusal(fault)),
    }
}

/// The body as text. RFC 8259 §8.1: UTF-8, and no byte order mark.
fn text_of(body: &[u8]) -> Result<&str, BatchRefusal> {
    let malformed =
        |reason: &str, at| Err(BatchRefusal::Malformed { reason: reason.into(), place: Place::at(body, at) });
    if body.is_empty() {
        return malformed("the body is empty", 0);
    }
    match std::str::from_utf8(body) {
        Ok(text) if text.starts_with('\u{feff}') => malformed("JSON starts without a byte order mark", 0),
        Ok(text) => Ok(text),
        Err(error) => malformed("JSON has to be UTF-8", error.valid_up_to()),
    }
}

struct Reader<'a> {
    body: &'a Bytes,
    limits: &'a BatchLimits,
    items: Vec<BatchItem>,
    /// The items that named an atomicity group, with its name.
    groups: Vec<(usize, Cow<'a, str>)>,
    /// Whether the place reached is between the first item's start and the last one's end.
    in_items: bool,
}

impl<'a> Reader<'a> {
    fn read(&mut self, mut lexer: Lexer<'a>) -> Result<(), Fault> {
        if lexer.peek() != Some(b'{') {
            // Is it JSON at all? That is the better thing to tell.
            lexer.value()?;
            return Err(not_a_batch(0, "expected an object with the member `requests`"));
        }
        lexer.open_object()?;
        let mut first = true;
        let mut members = Members::default();
        let mut found = false;
        while let Some(name) = lexer.next_member(&mut first)? {
            let decoded = name.decode()?;
            members.add(decoded.clone(), name.at)?;
            if decoded == "requests" {
                found = true;
                self.read_requests(&mut lexer)?;
            } else {
                lexer.value()?;
            }
        }
        lexer.end()?;
        if found { Ok(()) } else { Err(not_a_batch(0, "the member `requests` is missing")) }
    }

    fn read_requests(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        if lexer.peek() != Some(b'[') {
            let at = lexer.position();
            lexer.value()?;
            return Err(not_a_batch(at, "the member `requests` is no array"));
        }
        lexer.open_array()?;
        self.in_items = true;
        let mut first = true;
        while lexer.next_element(&mut first)? {
            if self.items.len() == self.limits.max_items {
                return Err(Fault { at: lexer.position(), kind: FaultKind::TooManyItems });
            }
            self.read_item(lexer)?;
        }
        self.in_items = false;
        Ok(())
    }

    fn read_item(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        let index = ItemIndex(self.items.len());
        let (item, group) = ItemReader::new(self.body, self.limits).read(lexer, index)?;
        self.items.push(item);
        self.groups.extend(group.map(|name| (index.0, name)));
        Ok(())
    }

    /// Settles what only the whole batch can tell: ids, and how large its groups are.
    fn finish(mut self) -> Result<Batch, BatchRefusal> {
        check_ids(&self.items)?;
        let mut sizes: HashMap<&str, usize> = HashMap::new();
        for (_, name) in &self.groups {
            *sizes.entry(name).or_default() += 1;
        }
        for (index, name) in &self.groups {
            let size = sizes.get(name.as_ref()).copied().unwrap_or_default();
            if let Some(item) = self.items.get_mut(*index).filter(|_| size > 1) {
                item.content = Err(NO_TRANSACTIONS);
            }
        }
        Ok(Batch { items: self.items })
    }

    fn refusal(&self, fault: Fault) -> BatchRefusal {
        let place = Place::at(self.body, fault.at);
        let place = if self.in_items { place.in_item(ItemIndex(self.items.len())) } else { place };
        match fault.kind {
            FaultKind::Syntax(reason) => BatchRefusal::Malformed { reason: reason.into(), place },
            FaultKind::NotABatch(reason) => BatchRefusal::NotABatch { reason: reason.into(), place },
            FaultKind::TooDeep => BatchRefusal::TooDeep { limit: self.limits.max_depth, place },
            FaultKind::Twice(member) => BatchRefusal::DuplicateMember { member, place },
            FaultKind::TooManyItems => BatchRefusal::TooManyItems { limit: self.limits.max_items },
        }
    }
}

fn not_a_batch(at: usize, reason: &'static str) -> Fault {
    Fault { at, kind: FaultKind::NotABatch(reason) }
}

/// What every element of `requests` has to be.
pub(super) const NO_OBJECT: ItemRejection = ItemRejection::WrongShape { expected: "an object" };
