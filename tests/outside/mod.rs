//! What stands outside the server in tests: SIP as text, XML as text, bodies, and a judge. Nothing here uses the crate's
//! own readers and writers, so that what the server says is looked at with other eyes.

// Each test that uses this takes what it needs.
#![allow(dead_code)]

pub mod bodies;
pub mod digest;
pub mod judge;
pub mod message;
pub mod network;
pub mod xml;
