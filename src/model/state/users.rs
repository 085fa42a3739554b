//! Users, where they are registered, and what their clients have said.

use super::unlink;
use crate::model::*;
use std::sync::Arc;

impl Model {
    pub(super) fn put_registration(&mut self, registration: Registration) {
        self.remove_registration(&registration.public_id);
        let of_user = self.registered.entry(registration.user.clone()).or_default();
        of_user.insert(registration.public_id.clone());
        self.registrations.insert(registration.public_id.clone(), registration);
    }

    pub(super) fn remove_registration(&mut self, public: &PublicId) {
        if let Some(old) = self.registrations.remove(public) {
            unlink(&mut self.registered, &old.user, public);
        }
    }

    pub(super) fn put_settings(&mut self, settings: ClientSettings) {
        let of_user = self.settings.entry(settings.user.clone()).or_default();
        of_user.retain(|known| !is_of(known, &settings.client, settings.service));
        of_user.push(settings);
    }

    pub(super) fn remove_settings(&mut self, user: &UserId, client: &ClientId, service: Service) {
        if let Some(of_user) = self.settings.get_mut(user) {
            of_user.retain(|known| !is_of(known, client, service));
            if of_user.is_empty() {
                self.settings.remove(user);
            }
        }
    }

    /// A provisioned user.
    pub fn user(&self, id: &str) -> Option<&Arc<User>> {
        self.users.get(id)
    }

    /// The user that a public identity is bound to by provisioning.
    pub fn user_of(&self, public: &str) -> Option<&Arc<User>> {
        self.by_public_id.get(public).and_then(|id| self.users.get(id))
    }

    /// Bindings of one public identity.
    pub fn registration(&self, public: &str) -> Option<&Registration> {
        self.registrations.get(public)
    }

    /// All registrations of a user, in order of the public identity.
    pub fn registrations_of(&self, user: &str) -> impl Iterator<Item = &Registration> {
        self.registered.get(user).into_iter().flatten().filter_map(|public| self.registrations.get(public))
    }

    /// What a client has said about a service.
    pub fn settings(&self, user: &UserId, client: &ClientId, service: Service) -> Option<&ClientSettings> {
        self.settings_of(user).find(|known| is_of(known, client, service))
    }

    /// What the clients of a user have said about services, in no particular order.
    pub fn settings_of(&self, user: &UserId) -> impl Iterator<Item = &ClientSettings> {
        self.settings.get(user).into_iter().flatten()
    }
}

fn is_of(settings: &ClientSettings, client: &ClientId, service: Service) -> bool {
    settings.client == *client && settings.service == service
}
