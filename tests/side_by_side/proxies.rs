//! One gateway, one nginx and one Traefik with all cases in them, each case at a host of its own, before two services that
//! say who they are.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use super::case::{Asked, Case};
use super::ways;
use crate::harness::nginx::Nginx;
use crate::harness::traefik::Traefik;
use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Config, Connection, Gateway, Reply, Upstream};

/// What all locations of nginx have: what batchgate and Traefik do by themselves.
const NGINX: &str = "proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection $upgrade;\n\
     proxy_set_header Upgrade $http_upgrade; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
     proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host; merge_slashes off;\n\
     server_names_hash_bucket_size 256; gzip_http_version 1.0; gzip_min_length 0;";

/// What Traefik does by itself, and nginx by the settings above.
const UPSTREAM: &str = "host: preserve";

/// The proxies and the services behind all of them.
pub(super) struct Proxies {
    gateway: Gateway,
    nginx: Nginx,
    traefik: Traefik,
    services: [Upstream; 2],
}

/// Says who it is; `X-Say` of the request has fields of the answer, parted by ` | `, `X-Status` its status, `X-Body` its length,
/// `X-Wait` how many milliseconds it takes.
fn service(name: &'static str) -> Upstream {
    Upstream::answering(move |request: &Recorded| {
        let number = |name| request.header(name).and_then(|value| value.parse::<usize>().ok());
        let body = number("X-Body").map_or_else(|| name.to_owned(), |length| "x".repeat(length));
        let upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        let answer = match number("X-Status").unwrap_or(200) {
            101 => Answer::raw(upgrade),
            status @ (204 | 304) => Answer::empty(u16::try_from(status).unwrap()),
            status => Answer::text(u16::try_from(status).unwrap(), &body),
        };
        let said = request.header("X-Say").unwrap_or_default();
        let host = request.header("Host").unwrap_or_default();
        let fields = said.split(" | ").filter_map(|field| field.split_once(": "));
        let answer =
            fields.fold(answer, |answer, (name, value)| answer.header(name, &value.replace("{host}", host)));
        let wait = Duration::from_millis(number("X-Wait").unwrap_or(0) as u64);
        if wait.is_zero() { answer } else { answer.delayed(wait) }
    })
}

impl Proxies {
    /// Starts all.
    pub(super) fn start(cases: &[Case]) -> Self {
        let services = [service("a"), service("b")];
        let (gateway, nginx, traefik) =
            (gateway(cases, &services), nginx(cases, &services), traefik(cases, &services));
        Self { gateway, nginx, traefik, services }
    }

    /// What each makes of a request.
    pub(super) fn outcomes(&self, case: &Case, asked: &Asked) -> [String; 3] {
        [self.gateway.address(), self.nginx.address(), self.traefik.address()]
            .map(|proxy| self.outcome(proxy, case, asked))
    }

    fn outcome(&self, proxy: SocketAddr, case: &Case, asked: &Asked) -> String {
        let mut connection = Connection::open(proxy);
        connection.write(&bytes(case, asked));
        let reply = connection.reply_to(asked.method());
        self.described(proxy, asked, &reply)
    }

    /// What the gateway makes of a request over HTTP/1.1, and what it makes of the same over HTTP/2 and as an item of a batch, if
    /// it can be said there. Only what has to be the same is looked at.
    pub(super) fn other_ways(&self, case: &Case, asked: &Asked) -> Vec<(&'static str, [String; 2])> {
        let address = self.gateway.address();
        let beside = |way, looked_at: &Asked, reply: &Reply| {
            let other = self.described(address, looked_at, reply);
            (way, [self.outcome(address, case, looked_at), other])
        };
        let over_http2 = ways::over_http2(case, asked, address);
        let over_http2 = over_http2.map(|reply| beside("over HTTP/2", &asked.end_to_end(), &reply));
        let as_item = ways::as_item(case, asked, address);
        let as_item = as_item.map(|reply| beside("as an item", &asked.of_items(), &reply));
        over_http2.into_iter().chain(as_item).collect()
    }

    fn described(&self, proxy: SocketAddr, asked: &Asked, reply: &Reply) -> String {
        let mut said = vec![reply.status.to_string()];
        for (name, service) in ["a", "b"].iter().zip(&self.services) {
            for request in service.take_requests() {
                said.push(format!("{name} {} {}", request.method, request.target));
                for field in &asked.seen {
                    let value =
                        if field == "body" { length(&request.body) } else { all(&request.headers, field) };
                    said.push(format!("{field} {value}"));
                }
            }
        }
        for field in &asked.show {
            said.push(format!("{field}: {}", shown(reply, field)));
        }
        let said = said.join("; ").replace(&proxy.port().to_string(), "PORT");
        let urls = self.services.each_ref().map(|service| service.address().to_string());
        said.replace(&urls[0], "$A").replace(&urls[1], "$B")
    }
}

fn length(body: &[u8]) -> String {
    format!("{} bytes", body.len())
}

fn shown(reply: &Reply, field: &str) -> String {
    match field {
        "body" if reply.body.len() < 60 => String::from_utf8_lossy(&reply.body).trim_end().to_owned(),
        "body" => length(&reply.body),
        "version" => reply.version.clone(),
        // The service's is always the same.
        "Date" if !all(&reply.headers, field).contains(" 2100 ") => "now".to_owned(),
        field => all(&reply.headers, field),
    }
}

/// All values of a field, with a comma between them; `-` if there is none.
fn all(headers: &[(String, String)], wanted: &str) -> String {
    let of_name = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let values: Vec<_> = of_name.map(|(_, value)| value.as_str()).collect();
    if values.is_empty() { "-".to_owned() } else { values.join(", ") }
}

/// The bytes of a request, which closes its connection.
fn bytes(case: &Case, asked: &Asked) -> Vec<u8> {
    let versioned = asked.line.split(' ').count() > 2;
    let line = asked.line.replace("$HOST", &case.host());
    let mut head = format!("{line}{}\r\n", if versioned { "" } else { " HTTP/1.1" });
    let has = |wanted: &str| asked.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    if !has("Host") {
        write!(head, "Host: {}\r\n", case.host()).unwrap();
    }
    if !has("Connection") {
        head += "Connection: close\r\n";
    }
    let mut body = String::new();
    for (name, value) in &asked.fields {
        match name.as_str() {
            "body" => {
                body = text(value);
                write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
            }
            "chunked" => {
                let text = text(value);
                head += "Transfer-Encoding: chunked\r\n";
                body = format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
            }
            name => {
                let value = text(value).replace("$HOST", &case.host());
                write!(head, "{name}: {value}\r\n").unwrap();
            }
        }
    }
    format!("{head}\r\n{body}").into_bytes()
}

/// `5000 bytes`, or the text itself.
pub(super) fn text(value: &str) -> String {
    let length = value.strip_suffix(" bytes").and_then(|number| number.parse().ok());
    length.map_or_else(|| value.to_owned(), |length| "x".repeat(length))
}

fn gateway(cases: &[Case], services: &[Upstream; 2]) -> Gateway {
    let mut lines = vec!["routes:".to_owned()];
    for case in cases {
        let host = case.host();
        let at_host = |line: &String| {
            let line = line.replace("$HOST", &host);
            if line.contains("hosts:") || !line.starts_with("- {") {
                return format!("  {line}");
            }
            line.replacen("- {", &format!("  - {{ hosts: [{host}],"), 1)
        };
        lines.extend(case.batchgate.iter().map(at_host));
    }
    let config = Config::new().upstream("a", services[0].url()).with(UPSTREAM);
    let config = config.upstream("b", services[1].url()).with(UPSTREAM);
    let config = config.upstream("base", format!("{}/base", services[0].url())).with(UPSTREAM);
    let config = config.upstream("own", services[0].url());
    let config = config.upstream("down", "http://127.0.0.1:1").with("breaker: { max_ejected: 0% }");
    config.raw(lines.join("\n")).start()
}

fn nginx(cases: &[Case], services: &[Upstream; 2]) -> Nginx {
    let mut servers = String::new();
    for case in cases {
        let lines = case.nginx.join("\n").replace("$HOST", &case.host());
        let lines = lines.replace("$A", &services[0].url()).replace("$B", &services[1].url());
        let name = if lines.contains("server_name") {
            String::new()
        } else {
            format!("server_name {};", case.host())
        };
        // A case may have several servers, parted by a line of dashes.
        for server in lines.split("----\n") {
            writeln!(servers, "server {{ listen $LISTEN; {name}\n{server}\n}}").unwrap();
        }
    }
    let map = "map $http_upgrade $upgrade { default upgrade; '' ''; }";
    Nginx::with_servers(&format!(
        "{map}\n{NGINX}\nserver {{ listen $LISTEN default_server; return 404; }}\n{servers}"
    ))
}

/// A line of a case is `NAME = RULE => SERVICE | MIDDLEWARE, MIDDLEWARE`, or `NAME { … }` for a middleware.
fn traefik(cases: &[Case], services: &[Upstream; 2]) -> Traefik {
    let (mut routers, mut middlewares) = (Vec::new(), Vec::new());
    for (number, case) in cases.iter().enumerate() {
        for line in &case.traefik {
            let line = line.replace("$HOST", &case.host());
            let Some((name, rule)) = line.split_once(" = ") else {
                let (name, members) = line.split_once(' ').unwrap();
                middlewares.push(format!("c{number}-{name}: {members}"));
                continue;
            };
            let (rule, service) = rule.split_once(" => ").unwrap();
            let (service, used) = service.split_once(" | ").unwrap_or((service, ""));
            let used =
                used.split(", ").filter(|name| !name.is_empty()).map(|name| format!("c{number}-{name}"));
            let used = used.collect::<Vec<_>>().join(", ");
            let rule = if rule.contains("Host") {
                rule.to_owned()
            } else {
                format!("Host(`{}`) && {rule}", case.host())
            };
            routers.push(format!(
                "c{number}-{name}: {{ rule: '{rule}', service: {service}, middlewares: [{used}] }}"
            ));
        }
    }
    let server = |service: &Upstream| format!("servers: [{{ url: '{}' }}]", service.url());
    let [a, b] = [server(&services[0]), server(&services[1])];
    let lines = |lines: Vec<String>| {
        lines.into_iter().flat_map(|line| ["    ".to_owned(), line, "\n".to_owned()]).collect::<String>()
    };
    Traefik::start(&format!(
        "http:\n  routers:\n{}  middlewares:\n{}  services:\n    a: {{ loadBalancer: {{ {a} }} }}\n    \
         b: {{ loadBalancer: {{ {b} }} }}\n    quick: {{ loadBalancer: {{ {a}, serversTransport: quick }} }}\n    \
         own: {{ loadBalancer: {{ {a}, passHostHeader: false }} }}\n    \
         down: {{ loadBalancer: {{ servers: [{{ url: 'http://127.0.0.1:1' }}] }} }}\n  \
         serversTransports:\n    quick: {{ forwardingTimeouts: {{ responseHeaderTimeout: 1s }} }}\n",
        lines(routers),
        lines(middlewares)
    ))
}
