//! Sockets, clock, disk, signals: the only room that touches the system.
//!
//! | file | what it does |
//! |---|---|
//! | `driver` | the loop: inputs in batches, one commit, then the answers |
//! | `udp`, `sys` | datagrams, many to a system call |
//! | `tcp` | stream connections, a task for each |
//! | `pot` | the memory that stream connections share |
//! | `keeper` | the disk thread |
//! | `builder`, `refuse` | a new node after a failure, and what is answered until it is there |
//! | `log` | lines to standard error, never waited for |
//! | `clock`, `counters` | time; what went wrong, counted |

mod builder;
mod clock;
mod counters;
mod driver;
mod keeper;
mod log;
mod pot;
mod refuse;
mod sys;
mod tcp;
mod udp;

pub use clock::Clock;
pub use driver::{Built, Control, Handle, PATIENCE, ServeError, Settings, start};
pub use log::Log;
