//! Sockets, clock, disk, signals: the only room that touches the system.
//!
//! | file | what it does |
//! |---|---|
//! | `driver` | the loop: inputs in batches, one commit, then the answers |
//! | `udp`, `sys` | datagrams, many to a system call |
//! | `tcp` | stream connections, a task for each |
//! | `keeper` | the disk thread |
//! | `clock`, `counters` | time; what went wrong, counted |

mod clock;
mod counters;
mod driver;
mod keeper;
mod refuse;
mod sys;
mod tcp;
mod udp;

pub use clock::Clock;
pub use driver::{Control, Handle, ServeError, Settings, start};
