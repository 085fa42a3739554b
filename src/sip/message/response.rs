//! A response as received.

use super::headers::Known;
use super::{Headers, Malformed};
use crate::sip::wire::{self, Start};
use std::ops::Deref;
use std::sync::Arc;

/// A response with what every layer needs already read. Its headers are read through [`Headers`], with the same
/// readers as those of [`super::Request`]. Cheap to clone and to hand on.
#[derive(Clone, Debug)]
pub struct Response {
    headers: Arc<Headers>,
    status: u16,
}

impl Response {
    /// Reads the mandatory headers.
    ///
    /// # Errors
    /// [`Malformed`]; a broken response is dropped and counted.
    pub fn read(wire: wire::Message) -> Result<Self, Malformed> {
        let Start::Response { status, .. } = wire.start() else {
            return Err(Malformed { place: "not a response" });
        };
        let known = Known::read(&wire)?;
        Ok(Self { headers: Arc::new(Headers::new(wire, known)), status })
    }

    /// Status code, 100 to 699.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Reason phrase as received (octets that are not UTF-8 replaced), may be empty.
    pub fn reason(&self) -> String {
        match self.wire().start() {
            Start::Response { reason, .. } => String::from_utf8_lossy(reason).into_owned(),
            Start::Request { .. } => String::new(),
        }
    }
}

impl Deref for Response {
    type Target = Headers;

    fn deref(&self) -> &Headers {
        &self.headers
    }
}
