//! `batchgate demo`, a new user's first minute.

use std::net::TcpListener;

use crate::harness::gateway::batchgate;
use crate::harness::ports::{free_port, loopback};
use crate::harness::process::Process;
use crate::harness::{Request, until};

#[test]
fn the_demo_shows_a_batch_and_ends_well() {
    let demo = start_on_free_ports(&["--once"]).0;
    assert!(demo.wait().success(), "{}", demo.output());
    let output = demo.final_output();
    assert!(output.contains("207"), "{output}");
    for status in ["200", "404", "409"] {
        assert!(output.contains(status), "{status} is not in {output}");
    }
    assert!(output.contains("requests"), "{output}");
}

#[test]
fn the_demo_serves_until_it_is_told_to_end() {
    let (demo, port) = start_on_free_ports(&[]);
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
    let port = taken.local_addr().unwrap().port();
    let demo = start(&["--once"], port);
    assert!(!demo.wait().success());
    let output = demo.final_output();
    assert!(output.contains(&port.to_string()) && output.contains("--port"), "{output}");
    assert!(!output.contains("panicked"), "{output}");
}

/// A demo that found its three ports free, and the first of them.
pub(crate) fn start_on_free_ports(arguments: &[&str]) -> (Process, u16) {
    for _ in 0..10 {
        let port = free_port();
        let demo = start(arguments, port);
        until("the demo's batch or its end", || {
            (demo.output().contains("207") || !demo.is_running()).then_some(())
        });
        if demo.output().contains("207") {
            return (demo, port);
        }
        // It may have ended between the two looks at it.
        let output = demo.final_output();
        if output.contains("207") {
            return (demo, port);
        }
        assert!(output.contains("--port"), "the demo ended for another reason than a taken port: {output}");
    }
    panic!("no three free ports in a row");
}

fn start(arguments: &[&str], port: u16) -> Process {
    let mut command = batchgate();
    command.arg("demo").args(arguments).arg("--port").arg(port.to_string());
    Process::start("batchgate demo", command)
}
