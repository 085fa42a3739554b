//! The runtime over loopback, with a small node behind it that does what its requests name: sockets, streams, the disk
//! thread and its failures, the end.

#![allow(clippy::disallowed_methods, reason = "a test waits for what it sees from outside")]

mod datagrams;
mod end;
mod large;
mod node;
mod peers;
mod store;
mod streams;
