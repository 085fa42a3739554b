//! A dialog (RFC 3261 section 12).

use super::super::message::{Draft, Malformed, Method, Request, Response};
use crate::model::DialogFact;

/// The state of a dialog, as RFC 3261 12 lists it. Converts to and from what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// The stored part; all of it.
    pub fact: DialogFact,
}

impl Dialog {
    /// The dialog a UAS makes of a request and the tag and Contact of its answer (12.1.1).
    ///
    /// # Errors
    /// [`Malformed`] if Contact, Record-Route, From or To cannot be read.
    pub fn of_request(request: &Request, local_tag: &str, local_contact: &str) -> Result<Self, Malformed> {
        let _ = (request, local_tag, local_contact);
        unimplemented!()
    }

    /// The dialog a UAC makes of its request and the response (12.1.2).
    ///
    /// # Errors
    /// [`Malformed`] if Contact, Record-Route, From or To cannot be read.
    pub fn of_response(request: &Draft, response: &Response, local_contact: &str) -> Result<Self, Malformed> {
        let _ = (request, response, local_contact);
        unimplemented!()
    }

    /// A request inside the dialog (12.2.1.1): next CSeq (for ACK the CSeq given), route set, target, Contact.
    pub fn request(&mut self, method: Method, ack_cseq: Option<u32>) -> Draft {
        let _ = (method, ack_cseq);
        unimplemented!()
    }

    /// Checks the CSeq of a request that came in (12.2.2): false if it is lower than one seen before.
    pub fn in_order(&mut self, request: &Request) -> bool {
        let _ = request;
        unimplemented!()
    }

    /// Takes the target from a target refresh request or response (12.2.1.2, 12.2.2).
    pub fn refresh_target(&mut self, contact: Option<&str>) {
        let _ = contact;
    }
}
