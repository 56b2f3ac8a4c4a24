//! `batchgate demo`, a new user's first minute.

use std::net::TcpListener;

use crate::harness::gateway::batchgate;
use crate::harness::ports::{free_port, loopback};
use crate::harness::process::Process;
use crate::harness::{Request, until};

#[test]
fn the_demo_shows_a_batch_and_ends_well() {
    let output = until("a demo on a free port", || {
        let demo = start(&["--once", "--port", &free_port().to_string()]);
        demo.wait().success().then(|| demo.final_output())
    });
    assert!(output.contains("207"), "{output}");
    for status in ["200", "404", "409"] {
        assert!(output.contains(status), "{status} is not in {output}");
    }
    assert!(output.contains("requests") && output.contains("responses"), "{output}");
}

#[test]
fn the_demo_serves_until_it_is_told_to_end() {
    let port = free_port();
    let demo = start(&["--port", &port.to_string()]);
    let line = demo.line_with(&["curl", &port.to_string()]);
    assert!(line.contains("http"), "{line}");
    let batch = serde_json::json!({"requests": [{"method": "GET", "url": "/orders/1"}]});
    let reply = Request::batch(&batch).send(loopback(port));
    assert_eq!(reply.results().len(), 1);
    demo.signal("INT");
    assert!(demo.wait().success(), "{}", demo.output());
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let taken = TcpListener::bind(loopback(0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let demo = start(&["--once", "--port", &port]);
    assert!(!demo.wait().success());
    let output = demo.final_output();
    assert!(output.contains(&port) && output.contains("--port"), "{output}");
    assert!(!output.contains("panicked"), "{output}");
}

fn start(arguments: &[&str]) -> Process {
    let mut command = batchgate();
    command.arg("demo").args(arguments);
    Process::start("batchgate demo", command)
}
