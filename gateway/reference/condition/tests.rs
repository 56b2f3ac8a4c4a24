//! Conditions read, written again, and told with whatever the results are.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::reference::expression::Part;

fn parsed(text: &str) -> Condition {
    Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

/// The values by the text of each part; all other parts have no value.
fn told(text: &str, found: &[(&str, Option<Literal>)]) -> Result<bool, Unresolved> {
    let found: HashMap<_, _> = found.iter().cloned().collect();
    let mut lookup = |part: &ResultPart| found.get(part.to_string().as_str()).cloned().ok_or("there is none");
    parsed(text).holds(&mut lookup)
}

const YES: Option<Literal> = Some(Literal::Boolean(true));
const NO: Option<Literal> = Some(Literal::Boolean(false));

#[test]
fn all_operands_are_read() {
    let compared = |text: &str| {
        let Condition::Compared { left, right, .. } = parsed(text) else { panic!("{text}") };
        (left, right)
    };
    let (left, right) = compared("$v1.2/a/0/b~c eq 'it''s'");
    assert_eq!(left, Operand::Result(ResultPart::Member { item: "v1.2".into(), path: "/a/0/b~c".into() }));
    assert_eq!(right, Operand::Literal(Literal::Text("it's".into())));
    let (left, right) = compared("{$responses.a b.body#/x y} NE -1.50e3");
    let part = Part::Body("/x y".into());
    assert_eq!(left, Operand::Result(ResultPart::Reference(Expression { item: "a b".into(), part })));
    assert_eq!(right, Operand::Literal(Literal::Number("-1.50e3".into())));
    assert_eq!(compared("Null lt TRUE").0, Operand::Literal(Literal::Null));
    assert_eq!(parsed("$a/$succeeded"), Condition::Plain(Operand::Result(ResultPart::Succeeded("a".into()))));
    let ids: Vec<_> = ["a", "b", "a", "c"].map(ItemId::from).to_vec();
    let asks = parsed("not $a/$succeeded or ($b eq 1 and {$responses.a.status} eq $c/x)");
    let asked: Vec<_> = asks.parts().into_iter().map(|part| part.item().clone()).collect();
    assert_eq!(asked, ids);
}

#[test]
fn operators_bind_as_in_odata() {
    for (text, same) in [
        ("true or false and false", "true or (false and false)"),
        ("not false or true", "(not false) or true"),
        ("not false and false", "(not false) and false"),
        ("$a/x eq 1 and $b/x eq 2 or $c", "(($a/x eq 1) and ($b/x eq 2)) or $c"),
        ("not not $a", "not (not $a)"),
        ("not($a/x eq 1)", "not ($a/x  EQ\t1)"),
        (" ( ( $a/$succeeded ) ) ", "$a/$succeeded"),
    ] {
        assert_eq!(parsed(text), parsed(same), "{text}");
    }
}

#[test]
fn an_invalid_condition_says_where() {
    for (text, column) in [
        ("", 1),
        ("  ", 3),
        ("and", 1),
        ("$a/$succeeded and", 18),
        ("$a/$succeeded or or true", 18),
        ("($a/$succeeded", 15),
        ("$a/$succeeded)", 14),
        ("()", 2),
        ("$a/x eq", 8),
        ("eq 1", 1),
        ("$a/x eq 1 eq 2", 11),
        ("$a/x eq 'é' 'b'", 13),
        ("$a/x eq 'open", 9),
        ("$a $b", 4),
        ("$a/x == 1", 6),
        ("$/$succeeded", 1),
        ("$a//x", 1),
        ("$a/", 1),
        ("{$responses.a}", 1),
        ("{a}", 1),
        ("1", 1),
        ("'text'", 1),
        ("null", 1),
        ("(1)", 2),
        ("not 1", 5),
        ("{$responses.a.status}", 1),
        ("{$responses.a.header.etag} and true", 1),
        ("not $a/x eq 1", 10),
        ("not", 4),
        ("true, false", 1),
    ] {
        match Condition::parse(text) {
            Err(ConditionError::Malformed { column: found, .. }) => assert_eq!(found, column, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn what_odata_has_beyond_says_what_it_is() {
    for (text, what) in [
        ("contains($a/x,'b')", "contains"),
        ("$a/x add 1 eq 2", "add"),
        ("1 ADD 1 eq 2", "ADD"),
        ("$a/x in ('a','b')", "in"),
        ("$a/items/any(i:i/x eq 1)", "$a/items/any"),
        ("$a/items/$count gt 1", "$a/items/$count"),
        ("$a/x/$succeeded", "$a/x/$succeeded"),
        ("Price eq 1", "Price"),
        ("$a/x eq 2020-01-01", "2020-01-01"),
        ("$a/x eq duration'P1D'", "duration"),
        ("$a/x eq INF", "INF"),
        ("1 eq (1)", "(1)"),
        ("{$responses.a.header.Location} eq 'x'", "{$responses.a.header.location}"),
    ] {
        let expected = ConditionError::NotSupported { what: what.to_owned() };
        assert_eq!(Condition::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn conditions_have_limits() {
    let limit = |text: &str| match Condition::parse(text) {
        Err(ConditionError::OverLimit { limit, .. }) => limit,
        other => panic!("{other:?}"),
    };
    let nested = |depth| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Condition::parse(&nested(32)).is_ok());
    assert_eq!(limit(&nested(33)), 32);
    assert_eq!(limit(&format!("{}true", "not ".repeat(33))), 32);
    assert_eq!(limit(&format!("'{}'", "x".repeat(2047))), 2048);
    let many = |count| vec!["$a"; count].join(" or ");
    assert!(Condition::parse(&many(64)).is_ok());
    assert_eq!(limit(&many(65)), 64);
    // Side by side they do not nest.
    assert!(Condition::parse(&vec!["(true)"; 100].join(" or ")).is_ok());
}

#[test]
fn values_are_compared_by_type() {
    let found = [
        ("$a/n", Some(Literal::Number("10.0".into()))),
        ("$a/s", Some(Literal::Text("b".into()))),
        ("$a/t", YES),
        ("$a/null", Some(Literal::Null)),
        ("$a/list", None),
    ];
    let yes = "$a/n eq 1e1;$a/n gt 9;$a/n ge 10;$a/n le 10;$a/n lt 10.01;$a/s eq 'b';$a/s gt 'Z';$a/s lt 'ba';\
               $a/t eq true;$a/t gt false;$a/t;$a/null eq null;$a/null ge null;$a/n ne null;$a/list ne null;\
               $a/list ne $a/list;$a/n ne '10.0';true;not ($a/s eq 'B');'10' eq '10'";
    let no = "$a/n eq '10.0';$a/n gt '1';$a/n lt 'x';$a/s ge 1;$a/null gt 0;$a/null lt 0;$a/null gt null;\
              $a/list eq $a/list;$a/list ge $a/list;$a/list eq null;$a/t eq 'true';$a/t eq 1;$a/null;not $a/null;false";
    for (conditions, expected) in [(yes, true), (no, false)] {
        for condition in conditions.split(';') {
            assert_eq!(told(condition.trim(), &found), Ok(expected), "{condition}");
        }
    }
}

#[test]
fn an_unknown_value_decides_nothing() {
    let found = [("$a/$succeeded", NO), ("$b/$succeeded", YES), ("$b/n", Some(Literal::Number("1".into())))];
    let missing = Err(Unresolved { reference: "$a/x".to_owned(), problem: "there is none" });
    for (condition, expected) in [
        ("$a/$succeeded and $a/x eq 1", Ok(false)),
        ("$a/x eq 1 and $a/$succeeded", Ok(false)),
        ("not $a/$succeeded or $a/x eq 1", Ok(true)),
        ("$a/x eq 1 or $b/$succeeded", Ok(true)),
        ("$a/x eq 1", missing.clone()),
        ("not ($a/x eq 1)", missing.clone()),
        ("$a/x or $a/$succeeded", missing.clone()),
        ("$b/$succeeded and $a/x ne 1", missing),
    ] {
        assert_eq!(told(condition, &found), expected, "{condition}");
    }
    assert_eq!(told("$b/n", &found).unwrap_err().problem, "the value is neither true nor false");
}

#[test]
fn a_condition_is_cut_before_it_is_repeated() {
    let long = parsed(&format!("$a eq '\r\n\u{ffff}{}'", "é".repeat(300)));
    assert_eq!(long.shown().chars().count(), MAX_SHOWN);
    assert!(long.shown().starts_with("$a eq 'é"));
}

fn operand() -> impl Strategy<Value = Operand> {
    let id = || "[a-z0-9._~é$-]{1,6}".prop_map(|id| ItemId::from(id.as_str()));
    let result = prop_oneof![
        id().prop_map(ResultPart::Succeeded),
        (id(), "(/[a-z0-9@._~-]{1,5}){0,3}")
            .prop_map(|(item, path)| ResultPart::Member { item, path: path.into() }),
        (id(), "(/([a-z '}~()]|~0|~1){0,4}){0,2}").prop_filter_map("no pointer", |(item, pointer)| {
            let text = format!("{{$responses.{item}.body#{pointer}}}");
            let inner = text.strip_prefix("{$responses.")?.split_once('}')?.0.to_owned();
            Some(ResultPart::Reference(Expression::parse(&inner).ok()?))
        }),
    ];
    let literal = prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Boolean),
        any::<f64>()
            .prop_filter("a number", |number| number.is_finite())
            .prop_map(|number| Literal::Number(number.to_string().into())),
        any::<String>().prop_map(|text| Literal::Text(text.into())),
    ];
    prop_oneof![2 => result.prop_map(Operand::Result), 1 => literal.prop_map(Operand::Literal)]
}

fn condition() -> impl Strategy<Value = Condition> {
    let comparison = proptest::sample::select(Comparison::ALL.map(|(_, comparison)| comparison).to_vec());
    let leaf = prop_oneof![
        "[a-z]{1,3}"
            .prop_map(|id| Condition::Plain(Operand::Result(ResultPart::Succeeded(id.as_str().into())))),
        any::<bool>().prop_map(|value| Condition::Plain(Operand::Literal(Literal::Boolean(value)))),
        (operand(), comparison, operand()).prop_map(|(left, comparison, right)| Condition::Compared {
            left,
            comparison,
            right
        }),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Condition::Any),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Condition::All),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

/// Finds one after the other of these.
fn from(found: &[Option<Operand>]) -> impl FnMut(&ResultPart) -> Result<Option<Literal>, &'static str> {
    let mut next = found.iter().cycle();
    move |_| match next.next().unwrap() {
        Some(Operand::Literal(literal)) => Ok(Some(literal.clone())),
        Some(Operand::Result(_)) => Ok(None),
        None => Err("there is none"),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(condition in condition()) {
        let text = condition.to_string();
        match Condition::parse(&text) {
            Ok(read) => prop_assert_eq!(read, condition, "{}", text),
            Err(ConditionError::OverLimit { .. }) => {}
            Err(error) => prop_assert!(false, "{text}: {error:?}"),
        }
    }

    #[test]
    fn a_condition_depends_only_on_the_values_found(
        condition in condition(),
        found in proptest::collection::vec(proptest::option::of(operand()), 1..8),
    ) {
        let told = condition.holds(&mut from(&found));
        prop_assert_eq!(condition.holds(&mut from(&found)), told);
    }

    #[test]
    fn no_text_is_too_much(text in "([ ()$',{}é]|and|or|not|eq|true|null|1e|\\$a/|\\$succeeded|\\{\\$responses\\.|a\\.status){0,24}") {
        if let Ok(condition) = Condition::parse(&text) {
            prop_assert_eq!(parsed(&condition.to_string()), condition);
        }
    }
}
