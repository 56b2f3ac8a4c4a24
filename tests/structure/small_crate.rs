//! The reader of imports itself, on crates of a few lines: it finds every import, and nothing else.

use std::fs;

use super::arrows::Arrows;
use super::modules::Tree;

/// The arrows within the circles of a crate with these files.
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, source).unwrap();
    }
    let arrows = Arrows::of(&Tree::read(&folder.path().join("lib.rs")));
    arrows.circles().iter().flat_map(|circle| arrows.within(circle)).collect()
}

/// The circles of a crate of two modules with these sources.
fn between(one: &str, other: &str) -> usize {
    circles(&[("lib.rs", "mod a; mod b;"), ("a.rs", one), ("b.rs", other)]).len()
}

#[test]
fn a_circle_is_found_however_a_name_is_taken() {
    for taken in [
        "use crate::b::B;",
        "use crate::{b::{self, B}};",
        "use super::b::B as Other;",
        "use crate::b; fn f(_: b::B) {}",
        "use crate::b as c; fn f(_: c::B) {}",
        "fn f() { crate::b::B::new() }",
        "fn f() { println!(\"{}\", crate::b::B::new()) }",
        "#[serde(with = \"crate::b::B\")] struct C;",
        "mod inline { use super::super::b::B; }",
        "pub use crate::b::B; fn f(_: B) {}",
    ] {
        assert_eq!(
            between(&format!("pub struct A; {taken}"), "use crate::a::A; pub struct B;"),
            2,
            "{taken}"
        );
    }
}

#[test]
fn code_that_is_not_an_import_closes_no_circle() {
    for free in [
        "",
        "use crate::b;",
        "pub use crate::b::B;",
        "#[cfg(test)] mod tests { use crate::b::B; }",
        "#[cfg(test)] use crate::b::B;",
        "pub(in crate::b) struct C;",
        "// use crate::b::B;",
        "use b::B;",
    ] {
        assert_eq!(between(&format!("pub struct A; {free}"), "use crate::a::A; pub struct B;"), 0, "{free}");
    }
}

#[test]
fn an_arrow_leads_past_re_exports_to_the_file_that_defines_the_name() {
    let arrows = circles(&[
        ("lib.rs", "mod shop; mod till;"),
        (
            "shop/mod.rs",
            "mod goods; mod price; pub use goods::Goods; pub use price::*; use crate::till::Till;",
        ),
        ("shop/goods.rs", "use super::Till; pub struct Goods;"),
        ("shop/price.rs", "pub struct Price;"),
        ("till.rs", "use crate::shop::Goods; pub struct Till;"),
    ]);
    assert_eq!(arrows, ["shop/goods.rs takes Till from till.rs", "till.rs takes Goods from shop/goods.rs"]);
}

#[test]
fn a_macro_of_a_module_above_is_a_name_too() {
    let arrows = circles(&[
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "macro_rules! row { () => {} } mod b; use b::B;"),
        ("a/b.rs", "row! {} pub struct B;"),
    ]);
    assert_eq!(arrows, ["a/b.rs takes row! from a/mod.rs", "a/mod.rs takes B from a/b.rs"]);
}
