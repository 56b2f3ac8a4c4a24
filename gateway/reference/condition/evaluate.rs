//! What a condition comes to (OData URL Conventions 4.01 §5.1.1.1). Null is unknown: `not null` is
//! null, `null or true` is true. A value that can't be determined is unknown, too, so that
//! `not $a/$succeeded or $a/state eq 'new'` holds where `a` has no body to look into.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Comparison, Condition, Literal, Operand, ResultPart, decimal, shown};

/// A condition can't be evaluated, because a value in it is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// What leads to nothing, as in the condition, cut to a sensible length.
    pub reference: String,
    /// Why.
    pub problem: &'static str,
}

/// `None` is OData's null.
type Truth = Result<Option<bool>, Unresolved>;

/// Looks up a part of a result: `None` is an object or a list, which equals nothing.
type Lookup<'run> = dyn FnMut(&ResultPart) -> Result<Option<Literal>, &'static str> + 'run;

impl Condition {
    /// Whether the condition holds, by what `lookup` finds in the results; where it finds an object or
    /// a list it gives `None`. Nothing is looked up whose value does not matter any more.
    ///
    /// # Errors
    /// Names the value that is missing.
    pub fn holds(&self, lookup: &mut Lookup<'_>) -> Result<bool, Unresolved> {
        self.truth(lookup).map(|truth| truth == Some(true))
    }

    fn truth(&self, lookup: &mut Lookup<'_>) -> Truth {
        match self {
            Self::Any(list) => of_list(list, Needed::Any, lookup),
            Self::All(list) => of_list(list, Needed::All, lookup),
            Self::Not(inner) => Ok(inner.truth(lookup)?.map(|truth| !truth)),
            Self::Compared { left, comparison, right } => {
                let (left, right) = (value(left, lookup)?, value(right, lookup)?);
                Ok(Some(comparison.holds(left.as_deref(), right.as_deref())))
            }
            Self::Plain(operand) => match value(operand, lookup)?.as_deref() {
                Some(Literal::Boolean(value)) => Ok(Some(*value)),
                Some(Literal::Null) => Ok(None),
                Some(Literal::Number(_) | Literal::Text(_)) | None => {
                    let problem = "the value is neither true nor false";
                    Err(Unresolved { reference: shown(&operand.to_string()), problem })
                }
            },
        }
    }
}

/// How many conditions of a list must hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needed {
    Any,
    All,
}

/// One that is `decisive` settles the list; else the first that is unknown does.
fn of_list(list: &[Condition], needed: Needed, lookup: &mut Lookup<'_>) -> Truth {
    let decisive = needed == Needed::Any;
    let mut end = Ok(Some(!decisive));
    for one in list {
        let truth = one.truth(lookup);
        if truth == Ok(Some(decisive)) {
            return truth;
        }
        if end == Ok(Some(!decisive)) {
            end = truth;
        }
    }
    end
}

fn value<'own>(
    operand: &'own Operand,
    lookup: &mut Lookup<'_>,
) -> Result<Option<Cow<'own, Literal>>, Unresolved> {
    match operand {
        Operand::Literal(literal) => Ok(Some(Cow::Borrowed(literal))),
        Operand::Result(part) => match lookup(part) {
            Ok(found) => Ok(found.map(Cow::Owned)),
            Err(problem) => Err(Unresolved { reference: shown(&part.to_string()), problem }),
        },
    }
}

impl Comparison {
    fn holds(self, left: Option<&Literal>, right: Option<&Literal>) -> bool {
        let order = order(left, right);
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
        }
    }
}

/// `None` if the two are of different types: they are not equal, and neither is the greater one.
fn order(left: Option<&Literal>, right: Option<&Literal>) -> Option<Ordering> {
    match (left?, right?) {
        (Literal::Null, Literal::Null) => Some(Ordering::Equal),
        (Literal::Boolean(left), Literal::Boolean(right)) => Some(left.cmp(right)),
        (Literal::Number(left), Literal::Number(right)) => decimal::compare(left, right),
        (Literal::Text(left), Literal::Text(right)) => Some(left.cmp(right)),
        (Literal::Null | Literal::Boolean(_) | Literal::Number(_) | Literal::Text(_), _) => None,
    }
}
