//! A world for tests of procedures: a model, a policy, and the values a [`View`] is made of.

use super::*;
use crate::model::testing::{DOMAIN, affiliation};
use std::time::Duration;

/// Everything a procedure may look at, owned.
pub struct World {
    /// The model.
    pub model: Model,
    /// The policy; [`World::new`] says which.
    pub policy: Policy,
    /// The time.
    pub now: Time,
    /// Identifiers, always the same sequence.
    pub ids: Ids,
    /// Port pairs from 40000 to 40999.
    pub media: MediaPorts,
}

impl World {
    /// A world of these users and groups, in the domain [`DOMAIN`], with the defaults of the configuration.
    pub fn new(
        users: impl IntoIterator<Item = User>,
        groups: impl IntoIterator<Item = GroupDocument>,
    ) -> Self {
        Self {
            model: Model::provisioned(users, groups),
            policy: policy(),
            now: Time::from_millis(1_000_000_000_000),
            ids: Ids::new([7; 32]),
            media: MediaPorts::new(40_000, 40_999),
        }
    }

    /// What a procedure gets.
    pub fn view(&mut self) -> View<'_> {
        View {
            model: &self.model,
            policy: &self.policy,
            now: self.now,
            ids: &mut self.ids,
            media: &mut self.media,
        }
    }

    /// Makes the changes of an outcome, as the service layer does.
    pub fn keep<W>(&mut self, outcome: &Outcome<W>) {
        self.apply(&outcome.changes);
    }

    /// Runs a procedure and makes the changes of its outcome.
    pub fn run<W>(&mut self, procedure: impl FnOnce(&mut View<'_>) -> Outcome<W>) -> Outcome<W> {
        let outcome = procedure(&mut self.view());
        self.keep(&outcome);
        outcome
    }

    /// Runs a procedure that may refuse; a refusal changes nothing.
    pub fn ask<W>(
        &mut self,
        procedure: impl FnOnce(&mut View<'_>) -> Result<Outcome<W>, Refusal>,
    ) -> Result<Outcome<W>, Refusal> {
        let outcome = procedure(&mut self.view())?;
        self.keep(&outcome);
        Ok(outcome)
    }

    /// Makes these changes.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.model.apply(change.clone());
        }
    }

    /// Affiliates one client of a user to exactly these groups.
    pub fn affiliate(&mut self, user: &str, client: &str, groups: &[&str]) {
        self.model.apply(affiliation(user, client, groups));
    }

    /// Lets time pass.
    pub fn wait(&mut self, span: Duration) {
        self.now = self.now.plus(span);
    }
}

/// The policy of a configuration without settings.
pub fn policy() -> Policy {
    Policy {
        warning_agent: format!("as.{DOMAIN}"),
        domain: DOMAIN.to_owned(),
        functions: Functions {
            participating: vec![Psi::new(format!("sip:mcptt-participating@{DOMAIN}"))],
            controlling: vec![Psi::new(format!("sip:mcptt-controlling@{DOMAIN}"))],
            gms: vec![Psi::new(format!("sip:gms@{DOMAIN}"))],
        },
        gateway: None,
        elsewhere: Functions::default(),
        partners: std::collections::BTreeMap::new(),
        regrouped_call: RegroupedCall::Redirect,
        regrouped_calls: std::collections::BTreeMap::new(),
        tng1_default: Duration::from_secs(5),
        owed_for: Duration::from_secs(32),
        operations_for: Duration::from_secs(3600),
        gms_timeout: Duration::from_secs(6),
        reserved_for: Duration::from_secs(30),
        constituents_limit: 16,
        affiliation_interval: u32::MAX,
        function_subscription_interval: 7_200,
        no_de_affiliation: std::collections::BTreeSet::new(),
        registration_minimum: 60,
        registration_maximum: 7200,
        media_address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        default_encodings: vec!["AMR-WB".to_owned()],
        constituents_wait_for_call: false,
        buffers_media: false,
        check_proposals: false,
        proposal_outcome: None,
        resource_priorities: ResourcePriorities::default(),
    }
}
