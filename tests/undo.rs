//! Groups that are undone if one of their items fails (`groups: compensate`), before a service that keeps what it is given,
//! with its ETags, and fails as a test says; and before Apache.

use std::fs;

use serde_json::{Value, json};

use crate::harness::apache::Apache;
use crate::harness::ports::accepts;
use crate::harness::upstream::Recorded;
use crate::harness::wait::{Gate, until_true};
use crate::harness::{Answer, Config, Connection, Gateway, Reply, Request, Upstream};

mod store;

use store::{Fault, Store};

const UNDO: &str = r#"undo: { POST: "DELETE {location}", PUT: snapshot, PATCH: snapshot, DELETE: snapshot }"#;

fn gateway(upstream: &Upstream, members: &str) -> Gateway {
    let config = Config::all_to("orders", upstream.url()).with(UNDO).batch("/batch");
    config.with(format!("groups: compensate, {members}")).start()
}

fn item(id: &str, method: &str, url: &str) -> Value {
    let headers = json!({"Content-Type": "text/plain"});
    json!({"id": id, "method": method, "url": url, "atomicityGroup": "g", "headers": headers, "body": "new"})
}

fn batch(items: &[Value]) -> Value {
    json!({ "requests": items })
}

/// Statuses, and the words of problems.
fn ends(reply: &Reply) -> Vec<String> {
    let end = |result: &Value| {
        let kind = result["body"]["type"].as_str().and_then(|kind| kind.rsplit(':').next());
        let status = result["status"].to_string();
        kind.map_or_else(|| status.clone(), |kind| format!("{status} {kind}"))
    };
    reply.results().iter().map(end).collect()
}

fn lines(upstream: &Upstream) -> Vec<String> {
    upstream.requests().iter().map(|request| format!("{} {}", request.method, request.target)).collect()
}

fn texts(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn a_group_that_succeeds_is_left_as_it_is() {
    let store = Store::with(&["/a", "/b"]);
    let upstream = store.start();
    let gateway = gateway(&upstream, "");
    let items = [item("1", "PUT", "/a"), item("2", "DELETE", "/b"), item("3", "POST", "/orders")];
    assert_eq!(ends(&gateway.batch(&batch(&items))), ["204", "204", "201"]);
    assert_eq!(store.texts(), texts(&[("/a", "new"), ("/orders/7", "new")]));
    assert_eq!(upstream.most_in_flight(), 1);
    let metrics = gateway.metrics();
    assert_eq!(metrics.count("batchgate_undos_total", &[("result", "undone")]), 0);
    assert!(metrics.has("batchgate_undos_total"));
}

#[test]
fn what_a_group_did_is_undone_in_reverse_order() {
    let store = Store::with(&["/a", "/b", "/c"]);
    let upstream = store.start();
    let gateway = gateway(&upstream, "");
    let items = [
        item("1", "POST", "/orders"),
        item("2", "PUT", "/a?x=1"),
        item("3", "PUT", "/fresh"),
        item("4", "PATCH", "/b"),
        item("5", "DELETE", "/c"),
        json!({"id": "6", "method": "GET", "url": "/a", "atomicityGroup": "g"}),
        item("7", "PATCH", "/none"),
        item("8", "PUT", "/later"),
        json!({"id": "9", "method": "GET", "url": "/a", "dependsOn": ["g"]}),
        json!({"id": "10", "method": "GET", "url": "/a", "dependsOn": ["1"], "if": "not $g/$succeeded"}),
    ];
    let reply = gateway.batch(&batch(&items));
    let undone = "424 compensated";
    let failed = ["404", "424 never_ran", "424 dependency_failed", "200"];
    assert_eq!(ends(&reply), [&[undone; 6][..], &failed].concat());
    assert_eq!(store.texts(), texts(&[("/a", "old"), ("/b", "old"), ("/c", "old")]));
    let all = lines(&upstream);
    let undos = ["PUT /c", "PUT /b", "DELETE /fresh", "PUT /a?x=1", "DELETE /orders/7", "GET /a"];
    assert_eq!(all[all.len() - 6..], undos);
    let results = reply.results();
    let of =
        |position: usize| (results[position]["outcome"].as_str(), results[position]["retryable"].as_bool());
    assert_eq!((of(0), of(7)), ((Some("undone"), None), (Some("skipped"), None)));
    assert!(results[0]["body"]["detail"].as_str().unwrap().contains("`7`"));
    let line = gateway.log_line(&[("kind", "batch")]);
    assert_eq!((&line["undone"], &line["undo_failed"]), (&json!(6), &Value::Null));
    gateway.wait_for_metric("batchgate_undos_total", &[("route", "/"), ("result", "undone")], 6.0);
    gateway.wait_for_metric("batchgate_items_total", &[("outcome", "undone"), ("code", "424")], 6.0);
}

#[test]
fn an_undo_that_fails_is_repeated() {
    let store = Store::with(&[]).fails("DELETE /orders/7", || Answer::text(503, "busy"));
    let store =
        store.fails("DELETE /orders/7", Answer::close).fails("DELETE /orders/7", || Answer::text(500, "oh"));
    let upstream = store.start();
    let gateway = gateway(&upstream, "");
    let reply = gateway.batch(&batch(&[item("1", "POST", "/orders"), item("2", "PATCH", "/none")]));
    assert_eq!(ends(&reply), ["424 compensated", "404"]);
    assert!(store.texts().is_empty());
}

#[test]
fn what_somebody_else_has_changed_is_not_overwritten() {
    let store = Store::with(&["/a", "/b"]);
    let held = Gate::closed();
    let waits = held.clone();
    let within = store.clone();
    let upstream = Upstream::answering(move |request: &Recorded| {
        if request.target == "/held" {
            return Answer::text(409, "no").when(&waits);
        }
        within.answer(request)
    });
    let gateway = gateway(&upstream, "");
    let items = [item("1", "PUT", "/a?secret=1"), item("2", "DELETE", "/b"), item("3", "POST", "/held")];
    let mut client = Connection::open(gateway.address());
    client.write(&Request::batch(&batch(&items)).header("X-Request-Id", "mine").to_bytes(gateway.address()));
    until_true("the last item", || lines(&upstream).contains(&"POST /held".to_owned()));
    store.put("/a", "theirs");
    store.put("/b", "theirs");
    held.open();
    let reply = client.reply_to("POST");
    assert_eq!(ends(&reply), ["424 undo_failed", "424 undo_failed", "409"]);
    assert_eq!(store.texts(), texts(&[("/a", "theirs"), ("/b", "theirs")]));
    assert_eq!(reply.results()[0]["outcome"], "unknown");
    let warning = gateway.log_line(&[("kind", "undo"), ("id", "1"), ("method", "PUT"), ("path", "/a")]);
    assert_eq!((&warning["level"], &warning["request_id"]), (&json!("WARN"), &json!("mine")));
    gateway.wait_for_metric("batchgate_undos_total", &[("route", "/"), ("result", "failed")], 2.0);
}

#[test]
fn a_call_whose_result_is_lost_is_undone_too() {
    let store = Store::with(&["/a"]);
    let within = store.clone();
    // It does what it is asked for, and says nothing.
    let upstream = Upstream::answering(move |request: &Recorded| {
        let answer = within.answer(request);
        let is_lost = request.method == "PATCH";
        if is_lost { Answer::close() } else { answer }
    });
    let gateway = gateway(&upstream, "");
    let reply = gateway.batch(&batch(&[item("1", "POST", "/orders"), item("2", "PATCH", "/a")]));
    assert_eq!(ends(&reply), ["424 compensated", "502 connection_lost"]);
    assert_eq!(store.texts(), texts(&[("/a", "old")]));
}

#[test]
fn without_a_location_there_is_nothing_to_undo_by() {
    let elsewhere = || Answer::text(201, "made").header("Location", "http://elsewhere.example/orders/7");
    for answer in [elsewhere, || Answer::text(201, "made"), Answer::close] {
        let store = Store::with(&[]).fails("POST /orders", answer);
        let upstream = store.start();
        let gateway = gateway(&upstream, "");
        let reply = gateway.batch(&batch(&[item("1", "POST", "/orders"), item("2", "PATCH", "/none")]));
        assert!(["424 undo_failed", "502 connection_lost"].contains(&ends(&reply)[0].as_str()));
        gateway.log_line(&[("kind", "undo"), ("id", "1"), ("path", "/orders")]);
        assert!(lines(&upstream).iter().all(|line| !line.starts_with("DELETE")));
    }
}

#[test]
fn undoing_outlasts_the_deadline_and_the_client() {
    for client_stays in [true, false] {
        let store = Store::with(&["/a"]).fails("PUT /b", Answer::hang);
        let store = store.fails("DELETE /orders/7", || Answer::text(503, "busy"));
        let upstream = store.start();
        let deadline = if client_stays { "deadline: 300ms" } else { "" };
        let gateway = gateway(&upstream, deadline);
        let items = [
            item("1", "PUT", "/a"),
            item("2", "POST", "/orders"),
            item("3", "PUT", "/b"),
            item("4", "PUT", "/c"),
        ];
        let mut client = Connection::open(gateway.address());
        client.write(&Request::batch(&batch(&items)).to_bytes(gateway.address()));
        until_true("the call that hangs", || lines(&upstream).contains(&"PUT /b".to_owned()));
        if client_stays {
            let reply = client.reply_to("POST");
            let expected =
                ["424 compensated", "424 compensated", "504 deadline_during_call", "424 never_ran"];
            assert_eq!(ends(&reply), expected);
        } else {
            drop(client);
        }
        // Also the one whose result is not known, and which was not carried out.
        gateway.wait_for_metric("batchgate_undos_total", &[("result", "undone")], 3.0);
        assert_eq!(store.texts(), texts(&[("/a", "old")]));
    }
}

#[test]
fn a_gateway_that_drains_undoes_what_was_begun() {
    let store = Store::with(&["/a"]);
    let held = Gate::closed();
    let (waits, within) = (held.clone(), store.clone());
    let upstream = Upstream::answering(move |request: &Recorded| {
        let answer = within.answer(request);
        if request.method == "DELETE" { answer.when(&waits) } else { answer }
    });
    let gateway = gateway(&upstream, "");
    let items = [item("1", "PUT", "/a"), item("2", "POST", "/orders"), item("3", "PATCH", "/none")];
    let mut client = Connection::open(gateway.address());
    client.write(&Request::batch(&batch(&items)).to_bytes(gateway.address()));
    until_true("an undo", || lines(&upstream).contains(&"DELETE /orders/7".to_owned()));
    drop(client);
    gateway.signal("TERM");
    until_true("new connections refused", || !accepts(gateway.address()));
    held.open();
    assert!(gateway.wait_for_exit().success());
    assert_eq!(store.texts(), texts(&[("/a", "old")]));
}

#[test]
fn nothing_is_changed_that_could_not_be_read_before() {
    let store = Store::with(&["/a"]).fails("GET /a", || Answer::text(403, "no"));
    let upstream = store.start();
    let gateway = gateway(&upstream, "");
    let reply = gateway.batch(&batch(&[item("1", "POST", "/orders"), item("2", "PUT", "/a")]));
    assert_eq!(ends(&reply), ["424 compensated", "502 no_snapshot"]);
    assert_eq!(store.texts(), texts(&[("/a", "old")]));
}

#[test]
fn the_calls_around_an_item_have_its_credentials_and_nothing_else_of_it() {
    let store = Store::with(&["/a"]);
    let upstream = store.start();
    let gateway = gateway(&upstream, "");
    let mut first = item("1", "PUT", "/a");
    first["headers"] = json!({"Content-Type": "text/plain", "Authorization": "Basic eA==", "X-HTTP-Method": "MERGE", "If-Match": "\"1\"", "Prefer": "x"});
    let items = batch(&[first, item("2", "PATCH", "/none")]);
    let reply = gateway.send(&Request::batch(&items).header("X-Tenant", "t"));
    assert_eq!(ends(&reply), ["424 compensated", "404"]);
    let requests = upstream.requests();
    for around in [&requests[0], requests.last().unwrap()] {
        assert_eq!(around.header("Authorization"), Some("Basic eA=="));
        assert_eq!(around.header("X-Tenant"), Some("t"));
        assert_eq!((around.header("X-HTTP-Method"), around.header("Prefer")), (None, None));
    }
    assert_eq!(requests[0].header("If-Match"), None);
    assert_eq!(requests.last().unwrap().header("If-Match"), Some("\"2\""));
}

#[test]
fn a_group_that_can_not_be_undone_is_refused_before_anything_is_sent() {
    let store = Store::with(&[]);
    let upstream = store.start();
    let config = Config::all_to("orders", upstream.url()).with("undo: { PUT: snapshot }, name: all");
    let gateway = config.batch("/batch").with("groups: compensate").start();
    let group = [item("1", "PUT", "/a"), item("2", "PATCH", "/a")];
    let refused = gateway.batch(&batch(&group));
    assert_eq!(refused.status, 501);
    for word in ["PATCH", "`all`", "nothing of the batch was sent"] {
        assert!(refused.text().contains(word), "{}", refused.text());
    }
    let alone = json!({"id": "3", "method": "GET", "url": "/a"});
    let reply = gateway.batch(&batch(&[group[0].clone(), group[1].clone(), alone]));
    assert_eq!(ends(&reply), ["501 not_implemented", "501 not_implemented", "404"]);
    assert!(reply.text().contains("nothing of the group was sent"));
    // A group of one needs no undo.
    assert_eq!(gateway.batch(&batch(&[item("1", "POST", "/orders")])).statuses(), [201]);
    assert_eq!(lines(&upstream), ["GET /a", "POST /orders"]);
}

#[test]
fn explanations_say_what_would_undo_an_item() {
    let store = Store::with(&[]);
    let upstream = store.start();
    let gateway = gateway(&upstream, "");
    let read = json!({"id": "3", "method": "GET", "url": "/a", "atomicityGroup": "g"});
    let items = batch(&[item("1", "POST", "/orders"), item("2", "PUT", "/a"), read]);
    let explained = gateway.send(&Request::batch(&items).header("Prefer", "handling=explain")).json();
    assert_eq!(explained["groups"], "compensate");
    let undo: Vec<_> = (0..3).map(|number| explained["items"][number]["undo"].clone()).collect();
    assert_eq!(undo, [json!("DELETE {location}"), json!("snapshot"), json!("nothing")]);
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_change_set_that_failed_is_one_part_or_one_for_each_request() {
    let part = |id: &str, request: &str| {
        format!("Content-Type: application/http\r\nContent-ID: {id}\r\n\r\n{request} HTTP/1.1\r\n\r\n")
    };
    let inner = ["1 POST /orders", "2 PUT $1/lines", "3 PATCH /none", "4 PUT /c"].map(|text| {
        let (id, request) = text.split_once(' ').unwrap();
        format!("--c\r\n{}\r\n", part(id, request))
    });
    let set = format!("Content-Type: multipart/mixed; boundary=c\r\n\r\n{}--c--\r\n", inner.concat());
    let body = format!("--b\r\n{set}\r\n--b\r\n{}\r\n--b--\r\n", part("5", "GET /orders/7"));
    for (members, expected) in [
        ("dialect: odata, on_error: continue", vec!["404", "404"]),
        ("dialect: odata, on_error: continue, changesets: flat", vec!["424", "424", "404", "424", "404"]),
        ("dialect: odata-3", vec!["404", "404"]),
    ] {
        let store = Store::with(&[]);
        let upstream = store.start();
        let gateway = gateway(&upstream, members);
        let reply = gateway.send(&Request::post("/batch", "multipart/mixed; boundary=b", &body));
        let text = reply.text();
        let statuses: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)).collect();
        assert_eq!(statuses, expected, "{members}: {text}");
        assert!(!text.contains("changesetresponse_"), "{text}");
        assert!(store.texts().is_empty());
        assert_eq!(lines(&upstream)[..3], ["POST /orders", "GET /orders/7/lines", "PUT /orders/7/lines"]);
    }
}

#[test]
fn what_is_undone_is_undone_at_apache() {
    let apache = Apache::with_dav();
    let files = apache.files();
    for name in ["kept.txt", "deleted.txt"] {
        fs::write(files.join(name), name).unwrap();
    }
    apache.take_over_files();
    let config = Config::all_to("dav", apache.url());
    let config = config.with(r#"undo: { MKCOL: "DELETE {location}", PUT: snapshot, DELETE: snapshot }"#);
    let gateway = config.batch("/batch").with("groups: compensate").start();
    let items = [
        item("1", "PUT", "/webdav/kept.txt"),
        item("2", "PUT", "/webdav/fresh.txt"),
        item("3", "DELETE", "/webdav/deleted.txt"),
        json!({"id": "4", "method": "MKCOL", "url": "/webdav/folder", "atomicityGroup": "g"}),
        item("5", "PUT", "/webdav/no-such-folder/file.txt"),
    ];
    let reply = gateway.batch(&batch(&items));
    let undone = "424 compensated";
    let failed = reply.results()[4]["status"].to_string();
    assert_eq!(ends(&reply)[..4], [undone; 4], "{}", reply.text());
    assert!(["403", "404", "409"].contains(&failed.as_str()), "{failed}");
    let read = |name: &str| fs::read_to_string(files.join(name)).ok();
    assert_eq!(read("kept.txt").as_deref(), Some("kept.txt"));
    assert_eq!(read("deleted.txt").as_deref(), Some("deleted.txt"));
    assert!(read("fresh.txt").is_none() && !files.join("folder").exists());
}

#[test]
fn a_resource_that_a_group_changed_several_times_is_as_it_was_before() {
    let store = Store::with(&["/orders/1"]);
    let upstream = store.start();
    let gateway = gateway(&upstream, "");
    for members in [
        [("POST", "/orders"), ("PATCH", "$a"), ("PUT", "/orders/7")],
        [("PUT", "/orders/1"), ("PATCH", "/orders/1"), ("PUT", "/orders/1")],
        [("PUT", "/orders/1"), ("DELETE", "/orders/1"), ("PUT", "/orders/1")],
        [("PUT", "/orders/2"), ("PATCH", "/orders/2"), ("DELETE", "/orders/2")],
    ] {
        let member = |(id, (method, url)): (&&str, &(&str, &str))| item(id, method, url);
        let mut items: Vec<_> = ["a", "b", "c"].iter().zip(&members).map(member).collect();
        items.push(item("d", "DELETE", "/orders/none"));
        let reply = gateway.send(&Request::batch(&batch(&items)));
        let undone = "424 compensated";
        assert_eq!(ends(&reply), [undone, undone, undone, "404"], "{members:?}");
        assert_eq!(store.texts(), texts(&[("/orders/1", "old")]), "{members:?}");
    }
}

#[test]
fn what_does_not_say_what_it_did_can_not_be_undone() {
    let redirect: Fault = || Answer::text(303, "").header("Location", "/orders/1");
    let accepted: Fault = || Answer::text(202, "").header("Location", "/orders/1");
    let partly: Fault = || Answer::text(207, "some of it");
    for (request, fault, first) in [
        ("POST /orders", redirect, ("POST", "/orders")),
        ("POST /orders", accepted, ("POST", "/orders")),
        ("DELETE /orders/7", partly, ("POST", "/orders")),
    ] {
        let store = Store::with(&["/orders/1"]).fails(request, fault);
        let upstream = store.start();
        let gateway = gateway(&upstream, "");
        let items = [item("a", first.0, first.1), item("b", "DELETE", "/orders/none")];
        let reply = gateway.send(&Request::batch(&batch(&items)));
        assert_eq!(ends(&reply), ["424 undo_failed", "404"], "{request}");
        assert!(!lines(&upstream).contains(&"DELETE /orders/1".to_owned()), "{request}");
        gateway.log_line(&[("kind", "undo")]);
    }
}

#[test]
fn a_collection_is_not_replaced_by_a_list_of_its_members() {
    let store = Store::with(&["/orders/"]);
    let upstream = store.start();
    let gateway = gateway(&upstream, "");
    let items = [item("a", "DELETE", "/orders/"), item("b", "DELETE", "/orders/none")];
    assert_eq!(gateway.send(&Request::batch(&batch(&items))).status, 501);
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_call_that_is_repeated_because_its_first_result_was_lost_is_undone() {
    let lost: Fault = Answer::close;
    let store = Store::with(&["/orders/1"]).fails("DELETE /orders/1", lost);
    let store = store.fails("DELETE /orders/1", || Answer::text(409, "no"));
    let upstream = store.start();
    let gateway = gateway(&upstream, "");
    let items = [item("a", "PUT", "/orders/2"), item("b", "DELETE", "/orders/1")];
    let reply = gateway.send(&Request::batch(&batch(&items)));
    assert_eq!(ends(&reply), ["424 compensated", "409"]);
    assert_eq!(lines(&upstream).iter().filter(|line| *line == "PUT /orders/1").count(), 1);
}
