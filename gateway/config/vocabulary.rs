//! Words that are not keys of the configuration, but that people write as if they were.

use super::yaml::schema_check::Vocabulary;

/// Keys of later versions and words of other programs.
pub(super) const VOCABULARY: Vocabulary = Vocabulary {
    reserved: &[("upstreams.*", "engine"), ("upstreams.*", "pipeline_depth")],
    synonyms: &[
        ("crt", "certificate"),
        ("pem", "certificate"),
        ("chain", "certificate"),
        ("ssl", "tls"),
        ("verbs", "methods"),
        ("prefix", "path"),
        ("location", "path"),
        ("backend", "upstream"),
        ("servers", "targets"),
        ("endpoints", "targets"),
    ],
};
