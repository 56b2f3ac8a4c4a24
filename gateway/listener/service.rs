//! The service that clients come to: bound sockets, the acceptor, and the handler behind it.

use std::io;
use std::sync::Arc;

use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service as _;
use pingora::services::listening::Service;

use crate::state::gateway::Gateway;

use super::acceptor::Acceptor;
use super::bind::BoundSockets;
use super::request_handler::RequestHandler;

/// A handler with its sockets, ready to be served.
pub(crate) struct ClientService<H> {
    service: Service<Acceptor<H>>,
    sockets: ListenFds,
}

impl<H: RequestHandler> ClientService<H> {
    /// Puts a handler behind bound sockets.
    ///
    /// # Errors
    /// A listener's certificate can't be used.
    pub(crate) fn new(gateway: Arc<Gateway>, handler: H, sockets: BoundSockets) -> io::Result<Self> {
        let acceptor = Acceptor::new(gateway, handler, sockets.encrypted()?);
        let mut service = Service::new("front".to_owned(), acceptor);
        let sockets = sockets.give_to(service.endpoints());
        Ok(Self { service, sockets })
    }

    /// Serves until `shutdown` turns true or its sender is dropped. Then it stops accepting; open connections go on as
    /// tasks of the runtime.
    pub(crate) async fn serve(mut self, shutdown: ShutdownWatch) {
        self.service.start_service(Some(self.sockets), shutdown, 1).await;
    }
}
