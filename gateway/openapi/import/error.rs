//! Why there is no configuration at all.

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is neither JSON nor YAML.
    #[error("the document can't be read: {0}")]
    Unreadable(String),
    /// It is not a document of OpenAPI.
    #[error("there is no `openapi` at its top, so it is not an OpenAPI document")]
    NotOpenApi,
    /// It is Swagger 2.0.
    #[error(
        "it is Swagger {0}, which is not read; convert it to OpenAPI 3 first, for example with \
         `npx swagger2openapi FILE` or at editor.swagger.io"
    )]
    Swagger(String),
    /// It is of another version.
    #[error("it is OpenAPI {0}; 3.0 and 3.1 are read")]
    Version(String),
    /// Nothing says where the service is.
    #[error(
        "{pointer}: {problem}; say where the service is with --upstream, such as --upstream http://10.0.0.1:9001"
    )]
    NoServer {
        /// Where it should be.
        pointer: String,
        /// What is wrong with it.
        problem: String,
    },
    /// None of its paths can be a route.
    #[error("/paths: there is no path that can be a route{0}")]
    NoPaths(String),
}
