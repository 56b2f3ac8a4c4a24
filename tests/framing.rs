//! How messages begin and end on a connection, on both sides of the gateway: each request reaches the
//! upstream once and whole, each reply the client that asked, whatever the framing; and what is left of
//! a connection on which something failed.

mod early;
mod every_framing;
mod failed;
mod http10;
mod interim;
mod message;
mod neighbours;
mod real_servers;
mod request_trailers;
mod trailers;
mod unprocessed;
