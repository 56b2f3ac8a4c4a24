//! Reads a condition. A text that is not an expression is distinguished from an OData expression that the
//! gateway does not support: arithmetic, functions, lambdas, other types of literals.

use http::header::{CONTENT_LOCATION, LOCATION};

use super::{Comparison, Condition, Literal, Operand, ResultPart, decimal, shown};
use crate::reference::expression::{EXPRESSION_START, Expression, Part};

/// Bytes of a condition.
const MAX_LENGTH: usize = 2048;
/// Parentheses and `not` within each other.
const MAX_DEPTH: usize = 32;
/// Parts of results that it asks for; each may mean that a body is looked through.
const MAX_REFERENCES: usize = 64;

/// The characters that end a word, in addition to white space.
const DELIMITERS: [char; 5] = ['(', ')', ',', '\'', '{'];
/// OData's operators that are not supported (OData URL Conventions 4.01 §5.1.1.1, §5.1.1.2).
const OTHER_OPERATORS: [&str; 8] = ["add", "sub", "mul", "div", "divby", "mod", "has", "in"];

const NO_VALUE: &str = "has no value where one is expected";
const NO_END: &str = "continues where `and`, `or`, a comparison or the end is expected";

/// The part of a condition that exceeded a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionPart {
    /// Its length in bytes.
    Length,
    /// How deep it nests.
    Depth,
    /// The number of results that it refers to.
    References,
}

/// Why a text is not a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionError {
    /// It breaks the syntax.
    Malformed {
        /// Where, in characters from 1.
        column: usize,
        /// The problem there.
        problem: &'static str,
    },
    /// It may be an OData expression, but uses something that is not supported.
    NotSupported {
        /// What, as in the condition, cut to a sensible length.
        what: String,
    },
    /// It exceeds a limit.
    OverLimit {
        /// The part that does.
        part: ConditionPart,
        /// The limit.
        limit: usize,
    },
}

struct Parser<'text> {
    text: &'text str,
    /// Bytes that are read.
    at: usize,
    depth: usize,
    references: usize,
}

impl Condition {
    /// Parses a condition.
    ///
    /// # Errors
    /// Describes the problem, or the part that is not supported.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        if text.len() > MAX_LENGTH {
            return Err(ConditionError::OverLimit { part: ConditionPart::Length, limit: MAX_LENGTH });
        }
        let mut parser = Parser { text, at: 0, depth: 0, references: 0 };
        let condition = parser.any()?;
        parser.skip_blanks();
        if parser.rest().is_empty() { Ok(condition) } else { Err(parser.unexpected()) }
    }
}

impl<'text> Parser<'text> {
    fn any(&mut self) -> Result<Condition, ConditionError> {
        self.list("or", Self::all, Condition::Any)
    }

    fn all(&mut self) -> Result<Condition, ConditionError> {
        self.list("and", Self::one, Condition::All)
    }

    /// Conditions with this word between them. A single one is itself.
    fn list(
        &mut self,
        word: &str,
        one: fn(&mut Self) -> Result<Condition, ConditionError>,
        of_list: fn(Vec<Condition>) -> Condition,
    ) -> Result<Condition, ConditionError> {
        let first = one(self)?;
        if !self.takes(word) {
            return Ok(first);
        }
        let mut list = vec![first, one(self)?];
        while self.takes(word) {
            list.push(one(self)?);
        }
        Ok(of_list(list))
    }

    fn one(&mut self) -> Result<Condition, ConditionError> {
        if self.takes("not") {
            return self.not();
        }
        if self.rest().starts_with('(') {
            return self.group();
        }
        let (start, left) = (self.at, self.operand()?);
        let Some(comparison) = self.comparison() else { return self.plain(start, left) };
        self.at += comparison.as_str().len();
        Ok(Condition::Compared { left, comparison, right: self.operand()? })
    }

    /// In OData `not` binds tighter than `eq`, while most readers expect the opposite; so a comparison
    /// after a `not` has to be in parentheses.
    fn not(&mut self) -> Result<Condition, ConditionError> {
        self.deeper()?;
        let inner = if self.takes("not") {
            self.not()?
        } else if self.rest().starts_with('(') {
            self.group()?
        } else {
            let (start, operand) = (self.at, self.operand()?);
            if self.comparison().is_some() {
                return Err(self.malformed("has a comparison after `not` that is not in parentheses"));
            }
            self.plain(start, operand)?
        };
        self.depth -= 1;
        Ok(Condition::Not(Box::new(inner)))
    }

    fn group(&mut self) -> Result<Condition, ConditionError> {
        self.deeper()?;
        self.at += 1;
        let inner = self.any()?;
        self.skip_blanks();
        if !self.rest().starts_with(')') {
            return Err(if self.rest().is_empty() {
                self.malformed("has a parenthesis that is not closed")
            } else {
                self.unexpected()
            });
        }
        self.at += 1;
        self.depth -= 1;
        Ok(inner)
    }

    /// An operand without a comparison: it has to be able to be true.
    fn plain(&self, start: usize, operand: Operand) -> Result<Condition, ConditionError> {
        let may_be_true = match &operand {
            Operand::Literal(literal) => matches!(literal, Literal::Boolean(_)),
            Operand::Result(ResultPart::Succeeded(_) | ResultPart::Member { .. }) => true,
            Operand::Result(ResultPart::Reference(expression)) => matches!(expression.part, Part::Body(_)),
        };
        if !may_be_true && self.is_at_end_of_operand() {
            let problem = "has a value that is compared with nothing";
            return Err(ConditionError::Malformed { column: self.column(start), problem });
        }
        if may_be_true { Ok(Condition::Plain(operand)) } else { Err(self.unexpected()) }
    }

    fn is_at_end_of_operand(&self) -> bool {
        let word = self.word();
        word.is_empty() || is_word(word, "and") || is_word(word, "or")
    }

    fn operand(&mut self) -> Result<Operand, ConditionError> {
        self.skip_blanks();
        let rest = self.rest();
        match rest.bytes().next() {
            Some(b'\'') => self.string().map(Operand::Literal),
            Some(b'$') => self.result().map(Operand::Result),
            Some(b'{') => self.reference().map(Operand::Result),
            Some(b'(') => Err(ConditionError::NotSupported { what: shown(rest) }),
            Some(b')' | b',') | None => Err(self.malformed(NO_VALUE)),
            Some(_) => self.literal().map(Operand::Literal),
        }
    }

    /// A literal that is one word.
    fn literal(&mut self) -> Result<Literal, ConditionError> {
        let word = self.word();
        let is_operator = || {
            let all = Comparison::ALL.iter().map(|(name, _)| *name).chain(OTHER_OPERATORS);
            all.chain(["and", "or"]).any(|name| is_word(word, name))
        };
        let behind = self.rest().get(word.len()..).unwrap_or_default();
        let literal = if is_word(word, "true") || is_word(word, "false") {
            Literal::Boolean(is_word(word, "true"))
        } else if is_word(word, "null") {
            Literal::Null
        } else if decimal::is_number(word) {
            Literal::Number(word.into())
        } else if is_operator() {
            return Err(self.malformed(NO_VALUE));
        } else {
            return Err(ConditionError::NotSupported { what: shown(word) });
        };
        if behind.starts_with(['(', '\'', '{', ',']) {
            return Err(self.unexpected());
        }
        self.at += word.len();
        Ok(literal)
    }

    /// `'it''s'`
    fn string(&mut self) -> Result<Literal, ConditionError> {
        let mut text = String::new();
        let mut rest = self.rest().get(1..).unwrap_or_default();
        loop {
            let Some((before, after)) = rest.split_once('\'') else {
                return Err(self.malformed("has a string that is not closed"));
            };
            text.push_str(before);
            let Some(more) = after.strip_prefix('\'') else {
                self.at = self.text.len() - after.len();
                return Ok(Literal::Text(text.into()));
            };
            text.push('\'');
            rest = more;
        }
    }

    /// `$ID/$succeeded`, `$ID`, `$ID/path`
    fn result(&mut self) -> Result<ResultPart, ConditionError> {
        self.count_reference()?;
        let word = self.word();
        let not_supported = || Err(ConditionError::NotSupported { what: shown(word) });
        if self.rest().get(word.len()..).is_some_and(|behind| behind.starts_with(['(', '\'', '{', ','])) {
            return not_supported();
        }
        let (id, path) = word.split_at(word.find('/').unwrap_or(word.len()));
        let id = id.strip_prefix('$').unwrap_or_default();
        if id.is_empty() {
            return Err(self.malformed("has a `$` that names no item"));
        }
        let part = if path == "/$succeeded" {
            ResultPart::Succeeded(id.into())
        } else if path.contains("/$") {
            return not_supported();
        } else if path.split('/').skip(1).any(str::is_empty) {
            return Err(self.malformed("has a path with an empty name in it"));
        } else {
            ResultPart::Member { item: id.into(), path: path.into() }
        };
        self.at += word.len();
        Ok(part)
    }

    /// `{$responses.ID.…}`
    fn reference(&mut self) -> Result<ResultPart, ConditionError> {
        self.count_reference()?;
        let inner = self.rest().strip_prefix(EXPRESSION_START);
        let Some((inner, _)) = inner.and_then(|inner| inner.split_once('}')) else {
            return Err(self.malformed("has a brace that does not begin a reference"));
        };
        let expression = Expression::parse(inner).map_err(|_| {
            self.malformed(
                "has a reference that names no part of a result; write .body#/pointer, .header.NAME or .status",
            )
        })?;
        // Their values are the upstream's own urls, which clients never see.
        if matches!(&expression.part, Part::Header(name) if *name == LOCATION || *name == CONTENT_LOCATION) {
            return Err(ConditionError::NotSupported { what: shown(&expression.to_string()) });
        }
        self.at += EXPRESSION_START.len() + inner.len() + 1;
        Ok(ResultPart::Reference(expression))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        self.skip_blanks();
        let word = self.word();
        Comparison::ALL.iter().find(|(name, _)| is_word(word, name)).map(|(_, comparison)| *comparison)
    }

    /// Skips a word, if it is the next one.
    fn takes(&mut self, word: &str) -> bool {
        self.skip_blanks();
        let found = is_word(self.word(), word);
        if found {
            self.at += word.len();
            self.skip_blanks();
        }
        found
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches(is_blank).len();
    }

    fn rest(&self) -> &'text str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn word(&self) -> &'text str {
        let ends = |character| is_blank(character) || DELIMITERS.contains(&character);
        self.rest().split(ends).next().unwrap_or_default()
    }

    fn deeper(&mut self) -> Result<(), ConditionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ConditionError::OverLimit { part: ConditionPart::Depth, limit: MAX_DEPTH });
        }
        Ok(())
    }

    fn count_reference(&mut self) -> Result<(), ConditionError> {
        self.references += 1;
        if self.references > MAX_REFERENCES {
            return Err(ConditionError::OverLimit { part: ConditionPart::References, limit: MAX_REFERENCES });
        }
        Ok(())
    }

    /// The error for a word that fits nowhere.
    fn unexpected(&self) -> ConditionError {
        let word = self.word();
        if OTHER_OPERATORS.iter().any(|name| is_word(word, name)) {
            return ConditionError::NotSupported { what: shown(word) };
        }
        self.malformed(NO_END)
    }

    fn malformed(&self, problem: &'static str) -> ConditionError {
        ConditionError::Malformed { column: self.column(self.at), problem }
    }

    fn column(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or_default().chars().count() + 1
    }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// OData 4.01 has operators in any case (URL Conventions §5.1.1.1).
fn is_word(text: &str, word: &str) -> bool {
    text.eq_ignore_ascii_case(word)
}
