//! Exchanges that stay: `WebSocket`s and other upgrades, streams of events, gRPC. They live as long as
//! their two sides want, hold nothing that calls need, are counted, and end in order. Real clients and
//! services: websockets, grpcio, Chromium.

mod browser;
mod counted;
mod draining;
mod grpc;
mod grpc_status;
mod idle;
mod room;
mod services;
mod streams;
mod upgrades;
mod websockets;
