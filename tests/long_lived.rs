//! Exchanges that stay: `WebSocket`s and other upgrades, streams of events, gRPC. They live as long as
//! their two sides want, hold nothing that calls need, are counted, and end in order. Real clients and
//! services: websockets, grpcio, Chromium. `WebSocket`s come over HTTP/1.1 and over HTTP/2 (RFC 8441).

mod browser;
mod counted;
mod draining;
mod grpc;
mod grpc_status;
mod http2_websockets;
mod idle;
mod room;
mod services;
mod streams;
mod upgrades;
mod websockets;
