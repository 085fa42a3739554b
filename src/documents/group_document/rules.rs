//! The `cp:ruleset` of a group document: who may do what (RFC 4745, TS 24.481 7.2.8).

use super::read::attribute_identity;
use crate::documents::xml::{Element, Ns, Out, Xml};
use crate::documents::{DocumentError, xsd};
use crate::model::{GroupRules, Member, OtherAction, Space, UserId, Who};
use std::collections::BTreeMap;

type Result<T> = std::result::Result<T, DocumentError>;

struct Action {
    ns: Ns,
    name: &'static str,
    get: fn(&GroupRules) -> &Who,
    set: fn(&mut GroupRules) -> &mut Who,
}

macro_rules! action {
    ($ns:ident, $name:literal, $field:ident) => {
        Action { ns: Ns::$ns, name: $name, get: |rules| &rules.$field, set: |rules| &mut rules.$field }
    };
}

/// Actions that this server decides by, in the order they are written.
static ACTIONS: [Action; 8] = [
    action!(ListService, "allow-initiate-conference", initiate),
    action!(ListService, "join-handling", join),
    action!(GroupInfo, "on-network-allow-getting-member-list", member_list),
    action!(GroupInfo, "on-network-allow-getting-affiliation-list", affiliation_list),
    action!(GroupInfo, "on-network-allow-conference-state", conference_state),
    action!(GroupInfo, "allow-MCPTT-emergency-call", emergency_call),
    action!(GroupInfo, "allow-imminent-peril-call", imminent_peril_call),
    action!(GroupInfo, "allow-MCPTT-emergency-alert", emergency_alert),
];

/// The action of this name, if the rules can say who has it.
fn action(rules: &GroupRules, name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name && *(action.get)(rules) != Who::Nobody)
}

/// Who has the action of this local name (TS 24.481 7.2.8), for instance `mcdata-allow-transmit-data-in-this-group`.
/// What the rules do not name, nobody has.
pub fn who<'a>(rules: &'a GroupRules, name: &str) -> &'a Who {
    let other = || rules.others.iter().find(|other| other.name == name).map(|other| &other.who);
    action(rules, name).map(|action| (action.get)(rules)).or_else(other).unwrap_or(&Who::Nobody)
}

/// Takes an action from everybody; whether anybody had it.
pub(super) fn deny(rules: &mut GroupRules, name: &str) -> bool {
    let before = rules.others.len();
    rules.others.retain(|other| other.name != name);
    let known = action(rules, name);
    if let Some(action) = known {
        *(action.set)(rules) = Who::Nobody;
    }
    known.is_some() || rules.others.len() < before
}

/// The rules as written; what they mean depends on the member list, which may stand behind them.
#[derive(Default)]
pub(super) struct RuleSet {
    rules: Vec<Rule>,
}

#[derive(Default)]
struct Rule {
    conditions: Conditions,
    /// Which of [`ACTIONS`] are `true`.
    actions: [bool; ACTIONS.len()],
    /// Others that are `true`.
    others: Vec<(Space, String)>,
}

/// All conditions of a rule must hold (RFC 4745 7).
#[derive(Default)]
struct Conditions {
    /// `ls:is-list-member`.
    member: bool,
    /// `cp:identity`.
    identity: Option<Who>,
    /// There is a condition that this server does not know: it cannot be taken as met.
    unknown: bool,
}

impl RuleSet {
    /// The content of an open `cp:ruleset`.
    pub(super) fn read(xml: &mut Xml<'_>) -> Result<Self> {
        let mut rules = Vec::new();
        while let Some(element) = xml.child()? {
            if !element.is(Ns::CommonPolicy, "rule") {
                xml.skip()?;
                continue;
            }
            let mut rule = Rule::default();
            while let Some(element) = xml.child()? {
                match (element.ns, element.name) {
                    (Ns::CommonPolicy, "conditions") => rule.conditions.read(xml)?,
                    (Ns::CommonPolicy, "actions") => rule.read_actions(xml)?,
                    _ => xml.skip()?,
                }
            }
            rules.push(rule);
        }
        Ok(Self { rules })
    }

    /// What the rules give in a group with these members: what any rule gives; what none gives, nobody has.
    pub(super) fn resolve(self, members: &BTreeMap<UserId, Member>) -> GroupRules {
        let mut resolved = GroupRules::default();
        let mut others = BTreeMap::new();
        for rule in self.rules {
            let who = rule.conditions.resolve(members);
            for (action, _) in ACTIONS.iter().zip(rule.actions).filter(|(_, given)| *given) {
                let slot = (action.set)(&mut resolved);
                let before = std::mem::replace(slot, Who::Nobody);
                *slot = either(before, who.clone(), members);
            }
            for (space, name) in rule.others {
                let slot = others.entry((name, space)).or_insert(Who::Nobody);
                let before = std::mem::replace(slot, Who::Nobody);
                *slot = either(before, who.clone(), members);
            }
        }
        let other = |((name, space), who)| OtherAction { space, name, who };
        resolved.others = others.into_iter().map(other).filter(|other| other.who != Who::Nobody).collect();
        resolved
    }
}

impl Rule {
    fn read_actions(&mut self, xml: &mut Xml<'_>) -> Result<()> {
        while let Some(element) = xml.child()? {
            match ACTIONS.iter().position(|action| element.is(action.ns, action.name)) {
                Some(number) => {
                    let given = xml.value(element.name, xsd::boolean)?;
                    if let Some(action) = self.actions.get_mut(number) {
                        *action = given;
                    }
                }
                None => self.read_other(xml, &element)?,
            }
        }
        Ok(())
    }

    /// An action by which this server does not decide, if its kind is that of the others: `true` gives it.
    fn read_other(&mut self, xml: &mut Xml<'_>, element: &Element<'_>) -> Result<()> {
        let space = match element.ns {
            Ns::ListService => Space::ListService,
            Ns::GroupInfo => Space::GroupInfo,
            _ => return xml.skip(),
        };
        if xsd::boolean(&xml.text()?) == Some(true) {
            self.others.push((space, element.name.to_owned()));
        }
        Ok(())
    }
}

impl Conditions {
    fn read(&mut self, xml: &mut Xml<'_>) -> Result<()> {
        while let Some(element) = xml.child()? {
            match (element.ns, element.name) {
                (Ns::ListService, "is-list-member") => {
                    self.member = true;
                    xml.skip()?;
                }
                (Ns::CommonPolicy, "identity") => {
                    let identity = identity(xml)?;
                    // Two of them: the schema has one.
                    self.unknown |= self.identity.replace(identity).is_some();
                }
                _ => {
                    self.unknown = true;
                    xml.skip()?;
                }
            }
        }
        Ok(())
    }

    fn resolve(self, members: &BTreeMap<UserId, Member>) -> Who {
        match self {
            Self { unknown: true, .. } => Who::Nobody,
            // No condition at all is always met (RFC 4745 7).
            Self { member: false, identity, .. } => identity.unwrap_or(Who::Anyone),
            Self { member: true, identity: None | Some(Who::Anyone), .. } => Who::Members,
            Self { member: true, identity: Some(Who::Users(mut users)), .. } => {
                users.retain(|user| members.contains_key(user));
                Who::Users(users)
            }
            Self { member: true, identity: Some(other), .. } => other,
        }
    }
}

/// The content of an open `cp:identity`: any of `cp:one` and `cp:many`. A `cp:many` with a domain or exceptions is more
/// than this server can say, so it gives nothing.
fn identity(xml: &mut Xml<'_>) -> Result<Who> {
    let mut users = Vec::new();
    let mut anyone = false;
    while let Some(element) = xml.child()? {
        if element.is(Ns::CommonPolicy, "one") {
            users.push(UserId::new(attribute_identity(xml, &element, "id")?));
            xml.skip()?;
        } else if element.is(Ns::CommonPolicy, "many") {
            let mut plain = element.attribute("domain").is_none();
            while xml.child()?.is_some() {
                plain = false;
                xml.skip()?;
            }
            anyone |= plain;
        } else {
            xml.skip()?;
        }
    }
    Ok(match (anyone, users.is_empty()) {
        (true, _) => Who::Anyone,
        (false, true) => Who::Nobody,
        (false, false) => Who::Users(users),
    })
}

/// Everyone who is in `a` or in `b`.
fn either(a: Who, b: Who, members: &BTreeMap<UserId, Member>) -> Who {
    match (a, b) {
        (Who::Anyone, _) | (_, Who::Anyone) => Who::Anyone,
        (Who::Nobody, other) | (other, Who::Nobody) => other,
        (Who::Members, Who::Members) => Who::Members,
        (Who::Users(mut users), Who::Users(more)) => {
            users.extend(more);
            users.sort_unstable();
            users.dedup();
            Who::Users(users)
        }
        (Who::Members, Who::Users(users)) | (Who::Users(users), Who::Members) => {
            if users.iter().all(|user| members.contains_key(user)) {
                return Who::Members;
            }
            // The document changes as a whole, so its members may be named one by one.
            either(Who::Users(users), Who::Users(members.keys().cloned().collect()), members)
        }
    }
}

/// Writes the rules, one for each kind of person that has an action. `members_known`: whether the document can say who
/// its members are; a temporary group's cannot (TS 24.481 7.2.8), so there the MC service server decides by itself.
pub(super) fn write(out: &mut Out, ls: &str, rules: &GroupRules, members_known: bool) {
    let known = ACTIONS.iter().map(|action| (action.ns == Ns::ListService, action.name, (action.get)(rules)));
    let others = rules.others.iter();
    let others = others.map(|other| (other.space == Space::ListService, other.name.as_str(), &other.who));
    let sayable = |who: &Who| *who != Who::Nobody && (members_known || *who != Who::Members);
    let actions: Vec<_> = known.chain(others).filter(|(.., who)| sayable(who)).collect();
    let mut kinds: Vec<&Who> = Vec::new();
    for (.., who) in &actions {
        if !kinds.contains(who) {
            kinds.push(who);
        }
    }
    if kinds.is_empty() {
        return;
    }
    out.element(("cp:", "ruleset"), &[], |out| {
        for (number, who) in kinds.into_iter().enumerate() {
            let id = format!("r{}", number + 1);
            out.element(("cp:", "rule"), &[("id", &id)], |out| {
                out.element(("cp:", "conditions"), &[], |out| write_conditions(out, ls, who));
                out.element(("cp:", "actions"), &[], |out| {
                    for (list_service, name, _) in actions.iter().filter(|(.., has)| *has == who) {
                        out.leaf((if *list_service { ls } else { "mcpttgi:" }, name), &[], "true");
                    }
                });
            });
        }
    });
}

fn write_conditions(out: &mut Out, ls: &str, who: &Who) {
    match who {
        Who::Members => out.empty((ls, "is-list-member"), &[]),
        Who::Anyone => out.element(("cp:", "identity"), &[], |out| out.empty(("cp:", "many"), &[])),
        Who::Nobody => out.empty(("cp:", "identity"), &[]),
        Who::Users(users) => out.element(("cp:", "identity"), &[], |out| {
            for user in users {
                out.empty(("cp:", "one"), &[("id", user.as_str())]);
            }
        }),
    }
}
