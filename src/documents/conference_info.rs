//! `application/conference-info+xml` (RFC 4575) as TS 24.379 6.3.3.4 uses it: always the full state.

use super::xml::{Ns, Out};

/// The roster of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceInfo {
    /// `entity`: the MC service group ID.
    pub entity: String,
    /// `version`, rising.
    pub version: u32,
    /// Users in the session: MC service ID and endpoint status.
    pub users: Vec<(String, EndpointStatus)>,
    /// The conference is over: `state="deleted"`.
    pub deleted: bool,
}

/// Endpoint status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum EndpointStatus {
    Connected,
    Disconnected,
    DialingOut,
}

impl ConferenceInfo {
    /// Writes the document: the full state, or, when the conference is over, `state="deleted"` without content.
    /// `user-count` counts those who are connected.
    pub fn encode(&self) -> String {
        let version = self.version.to_string();
        let attributes = [
            ("xmlns", Ns::ConferenceInfo.text()),
            ("entity", self.entity.as_str()),
            ("state", if self.deleted { "deleted" } else { "full" }),
            ("version", version.as_str()),
        ];
        let mut out = Out::new();
        out.element(("", "conference-info"), &attributes, |out| {
            if !self.deleted {
                self.write_state(out);
            }
        });
        out.finish()
    }

    fn write_state(&self, out: &mut Out) {
        let connected = self.users.iter().filter(|(_, status)| *status == EndpointStatus::Connected).count();
        out.element(("", "conference-state"), &[], |out| {
            out.leaf(("", "user-count"), &[], &connected.to_string());
        });
        out.element(("", "users"), &[], |out| {
            for (user, status) in &self.users {
                let entity = [("entity", user.as_str())];
                out.element(("", "user"), &entity, |out| {
                    out.element(("", "endpoint"), &entity, |out| {
                        out.leaf(("", "status"), &[], status.text())
                    });
                });
            }
        });
    }
}

impl EndpointStatus {
    /// `endpoint-status-type` of RFC 4575 8.
    fn text(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::DialingOut => "dialing-out",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::testing::outline;

    fn roster() -> ConferenceInfo {
        ConferenceInfo {
            entity: "sip:tg-77@a.example".to_owned(),
            version: 1,
            users: vec![
                ("sip:anna@a.example".to_owned(), EndpointStatus::Connected),
                ("sip:bob@b.example".to_owned(), EndpointStatus::Connected),
                ("sip:carl@b.example".to_owned(), EndpointStatus::DialingOut),
                ("tel:+3585550100".to_owned(), EndpointStatus::Disconnected),
            ],
            deleted: false,
        }
    }

    #[test]
    fn the_full_state_is_written_in_the_order_of_the_schema() {
        let user = |uri: &str, status: &str| {
            [
                format!("2 user @entity={uri}"),
                format!("3 endpoint @entity={uri}"),
                format!("4 status {status}"),
            ]
        };
        let mut expected = vec![
            "0 conference-info @entity=sip:tg-77@a.example @state=full @version=1".to_owned(),
            "1 conference-state".to_owned(),
            "2 user-count 2".to_owned(),
            "1 users".to_owned(),
        ];
        expected.extend(user("sip:anna@a.example", "connected"));
        expected.extend(user("sip:bob@b.example", "connected"));
        expected.extend(user("sip:carl@b.example", "dialing-out"));
        expected.extend(user("tel:+3585550100", "disconnected"));
        let found: Vec<String> = outline(&roster().encode())
            .iter()
            .map(|line| line.replace("{urn:ietf:params:xml:ns:conference-info}", ""))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(outline(&roster().encode()).len(), expected.len());
    }

    #[test]
    fn every_element_is_in_the_namespace() {
        let all = outline(&roster().encode());
        assert!(all.iter().all(|line| line.contains("{urn:ietf:params:xml:ns:conference-info}")));
    }

    #[test]
    fn a_conference_that_is_over_is_deleted_and_says_no_more() {
        let over = ConferenceInfo { deleted: true, version: 7, ..roster() };
        assert_eq!(
            outline(&over.encode()),
            [
                "0 {urn:ietf:params:xml:ns:conference-info}conference-info @entity=sip:tg-77@a.example @state=deleted @version=7"
            ]
        );
    }

    #[test]
    fn an_empty_roster_is_a_roster() {
        let xml = ConferenceInfo::default().encode();
        assert_eq!(outline(&xml).len(), 4);
        assert!(xml.contains("<user-count>0</user-count></conference-state><users/>"));
    }
}
