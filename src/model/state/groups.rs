//! Groups as each side knows them.

use super::unlink;
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
    pub(super) fn put_document(&mut self, side: Side, document: GroupDocument) {
        self.side_mut(side).documents.insert(document.id.clone(), Arc::new(document));
    }

    pub(super) fn remove_document(&mut self, side: Side, group: &GroupId) {
        self.side_mut(side).documents.remove(group);
    }

    pub(super) fn put_mark(&mut self, side: Side, group: GroupId, mark: Regrouped) {
        self.remove_mark(side, &group);
        let side = self.side_mut(side);
        side.parts_of.entry(mark.temporary.clone()).or_default().insert(group.clone());
        side.regrouped.insert(group, mark);
    }

    pub(super) fn remove_mark(&mut self, side: Side, group: &GroupId) {
        let side = self.side_mut(side);
        if let Some(old) = side.regrouped.remove(group) {
            unlink(&mut side.parts_of, &old.temporary, group);
        }
    }

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

    fn side_mut(&mut self, side: Side) -> &mut Groups {
        match side {
            Side::Gms => &mut self.gms,
            Side::Mc => &mut self.mc,
        }
    }

    fn side(&self, side: Side) -> &Groups {
        match side {
            Side::Gms => &self.gms,
            Side::Mc => &self.mc,
        }
    }
}
