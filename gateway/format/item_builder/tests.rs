//! What an item becomes, whatever the format it is read from.

use super::*;
use crate::batch::IdCase;
use crate::format::Format;
use crate::format::shown::MAX_NAME_SHOWN;
use crate::format::unique_ids::{check_ids, check_part_ids};
use crate::route::method_label;

const NAMES: MemberNames = MemberNames { url: "url" };

fn read(fill: impl FnOnce(&mut ItemBuilder<'_>)) -> BatchItem {
    let limits = BatchLimits::default();
    let mut builder = ItemBuilder::new(&limits, NAMES);
    builder.set_method("get");
    builder.set_url("/a");
    fill(&mut builder);
    builder.finish(ItemIndex(6), None)
}

#[test]
fn a_good_item_has_what_was_set() {
    let item = read(|builder| {
        builder.set_id("x");
        builder.add_header("X-A", b" 1 ");
        builder.set_timeout("1500");
    });
    assert_eq!(item.subject.id.as_str(), "x");
    assert_eq!(item.subject.method, Method::GET);
    let content = item.content.unwrap();
    assert_eq!(content.headers.len(), 1);
    assert_eq!(content.timeout, Some(Duration::from_millis(1500)));
}

#[test]
fn without_an_id_the_position_is_the_id() {
    assert_eq!(read(|_| ()).subject.id.as_str(), "7");
}

#[test]
fn an_id_that_can_not_be_echoed_is_the_position_too() {
    for id in ["", "a\0b", "a\nb", "\u{ffff}", &"\u{ffff}".repeat(1000)] {
        let item = read(|builder| builder.set_id(id));
        assert_eq!(item.subject.id.as_str(), "7");
        assert!(item.content.is_err(), "{id:?}");
    }
}

#[test]
fn an_id_over_the_limit_is_echoed_as_far_as_the_limit_goes() {
    for (id, echoed) in [
        ("x".repeat(1025), "x".repeat(1024)),
        (format!("x{}", "é".repeat(600)), format!("x{}", "é".repeat(511))),
        (format!("a\r\nb\0{}", "x".repeat(2000)), format!("ab{}", "x".repeat(1022))),
    ] {
        let item = read(|builder| builder.set_id(&id));
        assert_eq!(item.subject.id.as_str(), echoed);
        let limit = ItemRejection::OverLimit { what: Bounded::Id, limit: 1024 };
        assert_eq!((item.content, item.subject.form.id), (Err(limit), IdForm::Plain));
    }
    let number = read(|builder| builder.set_number_id(&"7".repeat(1025)));
    assert_eq!(number.subject.form.id, IdForm::Plain);
    let bracketed = read(|builder| builder.set_id_bytes(&[b'x'; 1025], IdForm::Bracketed));
    assert_eq!(bracketed.subject.form.id, IdForm::Bracketed);
    let latin = read(|builder| builder.set_id_bytes(b"a\xe9", IdForm::Plain));
    assert_eq!((latin.subject.id.as_str(), latin.subject.form.id), ("a\u{fffd}", IdForm::Plain));
}

#[test]
fn ids_that_were_cut_are_not_the_same_id() {
    let long = |end: char| read(|builder| builder.set_id(&format!("{}{end}", "x".repeat(1024))));
    let mut items = [long('a'), long('b'), read(|builder| builder.set_id(&"x".repeat(1024)))];
    assert_eq!(check_ids(&mut items, IdCase::Significant), Ok(()));
    assert_eq!(check_part_ids(&mut items, Format::Multipart), Ok(()));
}

#[test]
fn the_first_problem_is_the_one_that_is_told() {
    let item = read(|builder| {
        builder.set_timeout("0");
        builder.set_id("");
    });
    let problem = "is not a whole number of milliseconds above 0";
    assert_eq!(item.content, Err(ItemRejection::BadMember { member: "timeout", problem }));
}

#[test]
fn timeouts_are_plain_positive_numbers() {
    for text in ["", "0", "-1", "+1", "1.5", "1e3", "18446744073709551616", " 1"] {
        assert!(read(|builder| builder.set_timeout(text)).content.is_err(), "{text}");
    }
}

#[test]
fn limits_hold_for_each_item() {
    let limit = |item: BatchItem| match item.content {
        Err(ItemRejection::OverLimit { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(limit(read(|builder| builder.set_url(&"/a".repeat(5000)))), Bounded::Url);
    let many = |builder: &mut ItemBuilder<'_>| (0..65).for_each(|_| builder.add_header("a", b"b"));
    assert_eq!(limit(read(many)), Bounded::Headers);
    let long = |builder: &mut ItemBuilder<'_>| builder.add_header("a", &[b'x'; 16 << 10]);
    assert_eq!(limit(read(long)), Bounded::HeaderBytes);
}

#[test]
fn a_method_is_a_token() {
    for name in ["", "G T", "G<T", "GET\r\n", "GÉT", &"X".repeat(33)] {
        let item = read(|builder| builder.set_method(name));
        assert!(item.content.is_err(), "{name}");
        assert_eq!(method_label(&item.subject.method), "_OTHER", "{name}: nobody has sent a GET");
    }
    assert_eq!(read(|builder| builder.set_method("propfind")).subject.method.as_str(), "PROPFIND");
    assert_eq!(read(|builder| builder.set_method("brew")).subject.method.as_str(), "brew");
}

#[test]
fn names_are_cut_before_they_are_repeated() {
    let item = read(|builder| builder.add_header(&format!("a b\r\n{}", "é".repeat(500)), b""));
    let Err(ItemRejection::BadHeader { name, error: FieldError::Name }) = item.content else { panic!() };
    assert_eq!(name.chars().count(), MAX_NAME_SHOWN);
    assert!(!name.chars().any(char::is_control));
}

#[test]
fn the_line_break_in_a_name_is_shown() {
    let item = read(|builder| builder.add_header("a\r\nb", b""));
    let rejection = item.content.unwrap_err().to_string();
    assert_eq!(rejection, r"the item's header `a\r\nb` is not a valid header field name");
}

#[test]
fn an_id_used_twice_refuses_the_batch() {
    let item = |id: &str, index| {
        let limits = BatchLimits::default();
        let mut builder = ItemBuilder::new(&limits, NAMES);
        builder.set_method("get");
        builder.set_url("/a");
        if !id.is_empty() {
            builder.set_id(id);
        }
        builder.finish(ItemIndex(index), None)
    };
    assert_eq!(check_ids(&mut [item("a", 0), item("A", 1), item("", 2)], IdCase::Significant), Ok(()));
    for (first, second, case, said) in [
        ("a", "a", IdCase::Significant, "item 2 has the id `a`, and so has item 1; an id can be used once"),
        ("", "1", IdCase::Significant, "item 2 has the id `1`, and so has item 1; an item without an id has"),
        ("2", "", IdCase::Significant, "item 2 has the id `2`, and so has item 1; an item without an id has"),
        (
            "a",
            "A",
            IdCase::Ignored,
            "item 2 has the id `A`, and item 1 has `a`; ids that differ only by case",
        ),
        ("A", "A", IdCase::Ignored, "item 2 has the id `A`, and so has item 1; an id can be used once"),
    ] {
        let refusal = check_ids(&mut [item(first, 0), item(second, 1)], case).unwrap_err();
        assert!(refusal.to_string().starts_with(said), "{refusal}");
    }
    let long = "x".repeat(200);
    let refusal = check_ids(&mut [item(&long, 0), item(&long, 1)], IdCase::Significant).unwrap_err();
    assert!(!refusal.to_string().contains(&"x".repeat(65)), "{refusal}");
    let nameless = BatchItem { content: Err(ItemRejection::NotAtomic), ..item("", 0) };
    assert_eq!(check_ids(&mut [nameless, item("1", 1)], IdCase::Significant), Ok(()));
}
