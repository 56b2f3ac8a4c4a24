//! Macros for a connection of ours that wraps one of pingora's in its field `stream`: the inner connection answers
//! everything that pingora asks of a connection in addition to reading and writing.

/// Implements pingora's traits for connections, except `AsyncRead` and `AsyncWrite`.
macro_rules! delegate_to_stream {
    ($connection:ty) => {
        #[async_trait::async_trait]
        impl pingora::protocols::Shutdown for $connection {
            async fn shutdown(&mut self) {
                self.stream.shutdown().await;
            }
        }

        #[async_trait::async_trait]
        impl pingora::protocols::Peek for $connection {
            async fn try_peek(&mut self, buffer: &mut [u8]) -> std::io::Result<bool> {
                self.stream.try_peek(buffer).await
            }
        }

        $crate::transport::delegate::delegate_facts_to!($connection, self => self.stream);
    };
}

/// Implements the traits by which pingora asks for what is known about a connection.
macro_rules! delegate_facts_to {
    ($connection:ty, $this:ident => $stream:expr) => {
        impl pingora::protocols::UniqueID for $connection {
            fn id(&$this) -> pingora::protocols::UniqueIDType {
                $stream.id()
            }
        }

        impl pingora::protocols::Ssl for $connection {
            fn get_ssl_digest(&$this) -> Option<std::sync::Arc<pingora::protocols::tls::SslDigest>> {
                $stream.get_ssl_digest()
            }

            fn selected_alpn_proto(&$this) -> Option<pingora::protocols::ALPN> {
                $stream.selected_alpn_proto()
            }
        }

        impl pingora::protocols::GetTimingDigest for $connection {
            fn get_timing_digest(&$this) -> Vec<Option<pingora::protocols::TimingDigest>> {
                $stream.get_timing_digest()
            }

            fn get_read_pending_time(&$this) -> std::time::Duration {
                $stream.get_read_pending_time()
            }

            fn get_write_pending_time(&$this) -> std::time::Duration {
                $stream.get_write_pending_time()
            }
        }

        impl pingora::protocols::GetProxyDigest for $connection {
            fn get_proxy_digest(
                &$this,
            ) -> Option<std::sync::Arc<pingora::protocols::raw_connect::ProxyDigest>> {
                $stream.get_proxy_digest()
            }
        }

        impl pingora::protocols::GetSocketDigest for $connection {
            fn get_socket_digest(&$this) -> Option<std::sync::Arc<pingora::protocols::SocketDigest>> {
                $stream.get_socket_digest()
            }
        }
    };
}

pub(crate) use {delegate_facts_to, delegate_to_stream};
