//! What the server knows: users, groups, and the facts that survive a restart.
//!
//! [`Model`] changes in one function, [`Model::apply`], live and at replay alike. Facts are keyed records
//! ([`Fact`], [`FactKey`]), so a later store can shard them by user or by group.

mod between;
mod facts;
mod group;
mod group_details;
mod group_policy;
mod identity;
mod proposal;
mod state;
#[cfg(test)]
pub mod testing;
mod user;

pub use between::*;
pub use facts::*;
pub use group::*;
pub use group_details::*;
pub use group_policy::*;
pub use identity::*;
pub use proposal::*;
pub use state::*;
pub use user::*;
