//! The MC service server: one file per procedure (TS 24.379).

pub mod affiliation;
pub mod calls;
mod commencement;
pub mod conference;
mod constituents;
mod controlling;
pub mod dynamic;
pub mod elsewhere;
mod entity_tag;
pub mod group_policy;
pub mod groups;
mod inviting;
mod joining;
mod leaving;
mod non_controlling;
mod originating;
pub mod proposal_end;
pub mod proposing;
pub mod registration;
mod regrouped;
mod relaying;
pub mod remote_change;
mod restoring;
mod session;
pub mod settings;
#[cfg(test)]
mod simulation;
pub mod status;
pub mod status_elsewhere;
pub mod status_update;
mod terminating;
#[cfg(test)]
mod testing;
mod upgrading;
