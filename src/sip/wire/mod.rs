//! Bytes to one message: framing, header lines, folding, short names, limits. Lazy: one pass finds where things are,
//! values are read when somebody asks (`sip::message`).

mod lines;
mod name;
pub mod octet;
mod scan;
pub mod stream;

pub use name::Name;
pub use scan::{Message, Start, datagram, message};

/// Why bytes did not become a message.
#[derive(Clone, Debug)]
pub enum Rejected {
    /// Broken, but a Via and a CSeq could be read, so the sender can be told (a request other than ACK only).
    Answerable {
        /// What could be read.
        message: Box<Message>,
        /// Status of the answer: 400, 413, 505.
        status: u16,
        /// What was wrong and where; becomes the reason phrase and the log line.
        place: &'static str,
    },
    /// Nothing that could be answered.
    Silent {
        /// What was wrong and where, for the log.
        place: &'static str,
    },
}
