//! `application/conference-info+xml` (RFC 4575) as TS 24.379 6.3.3.4 uses it: who is in a call. This server writes the full
//! state always; what another one tells may be a part of it.

use super::xml::{Element, Ns, Out, Xml, too_large};
use super::{DocumentError, xsd};
use crate::config::Limits;

const DOCUMENT: &str = "conference-info";

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

/// Endpoint status, who is in most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are those of the standard")]
pub enum EndpointStatus {
    Connected,
    DialingOut,
    Disconnected,
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

/// What a document of another server says about who is in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterTold {
    /// `entity`.
    pub entity: String,
    /// `version`; 0 if it says none.
    pub version: u32,
    /// How much of the roster it is.
    pub extent: Extent,
    /// The users with their status, in order; `None`: no longer on the roster.
    pub users: Vec<(String, Option<EndpointStatus>)>,
}

/// How much of a roster a document is: its attribute `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Full,
    /// What changed.
    Partial,
    /// Nothing: the conference is over.
    Deleted,
}

impl RosterTold {
    /// Reads a document. A user is connected if one of its endpoints is, or if it is named without any.
    ///
    /// # Errors
    /// [`DocumentError`]; more users than `Limits::roster_users`.
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        let (mut xml, root) = Xml::open(body, DOCUMENT, (Ns::ConferenceInfo, "conference-info"), limits)?;
        let version = match root.attribute("version") {
            Some(text) => xsd::number(&text).ok_or_else(|| xml.fault_in("version", OUTSIDE_TYPE))?,
            None => 0,
        };
        let mut told = Self {
            entity: xml.required(&root, "entity")?.into_owned(),
            version,
            extent: extent(&xml, &root)?,
            users: Vec::new(),
        };
        while let Some(element) = xml.child()? {
            if !element.is(Ns::ConferenceInfo, "users") {
                xml.skip()?;
                continue;
            }
            if told.extent == Extent::Full {
                told.extent = extent(&xml, &element)?;
            }
            while let Some(element) = xml.child()? {
                if !element.is(Ns::ConferenceInfo, "user") {
                    xml.skip()?;
                    continue;
                }
                let Some(user) = element.attribute("entity").map(|entity| entity.into_owned()) else {
                    // RFC 4575 5.6: who is not named is anonymous.
                    xml.skip()?;
                    continue;
                };
                if told.users.len() >= limits.roster_users {
                    return Err(too_large(DOCUMENT, "users", limits.roster_users));
                }
                let gone = extent(&xml, &element)? == Extent::Deleted;
                let status = status_of(&mut xml)?;
                told.users.push((user, (!gone).then_some(status)));
            }
        }
        xml.finish()?;
        Ok(told)
    }

    /// The roster as it is now, `before` being what was known.
    pub fn onto(self, before: Option<&ConferenceInfo>) -> ConferenceInfo {
        let Self { entity, version, extent, users } = self;
        let mut now = match (extent, before) {
            (Extent::Partial, Some(before)) => before.users.clone(),
            _ => Vec::new(),
        };
        for (user, status) in users {
            now.retain(|(known, _)| *known != user);
            now.extend(status.map(|status| (user, status)));
        }
        ConferenceInfo { entity, version, users: now, deleted: extent == Extent::Deleted }
    }
}

impl From<ConferenceInfo> for RosterTold {
    /// What a full document says.
    fn from(document: ConferenceInfo) -> Self {
        let ConferenceInfo { entity, version, users, deleted } = document;
        let extent = if deleted { Extent::Deleted } else { Extent::Full };
        let users = users.into_iter().map(|(user, status)| (user, Some(status))).collect();
        Self { entity, version, extent, users }
    }
}

const OUTSIDE_TYPE: &str = "value outside its type";

/// Attribute `state` of an element: `full` if it is not there (RFC 4575 5.1).
fn extent(xml: &Xml<'_>, element: &Element<'_>) -> Result<Extent, DocumentError> {
    match element.attribute("state").as_deref() {
        None | Some("full") => Ok(Extent::Full),
        Some("partial") => Ok(Extent::Partial),
        Some("deleted") => Ok(Extent::Deleted),
        Some(_) => Err(xml.fault_in("state", OUTSIDE_TYPE)),
    }
}

/// The status of the user that was just opened: that of the endpoint that is in most.
fn status_of(xml: &mut Xml<'_>) -> Result<EndpointStatus, DocumentError> {
    let mut best = None;
    while let Some(element) = xml.child()? {
        if !element.is(Ns::ConferenceInfo, "endpoint") || extent(xml, &element)? == Extent::Deleted {
            xml.skip()?;
            continue;
        }
        let mut of_endpoint = EndpointStatus::Connected;
        while let Some(element) = xml.child()? {
            if element.is(Ns::ConferenceInfo, "status") {
                of_endpoint = xml.value("status", EndpointStatus::of)?;
            } else {
                xml.skip()?;
            }
        }
        best = Some(best.map_or(of_endpoint, |best: EndpointStatus| best.min(of_endpoint)));
    }
    Ok(best.unwrap_or(EndpointStatus::Connected))
}

impl EndpointStatus {
    /// Which of the three a value of `endpoint-status-type` is.
    fn of(text: &str) -> Option<Self> {
        match text {
            "connected" | "on-hold" | "muted-via-focus" => Some(Self::Connected),
            "pending" | "dialing-out" | "dialing-in" | "alerting" => Some(Self::DialingOut),
            "disconnecting" | "disconnected" => Some(Self::Disconnected),
            _ => None,
        }
    }

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
    use crate::documents::testing::{breaks, fuzz, outline, passes};

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

    fn decode(xml: &str) -> Result<RosterTold, DocumentError> {
        RosterTold::decode(xml.as_bytes(), &Limits::default())
    }

    fn document(attributes: &str, users: &str) -> String {
        format!(
            "<c:conference-info xmlns:c=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sip:t@a.example\" {attributes}>\
             <c:conference-description><c:subject>fire</c:subject></c:conference-description>\
             <c:users>{users}</c:users></c:conference-info>"
        )
    }

    #[test]
    fn a_roster_goes_there_and_back() {
        let told = decode(&roster().encode()).unwrap();
        assert_eq!((told.extent, told.version), (Extent::Full, 1));
        assert_eq!(told.onto(None), roster());
        let over = ConferenceInfo { deleted: true, users: Vec::new(), ..roster() };
        assert_eq!(decode(&over.encode()).unwrap().onto(Some(&roster())), over);
    }

    // RFC 4575 5.5 to 5.7.
    #[test]
    fn a_user_is_as_much_in_as_the_endpoint_that_is_in_most() {
        let endpoint = |status| format!("<c:endpoint><c:status>{status}</c:status></c:endpoint>");
        for (endpoints, expected) in [
            (String::new(), EndpointStatus::Connected),
            ("<c:endpoint entity=\"sip:phone\"/>".to_owned(), EndpointStatus::Connected),
            (endpoint("on-hold"), EndpointStatus::Connected),
            (endpoint("alerting") + &endpoint("disconnected"), EndpointStatus::DialingOut),
            (endpoint("disconnected") + &endpoint("muted-via-focus"), EndpointStatus::Connected),
            (endpoint("disconnecting"), EndpointStatus::Disconnected),
            (
                endpoint("disconnected")
                    + "<c:endpoint state=\"deleted\"><c:status>connected</c:status></c:endpoint>",
                EndpointStatus::Disconnected,
            ),
        ] {
            let user = format!("<c:user entity=\"sip:anna@a.example\"><c:display-text/>{endpoints}</c:user>");
            let told = decode(&document("version=\"3\"", &user)).unwrap();
            assert_eq!(told.users, [("sip:anna@a.example".to_owned(), Some(expected))], "{endpoints}");
        }
    }

    // RFC 4575 4.4.
    #[test]
    fn a_part_changes_what_it_names_and_the_whole_replaces_all() {
        let gone = "<c:user entity=\"sip:anna@a.example\" state=\"deleted\"/>\
                    <c:user entity=\"sip:carl@b.example\"/><c:user><c:display-text>who</c:display-text></c:user>";
        let told = decode(&document("state=\"partial\" version=\"2\"", gone)).unwrap();
        let after = told.onto(Some(&roster()));
        let names: Vec<_> = after.users.iter().map(|(user, _)| user.as_str()).collect();
        assert_eq!(names, ["sip:bob@b.example", "tel:+3585550100", "sip:carl@b.example"]);
        assert_eq!((after.users[2].1, after.version), (EndpointStatus::Connected, 2));
        let told = decode(&document("", gone)).unwrap();
        assert_eq!(
            told.onto(Some(&roster())).users,
            [("sip:carl@b.example".to_owned(), EndpointStatus::Connected)]
        );
        let inside = document("", "").replace("<c:users>", "<c:users state=\"partial\">");
        assert_eq!(decode(&inside).unwrap().onto(Some(&roster())).users, roster().users);
    }

    #[test]
    fn what_breaks_the_schema_is_refused() {
        let user = "<c:user entity=\"sip:anna@a.example\"><c:endpoint><c:status>asleep</c:status></c:endpoint></c:user>";
        assert!(breaks(decode(&document("", user)), OUTSIDE_TYPE));
        assert!(breaks(decode(&document("state=\"some\"", "")), OUTSIDE_TYPE));
        assert!(breaks(decode(&document("version=\"many\"", "")), OUTSIDE_TYPE));
        let nameless = document("", "").replace("entity=\"sip:t@a.example\"", "");
        assert!(breaks(decode(&nameless), "attribute missing"));
        let wrong = Err(DocumentError::WrongRoot { document: DOCUMENT, expected: DOCUMENT });
        assert_eq!(decode("<conference-info entity=\"sip:t@a.example\"/>"), wrong);
    }

    #[test]
    fn a_roster_may_name_as_many_users_as_the_limit_and_no_more() {
        let limits = Limits { roster_users: 2, ..Limits::default() };
        let of = |count: usize| {
            let users: Vec<_> =
                (0..count).map(|n| format!("<c:user entity=\"sip:u{n}@a.example\"/>")).collect();
            RosterTold::decode(document("", &users.concat()).as_bytes(), &limits)
        };
        assert_eq!(of(2).unwrap().users.len(), 2);
        assert!(passes(of(3), "users", 2));
    }

    #[test]
    fn no_bytes_panic() {
        let xml = roster().encode();
        let part = document("state=\"partial\"", "<c:user entity=\"sip:anna@a.example\" state=\"deleted\"/>");
        fuzz(17, 2_000, &[xml.as_bytes(), part.as_bytes()], |bytes| {
            let _ = RosterTold::decode(bytes, &Limits::default());
        });
    }
}
