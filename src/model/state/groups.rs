//! Groups as each side knows them, what becomes of them between systems, and the operations about them.

use crate::model::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What a side knows of groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) documents: HashMap<GroupId, Arc<GroupDocument>>,
    pub(super) regrouped: HashMap<GroupId, Regrouped>,
    /// Marked constituents by their temporary group.
    pub(super) parts_of: HashMap<GroupId, BTreeSet<GroupId>>,
}

impl Model {
    /// A group document as a side knows it.
    pub fn group(&self, side: Side, id: &str) -> Option<&Arc<GroupDocument>> {
        self.side(side).documents.get(id)
    }

    /// The temporary group that a group belongs to, as a side knows it.
    pub fn regrouped(&self, side: Side, id: &str) -> Option<&Regrouped> {
        self.side(side).regrouped.get(id)
    }

    /// The groups that are marked as constituents of a temporary group, as a side knows them, in order.
    pub fn marked(&self, side: Side, temporary: &str) -> impl Iterator<Item = &GroupId> {
        self.side(side).parts_of.get(temporary).into_iter().flatten()
    }

    /// Every group document of a side, in no particular order.
    pub fn groups(&self, side: Side) -> impl Iterator<Item = &Arc<GroupDocument>> {
        self.side(side).documents.values()
    }

    /// A finished operation of the GMS.
    pub fn operation(&self, requestor: &UserId, transaction_id: &str) -> Option<&Operation> {
        self.operations.get(&(requestor.clone(), transaction_id.to_owned()))
    }

    /// The fingerprint of an operation of the GMS whose result is awaited.
    pub fn unfinished(&self, requestor: &UserId, transaction_id: &str) -> Option<u64> {
        self.unfinished.get(&(requestor.clone(), transaction_id.to_owned())).copied()
    }

    /// A temporary group of several systems that is being formed.
    pub fn formation(&self, temporary: &str) -> Option<&Formation> {
        self.formations.get(temporary)
    }

    /// How many temporary groups of several systems are being formed.
    pub fn formation_count(&self) -> usize {
        self.formations.len()
    }

    /// How many temporary groups of several systems are on their way in or out here, reservations included.
    pub fn regrouping_count(&self) -> usize {
        self.formations.len() + self.reservations.len() + self.withdrawals.len()
    }

    /// What a GMS elsewhere has reserved, or waits for.
    pub fn reservation(&self, temporary: &str) -> Option<&Reservation> {
        self.reservations.get(temporary)
    }

    /// Reservations that wait for others, in order of the temporary group.
    pub fn waiting(&self) -> impl Iterator<Item = &Reservation> {
        self.waiting.iter().filter_map(|id| self.reservations.get(id))
    }

    /// The temporary group, not formed yet, that is to have this group.
    pub fn spoken_for(&self, group: &str) -> Option<&GroupId> {
        self.spoken_for.get(group)
    }

    /// A temporary group that partner systems have yet to let go.
    pub fn withdrawal(&self, temporary: &str) -> Option<&Withdrawal> {
        self.withdrawals.get(temporary)
    }

    /// All of them, in order.
    pub fn withdrawals(&self) -> impl Iterator<Item = &Withdrawal> {
        self.withdrawals.values()
    }

    /// What the primary system of a group sent.
    pub fn received(&self, group: &str) -> Option<&Received> {
        self.received.get(group)
    }

    /// All of them, in order of the group.
    pub fn all_received(&self) -> impl Iterator<Item = &Received> {
        self.received.values()
    }

    /// The configuration of a group of ours at a partner.
    pub fn sharing(&self, group: &GroupId, with: &Psi) -> Option<&Sharing> {
        self.sharings.get(&(group.clone(), with.clone()))
    }

    /// Configurations of a group of ours at partners.
    pub fn sharings_of(&self, group: &GroupId) -> impl Iterator<Item = &Sharing> {
        let from = (group.clone(), Psi::new(""));
        let group = group.clone();
        self.sharings.range(from..).map(|(_, sharing)| sharing).take_while(move |it| it.document.id == group)
    }

    /// All of them.
    pub fn sharings(&self) -> impl Iterator<Item = &Sharing> {
        self.sharings.values()
    }

    /// A group of another system whose configuration is wanted, or was refused lately.
    pub fn wanted(&self, group: &str) -> Option<&Wanted> {
        self.wanted.get(group)
    }

    /// How many of them there are.
    pub fn wanted_count(&self) -> usize {
        self.wanted.len()
    }

    /// Takes the provisioned groups of this system anew. A temporary group stays, and so does a group that is part of one:
    /// it cannot go while it is. Returns those that would have gone.
    pub fn provision_groups(
        &mut self,
        groups: impl IntoIterator<Item = GroupDocument>,
        domain: &str,
    ) -> Vec<GroupId> {
        let groups: BTreeMap<GroupId, Arc<GroupDocument>> =
            groups.into_iter().map(|group| (group.id.clone(), Arc::new(group))).collect();
        let mut kept = Vec::new();
        for side in [&mut self.gms, &mut self.mc] {
            let Groups { documents, regrouped, .. } = side;
            documents.retain(|id, document| {
                let provisioned = document.temporary.is_none() && id.domain().eq_ignore_ascii_case(domain);
                if !provisioned || groups.contains_key(id) {
                    return true;
                }
                let stays = regrouped.contains_key(id);
                if stays && !kept.contains(id) {
                    kept.push(id.clone());
                }
                stays
            });
            documents.extend(groups.iter().map(|(id, document)| (id.clone(), document.clone())));
        }
        kept
    }

    /// A finished operation of a GMS elsewhere.
    pub fn exchange(&self, with: &Psi, transaction_id: &str) -> Option<&Exchange> {
        self.exchanges.get(&(with.clone(), transaction_id.to_owned()))
    }

    /// All finished operations that are still remembered, in no particular order.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values()
    }
}
