//! rollcall: a SIP application server for 3GPP Mission Critical services.
//!
//! One binary holds the group management server (GMS) and the MC service server with its participating, controlling and
//! non-controlling functions. The modules below are rooms: `ARCHITECTURE.md` has them from top to bottom, and tells the way
//! of a message through the house. Imports go down only; `tests/layering.rs` holds the walls.

#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod config;
pub mod documents;
pub mod env;
pub mod gms;
pub mod mc;
pub mod model;
pub mod node;
pub mod procedure;
pub mod runtime;
pub mod service;
pub mod sip;
pub mod store;
