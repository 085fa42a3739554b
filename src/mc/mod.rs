//! The MC service server: one file per procedure (TS 24.379).
//!
//! | file | what it is about |
//! |---|---|
//! | `calls` | the entry points of all call procedures |
//! | `originating`, `terminating`, `relaying` | participating function: a client calls, is called, and talks |
//! | `elsewhere` | sessions in calls that another system controls |
//! | `controlling`, `inviting`, `commencement` | controlling function: a call begins, its members are invited, its caller is answered |
//! | `joining`, `upgrading`, `leaving` | a running call: who comes, what changes, who goes |
//! | `regrouped`, `constituents`, `non_controlling` | calls and temporary groups: on a constituent, on a group of several systems, as a part of one |
//! | `session`, `restoring` | what a call remembers, and what is left of it after a restart |
//! | `conference` | the roster of a call |
//! | `groups` | who is a member, who is affiliated |
//! | `group_policy`, `status_update` | a GMS that is another process: its documents, and what it is told |
//! | `registration`, `settings` | where clients are, and what they say about services |
//! | `affiliation` | affiliation, at the server of the user and at that of the group |
//! | `remote_change`, `proposing`, `proposal_end` | changing the affiliations of others: mandatory, negotiated, and its outcome |
//! | `status`, `status_elsewhere`, `dynamic` | watching affiliations of a user, of one elsewhere, and what goes on in a group |
//! | `entity_tag` | entity tags of what is published |

mod admitting;
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
pub mod roster;
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
