//! Field names in the case that people write them in. HTTP does not care (RFC 9110 §5.1), but
//! clients of JSON batches do: the headers are an object there, and they look up `Content-Type`.

/// Names that are not simply capitalised after each hyphen.
const EXCEPTIONS: [(&str, &str); 39] = [
    ("etag", "ETag"),
    ("www-authenticate", "WWW-Authenticate"),
    ("dav", "DAV"),
    ("te", "TE"),
    ("dnt", "DNT"),
    ("nel", "NEL"),
    ("p3p", "P3P"),
    ("dpop", "DPoP"),
    ("ect", "ECT"),
    ("rtt", "RTT"),
    ("content-id", "Content-ID"),
    ("content-md5", "Content-MD5"),
    ("content-dpr", "Content-DPR"),
    ("mime-version", "MIME-Version"),
    ("ms-author-via", "MS-Author-Via"),
    ("soapaction", "SOAPAction"),
    ("sourcemap", "SourceMap"),
    ("expect-ct", "Expect-CT"),
    ("alpn", "ALPN"),
    ("odata-version", "OData-Version"),
    ("odata-maxversion", "OData-MaxVersion"),
    ("odata-entityid", "OData-EntityId"),
    ("odata-isolation", "OData-Isolation"),
    ("ratelimit", "RateLimit"),
    ("ratelimit-policy", "RateLimit-Policy"),
    ("ratelimit-limit", "RateLimit-Limit"),
    ("ratelimit-remaining", "RateLimit-Remaining"),
    ("ratelimit-reset", "RateLimit-Reset"),
    ("x-ratelimit-limit", "X-RateLimit-Limit"),
    ("x-ratelimit-remaining", "X-RateLimit-Remaining"),
    ("x-ratelimit-reset", "X-RateLimit-Reset"),
    ("x-request-id", "X-Request-ID"),
    ("x-correlation-id", "X-Correlation-ID"),
    ("x-trace-id", "X-Trace-ID"),
    ("x-xss-protection", "X-XSS-Protection"),
    ("x-ua-compatible", "X-UA-Compatible"),
    ("x-dns-prefetch-control", "X-DNS-Prefetch-Control"),
    ("x-http-method-override", "X-HTTP-Method-Override"),
    ("x-webkit-csp", "X-WebKit-CSP"),
];

/// Passes a lower-case name in its canonical case to `put`, in one piece or several.
pub(crate) fn write(name: &str, mut put: impl FnMut(&[u8])) {
    if let Some((_, canonical)) = EXCEPTIONS.iter().find(|(lower, _)| *lower == name) {
        put(canonical.as_bytes());
        return;
    }
    let mut start_of_word = true;
    // Names are short; those longer than the buffer go in pieces.
    for piece in name.as_bytes().chunks(64) {
        let mut buffer = [0; 64];
        for (to, byte) in buffer.iter_mut().zip(piece) {
            *to = if start_of_word { byte.to_ascii_uppercase() } else { *byte };
            start_of_word = *byte == b'-';
        }
        put(buffer.get(..piece.len()).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(name: &str) -> String {
        let mut output = Vec::new();
        write(name, |piece| output.extend_from_slice(piece));
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn words_are_capitalised() {
        for name in ["Content-Type", "Location", "Last-Modified", "X-A", "Lock-Token", "X--Y", "-A", "1a-B"] {
            assert_eq!(canonical(&name.to_ascii_lowercase()), name);
        }
        let long = format!("X{}-Y{}", "x".repeat(100), "y".repeat(100));
        assert_eq!(canonical(&long.to_ascii_lowercase()), long);
    }

    #[test]
    fn every_exception_is_the_same_name_and_differs_from_the_rule() {
        for (lower, name) in EXCEPTIONS {
            assert_eq!(name.to_ascii_lowercase(), lower);
            assert_eq!(canonical(lower), name);
        }
        for (lower, name) in [("etag", "ETag"), ("www-authenticate", "WWW-Authenticate"), ("dav", "DAV")] {
            assert_eq!(canonical(lower), name);
        }
    }
}
