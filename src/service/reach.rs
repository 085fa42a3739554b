//! Where a user is: bindings of the registrar, or the configured core.

use super::Service;
use crate::env::Time;
use crate::model::{Binding, BindingOrigin, ClientId, Source};
use crate::sip::transaction::Path;

/// One way to a client of a user.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// Request-URI.
    pub uri: String,
    /// `Route` values.
    pub route: Vec<String>,
    /// The client, where known.
    pub client: Option<ClientId>,
    /// The user's public identity: `To`.
    pub public_id: String,
    /// Over this path instead of by URI: the stream on which the client registered.
    pub path: Option<Path>,
    /// Goes through a core: add what a core wants to see.
    pub core: bool,
    /// Where the client was last seen.
    pub source: Option<Source>,
}

impl Service {
    /// The ways to a user's clients; only those of `clients` unless that is empty. Bindings that do not name their
    /// client count for any. Without any binding and with a core configured the core is asked: it knows better.
    pub(super) fn ways_to(&self, now: Time, user: &str, clients: &[ClientId]) -> Vec<Way> {
        let mut ways: Vec<Way> = Vec::new();
        for registration in self.model.registrations_of(user) {
            for binding in &registration.bindings {
                let meant = clients.is_empty()
                    || binding.client.as_ref().is_none_or(|client| clients.contains(client));
                if binding.expires <= now || !meant {
                    continue;
                }
                match ways.iter_mut().find(|way| way.uri == binding.contact) {
                    // The core asks all clients behind a public identity; which of them answers is not known.
                    Some(way) if way.client != binding.client => way.client = None,
                    Some(_) => {}
                    None => ways.push(self.way(registration.public_id.as_str(), binding)),
                }
            }
        }
        if ways.is_empty()
            && !self.setup.core.is_empty()
            && let Some(public_id) = self.model.user(user).and_then(|user| user.public_ids.first())
        {
            ways.push(Way {
                uri: public_id.to_string(),
                route: self.setup.core.clone(),
                client: None,
                public_id: public_id.to_string(),
                path: None,
                core: true,
                source: None,
            });
        }
        ways
    }

    fn way(&self, public_id: &str, binding: &Binding) -> Way {
        let core = binding.origin == BindingOrigin::ThirdParty;
        let route =
            if core && !self.setup.core.is_empty() { self.setup.core.clone() } else { binding.route.clone() };
        Way {
            uri: binding.contact.clone(),
            route,
            client: binding.client.clone(),
            public_id: public_id.to_owned(),
            path: None,
            core,
            source: Some(binding.source),
        }
    }

    /// The name of the listener at this index, for Contact.
    pub(super) fn advertised(&self, listener: u16) -> &str {
        let listeners = &self.setup.agent.transactions.hops.listeners;
        listeners
            .get(usize::from(listener))
            .or_else(|| listeners.first())
            .map_or("localhost", |listener| listener.advertised.as_str())
    }

    /// The listener through which a peer seen at `source` is reached.
    pub(super) fn listener_for(&self, source: Option<Source>) -> u16 {
        let listeners = &self.setup.agent.transactions.hops.listeners;
        let fits = |source: Source| {
            listeners.iter().position(|listener| {
                listener.transport == source.transport && listener.bind.is_ipv4() == source.address.is_ipv4()
            })
        };
        source.and_then(fits).and_then(|index| u16::try_from(index).ok()).unwrap_or(0)
    }
}
