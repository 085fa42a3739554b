//! The real binary under attack, and its signals: garbage, huge and half messages, thousands of connections that say
//! nothing. It answers the next valid request, and its memory does not grow.

#![allow(clippy::disallowed_methods, reason = "a test waits for what it sees from outside")]

mod floods;
mod garbage;
mod host;
#[path = "../process/mod.rs"]
mod process;
mod signals;
#[path = "../kill/sip.rs"]
#[allow(dead_code, reason = "written for another test")]
mod sip;
mod streams;
