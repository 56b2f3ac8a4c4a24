//! The worked examples under `config/examples/`: each configuration, before the demo's legacy API, takes the
//! batches that its comment sends.

use std::fs;

use crate::demo::start_on_free_ports;
use crate::harness::programs::test_file;
use crate::harness::{Gateway, Reply, Request, Setup};

fn example(name: &str) -> String {
    fs::read_to_string(test_file("../config/examples").join(name)).unwrap()
}

/// A gateway with an example's configuration, but for its address.
fn gateway(configuration: &str, orders: u16) -> Gateway {
    let text = example(configuration);
    let is_address = |line: &&str| line.starts_with("listen:") || line.starts_with("admin:");
    let lines: Vec<_> = text.lines().filter(|line| !is_address(line)).collect();
    let listening = text.lines().filter(|line| line.starts_with("listen:")).count();
    assert_eq!(listening, 1, "{configuration} has one line with its address");
    let names = ["ORDERS", "ORDERS_A", "ORDERS_B", "LEGACY"];
    let address = format!("127.0.0.1:{orders}");
    names.iter().fold(Setup::of(lines.join("\n")), |setup, name| setup.with_variable(name, &address)).start()
}

/// The reply to a file of an example. The configuration's comment has to name the file, and how to send it.
fn reply(gateway: &Gateway, configuration: &str, &(method, path, kind, file, ..): &Batch) -> Reply {
    let comment: String = example(configuration).lines().take_while(|line| line.starts_with('#')).collect();
    let told = [path, kind, &format!("@config/examples/{file}")].iter().all(|told| comment.contains(*told));
    assert!(told, "{configuration} does not say how to send {file}");
    gateway.send(&Request::new(method, path).header("Content-Type", kind).body(example(file)))
}

#[test]
fn the_worked_examples_work() {
    let (demo, port) = start_on_free_ports(&[]);
    let mut sent = Vec::new();
    for (configuration, batches) in EXAMPLES {
        let gateway = gateway(configuration, port + 1);
        for batch in *batches {
            let (.., file, status, expected) = batch;
            let reply = reply(&gateway, configuration, batch);
            let text = reply.text();
            assert_eq!(reply.status, *status, "{file}: {text}");
            let missing = expected.iter().find(|expected| !text.contains(**expected));
            assert_eq!(missing, None, "{file}: {text}");
            sent.push(*file);
        }
    }
    // tests/documents_run.rs sends these, as the comments of their configurations say.
    sent.extend(["batch.reads.json", "batch.webdav.xml"]);
    let files = fs::read_dir(test_file("../config/examples")).unwrap();
    for name in files.map(|file| file.unwrap().file_name().into_string().unwrap()) {
        let is_sent = !name.starts_with("batch.") || sent.contains(&name.as_str());
        assert!(is_sent, "{name} is sent by no example");
    }
    drop(demo);
}

/// Method, path, type and file of a batch; the status of its reply, and what stands in it.
type Batch = (&'static str, &'static str, &'static str, &'static str, u16, &'static [&'static str]);

const EXAMPLES: &[(&str, &[Batch])] = &[
    (
        "orders.yaml",
        &[(
            "POST",
            "/batch",
            "application/json",
            "batch.orders.json",
            207,
            &[r#"{"id":"pay","status":200"#, "no such path", r#""summary":{"items":3,"failed":1}"#],
        )],
    ),
    (
        "legacy-prefix.yaml",
        &[(
            "POST",
            "/batch",
            "application/json",
            "batch.legacy.json",
            207,
            &[r#""Location":"/legacy/orders/22""#, r#""failed":0"#],
        )],
    ),
    (
        "formats.yaml",
        &[
            (
                "POST",
                "/batch",
                "application/json",
                "batch.json",
                207,
                &[r#""summary":{"items":3,"failed":2}"#],
            ),
            ("POST", "/batch", "application/xml", "batch.xml", 207, &["2 of 2 succeeded"]),
            (
                "POST",
                "/batch",
                "application/x-ndjson",
                "batch.ndjson",
                207,
                &[r#"{"id":"pay","status":200"#, r#""line":3"#, r#"{"summary":{"items":3,"failed":2}}"#],
            ),
            (
                "POST",
                "/batch",
                "multipart/mixed; boundary=batch_1",
                "batch.multipart",
                207,
                &["Content-ID: pay\r\n\r\nHTTP/1.1 200 OK", "<response-miss>\r\n\r\nHTTP/1.1 404 Not Found"],
            ),
        ],
    ),
    (
        "bulk.yaml",
        &[(
            "PATCH",
            "/orders",
            "application/x-ndjson",
            "orders.ndjson",
            207,
            &[r#""summary":{"items":2,"failed":1}"#],
        )],
    ),
    (
        "odata.yaml",
        &[
            (
                "POST",
                "/$batch",
                "application/json",
                "batch.odata.json",
                200,
                &[
                    r#"{"id":"pay","atomicityGroup":"change","status":200"#,
                    r#"{"id":"check","status":200"#,
                    r#"{"id":"miss","status":404"#,
                ],
            ),
            (
                "POST",
                "/$batch",
                "multipart/mixed; boundary=batch_1",
                "batch.odata.multipart",
                200,
                &["Content-Type: multipart/mixed; boundary=changesetresponse_", "HTTP/1.1 404 Not Found"],
            ),
        ],
    ),
    (
        "compensate.yaml",
        &[
            (
                "POST",
                "/$batch",
                "application/json",
                "batch.compensate.json",
                200,
                &[
                    r#"{"id":"new","atomicityGroup":"change","status":424"#,
                    r#"{"id":"more","atomicityGroup":"change","status":424"#,
                    "this one had succeeded and was undone",
                    r#"{"id":"miss","atomicityGroup":"change","status":404"#,
                ],
            ),
            (
                "POST",
                "/$batch",
                "multipart/mixed; boundary=batch_1",
                "batch.compensate.multipart",
                200,
                &["HTTP/1.1 404 Not Found"],
            ),
        ],
    ),
    (
        "odata-3.yaml",
        &[(
            "POST",
            "/_api/$batch",
            "multipart/mixed; boundary=batch_1",
            "batch.odata-3.multipart",
            200,
            &[
                "HTTP/1.1 404 Not Found",
                "Content-ID: pay\r\n\r\nHTTP/1.1 200 OK",
                "Content-ID: miss\r\n\r\nHTTP/1.1 404 Not Found",
                "Content-ID: next\r\n\r\nHTTP/1.1 200 OK",
            ],
        )],
    ),
    (
        "azure.yaml",
        &[(
            "POST",
            "/orders?restype=container&comp=batch",
            "multipart/mixed; boundary=batch_1",
            "batch.azure.multipart",
            202,
            &["Content-ID: 0\r\n\r\nHTTP/1.1 200 OK", "x-ms-error-code: forbidden_url\r\n", "<Error><Code>"],
        )],
    ),
    (
        "google.yaml",
        &[(
            "POST",
            "/batch/orders/v1",
            "multipart/mixed; boundary=batch_1",
            "batch.google.multipart",
            200,
            &[
                "Content-ID: <response-b29c5de2 + read>\r\n\r\nHTTP/1.1 200 OK",
                "Content-ID: response-pay\r\n\r\nHTTP/1.1 200 OK",
                r#"{"error":{"code":404,"message":"no route is configured for this path""#,
            ],
        )],
    ),
    (
        "graph.yaml",
        &[(
            "POST",
            "/v1.0/$batch",
            "application/json",
            "batch.graph.json",
            200,
            &[
                r#"{"id":"2","status":200"#,
                r#"{"id":"3","status":404"#,
                r#"{"id":"4","status":424"#,
                r#""body":"Ring once.\n""#,
            ],
        )],
    ),
];
