//! What the service holds, counted: for the operator's log, and for tests that show that nothing is left behind.

use super::Service;
use crate::model::{Watch, Watching};
use std::fmt;

/// Counts of everything that comes and goes with procedures. Facts that stay by themselves (groups, registrations,
/// affiliations, finished operations) are not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// Group calls.
    pub calls: usize,
    /// Sessions of served users at the participating function.
    pub participations: usize,
    /// Sessions at the participating function, or calls, that wait for an answer.
    pub setups: usize,
    /// Legs, those that wait for the answer to their BYE included.
    pub legs: usize,
    /// Pairs of media ports.
    pub ports: usize,
    /// INVITE sessions of the SIP core.
    pub sessions: usize,
    /// Server and client transactions.
    pub transactions: usize,
    /// Requests that wait for our answer.
    pub replies: usize,
    /// Requests that are owed.
    pub owed: usize,
    /// Temporary groups of several systems that are being formed, or that a partner has yet to let go; groups that are
    /// reserved for one.
    pub regrouping: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Our subscriptions at functions elsewhere for watchers and calls here. Those for affiliations stand as long as these.
    pub watches: usize,
    /// Requests to functions elsewhere, and requests that were passed on.
    pub asked: usize,
    /// Proposals to change affiliations whose outcome is awaited.
    pub proposals: usize,
}

impl Holds {
    /// The counts with their names.
    fn named(&self) -> [(usize, &'static str); 14] {
        [
            (self.calls, "calls"),
            (self.participations, "participations"),
            (self.setups, "setups"),
            (self.legs, "legs"),
            (self.ports, "ports"),
            (self.sessions, "sessions"),
            (self.transactions, "transactions"),
            (self.replies, "replies"),
            (self.owed, "owed"),
            (self.regrouping, "regrouping"),
            (self.subscriptions, "subscriptions"),
            (self.watches, "watches"),
            (self.asked, "asked"),
            (self.proposals, "proposals"),
        ]
    }
}

impl fmt::Display for Holds {
    /// `2 legs, 1 sessions`, or `nothing`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = false;
        for (count, name) in self.named().into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{}{count} {name}", if said { ", " } else { "" })?;
            said = true;
        }
        if said { Ok(()) } else { f.write_str("nothing") }
    }
}

fn for_watchers(watch: &&Watch) -> bool {
    !matches!(watch.what, Watching::GroupAffiliation { .. } | Watching::GroupDocument { .. })
}

impl Service {
    /// What is held now. Costs as much as there is: not for every request.
    pub fn holds(&self) -> Holds {
        let (servers, clients) = self.agent.open_transactions();
        Holds {
            calls: self.model.calls().count().max(self.open.calls()),
            participations: self.model.participations().count(),
            setups: self.open.setups(),
            legs: self.legs.count().max(self.model.legs().count()),
            ports: self.media.in_use(),
            sessions: self.agent.open_sessions(),
            transactions: servers + clients,
            replies: self.replies.len() + self.rosters.waiting(),
            owed: self.model.all_owed().count().max(self.owed_open.len()),
            regrouping: self.model.regrouping_count(),
            subscriptions: self.model.subscriptions().count(),
            watches: self.model.watches().filter(for_watchers).count(),
            asked: self.model.requests().count() + self.passing.open(),
            proposals: self.model.proposal_count(),
        }
    }
}
