//! What is owed to users and to functions elsewhere.

use super::unlink;
use crate::model::*;

impl Model {
    pub(super) fn put_owed(&mut self, owed: Owed) {
        self.remove_owed(owed.id);
        self.owed_to.entry(owed.to.clone()).or_default().insert(owed.id);
        self.owed.insert(owed.id, owed);
    }

    pub(super) fn remove_owed(&mut self, id: OwedRef) {
        if let Some(old) = self.owed.remove(&id) {
            unlink(&mut self.owed_to, &old.to, &id);
        }
    }

    pub(super) fn put_request(&mut self, request: FunctionRequest) {
        self.remove_request(request.id);
        let about = (request.to.clone(), request.what.subject());
        self.requests_about.entry(about).or_default().insert(request.id);
        *self.requests_to.entry(request.to.clone()).or_default() += 1;
        self.requests.insert(request.id, request);
    }

    pub(super) fn remove_request(&mut self, id: RequestRef) {
        if let Some(old) = self.requests.remove(&id) {
            if let Some(count) = self.requests_to.get_mut(&old.to) {
                *count -= 1;
                if *count == 0 {
                    self.requests_to.remove(&old.to);
                }
            }
            unlink(&mut self.requests_about, &(old.to, old.what.subject()), &id);
        }
    }

    /// Requests that are owed to a user.
    pub fn owed_to(&self, user: &str) -> impl Iterator<Item = &Owed> {
        self.owed_to.get(user).into_iter().flatten().filter_map(|id| self.owed.get(id))
    }

    /// How many requests are owed, to users and to functions elsewhere; each proposal will be one.
    pub fn owed_count(&self) -> usize {
        self.owed.len() + self.requests.len() + self.proposals.len()
    }

    /// A request that is owed.
    pub fn owed(&self, id: OwedRef) -> Option<&Owed> {
        self.owed.get(&id)
    }

    /// All requests that are owed.
    pub fn all_owed(&self) -> impl Iterator<Item = &Owed> {
        self.owed.values()
    }

    /// A request to a function elsewhere that is not answered for good.
    pub fn request(&self, id: RequestRef) -> Option<&FunctionRequest> {
        self.requests.get(&id)
    }

    /// All requests to functions elsewhere that are not answered for good.
    pub fn requests(&self) -> impl Iterator<Item = &FunctionRequest> {
        self.requests.values()
    }

    /// How many requests to these functions are not answered for good.
    pub fn requests_to<'a>(&self, functions: impl IntoIterator<Item = &'a Psi>) -> usize {
        functions.into_iter().filter_map(|psi| self.requests_to.get(psi)).sum()
    }

    /// Requests to a function elsewhere about one subject ([`Asked::subject`]), in no particular order.
    pub fn requests_about(
        &self,
        to: &Psi,
        subject: &str,
    ) -> impl Iterator<Item = &FunctionRequest> + use<'_> {
        let ids = self.requests_about.get(&(to.clone(), subject.to_owned()));
        ids.into_iter().flatten().filter_map(|id| self.requests.get(id))
    }
}
