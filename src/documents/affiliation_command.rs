//! `application/vnd.3gpp.mcptt-affiliation-command+xml` (TS 24.379 F.4) and its MCVideo and MCData twins: a user proposes
//! to another which groups to affiliate to and which to leave (negotiated mode, TS 23.280 10.8.5.1.2).
//!
//! Namespace and root name of the schema are not public. What we write stands in the constants below and in
//! [`super::names`]; what we read is known by local names.

use super::xml::{Element, Out, Xml};
use super::{DocumentError, names};
use crate::config::Limits;
use crate::model::{GroupId, ProposalOutcome, Service};
use crate::sip::message::Uri;
use std::collections::BTreeSet;

const DOCUMENT: &str = "affiliation command";
const ROOT: &str = "command-list";
const AFFILIATE: &str = "affiliate";
const DE_AFFILIATE: &str = "de-affiliate";
const GROUP: &str = "group";

/// Namespace of the two elements by which the target's client answers: ours, stage 3 has none.
pub const OUTCOME_NAMESPACE: &str = "urn:example:mcx:affiliation-ext:1.0";
const OUTCOME: &str = "change-outcome";
const IN_REPLY_TO: &str = "in-reply-to";

/// A command, or, with an outcome, the answer to one. Groups in canonical form, in the order of the document, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AffiliationCommand {
    /// Groups to affiliate to.
    pub affiliate: Vec<GroupId>,
    /// Groups to leave. None of them is in [`Self::affiliate`].
    pub de_affiliate: Vec<GroupId>,
    /// What became of a command. With it the document is information and never a command of its own: the groups are
    /// those that the target accepted.
    pub outcome: Option<ChangeOutcome>,
}

/// The answer to a command, in `anyExt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeOutcome {
    /// `change-outcome`.
    pub outcome: ProposalOutcome,
    /// `in-reply-to`: Call-ID of the MESSAGE with the command.
    pub in_reply_to: Option<String>,
}

const OUTCOMES: [ProposalOutcome; 4] = [
    ProposalOutcome::Accepted,
    ProposalOutcome::Partial,
    ProposalOutcome::Rejected,
    ProposalOutcome::Timeout,
];

/// The text of `change-outcome`.
const fn outcome_text(outcome: ProposalOutcome) -> &'static str {
    match outcome {
        ProposalOutcome::Accepted => "accepted",
        ProposalOutcome::Partial => "partial",
        ProposalOutcome::Rejected => "rejected",
        ProposalOutcome::Timeout => "timeout",
    }
}

fn outcome_of(text: &str) -> Option<ProposalOutcome> {
    OUTCOMES.into_iter().find(|outcome| outcome_text(*outcome) == text)
}

impl AffiliationCommand {
    /// Reads a document of any of the three services.
    ///
    /// # Errors
    /// [`DocumentError`]; also if a group is to be entered and left at once, or is no URI.
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        let (mut xml, _) = Xml::open_by_name(body, DOCUMENT, ROOT, limits)?;
        let (mut affiliate, mut de_affiliate, mut extension) = (None, None, None);
        while let Some(element) = xml.child()? {
            let again = match element.name {
                AFFILIATE => affiliate.replace(groups(&mut xml)?).is_some(),
                DE_AFFILIATE => de_affiliate.replace(groups(&mut xml)?).is_some(),
                "anyExt" => extension.replace(outcome(&mut xml)?).is_some(),
                _ => {
                    xml.skip()?;
                    false
                }
            };
            if again {
                return Err(twice(&xml, &element));
            }
        }
        let command = Self {
            affiliate: affiliate.unwrap_or_default(),
            de_affiliate: de_affiliate.unwrap_or_default(),
            outcome: extension.flatten(),
        };
        let entered: BTreeSet<_> = command.affiliate.iter().collect();
        if command.de_affiliate.iter().any(|group| entered.contains(group)) {
            return Err(xml.fault_in(GROUP, "group to enter and to leave at once"));
        }
        xml.finish()?;
        Ok(command)
    }

    /// Writes the document for `service`.
    pub fn encode(&self, service: Service) -> String {
        let mut out = Out::new();
        let namespace = names::of(service).affiliation_command_namespace;
        out.element(("", ROOT), &[("xmlns", namespace)], |out| {
            for (name, groups) in [(AFFILIATE, &self.affiliate), (DE_AFFILIATE, &self.de_affiliate)] {
                // The schema wants at least one group in a list.
                if groups.is_empty() {
                    continue;
                }
                out.element(("", name), &[], |out| {
                    groups.iter().for_each(|group| out.leaf(("", GROUP), &[], group.as_str()));
                });
            }
            if let Some(outcome) = &self.outcome {
                out.element(("", "anyExt"), &[], |out| outcome.write(out));
            }
        });
        out.finish()
    }

    /// The command names no group.
    pub fn is_empty(&self) -> bool {
        self.affiliate.is_empty() && self.de_affiliate.is_empty()
    }
}

impl ChangeOutcome {
    fn write(&self, out: &mut Out) {
        let namespace = [("xmlns", OUTCOME_NAMESPACE)];
        out.leaf(("", OUTCOME), &namespace, outcome_text(self.outcome));
        if let Some(call_id) = &self.in_reply_to {
            out.leaf(("", IN_REPLY_TO), &namespace, call_id);
        }
    }
}

/// The `group` children of an open list.
fn groups(xml: &mut Xml<'_>) -> Result<Vec<GroupId>, DocumentError> {
    let (mut groups, mut seen) = (Vec::new(), BTreeSet::new());
    while let Some(element) = xml.child()? {
        if element.name != GROUP {
            xml.skip()?;
            continue;
        }
        let text = xml.text()?;
        let uri = Uri::parse(text.as_bytes()).map_err(|_| xml.fault_in(GROUP, "not a URI"))?;
        let group = GroupId::new(uri.identity());
        if seen.insert(group.clone()) {
            groups.push(group);
        }
    }
    Ok(groups)
}

/// What an open `anyExt` says of the outcome. A text that is none of ours is an error, not nothing: the document would
/// else be taken for a command.
fn outcome(xml: &mut Xml<'_>) -> Result<Option<ChangeOutcome>, DocumentError> {
    let (mut outcome, mut in_reply_to) = (None, None);
    while let Some(element) = xml.child()? {
        let again = match element.name {
            OUTCOME => outcome.replace(xml.value(OUTCOME, outcome_of)?).is_some(),
            IN_REPLY_TO => in_reply_to.replace(xml.text()?.into_owned()).is_some(),
            _ => {
                xml.skip()?;
                false
            }
        };
        if again {
            return Err(twice(xml, &element));
        }
    }
    Ok(outcome.map(|outcome| ChangeOutcome { outcome, in_reply_to }))
}

fn twice(xml: &Xml<'_>, element: &Element<'_>) -> DocumentError {
    xml.fault_in(element.name, "element that occurs twice")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::testing::{breaks, children, fuzz, outline, passes};

    const PROPOSED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<command-list xmlns="urn:3gpp:ns:affiliationCommand:1.0">
  <affiliate>
    <group>sip:fire-2@primary.example</group>
    <group>sip:joint-7@PARTNER.example</group>
  </affiliate>
  <de-affiliate>
    <group>sip:fire-1@primary.example</group>
  </de-affiliate>
</command-list>"#;

    const ANSWERED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<command-list xmlns="urn:3gpp:ns:affiliationCommand:1.0">
  <affiliate><group>sip:joint-7@partner.example</group></affiliate>
  <anyExt>
    <change-outcome xmlns="urn:example:mcx:affiliation-ext:1.0">partial</change-outcome>
    <in-reply-to xmlns="urn:example:mcx:affiliation-ext:1.0">a-neg-1@192.0.2.10</in-reply-to>
  </anyExt>
</command-list>"#;

    fn decode(xml: &str) -> Result<AffiliationCommand, DocumentError> {
        AffiliationCommand::decode(xml.as_bytes(), &Limits::default())
    }

    fn proposed() -> AffiliationCommand {
        AffiliationCommand {
            affiliate: vec!["sip:fire-2@primary.example".into(), "sip:joint-7@partner.example".into()],
            de_affiliate: vec!["sip:fire-1@primary.example".into()],
            outcome: None,
        }
    }

    fn answered() -> AffiliationCommand {
        let in_reply_to = Some("a-neg-1@192.0.2.10".to_owned());
        AffiliationCommand {
            affiliate: vec!["sip:joint-7@partner.example".into()],
            de_affiliate: vec![],
            outcome: Some(ChangeOutcome { outcome: ProposalOutcome::Partial, in_reply_to }),
        }
    }

    #[test]
    fn a_proposal_and_its_answer_are_read() {
        assert_eq!(decode(PROPOSED).unwrap(), proposed());
        assert_eq!(decode(ANSWERED).unwrap(), answered());
    }

    #[test]
    fn commands_of_all_services_go_there_and_back() {
        let mut commands = vec![proposed(), answered(), AffiliationCommand::default()];
        commands.extend(OUTCOMES.map(|outcome| AffiliationCommand {
            outcome: Some(ChangeOutcome { outcome, in_reply_to: None }),
            ..AffiliationCommand::default()
        }));
        for service in [Service::Mcptt, Service::McVideo, Service::McData] {
            for command in &commands {
                let xml = command.encode(service);
                assert_eq!(decode(&xml).unwrap(), *command);
                let namespace = names::of(service).affiliation_command_namespace;
                assert_eq!(outline(&xml)[0], format!("0 {{{namespace}}}command-list"));
            }
        }
        assert!(AffiliationCommand::default().is_empty() && !proposed().is_empty());
    }

    #[test]
    fn elements_are_written_in_the_order_of_the_schema() {
        let both = AffiliationCommand { outcome: answered().outcome, ..proposed() }.encode(Service::Mcptt);
        assert_eq!(children(&both, &["command-list"]), ["affiliate", "de-affiliate", "anyExt"]);
        let lines = outline(&both);
        assert_eq!(
            lines[lines.len() - 3..],
            [
                "1 {urn:3gpp:ns:affiliationCommand:1.0}anyExt",
                "2 {urn:example:mcx:affiliation-ext:1.0}change-outcome partial",
                "2 {urn:example:mcx:affiliation-ext:1.0}in-reply-to a-neg-1@192.0.2.10",
            ]
        );
        assert_eq!(children(&answered().encode(Service::Mcptt), &["command-list"]), ["affiliate", "anyExt"]);
    }

    #[test]
    fn elements_are_known_in_any_namespace_and_order() {
        let reversed = "<x:command-list xmlns:x='urn:x' xmlns:y='urn:y'>\
            <y:anyExt><future/><in-reply-to> a-neg-1@192.0.2.10 </in-reply-to><change-outcome>partial</change-outcome></y:anyExt>\
            <note>n</note><y:affiliate><z/><group>sip:joint-7@partner.example</group></y:affiliate></x:command-list>";
        assert_eq!(decode(reversed).unwrap(), answered());
        assert_eq!(decode("<command-list/>").unwrap(), AffiliationCommand::default());
        assert_eq!(
            decode("<command-list><affiliate/></command-list>").unwrap(),
            AffiliationCommand::default()
        );
    }

    #[test]
    fn a_group_named_twice_in_a_list_counts_once() {
        let twice = PROPOSED.replace("joint-7@PARTNER.example", "fire-2@PRIMARY.example;x=y");
        assert_eq!(decode(&twice).unwrap().affiliate, proposed().affiliate[..1]);
    }

    #[test]
    fn a_group_to_enter_and_to_leave_at_once_is_refused() {
        let both = PROPOSED.replace("fire-1@primary", "fire-2@Primary");
        assert!(breaks(decode(&both), "group to enter and to leave at once"));
    }

    #[test]
    fn what_breaks_the_schema_is_refused() {
        for (from, to, problem) in [
            ("</command-list>", "<affiliate/></command-list>", "element that occurs twice"),
            ("</command-list>", "<de-affiliate/><de-affiliate/></command-list>", "element that occurs twice"),
            ("</command-list>", "<anyExt/></command-list>", "element that occurs twice"),
            ("</anyExt>", "<change-outcome>accepted</change-outcome></anyExt>", "element that occurs twice"),
            ("</anyExt>", "<in-reply-to>b</in-reply-to></anyExt>", "element that occurs twice"),
            ("partial", "Partial", "value outside its type"),
            ("partial", "", "value outside its type"),
            ("sip:joint-7@partner.example", "joint-7", "not a URI"),
            ("sip:joint-7@partner.example", "", "not a URI"),
        ] {
            assert!(breaks(decode(&ANSWERED.replace(from, to)), problem), "{to}");
        }
        let wrong = Err(DocumentError::WrongRoot { document: DOCUMENT, expected: ROOT });
        assert_eq!(decode("<affiliation-command xmlns='urn:3gpp:ns:affiliationCommand:1.0'/>"), wrong);
    }

    #[test]
    fn the_limit_on_elements_holds() {
        let limits = Limits { xml_elements: 5, ..Limits::default() };
        assert!(
            AffiliationCommand::decode(PROPOSED.replace("affiliate>", "x>").as_bytes(), &limits).is_err()
        );
        let four = "<command-list><affiliate><group>sip:a@b</group><group>sip:b@b</group><group>sip:c@b</group></affiliate></command-list>";
        assert_eq!(AffiliationCommand::decode(four.as_bytes(), &limits).unwrap().affiliate.len(), 3);
        let five = four.replace("</affiliate>", "<group>sip:d@b</group></affiliate>");
        assert!(passes(AffiliationCommand::decode(five.as_bytes(), &limits), "elements", 5));
    }

    #[test]
    fn mutations_never_panic_and_what_is_read_can_be_written() {
        let mut read = 0;
        fuzz(8, 10_000, &[PROPOSED.as_bytes(), ANSWERED.as_bytes()], |text| {
            if let Ok(command) = AffiliationCommand::decode(text, &Limits::default()) {
                read += 1;
                assert_eq!(decode(&command.encode(Service::McData)).unwrap(), command);
            }
        });
        assert!(read > 500, "the mutations must not all be refused: {read}");
    }
}
