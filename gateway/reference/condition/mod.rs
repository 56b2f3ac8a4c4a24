//! Conditions on the results of earlier items: an item's `if` (OData JSON Format 4.01 §19.1).
//!
//! The part of OData's URL expressions (OData URL Conventions 4.01 §5.1.1) that asks about results:
//! `and`, `or`, `not`, parentheses, the six comparisons, strings, numbers, `true`, `false`, `null`.
//! Beside OData's `$ID/$succeeded`, `$ID` and `$ID/path`, the gateway's own references can be
//! compared, `{$responses.ID.status}`. Reading a condition is here, and what it comes to once the
//! results are there; looking into results is not.

mod decimal;
mod evaluate;
mod parse;

use std::fmt;

use super::expression::Expression;
use crate::reference::item_id::ItemId;

pub use evaluate::Unresolved;
pub use parse::{ConditionError, ConditionPart};

/// Characters of a condition that are repeated in a reply.
const MAX_SHOWN: usize = 128;

/// The condition on which an item is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// One of them at least: `a or b`.
    Any(Vec<Condition>),
    /// Each of them: `a and b`.
    All(Vec<Condition>),
    /// `not a`.
    Not(Box<Condition>),
    /// `a eq b`.
    Compared {
        /// The left operand.
        left: Operand,
        /// How.
        comparison: Comparison,
        /// With what.
        right: Operand,
    },
    /// A value that is true or false by itself.
    Plain(Operand),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
}

/// A value in a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// It is present.
    Literal(Literal),
    /// It is looked up in a result.
    Result(ResultPart),
}

/// A value that can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// `null`, also for an absent member.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number as it is written, which is also how JSON writes it.
    Number(Box<str>),
    /// A text, without its quotes.
    Text(Box<str>),
}

/// What a condition asks of an item's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultPart {
    /// `$ID/$succeeded`: whether it ended below 400.
    Succeeded(ItemId),
    /// `$ID` or `$ID/path`: its JSON body, or a value in it.
    Member {
        /// Whose result.
        item: ItemId,
        /// Names of members and positions in lists, each with a slash before it; empty for all of the body.
        path: Box<str>,
    },
    /// `{$responses.ID.…}`
    Reference(Expression),
}

impl ResultPart {
    /// Whether it needs the result itself, and not only how the item ended.
    #[must_use]
    pub fn needs_result(&self) -> bool {
        match self {
            Self::Succeeded(_) => false,
            Self::Member { .. } => true,
            Self::Reference(expression) => expression.needs_result(),
        }
    }

    /// Whose result.
    #[must_use]
    pub fn item(&self) -> &ItemId {
        match self {
            Self::Succeeded(item) | Self::Member { item, .. } => item,
            Self::Reference(expression) => &expression.item,
        }
    }
}

impl Condition {
    /// What it asks about, in order.
    #[must_use]
    pub fn parts(&self) -> Vec<&ResultPart> {
        let mut parts = Vec::new();
        self.collect(&mut parts);
        parts
    }

    fn collect<'own>(&'own self, parts: &mut Vec<&'own ResultPart>) {
        let mut add = |operand: &'own Operand| match operand {
            Operand::Literal(_) => {}
            Operand::Result(part) => parts.push(part),
        };
        match self {
            Self::Any(list) | Self::All(list) => list.iter().for_each(|one| one.collect(parts)),
            Self::Not(inner) => inner.collect(parts),
            Self::Compared { left, right, .. } => {
                add(left);
                add(right);
            }
            Self::Plain(operand) => add(operand),
        }
    }

    /// The condition for a reply: on one line, and cut to a sensible length.
    #[must_use]
    pub fn shown(&self) -> String {
        shown(&self.to_string())
    }
}

/// A client's text without what no format can carry, cut to a sensible length.
fn shown(text: &str) -> String {
    let fit = |character: &char| !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}');
    text.chars().filter(fit).take(MAX_SHOWN).collect()
}

impl Comparison {
    const ALL: [(&'static str, Self); 6] = [
        ("eq", Self::Equal),
        ("ne", Self::NotEqual),
        ("gt", Self::Greater),
        ("ge", Self::GreaterOrEqual),
        ("lt", Self::Less),
        ("le", Self::LessOrEqual),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, comparison)| *comparison == self).map_or("", |(word, _)| word)
    }
}

/// The condition as it is written, with parentheses only where they are needed.
impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(list) => write_list(formatter, list, " or ", |one| matches!(one, Self::Any(_))),
            Self::All(list) => {
                write_list(formatter, list, " and ", |one| matches!(one, Self::Any(_) | Self::All(_)))
            }
            Self::Not(inner) => match &**inner {
                Self::Not(_) | Self::Plain(_) => write!(formatter, "not {inner}"),
                Self::Any(_) | Self::All(_) | Self::Compared { .. } => write!(formatter, "not ({inner})"),
            },
            Self::Compared { left, comparison, right } => {
                write!(formatter, "{left} {} {right}", comparison.as_str())
            }
            Self::Plain(operand) => operand.fmt(formatter),
        }
    }
}

fn write_list(
    formatter: &mut fmt::Formatter<'_>,
    list: &[Condition],
    between: &str,
    in_parentheses: impl Fn(&Condition) -> bool,
) -> fmt::Result {
    for (number, one) in list.iter().enumerate() {
        if number > 0 {
            formatter.write_str(between)?;
        }
        if in_parentheses(one) {
            write!(formatter, "({one})")?;
        } else {
            write!(formatter, "{one}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Operand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => literal.fmt(formatter),
            Self::Result(part) => part.fmt(formatter),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Boolean(value) => value.fmt(formatter),
            Self::Number(number) => formatter.write_str(number),
            Self::Text(text) => write!(formatter, "'{}'", text.replace('\'', "''")),
        }
    }
}

impl fmt::Display for ResultPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded(item) => write!(formatter, "${item}/$succeeded"),
            Self::Member { item, path } => write!(formatter, "${item}{path}"),
            Self::Reference(expression) => expression.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests;
