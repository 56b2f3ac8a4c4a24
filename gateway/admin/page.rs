//! The console's files. They are part of the program, so the console works offline. Its policy lets it load nothing else.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header};

/// What the page may do: run the scripts below, and ask this listener.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

struct File {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

const FILES: [File; 10] = [
    File { path: "/", content_type: "text/html; charset=utf-8", text: include_str!("console/index.html") },
    File { path: "/console/console.js", content_type: JAVASCRIPT, text: include_str!("console/console.js") },
    File { path: "/console/read.js", content_type: JAVASCRIPT, text: include_str!("console/read.js") },
    File { path: "/console/batches.js", content_type: JAVASCRIPT, text: include_str!("console/batches.js") },
    File { path: "/console/write.js", content_type: JAVASCRIPT, text: include_str!("console/write.js") },
    File { path: "/console/compose.js", content_type: JAVASCRIPT, text: include_str!("console/compose.js") },
    File {
        path: "/console/preact-htm.js",
        content_type: JAVASCRIPT,
        text: include_str!("console/preact-htm.js"),
    },
    File { path: "/console/uplot.js", content_type: JAVASCRIPT, text: include_str!("console/uplot.js") },
    File { path: "/console/uplot.css", content_type: CSS, text: include_str!("console/uplot.css") },
    File { path: "/console/console.css", content_type: CSS, text: include_str!("console/console.css") },
];

/// The file at this path.
pub(super) fn file(path: &str) -> Option<Response<Bytes>> {
    let File { content_type, text, .. } = FILES.iter().find(|file| file.path == path)?;
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    let fields: [(HeaderName, &'static str); 6] = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}
