//! The servers, each with a reply of every kind.

use std::any::Any;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::harness::apache::Apache;
use crate::harness::nginx::Nginx;
use crate::harness::ports::{accepts, loopback, start_on_free_ports};
use crate::harness::programs::{node, python, test_file};

use super::{LARGE, PAGE, text};

/// A server that runs.
pub(super) struct Service {
    pub(super) name: &'static str,
    /// Where it speaks HTTP/1.1.
    pub(super) http1: SocketAddr,
    /// Where it speaks HTTP/2 by prior knowledge.
    pub(super) http2: Option<SocketAddr>,
    _running: Box<dyn Any>,
}

/// As `CHANGED` says it.
const CHANGED: u64 = 1_700_000_000;

/// What nginx does beside handing out files. It has no length for a text that it searches.
const NGINX: &str = "default_type text/plain;\n\
    location = /none { return 204; }\n\
    location = /broken { return 500; }\n\
    location = /slow { limit_rate 256k; }\n\
    location = /close { keepalive_timeout 0; }\n\
    location = /chunked { sub_filter_types *; sub_filter nowhere somewhere; sub_filter_last_modified on; }\n";

const APACHE_MODULES: [&str; 4] = ["http2", "lua", "ratelimit", "env"];

const APACHE: &str = "Protocols h2c http/1.1\nDefaultType none\nForceType text/plain\n\
    LuaMapHandler ^/(none|broken|chunked)$ $FOLDER/replies.lua reply_$1\n\
    SetEnvIf Request_URI ^/close$ nokeepalive\n\
    <Location /slow>\nSetOutputFilter RATE_LIMIT\nSetEnv rate-limit 256\n</Location>\n";

const LUA: &str = "function reply_none(r) r.status = 204 return apache2.DONE end\n\
    function reply_broken(r) return 500 end\n\
    function reply_chunked(r)\n\
    r.content_type = 'text/plain'\n\
    for line in io.lines(r.document_root .. '/page', 8192) do r:write(line) r:flush() end\n\
    return apache2.OK\n\
    end\n";

/// The files that servers of files hand out.
fn fill(folder: &Path) {
    let files = [
        ("empty", 0),
        ("unchanged", 10),
        ("page", PAGE),
        ("chunked", PAGE),
        ("slow", PAGE),
        ("close", PAGE),
        ("large", LARGE),
    ];
    for (name, size) in files {
        let mut file = fs::File::create(folder.join(name)).unwrap();
        file.write_all(text(size).as_bytes()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(CHANGED)).unwrap();
    }
}

/// nginx, once for each version: a port without TLS speaks one.
pub(super) fn nginx() -> Service {
    let servers = ["", "http2"].map(|options| Nginx::start(options, NGINX));
    for server in &servers {
        fill(&server.folder().join("root"));
    }
    let [http1, http2] = servers.each_ref().map(|server| server.address());
    Service { name: "nginx", http1, http2: Some(http2), _running: Box::new(servers) }
}

/// Apache, which speaks both at one port.
pub(super) fn apache() -> Service {
    let server = Apache::start(&APACHE_MODULES, APACHE);
    fs::write(server.folder().join("replies.lua"), LUA).unwrap();
    fill(&server.folder().join("root"));
    server.take_over_files();
    let address = server.address();
    Service { name: "Apache", http1: address, http2: Some(address), _running: Box::new(server) }
}

/// Node, at two ports.
pub(super) fn node_service() -> Service {
    let command = |ports: [u16; 2]| {
        let mut command = node("replies.cjs");
        command.args(ports.map(|port| port.to_string()));
        command
    };
    let ready = |ports: [u16; 2]| ports.into_iter().all(|port| accepts(loopback(port)));
    let (process, [http1, http2]) = start_on_free_ports("node", command, ready);
    Service {
        name: "Node",
        http1: loopback(http1),
        http2: Some(loopback(http2)),
        _running: Box::new(process),
    }
}

/// uvicorn, which speaks HTTP/1.1 only.
pub(super) fn uvicorn() -> Service {
    let (running, address) = asgi("uvicorn");
    Service { name: "uvicorn", http1: address, http2: None, _running: running }
}

/// Hypercorn, which speaks both at one port.
pub(super) fn hypercorn() -> Service {
    let (running, address) = asgi("hypercorn");
    Service { name: "Hypercorn", http1: address, http2: Some(address), _running: running }
}

fn asgi(server: &'static str) -> (Box<dyn Any>, SocketAddr) {
    let command = |[port]: [u16; 1]| {
        let mut command = Command::new(python());
        command.arg(test_file("python/replies.py")).arg(server).arg(port.to_string());
        command
    };
    let ready = |[port]: [u16; 1]| accepts(loopback(port));
    let (process, [port]) = start_on_free_ports(server, command, ready);
    (Box::new(process), loopback(port))
}
