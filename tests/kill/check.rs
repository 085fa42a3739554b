//! After a restart: whatever the server told before is so, and whatever it did not tell is so as a whole or not at all.

use crate::books::{Groups, Operation};
use crate::sip;
use crate::world::World;
use std::collections::BTreeSet;

impl World {
    /// Looks at everything, by what the server does.
    pub fn check(&mut self) {
        self.settle();
        self.registrations();
        self.affiliations();
        self.temporary_groups();
        self.group_calls();
        self.notices();
        self.subscriptions();
    }

    fn registrations(&mut self) {
        for p in 0..self.publishers.len() {
            let name = self.publishers[p].name.clone();
            let cseq = self.write.next();
            let ask = self.write.register(&name, cseq, &[]);
            let answer = self.ask_for(200, ask);
            let users: BTreeSet<String> =
                sip::headers(&answer, "Contact").map(|contact| sip::short(&sip::uri_in(contact))).collect();
            assert!(users.contains(&name), "{name} is not registered any more\n{answer}");
            let extra: Vec<u64> = users
                .iter()
                .filter_map(|user| user.strip_prefix(&format!("{name}-"))?.parse().ok())
                .collect();
            assert_eq!(extra.len() + 1, users.len(), "{answer}");
            assert!(extra.len() < 2, "{name}: half of a REGISTER was carried out\n{answer}");
            self.publishers[p].extra.found(&extra.first().copied(), &name);
        }
    }

    /// What the server says that a user is affiliated to.
    fn affiliations_of(&mut self, name: &str) -> Groups {
        let fetch = self.write.subscribe(name, 0);
        let answer = self.ask_for(200, fetch);
        let call_id = sip::header(&answer, "Call-ID").unwrap_or_default();
        self.until("the notification of a fetch", |world| world.fetched.remove(&call_id))
    }

    fn affiliations(&mut self) {
        for p in 0..self.publishers.len() {
            let name = self.publishers[p].name.clone();
            let groups = self.affiliations_of(&name);
            self.publishers[p].groups.found(&groups, &name);
            // Whoever watches is told without asking, if it was not told before.
            self.until("a notification that is owed", |world| {
                (world.publishers[p].notified.1.as_ref() == Some(&groups)).then_some(())
            });
        }
        for (name, groups) in self.others.clone() {
            assert_eq!(self.affiliations_of(&name), groups, "{name}");
        }
    }

    /// Which temporary group a call on a constituent is redirected to. It asks for a call of the wrong kind, so that none
    /// begins where there is no redirection.
    fn redirection(&mut self, member: &str, group: &str) -> Option<String> {
        let invite = self.write.invite(member, group, "chat");
        let answer = self.ask(invite);
        match sip::status(&answer) {
            302 => Some(sip::short(&sip::uri_in(&sip::header(&answer, "Contact").expect("Contact")))),
            404 => None,
            _ => panic!("neither redirected nor refused\n{answer}"),
        }
    }

    fn temporary_groups(&mut self) {
        for k in 0..self.pairs.len() {
            let pair = &self.pairs[k];
            let (members, groups) = (pair.members.clone(), pair.constituents.clone());
            let held = self.redirection(&members[0], &groups[0]);
            assert_eq!(held, self.redirection(&members[1], &groups[1]), "half of an operation on {groups:?}");
            self.pairs[k].temporary.found(&held, &groups[0]);
            let open = self.pairs[k].open.take();
            if let Some(operation) = &open
                && operation.forms == held.is_some()
            {
                self.operated(k, operation);
            }
            // The group management server knows the same as the controlling function.
            let (impossible, status) = match held {
                Some(_) => (Operation { forms: true, temporary: "another".to_owned() }, 403),
                None => {
                    let temporary = open.map_or("nowhere".to_owned(), |open| open.temporary);
                    (Operation { forms: false, temporary }, 404)
                }
            };
            let octets = self.operation(k, &impossible);
            self.ask_for(status, octets);
        }
    }

    fn group_calls(&mut self) {
        for k in 0..self.calls.len() {
            // A caller whose INVITE was not answered may be in the call without knowing it.
            let ghost = std::mem::take(&mut self.calls[k].inviting);
            let parties = &self.calls[k].parties;
            let sure: Vec<String> = parties
                .values()
                .filter(|party| party.sure && !party.leaving)
                .map(|party| party.dialog.call_id.clone())
                .collect();
            // Whether they are in the call is not known: their BYE is answered either way.
            let unsure: Vec<String> =
                parties.keys().filter(|call_id| !sure.contains(call_id)).cloned().collect();
            for call_id in unsure {
                if let Some(mut party) = self.calls[k].parties.remove(&call_id) {
                    let bye = self.write.inside(&mut party.dialog, "BYE", "");
                    let answer = self.ask(bye);
                    assert!(matches!(sip::status(&answer), 200 | 481), "{answer}");
                }
            }
            if sure.len() < 2 {
                // A call of one may have been released. If not, it ends now.
                if let Some(mut party) =
                    sure.first().and_then(|call_id| self.calls[k].parties.remove(call_id))
                {
                    let bye = self.write.inside(&mut party.dialog, "BYE", "");
                    let answer = self.ask(bye);
                    assert!(matches!(sip::status(&answer), 200 | 481), "{answer}");
                }
                continue;
            }
            for call_id in &sure[1..] {
                let party =
                    self.calls[k].parties.get(call_id).unwrap_or_else(|| panic!("{call_id} was released"));
                let mut dialog = party.dialog.clone();
                let bye = self.write.inside(&mut dialog, "BYE", "");
                self.ask_for(200, bye);
                self.calls[k].parties.remove(call_id);
            }
            let last = &sure[0];
            if ghost {
                if let Some(mut party) = self.calls[k].parties.remove(last) {
                    let bye = self.write.inside(&mut party.dialog, "BYE", "");
                    let answer = self.ask(bye);
                    assert!(matches!(sip::status(&answer), 200 | 481), "{answer}");
                }
            } else {
                self.until("the BYE to the last one", |world| {
                    world.calls[k].parties.is_empty().then_some(())
                });
            }
        }
    }

    fn notices(&mut self) {
        self.until("all notices", |world| world.owed.is_subset(&world.heard).then_some(()));
        self.owed.clear();
        self.heard.clear();
    }

    /// Every publisher changes its affiliations and is told so in its subscription.
    fn subscriptions(&mut self) {
        for p in 0..self.publishers.len() {
            let (name, groups) = (self.publishers[p].name.clone(), self.other_groups(p));
            let publish = self.write.publish(&name, &groups);
            self.publishers[p].groups.ask(groups.clone());
            self.ask_for(200, publish);
            self.publishers[p].groups.confirmed();
            self.until("a notification", |world| {
                (world.publishers[p].notified.1.as_ref() == Some(&groups)).then_some(())
            });
        }
    }
}
