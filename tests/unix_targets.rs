//! Targets at Unix sockets, before nginx, Node and Python: batches, streams and single requests, upgrades and gRPC, and
//! sockets that go away and come back.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

use crate::harness::gateway::batchgate;
use crate::harness::nginx::Nginx;
use crate::harness::process::Process;
use crate::harness::programs::{node, python, succeed, test_file};
use crate::harness::wait::until_true;
use crate::harness::{Config, Gateway, Request, Setup};

const SERVE: &str = "default_type text/plain;\n\
    location / { return 200 ok; }\n\
    location = /host { return 200 $http_host; }\n\
    location = /connection { return 200 $connection_requests; }\n\
    location = /elsewhere { return 302 http://localhost/orders/1; }\n\
    location = /health { return 204; }\n";

/// A folder for sockets.
struct Sockets(TempDir);

impl Sockets {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The target of this name, as the configuration has it.
    fn target(&self, name: &str) -> String {
        format!("\"{}\"", self.name(name))
    }

    /// What metrics and the log call it.
    fn name(&self, name: &str) -> String {
        format!("unix:{}", self.path(name).display())
    }

    /// An nginx at this socket, and at a port.
    fn nginx(&self, name: &str, options: &str) -> Nginx {
        let listen = format!("listen \"unix:{}\" {options};\n", self.path(name).display());
        let nginx = Nginx::start("", &(listen + SERVE));
        self.until_it_listens(name);
        nginx
    }

    /// nginx listens at its port a moment before it listens at the socket.
    fn until_it_listens(&self, name: &str) {
        let path = self.path(name);
        until_true(&format!("{name} to listen"), || UnixStream::connect(&path).is_ok());
    }

    /// A program that gets the path of this socket, once it listens there.
    fn program(&self, name: &str, mut command: Command) -> Process {
        command.arg(self.path(name));
        let process = Process::start(name, command);
        self.until_it_listens(name);
        process
    }
}

fn python_program(script: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(test_file("python").join(script));
    command
}

fn gets(url: &str, count: usize) -> Value {
    json!({"requests": vec![json!({"method": "GET", "url": url}); count]})
}

/// A gateway that makes one attempt at each call.
fn once(target: &str) -> Gateway {
    Setup::tuned(target, "retry: { attempts: 1 }, breaker: { max_ejected: 0% }", "").start()
}

#[test]
fn batches_streams_bulk_and_single_requests_reach_nginx_at_a_socket() {
    for (options, scheme, protocol) in [("", "", "HTTP/1.1"), ("http2", "h2c://", "HTTP/2.0")] {
        let sockets = Sockets::new();
        let nginx = sockets.nginx("my orders.sock", options);
        let target = sockets.target("my orders.sock").replace("unix:", &format!("{scheme}unix:"));
        let config = Config::all_to("legacy", target).batch("/batch").bulk("/orders", "PATCH");
        let gateway = config.start();
        assert_eq!(gateway.batch(&gets("/a", 100)).statuses(), [200; 100]);
        let lines = "{\"method\":\"GET\",\"url\":\"/a\"}\n".repeat(20);
        let stream = gateway.send(&Request::lines(lines)).lines();
        assert_eq!(stream.last(), Some(&json!({"summary": {"items": 20, "failed": 0}})));
        let records = Request::new("PATCH", "/orders").header("Content-Type", "application/json");
        assert_eq!(gateway.send(&records.body("[{\"id\":1}]")).statuses(), [200]);
        let posted = gateway.send(&Request::post("/single", "text/plain", "x".repeat(100_000)));
        assert_eq!((posted.status, posted.text()), (200, "ok".to_owned()));
        // nginx writes its line after its reply.
        until_true("all calls in nginx's log", || {
            nginx.access_log().lines().filter(|line| line.ends_with(protocol)).count() == 122
        });
        let labels = [("upstream", "legacy"), ("target", &sockets.name("my orders.sock"))];
        assert_eq!(gateway.metrics().count("batchgate_upstream_target_up", &labels), 1);
    }
}

#[test]
fn a_service_at_a_socket_is_called_localhost_unless_the_settings_say_otherwise() {
    let sockets = Sockets::new();
    let _nginx = sockets.nginx("a.sock", "");
    for (members, host) in
        [("", "localhost"), ("host: preserve", "gw.example"), ("host: shop.example", "shop.example")]
    {
        let gateway = Setup::tuned(&sockets.target("a.sock"), members, "").start();
        let single = gateway.send(&Request::get("/host").header("Host", "gw.example"));
        assert_eq!(single.text(), host, "{members}");
        let batch = gateway.send(&Request::batch(&gets("/host", 1)).header("Host", "gw.example"));
        assert_eq!(batch.only_result()["body"], host, "{members}");
        let moved = gateway.send(&Request::get("/elsewhere").header("Host", "gw.example"));
        assert_eq!(moved.header("Location"), Some("http://gw.example/orders/1"), "{members}");
    }
}

/// nginx names the socket as it has bound it, and the gateway has another name for it.
#[test]
fn a_connection_is_kept_although_its_socket_has_two_names() {
    for (options, scheme) in [("", ""), ("http2", "h2c://")] {
        let sockets = Sockets::new();
        let _nginx = sockets.nginx("a.sock", options);
        symlink(sockets.path("a.sock"), sockets.path("link.sock")).unwrap();
        let gateway = once(&sockets.target("link.sock").replace("unix:", &format!("{scheme}unix:")));
        let seen: Vec<_> = (0..20).map(|_| gateway.send(&Request::get("/connection")).text()).collect();
        // The next request may come before the connection of the one before is free again.
        let new = seen.iter().filter(|number| *number == "1").count();
        assert!(new < 10, "{scheme} {seen:?}");
        assert_eq!(gateway.metrics().count("batchgate_upstream_connections_opened_total", &[]), new);
    }
}

#[test]
fn chunks_of_node_arrive_and_its_connections_are_used_again() {
    let sockets = Sockets::new();
    let _service = sockets.program("node.sock", node("socket_service.cjs"));
    let members = "concurrency: 4";
    let gateway = Setup::tuned(&sockets.target("node.sock"), members, "").start();
    for _ in 0..5 {
        let results = gateway.batch(&gets("/a", 100)).results();
        for result in results {
            let body = result["body"].as_str().unwrap();
            // The first one was the test's own.
            let connections: usize = body.strip_prefix("/a ").unwrap().parse().unwrap();
            assert!((2..=5).contains(&connections), "{body}");
        }
    }
    assert!(gateway.metrics().count("batchgate_upstream_connections_opened_total", &[]) <= 4);
}

#[test]
fn a_websocket_reaches_a_service_at_a_socket() {
    let sockets = Sockets::new();
    let service = sockets.program("websockets.sock", python_program("websocket_server.py"));
    let gateway = once(&sockets.target("websockets.sock"));
    let url = format!("ws://{}", gateway.address());
    let seen = succeed(python_program("websocket_client.py").args([&url, "talk"]));
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen, json!({"pong": true, "text": "Łukasz", "binary": "00ff", "code": 4002}));
    service.line_with(&["closed 4002"]);
}

#[test]
fn grpc_reaches_a_service_at_a_socket() {
    let sockets = Sockets::new();
    let _service = sockets.program("grpc.sock", python_program("grpc_server.py"));
    let target = sockets.target("grpc.sock").replace("unix:", "h2c://unix:");
    let gateway = once(&target);
    let address = gateway.address().to_string();
    let seen = succeed(python_program("grpc_client.py").args([&address, "streams"]));
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen, json!({"count": 100, "last": "99", "joined": 190, "echoed": 100}));
}

/// Why an item failed, after what the log says of it. No reply names the path.
fn assert_unreachable(gateway: &Gateway, path: &Path, reason: &str, said: &str) {
    let reply = gateway.batch(&gets("/a", 1));
    let result = reply.only_result();
    let outcome = (&result["status"], &result["outcome"], &result["retryable"]);
    assert_eq!(outcome, (&json!(502), &json!("not_sent"), &json!(true)), "{result}");
    assert_eq!(result["body"]["type"], format!("urn:batchgate:problem:{reason}"), "{result}");
    let single = gateway.send(&Request::get("/a"));
    assert_eq!(single.status, 502);
    for text in [reply.text(), single.text(), format!("{:?}{:?}", reply.headers, single.headers)] {
        assert!(!text.contains(path.to_str().unwrap()), "{text}");
    }
    until_true(&format!("a line that says {said}"), || {
        gateway.send(&Request::get("/a"));
        let address = format!("unix:{}", path.display());
        let lines = gateway.log_lines(&[("kind", "connect"), ("reason", reason), ("target", &address)]);
        lines.iter().any(|line| {
            let detail = line.to_string();
            detail.contains(said) && detail.contains(&format!("\"address\":\"{address}\""))
        })
    });
}

#[test]
fn a_socket_may_be_missing_and_come_back() {
    let sockets = Sockets::new();
    let path = sockets.path("a.sock");
    let gateway = once(&sockets.target("a.sock"));
    assert_unreachable(&gateway, &path, "connection_failed", "No such file or directory");
    drop(UnixListener::bind(&path).unwrap());
    assert_unreachable(&gateway, &path, "connection_refused", "Connection refused");
    fs::remove_file(&path).unwrap();
    let mut nginx = sockets.nginx("a.sock", "");
    assert_eq!(gateway.batch(&gets("/a", 100)).statuses(), [200; 100]);
    nginx.kill();
    assert_unreachable(&gateway, &path, "connection_refused", "Connection refused");
    fs::remove_file(&path).unwrap();
    nginx.restart();
    sockets.until_it_listens("a.sock");
    assert_eq!(gateway.batch(&gets("/a", 100)).statuses(), [200; 100]);
    assert_eq!(gateway.send(&Request::get("/a")).status, 200);
}

#[test]
fn a_socket_whose_backlog_is_full_refuses() {
    let sockets = Sockets::new();
    let path = sockets.path("full.sock");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        if client.connect(&SockAddr::unix(&path).unwrap()).is_err() {
            break;
        }
        waiting.push(client);
    }
    let gateway = once(&sockets.target("full.sock"));
    assert_unreachable(&gateway, &path, "connection_refused", "Resource temporarily unavailable");
    let (errors, reason) = ("batchgate_upstream_connect_errors_total", [("reason", "connection_refused")]);
    assert!(gateway.metrics().count(errors, &reason) >= 2);
}

/// A service with a backlog of one gets as many connections as a batch wants to open at once.
#[test]
fn a_service_that_accepts_slowly_is_waited_for() {
    let sockets = Sockets::new();
    let path = sockets.path("slow.sock");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let listener: UnixListener = listener.into();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || answer_ok(&mut client));
        }
    });
    let gateway = Setup::tuned(&sockets.target("slow.sock"), "retry: { attempts: 1 }", "").start();
    assert_eq!(gateway.batch(&gets("/a", 200)).statuses(), [200; 200]);
}

fn answer_ok(client: &mut UnixStream) -> std::io::Result<()> {
    use std::io::{Read, Write};
    let mut unread = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        while let Some(end) = memchr::memmem::find(&unread, b"\r\n\r\n") {
            unread.drain(..end + 4);
            client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
        match client.read(&mut buffer)? {
            0 => return Ok(()),
            length => unread.extend_from_slice(&buffer[..length]),
        }
    }
}

#[test]
fn calls_fail_over_between_sockets_and_ports() {
    let (sockets, port) = (Sockets::new(), Nginx::start("", SERVE));
    let mut socket = sockets.nginx("a.sock", "");
    let targets = format!("{}, {}", sockets.target("a.sock"), port.url());
    let members = "breaker: { failures: 3, base: 100ms, max: 200ms }";
    let gateway = Setup::tuned(&targets, members, "").start();
    let calls = |nginx: &Nginx| nginx.access_log().lines().count();
    assert_eq!(gateway.batch(&gets("/a", 100)).statuses(), [200; 100]);
    until_true("all calls in the logs", || calls(&socket) + calls(&port) == 100);
    assert!(calls(&socket) > 0 && calls(&port) > 0);
    socket.kill();
    for _ in 0..3 {
        assert_eq!(gateway.batch(&gets("/a", 100)).statuses(), [200; 100]);
        assert_eq!(gateway.send(&Request::get("/a")).status, 200);
    }
    let line = gateway.log_line(&[("kind", "ejection"), ("target", &sockets.name("a.sock"))]);
    assert_eq!(line["address"], sockets.name("a.sock"), "{line}");
    let before = calls(&socket);
    fs::remove_file(sockets.path("a.sock")).unwrap();
    socket.restart();
    until_true("calls at the socket that is back", || {
        assert_eq!(gateway.batch(&gets("/a", 20)).statuses(), [200; 20]);
        calls(&socket) > before
    });
    port.kill();
    assert_eq!(gateway.batch(&gets("/a", 100)).statuses(), [200; 100]);
}

#[test]
fn keys_stay_with_their_sockets() {
    let sockets = Sockets::new();
    let (one, other) = (sockets.nginx("1.sock", ""), sockets.nginx("2.sock", ""));
    let targets = format!("{}, {}", sockets.target("1.sock"), sockets.target("2.sock"));
    let gateway = Setup::tuned(&targets, "balance: consistent_hash", "").start();
    let items: Vec<_> = (0..100).map(|n| json!({"method": "GET", "url": format!("/{n}")})).collect();
    for _ in 0..2 {
        assert_eq!(gateway.batch(&json!({ "requests": items })).statuses(), [200; 100]);
    }
    let urls = |nginx: &Nginx| {
        let url = |line: &str| line.split(' ').nth(1).unwrap_or_default().to_owned();
        nginx.access_log().lines().map(url).collect::<std::collections::BTreeSet<_>>()
    };
    let (ones, others) = (urls(&one), urls(&other));
    assert!(ones.is_disjoint(&others) && ones.len() > 20 && others.len() > 20, "{ones:?} {others:?}");
}

#[test]
fn a_health_check_and_an_operator_take_a_socket_out_and_bring_it_back() {
    let sockets = Sockets::new();
    let mut nginx = sockets.nginx("a.sock", "");
    let check = "health_check: { path: /health, interval: 20ms, healthy: 1, unhealthy: 1, status: [204] }";
    let gateway = Setup::tuned(&sockets.target("a.sock"), check, "").start();
    let name = sockets.name("a.sock");
    let is_up = || {
        let labels = [("upstream", "legacy"), ("target", name.as_str())];
        gateway.metrics().count("batchgate_upstream_target_up", &labels) == 1
    };
    until_true("a check", || nginx.access_log().contains("GET /health HTTP/1.1 204"));
    assert!(is_up());
    let shown = gateway.admin_get("/targets").json();
    assert_eq!((&shown[0]["target"], &shown[0]["addresses"][0]["address"]), (&json!(name), &json!(name)));
    nginx.kill();
    until_true("the target to be out", || !is_up());
    gateway.log_line(&[
        ("kind", "health"),
        ("address", &name),
        ("message", "target is unhealthy and gets no calls"),
    ]);
    fs::remove_file(sockets.path("a.sock")).unwrap();
    nginx.restart();
    until_true("the target to be back", is_up);
    for spelling in [name.clone(), name.replace('/', "%2F")] {
        for (action, status) in [("out", 503), ("in", 200)] {
            let path = format!("/targets/legacy/{spelling}/{action}");
            assert_eq!(Request::new("POST", &path).send(gateway.admin()).status, 200, "{path}");
            assert_eq!(gateway.send(&Request::get("/a")).status, status, "{path}");
        }
    }
}

#[test]
fn a_reload_moves_an_upstream_to_a_socket_and_back() {
    let sockets = Sockets::new();
    let (port, _socket) = (
        Nginx::start("", "default_type text/plain; location / { return 200 port; }"),
        sockets.nginx("a.sock", ""),
    );
    let at = |target: &str| Config::all_to("legacy", target).batch("/batch").to_yaml();
    let gateway = Gateway::start(at(&port.url()));
    let body = || gateway.item(&json!({"method": "GET", "url": "/a"}))["body"].clone();
    assert_eq!(body(), "port");
    for (target, expected) in [(sockets.target("a.sock"), "ok"), (port.url(), "port")] {
        gateway.write_config(&at(&target));
        gateway.signal("HUP");
        until_true(&format!("an answer {expected}"), || body() == expected);
    }
}

#[test]
fn explain_names_the_socket_to_operators() {
    let folder = tempfile::tempdir().unwrap();
    let (config, batch) = (folder.path().join("gateway.yaml"), folder.path().join("batch.json"));
    let upstreams = "a: { targets: [\"http://unix:///run/a b\"] }, b: { targets: [\"h2c://unix:/run/b\"] }";
    let routes = "{ path: /a, upstream: a }, { path: /b, upstream: b }";
    let listen = "listen: 127.0.0.1:8080\nbatch: [{ path: /batch }]";
    fs::write(&config, format!("{listen}\nupstreams: {{ {upstreams} }}\nroutes: [{routes}]\n")).unwrap();
    let items = ["/a", "/b"].map(|url| json!({"method": "GET", "url": url}));
    fs::write(&batch, json!({ "requests": items }).to_string()).unwrap();
    let explained = succeed(batchgate().arg("explain").arg("--config").arg(config).arg(batch));
    assert!(explained.contains("unix:/run/a b") && explained.contains("h2c://unix:/run/b"), "{explained}");
}
