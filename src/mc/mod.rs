//! The MC service server: one file per procedure (TS 24.379).

pub mod affiliation;
pub mod calls;
mod commencement;
pub mod conference;
mod controlling;
pub mod dynamic;
pub mod elsewhere;
pub mod groups;
mod inviting;
mod joining;
mod leaving;
mod originating;
pub mod registration;
mod regrouped;
mod relaying;
mod restoring;
mod session;
#[cfg(test)]
mod simulation;
pub mod status;
mod terminating;
#[cfg(test)]
mod testing;
mod upgrading;
