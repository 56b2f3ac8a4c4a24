//! The same faults on a connection on which requests are sent ahead (`pipeline`): the results are those of an upstream
//! without it, and no other item notices.

use serde_json::{Value, json};

use crate::harness::{Answer, Config, Gateway, Upstream};

use super::{Row, answers, table};

/// A service that sends more than it was asked for: its next reply is taken for that of the next request of the same batch,
/// which nobody can tell. `pipeline` is not for such services.
const MORE_THAN_ASKED: [&str; 2] = ["two-replies", "-and-a-second-reply"];

fn gateway(upstream: &Upstream, pipeline: &str) -> Gateway {
    Config::new()
        .upstream("patient", upstream.url())
        .with(format!("timeout: {{ item: 20s }}{pipeline}"))
        .upstream("hasty", upstream.url())
        .with(format!("timeout: {{ item: 500ms }}{pipeline}"))
        .route("/patient", "patient")
        .route("/hasty", "hasty")
        .batch("/batch")
        .with("max_item_reply: 64KiB, deadline: 60s")
        .start()
}

/// The faulty item among good ones.
fn batch(row: &Row) -> Value {
    let good = |number: usize| json!({"method": "GET", "url": format!("/patient/{number}")});
    let mut items: Vec<Value> = (0..12).map(good).collect();
    items.insert(5, json!({"method": "GET", "url": row.url()}));
    json!({"requests": items})
}

#[test]
fn faults_on_a_pipe_stay_with_their_items() {
    let upstream = Upstream::answering(|request| Answer::text(200, &request.target));
    let rows = table();
    let rows = rows
        .iter()
        .filter(|row| row.is_scripted() && !MORE_THAN_ASKED.iter().any(|end| row.name.ends_with(end)));
    let (alone, ahead) = (gateway(&upstream, ""), gateway(&upstream, ", pipeline: {}"));
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for row in rows {
        upstream.on(&row.url(), answers::named(&row.name));
        let expected = alone.batch(&batch(row)).json();
        let found = ahead.batch(&batch(row)).json();
        tried += 1;
        let seen = |reply: &Value| -> Vec<(Value, Value)> {
            let results = reply["responses"].as_array().unwrap();
            results.iter().map(|result| (result["status"].clone(), result["body"].clone())).collect()
        };
        if seen(&expected) != seen(&found) {
            let differing = seen(&expected).into_iter().zip(seen(&found)).find(|(one, other)| one != other);
            wrong.push(format!("{}: {differing:?}", row.name));
        }
    }
    assert!(tried > 45, "{tried}");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
}
