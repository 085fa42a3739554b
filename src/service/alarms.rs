//! Timers of procedures, and of facts that end by time.

use super::Service;
use crate::env::Time;
use crate::mc;
use crate::model::{Change, ClientId, Fact, FactKey, OwedRef, PublicId, UserId};
use crate::procedure::Wake;

/// What a timer is for. It may come late or twice: whoever it wakes looks at the facts again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// A procedure asked to be woken.
    Wake(Wake),
    /// A binding runs out.
    Registration(PublicId),
    /// An affiliation runs out.
    Affiliation(UserId, ClientId),
    /// A request that is owed is given up.
    OwedGivenUp(OwedRef),
    /// A request that is owed is tried again.
    OwedAgain(OwedRef),
    /// A finished operation need not be remembered any more.
    Operation(UserId, String),
}

impl Service {
    pub(super) fn set_alarm(&mut self, at: Time, alarm: Alarm) {
        self.alarms.schedule(at, alarm);
    }

    /// Sets the alarms that follow from a fact; live and at replay alike.
    pub(super) fn set_alarms(&mut self, _now: Time, fact: &Fact) {
        let (at, alarm) = match fact {
            Fact::Registration(registration) => {
                let Some(first) = registration.bindings.iter().map(|binding| binding.expires).min() else {
                    return;
                };
                (first, Alarm::Registration(registration.public_id.clone()))
            }
            Fact::Affiliation(client) => {
                let Some(first) = client.groups.iter().filter_map(|entry| entry.expires).min() else {
                    return;
                };
                (first, Alarm::Affiliation(client.user.clone(), client.client.clone()))
            }
            Fact::Owed(owed) => (owed.until, Alarm::OwedGivenUp(owed.id)),
            Fact::Operation(operation) => (
                operation.forget,
                Alarm::Operation(operation.requestor.clone(), operation.transaction_id.clone()),
            ),
            _ => return,
        };
        self.set_alarm(at, alarm);
    }

    pub(super) fn fire_alarms(&mut self, now: Time) {
        let mut due = Vec::new();
        self.alarms.expire(now, &mut due);
        for alarm in due {
            match alarm {
                Alarm::Wake(wake) => {
                    let outcome = mc::calls::wake(&mut view!(self, now), &mut self.open, wake);
                    self.carry_out(now, outcome);
                }
                Alarm::Registration(public_id) => {
                    let outcome = mc::registration::expire(&view!(self, now), &public_id);
                    self.carry_out(now, outcome);
                }
                Alarm::Affiliation(user, client) => {
                    let outcome = mc::affiliation::expire(&view!(self, now), &user, &client);
                    self.carry_out(now, outcome);
                }
                Alarm::OwedGivenUp(owed) => self.give_up_owed(now, owed),
                Alarm::OwedAgain(owed) => self.deliver_owed(now, owed),
                Alarm::Operation(user, transaction) => {
                    if self.model.operation(&user, &transaction).is_some_and(|old| old.forget <= now) {
                        self.change(now, Change::Remove(FactKey::Operation(user, transaction)));
                    }
                }
            }
            self.run(now);
        }
    }
}
