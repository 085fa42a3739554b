//! Whoever belongs to two constituents of a temporary group is rung once for a call on it, also if its server and that of
//! a constituent could both ring. One call is not told from the next one by what a client hears, so what may end one, in any
//! of the systems, ends what is remembered.

use super::phone::group_of;
use super::setting::TEMPORARY;
use crate::outside::message::{Message, parameter};
use std::collections::{BTreeMap, BTreeSet};

/// Clients that a call of a temporary group rings or has, by client and group: the Call-ID of the INVITE, and whether the
/// client has said anything. The CANCEL of one that has not must wait (RFC 3261 9.1), and nobody sees that it is over.
/// Then the INVITEs that were seen, by client and Call-ID.
#[derive(Debug, Default)]
pub struct Rung(BTreeMap<(String, String), (String, bool)>, BTreeSet<(String, String)>);

impl Rung {
    /// Calls may have ended: a system died, or the group is another one.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// A message passed between the systems.
    pub fn crossed(&mut self, message: &Message) {
        let ends = match message.status() {
            None => matches!(message.method(), "BYE" | "CANCEL" | "MESSAGE"),
            Some(status) => status >= 300 && message.method() == "INVITE",
        };
        if ends {
            self.forget();
        }
    }

    /// A client says something.
    pub fn heard(&mut self, message: &Message) {
        match message.status() {
            None if message.method() == "MESSAGE" => self.forget(),
            None if message.method() == "BYE" => self.over(message),
            Some(300..) if message.method() == "INVITE" => self.over(message),
            Some(_) if message.method() == "INVITE" => {
                let of = |(call_id, _): &&mut (String, bool)| call_id == message.value("Call-ID");
                self.0.values_mut().filter(of).for_each(|(_, rings)| *rings = true);
            }
            _ => {}
        }
    }

    /// A system says something to a client.
    pub fn said(&mut self, name: &str, message: &Message) {
        match (message.status(), message.method()) {
            // The last one who stays is released, and with it ends the call.
            (None, "BYE" | "CANCEL") => self.forget(),
            // Whoever comes by itself is not rung any more.
            (Some(200..300), "INVITE") => self.0.retain(|(client, _), _| user_of(client) != user_of(name)),
            (None, "INVITE") if parameter(message.value("To"), "tag").is_none() => {
                let group = group_of(message);
                if !TEMPORARY.iter().any(|temporary| group.starts_with(&format!("sip:{temporary}@"))) {
                    return;
                }
                let call_id = message.value("Call-ID").to_owned();
                // The INVITE of a call that was given up goes on until the client has said something.
                if !self.1.insert((name.to_owned(), call_id.clone())) {
                    return;
                }
                let before = self.0.insert((name.to_owned(), group.clone()), (call_id.clone(), false));
                let twice = before.is_some_and(|(other, rings)| other != call_id && rings);
                assert!(!twice, "{name} is rung twice for a call on {group}");
            }
            _ => {}
        }
    }

    fn over(&mut self, message: &Message) {
        self.0.retain(|_, (call_id, _)| call_id != message.value("Call-ID"));
    }
}

fn user_of(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}
