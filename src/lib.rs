//! rollcall: a SIP application server for 3GPP Mission Critical services.
//!
//! One binary holds the group management server (GMS) and the MC service server with its participating and
//! controlling functions. `ARCHITECTURE.md` tells the way of a message through the house; the modules below are its
//! rooms, top floor first. Imports go down only; `tests/layering.rs` holds the wall.

#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod runtime;
pub mod store;
// (keep this order: the rooms of ARCHITECTURE.md)
pub mod config;
pub mod documents;
pub mod env;
pub mod gms;
pub mod mc;
pub mod model;
pub mod node;
pub mod procedure;
pub mod service;
pub mod sip;
