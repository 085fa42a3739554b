//! What is refused first when the disk cannot follow: new ordinary requests. Requests inside dialogs, emergencies and
//! imminent peril are still taken.

use super::Service;
use crate::env::Time;
use crate::sip::transaction::Flow;
use crate::sip::wire::{Message, Name, Rejected, Start};
use memchr::memmem;

impl Service {
    /// Whether a message is new ordinary work.
    pub fn may_shed(&self, message: &Message) -> bool {
        let Start::Request { method, .. } = message.start() else { return false };
        if !matches!(method, b"INVITE" | b"MESSAGE" | b"PUBLISH" | b"SUBSCRIBE" | b"REGISTER" | b"OPTIONS") {
            return false;
        }
        if message.header(Name::To).is_some_and(|to| memmem::find(&to, b"tag=").is_some()) {
            return false;
        }
        if message.header(Name::ResourcePriority).is_some() {
            return false;
        }
        let body = message.body();
        memmem::find(&body, b"emergency-ind").is_none() && memmem::find(&body, b"imminentperil-ind").is_none()
    }

    /// The store has caught up.
    pub fn shed_no_more(&mut self) {
        if self.shed > 0 {
            tracing::warn!(refused = self.shed, "the store has caught up: requests are taken again");
            self.shed = 0;
        }
    }

    /// Refuses a message with 503 and Retry-After, without state; the answer owes nothing to the disk.
    pub fn shed(&mut self, now: Time, flow: Flow, message: Message) {
        // One line when it begins and one when it is over, not one for each.
        if self.shed == 0 {
            tracing::warn!("the store is behind: new ordinary requests are refused");
        }
        self.shed += 1;
        let before = self.out.len();
        let rejected = Rejected::Answerable {
            message: Box::new(message),
            status: 503,
            place: "overloaded: store is behind",
        };
        self.take(now, flow, Err(rejected));
        for transmit in self.out.iter_mut().skip(before) {
            transmit.trying = true;
        }
    }
}
