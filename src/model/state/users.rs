//! Users, where they are registered, and what their clients have said.

use crate::model::*;
use std::sync::Arc;

impl Model {
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

pub(super) fn is_of(settings: &ClientSettings, client: &ClientId, service: Service) -> bool {
    settings.client == *client && settings.service == service
}
