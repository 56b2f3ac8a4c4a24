//! Attack 19: ids that collide, and dependencies that never end. Ids: `*-id*` and `dependency-*` of
//! `tests/cases/refused`, `json-ids-*` of `tests/cases/item`.

use serde_json::{Value, json};

use super::send_cheaply;
use crate::harness::{Gateway, Request, Upstream};

#[test]
fn a_thousand_items_that_all_depend_on_each_other_cost_little() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let item = |n: usize| {
        let earlier: Vec<_> = (0..n).map(|n| format!("i{n}")).collect();
        json!({"id": format!("i{n}"), "method": "GET", "url": "/a", "dependsOn": earlier})
    };
    let items: Vec<Value> = (0..1000).map(item).collect();
    let reply = send_cheaply(&gateway, "all earlier ones", &Request::batch(&json!({ "requests": items })));
    assert_eq!(reply.statuses(), [200; 1000]);
}

#[test]
fn ids_that_look_alike_or_mean_something_to_a_language_are_just_ids() {
    let upstream = Upstream::start();
    let ids = [
        "é",
        "e\u{301}",
        "Å",
        "\u{212b}",
        "__proto__",
        "constructor",
        "toString",
        "A",
        "a",
        "ａ",
        " ",
        "1",
        "01",
    ];
    let items = ids.map(|id| json!({"id": id, "method": "GET", "url": "/a"}));
    let results = Gateway::before(&upstream).batch(&json!({ "requests": items })).results();
    let told: Vec<_> = results.iter().map(|result| result["id"].as_str().unwrap()).collect();
    assert_eq!(told, ids);
}
