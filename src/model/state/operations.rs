//! Operations of the group management server, and what is under way about groups with other systems.

use crate::model::*;

impl Model {
    pub(super) fn put_operation(&mut self, operation: Operation) {
        let key = (operation.requestor.clone(), operation.transaction_id.clone());
        self.operations.insert(key, operation);
    }

    pub(super) fn remove_operation(&mut self, requestor: &UserId, transaction_id: &str) {
        self.operations.remove(&(requestor.clone(), transaction_id.to_owned()));
    }

    fn begin_operation(&mut self, asker: &Asker) {
        self.unfinished.insert((asker.user.clone(), asker.transaction_id.clone()), asker.request_hash);
    }

    fn end_operation(&mut self, asker: &Asker) {
        self.unfinished.remove(&(asker.user.clone(), asker.transaction_id.clone()));
    }

    pub(super) fn put_formation(&mut self, formation: Formation) {
        let id = formation.document.id.clone();
        self.remove_formation(&id);
        self.speak_for(&id, &formation.own);
        self.begin_operation(&formation.asker);
        self.formations.insert(id, formation);
    }

    pub(super) fn remove_formation(&mut self, temporary: &GroupId) {
        if let Some(old) = self.formations.remove(temporary) {
            self.release(temporary, &old.own);
            self.end_operation(&old.asker);
        }
    }

    pub(super) fn put_reservation(&mut self, reservation: Reservation) {
        let id = reservation.temporary.clone();
        self.remove_reservation(&id);
        if reservation.held {
            self.speak_for(&id, &reservation.constituents);
        } else {
            self.waiting.insert(id.clone());
        }
        self.reservations.insert(id, reservation);
    }

    pub(super) fn remove_reservation(&mut self, temporary: &GroupId) {
        if let Some(old) = self.reservations.remove(temporary) {
            self.waiting.remove(temporary);
            self.release(temporary, &old.constituents);
        }
    }

    fn speak_for(&mut self, temporary: &GroupId, constituents: &[GroupId]) {
        self.spoken_for.extend(constituents.iter().map(|group| (group.clone(), temporary.clone())));
    }

    /// These constituents are no longer spoken for by this temporary group.
    fn release(&mut self, temporary: &GroupId, constituents: &[GroupId]) {
        for group in constituents {
            if self.spoken_for.get(group) == Some(temporary) {
                self.spoken_for.remove(group);
            }
        }
    }

    pub(super) fn put_withdrawal(&mut self, withdrawal: Withdrawal) {
        self.remove_withdrawal(&withdrawal.temporary);
        if let Some(asker) = &withdrawal.asker {
            self.begin_operation(asker);
        }
        self.withdrawals.insert(withdrawal.temporary.clone(), withdrawal);
    }

    pub(super) fn remove_withdrawal(&mut self, temporary: &GroupId) {
        if let Some(old) = self.withdrawals.remove(temporary)
            && let Some(asker) = &old.asker
        {
            self.end_operation(asker);
        }
    }

    pub(super) fn put_exchange(&mut self, exchange: Exchange) {
        let key = (exchange.with.clone(), exchange.transaction_id.clone());
        self.exchanges.insert(key, exchange);
    }

    pub(super) fn remove_exchange(&mut self, with: &Psi, transaction_id: &str) {
        self.exchanges.remove(&(with.clone(), transaction_id.to_owned()));
    }

    pub(super) fn put_received(&mut self, received: Received) {
        self.received.insert(received.document.id.clone(), received);
    }

    pub(super) fn remove_received(&mut self, group: &GroupId) {
        self.received.remove(group);
    }

    pub(super) fn put_sharing(&mut self, sharing: Sharing) {
        self.sharings.insert((sharing.document.id.clone(), sharing.with.clone()), sharing);
    }

    pub(super) fn remove_sharing(&mut self, group: &GroupId, with: &Psi) {
        self.sharings.remove(&(group.clone(), with.clone()));
    }

    pub(super) fn put_wanted(&mut self, wanted: Wanted) {
        self.wanted.insert(wanted.group.clone(), wanted);
    }

    pub(super) fn remove_wanted(&mut self, group: &GroupId) {
        self.wanted.remove(group);
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

    /// A finished operation of a GMS elsewhere.
    pub fn exchange(&self, with: &Psi, transaction_id: &str) -> Option<&Exchange> {
        self.exchanges.get(&(with.clone(), transaction_id.to_owned()))
    }

    /// All finished operations that are still remembered, in no particular order.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values()
    }
}
