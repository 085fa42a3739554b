//! Group dynamic data (TS 24.379 9.2.1.6, 9.2.2.3.9, 9.2.2.3.10): who is affiliated to a group, as a presence document per
//! group, with the state of the group beside it. Carried as `application/pidf+xml` in the presence package.
//!
//! The names of the elements that carry the state are not public: they stand in the constants below, in the presence
//! extension namespace of the service, and are read by local name.

use super::pidf::Presence;
use super::xml::{Out, Xml};
use super::{DocumentError, xsd};
use crate::config::Limits;
use crate::model::Service;

/// The element that holds the state, a child of `presence` behind the tuples.
const STATE: &str = "group-state";

/// What the server that owns a group tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupDynamicData {
    /// The affiliated members, per group. Without tuples where the watcher may not see them
    /// (`on-network-allow-getting-affiliation-list`, TS 24.481 7.2.8).
    pub presence: Presence,
    /// The state. `None`: the document tells of affiliations only.
    pub state: Option<GroupState>,
}

/// The state of a group (TS 23.280 10.1.5.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupState {
    /// The group is in emergency state.
    pub emergency: bool,
    /// The group is in imminent peril state.
    pub imminent_peril: bool,
    /// A call on the group is going on.
    pub call: bool,
}

/// Elements of the state, in the order they are written.
type Flag = (&'static str, fn(&GroupState) -> bool, fn(&mut GroupState) -> &mut bool);
static FLAGS: [Flag; 3] = [
    ("emergency", |state| state.emergency, |state| &mut state.emergency),
    ("imminent-peril", |state| state.imminent_peril, |state| &mut state.imminent_peril),
    ("call-in-progress", |state| state.call, |state| &mut state.call),
];

impl GroupDynamicData {
    /// Reads a document of `service`.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn decode(body: &[u8], service: Service, limits: &Limits) -> Result<Self, DocumentError> {
        let mut state = None;
        let presence = Presence::decode_with(body, service, limits, |xml, element| {
            if element.name != STATE {
                return Ok(false);
            }
            match state.replace(GroupState::read(xml)?) {
                None => Ok(true),
                Some(_) => Err(xml.fault_in(STATE, TWICE)),
            }
        })?;
        Ok(Self { presence, state })
    }

    /// Writes the document: tuples, state, `p-id`.
    pub fn encode(&self, service: Service) -> String {
        self.presence.encode_with(service, |out, prefix| {
            if let Some(state) = &self.state {
                state.write(out, prefix);
            }
        })
    }
}

const TWICE: &str = "element that occurs twice";

impl GroupState {
    /// The content of an open [`STATE`]. What is absent is not so.
    fn read(xml: &mut Xml<'_>) -> Result<Self, DocumentError> {
        let mut state = Self::default();
        let mut seen = [false; FLAGS.len()];
        while let Some(element) = xml.child()? {
            let known = FLAGS.iter().zip(&mut seen).find(|((name, ..), _)| *name == element.name);
            let Some(((name, _, set), seen)) = known else {
                xml.skip()?;
                continue;
            };
            if std::mem::replace(seen, true) {
                return Err(xml.fault_in(name, TWICE));
            }
            *set(&mut state) = xml.value(name, xsd::boolean)?;
        }
        Ok(state)
    }

    fn write(&self, out: &mut Out, prefix: &str) {
        out.element((prefix, STATE), &[], |out| {
            for (name, get, _) in &FLAGS {
                out.leaf((prefix, name), &[], xsd::boolean_text(get(self)));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::pidf::{Affiliation, Form, Tuple};
    use crate::documents::testing::{breaks, children, fuzz, outline, passes};
    use crate::env::Time;

    fn decode(xml: &str) -> Result<GroupDynamicData, DocumentError> {
        GroupDynamicData::decode(xml.as_bytes(), Service::Mcptt, &Limits::default())
    }

    fn alarmed() -> GroupDynamicData {
        let expires = Some(Time::from_millis(1_826_755_200_000));
        let tuple = |user: &str, client: &str| Tuple {
            id: format!("sip:{user}@primary.example"),
            affiliations: vec![Affiliation::with_client(client, expires)],
        };
        GroupDynamicData {
            presence: Presence {
                entity: "sip:fire-1@primary.example".to_owned(),
                tuples: vec![tuple("user.a", "urn:uuid:1"), tuple("user.b", "urn:uuid:2")],
                p_id: Some("p-1".to_owned()),
            },
            state: Some(GroupState { emergency: true, imminent_peril: false, call: true }),
        }
    }

    #[test]
    fn a_group_and_its_state_go_there_and_back() {
        let quiet = GroupDynamicData { state: Some(GroupState::default()), ..alarmed() };
        let stateless = GroupDynamicData { state: None, ..alarmed() };
        let closed = GroupDynamicData {
            presence: Presence { tuples: vec![], p_id: None, ..alarmed().presence },
            ..alarmed()
        };
        for data in [alarmed(), quiet, stateless, closed] {
            for service in [Service::Mcptt, Service::McVideo, Service::McData] {
                let xml = data.encode(service);
                let again = GroupDynamicData::decode(xml.as_bytes(), service, &Limits::default());
                assert_eq!(again.unwrap(), data);
            }
        }
        assert_eq!(alarmed().presence.form(), Some(Form::PerGroup));
    }

    #[test]
    fn the_state_stands_behind_the_tuples() {
        let xml = alarmed().encode(Service::Mcptt);
        assert_eq!(children(&xml, &["presence"]), ["tuple", "tuple", "group-state", "p-id"]);
        let lines = outline(&xml);
        let from = lines.iter().position(|line| line.ends_with("}group-state")).unwrap();
        let ns = "{urn:3gpp:ns:mcpttPresInfo:1.0}";
        assert_eq!(
            lines[from + 1..from + 4],
            [
                format!("2 {ns}emergency true"),
                format!("2 {ns}imminent-peril false"),
                format!("2 {ns}call-in-progress true")
            ]
        );
    }

    #[test]
    fn who_does_not_know_the_state_reads_the_affiliations() {
        let xml = alarmed().encode(Service::Mcptt);
        let presence = Presence::decode(xml.as_bytes(), Service::Mcptt, &Limits::default());
        assert_eq!(presence.unwrap(), alarmed().presence);
        let plain = alarmed().presence.encode(Service::Mcptt);
        assert_eq!(decode(&plain).unwrap().state, None);
    }

    #[test]
    fn what_is_unknown_is_passed_over_and_what_is_absent_is_not_so() {
        let xml = alarmed()
            .encode(Service::Mcptt)
            .replace("<mcpttPI10:imminent-peril>false</mcpttPI10:imminent-peril>", "<x:y xmlns:x='urn:x'/>")
            .replace("mcpttPI10:group-state", "group-state");
        assert_eq!(decode(&xml).unwrap(), alarmed());
    }

    #[test]
    fn what_breaks_the_form_is_refused() {
        let xml = alarmed().encode(Service::Mcptt);
        assert!(breaks(decode(&xml.replace("true", "yes")), "value outside its type"));
        let twice = xml.replace("<mcpttPI10:group-state>", "<mcpttPI10:group-state/><mcpttPI10:group-state>");
        assert!(breaks(decode(&twice), TWICE));
        let twice = xml.replace("<mcpttPI10:emergency>", "<emergency>1</emergency><mcpttPI10:emergency>");
        assert!(breaks(decode(&twice), TWICE));
        let wrong = Err(DocumentError::WrongRoot { document: "pidf", expected: "presence" });
        assert_eq!(decode("<presence/>"), wrong);
    }

    #[test]
    fn the_limit_on_elements_holds() {
        let data = GroupDynamicData { presence: Presence::default(), ..alarmed() };
        let xml = data.encode(Service::Mcptt);
        let decode = |xml_elements| {
            let limits = Limits { xml_elements, ..Limits::default() };
            GroupDynamicData::decode(xml.as_bytes(), Service::Mcptt, &limits)
        };
        assert_eq!(decode(5).unwrap(), data);
        assert!(passes(decode(4), "elements", 4));
    }

    #[test]
    fn mutations_never_panic_and_what_is_read_can_be_written() {
        let mut read = 0;
        fuzz(9, 10_000, &[alarmed().encode(Service::Mcptt).as_bytes()], |text| {
            if let Ok(data) = GroupDynamicData::decode(text, Service::Mcptt, &Limits::default()) {
                read += 1;
                assert_eq!(decode(&data.encode(Service::Mcptt)).unwrap().state, data.state);
            }
        });
        assert!(read > 300, "the mutations must not all be refused: {read}");
    }
}
