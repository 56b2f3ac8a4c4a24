//! The application that a listener serves requests with.

use pingora::apps::ReusedHttpStream;

use crate::session::Session;

/// Serves requests. The listener knows nothing else of it.
pub(crate) trait RequestHandler: Send + Sync + 'static {
    /// Serves one request, whose head has been read. Returns the connection if it can carry another request.
    fn handle(&self, session: Session) -> impl Future<Output = Option<ReusedHttpStream>> + Send;
}
