//! Clocks and identifiers as values: nothing in the core asks the system for the time or for randomness.

mod ids;
mod time;
pub mod wheel;

pub use ids::Ids;
pub use time::Time;
