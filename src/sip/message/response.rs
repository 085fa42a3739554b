//! A response as received.

use super::{Malformed, Method};
use crate::sip::wire;

/// A response with what every layer needs already read. Offers the same header readers as
/// [`super::Request`] (shared code, `fn text`, `tokens`, `number`, `addresses`, `contacts`, `from`, `to`, `body`...).
#[derive(Clone, Debug)]
pub struct Response {
    wire: wire::Message,
}

impl Response {
    /// Reads the mandatory headers.
    ///
    /// # Errors
    /// [`Malformed`]; a broken response is dropped and counted.
    pub fn read(wire: wire::Message) -> Result<Self, Malformed> {
        Ok(Self { wire })
    }

    /// The message as received.
    pub fn wire(&self) -> &wire::Message {
        &self.wire
    }

    /// Status code.
    pub fn status(&self) -> u16 {
        unimplemented!()
    }

    /// Method of the CSeq header.
    pub fn method(&self) -> Method {
        unimplemented!()
    }
}
