//! What a partner system may do to a group document before it stores it, where that is more than setting a field
//! (TS 23.280 10.2.7, TS 24.481 7.2.8).

use super::rules;
use crate::model::{GroupDocument, KeptContent, KeptElement, Space};
use std::sync::Arc;

/// Takes an action from everybody: an action of the ruleset, or one of the `mcdata-allow-...` switches of the group. Never
/// gives one. Returns whether that changed anything.
pub fn deny_action(document: &mut GroupDocument, name: &str) -> bool {
    let ruled = rules::deny(&mut document.rules, name);
    let is_switch = |element: &KeptElement| {
        element.space == Space::GroupInfo
            && element.name == name
            && matches!(&element.content, KeptContent::Simple { text, .. } if matches!(text.trim(), "true" | "1"))
    };
    if !document.details.kept.iter().any(is_switch) {
        return ruled;
    }
    for element in &mut Arc::make_mut(&mut document.details).kept {
        if is_switch(element) {
            let content = KeptContent::Simple { attributes: Vec::new(), text: "false".to_owned() };
            element.content = content;
        }
    }
    true
}

/// Removes elements that pass through, of the group and of its members, by namespace and local name. Returns whether
/// there were any.
pub fn remove(document: &mut GroupDocument, which: impl Fn(Space, &str) -> bool) -> bool {
    let goes = |element: &KeptElement| which(element.space, &element.name);
    let mut changed = false;
    if document.details.kept.iter().any(goes) {
        Arc::make_mut(&mut document.details).kept.retain(|element| !goes(element));
        changed = true;
    }
    let kept = |details: &crate::model::MemberDetails| details.kept.iter().any(goes);
    if document.members.values().any(|member| member.details.as_deref().is_some_and(kept)) {
        for member in Arc::make_mut(&mut document.members).values_mut() {
            if let Some(details) = &mut member.details {
                details.kept.retain(|element| !goes(element));
            }
        }
        changed = true;
    }
    changed
}

/// Removes what is for use off the network: `off-network-...`, `mcvideo-off-network-...`, `mcdata-off-network-...`.
pub fn remove_off_network(document: &mut GroupDocument) -> bool {
    const SERVICES: [&str; 3] = ["", "mcvideo-", "mcdata-"];
    remove(document, |space, name| {
        let prefixed =
            |service: &str| name.strip_prefix(service).is_some_and(|rest| rest.starts_with("off-network-"));
        space == Space::GroupInfo && SERVICES.iter().any(|service| prefixed(service))
    })
}

/// Removes the keys (`mgktp:GKTPs`), which are for the users of one system only.
pub fn remove_keys(document: &mut GroupDocument) -> bool {
    remove(document, |space, name| space == Space::Foreign && name == "GKTPs")
}
