//! What a figure tells of a message beyond its method: only what the standard gives a meaning.

use super::names::Names;
use crate::outside::message::{Message, parameter, uri_in};
use crate::outside::xml;
use std::fmt::Write as _;

/// The words of a message, each with a space before it.
pub fn words(message: &Message, names: &Names) -> String {
    let short = |identity: &str| names.short(identity);
    let mut words = String::new();
    if let Some(service) = message.header(super::SERVICE) {
        let _ = write!(words, " {service}");
    }
    headers(message, names, &mut words);
    let body = &message.body;
    for (element, key) in [
        ("mcptt-request-uri", "to"),
        ("mcptt-calling-user-id", "caller"),
        ("mcptt-calling-group-id", "group"),
        ("emergency-ind", "emergency"),
        ("alert-ind", "alert"),
        ("imminentperil-ind", "peril"),
        ("broadcast-ind", "broadcast"),
        ("req-type", "req"),
        ("resp-type", "resp"),
    ] {
        if let Some(value) = xml::text(body, element) {
            let _ = write!(words, " {key}={}", short(value));
        }
    }
    let constituents: Vec<String> =
        xml::texts(body, "constituent-MCPTT-group-ID").into_iter().map(short).collect();
    if !constituents.is_empty() {
        let _ = write!(words, " of={}", constituents.join(","));
    }
    if let Some(result) = xml::text(body, "result") {
        let _ = write!(words, " result={result}");
    }
    if let Some(code) = xml::tags(body, "reason").first().and_then(|tag| xml::attribute(tag, "code")) {
        let _ = write!(words, " code={code}");
    }
    let rejected = xml::tags(body, "rejected-group");
    let rejected: Vec<_> = rejected.iter().filter_map(|tag| xml::attribute(tag, "id")).map(short).collect();
    if !rejected.is_empty() {
        let _ = write!(words, " rejected={}", rejected.join(","));
    }
    if body.contains("<command-list") {
        for (list, key) in [("affiliate", "enter"), ("de-affiliate", "leave")] {
            let (open, close) = (format!("<{list}>"), format!("</{list}>"));
            let inside = body.split_once(&open).and_then(|(_, rest)| rest.split_once(&close));
            if let Some((inside, _)) = inside {
                let groups: Vec<String> = xml::texts(inside, "group").into_iter().map(short).collect();
                let _ = write!(words, " {key}={}", groups.join(","));
            }
        }
        if let Some(outcome) = xml::text(body, "change-outcome") {
            let about = xml::text(body, "in-reply-to").unwrap_or_default();
            let _ = write!(words, " outcome={outcome} in-reply-to={about}");
        }
    }
    for tag in xml::tags(body, "affiliation") {
        let group = match (xml::attribute(tag, "group"), xml::attribute(tag, "client")) {
            (Some(group), _) => group,
            (None, Some(client)) => {
                let _ = write!(words, " with={}", client.trim_start_matches("urn:uuid:"));
                continue;
            }
            (None, None) => continue,
        };
        let status = xml::attribute(tag, "status").map(|status| format!(":{status}")).unwrap_or_default();
        let _ = write!(words, " {}{status}", short(group));
    }
    if let Some(roster) = xml::tags(body, "conference-info").first() {
        let _ = write!(words, " roster={}", xml::attribute(roster, "version").unwrap_or_default());
        for (user, tag) in body.split("<user ").skip(1).zip(xml::tags(body, "user")) {
            let entity = xml::attribute(tag, "entity").unwrap_or_default();
            let status = xml::text(user, "status").unwrap_or_default();
            let _ = write!(words, " {}:{status}", short(entity));
        }
    }
    if body.contains("v=0\r\n") {
        words.push_str(" sdp");
    }
    words
}

/// The words of a message between two systems: whom it is for and who vouches for it, and whether it is for a chat group.
pub fn between(message: &Message, names: &Names) -> String {
    let begins = message.status().is_none() && parameter(message.value("To"), "tag").is_none();
    if !begins || message.method() == "ACK" || message.method() == "CANCEL" {
        return words(message, names);
    }
    let uri = names.short(message.uri());
    let by = uri_in(message.value("P-Asserted-Identity"));
    let by = if by.is_empty() { String::new() } else { format!(" by={}", names.short(by)) };
    let chat = if xml::text(&message.body, "session-type") == Some("chat") { " chat" } else { "" };
    format!(" uri={uri}{by}{chat}{}", words(message, names))
}

fn headers(message: &Message, names: &Names, words: &mut String) {
    let short = |identity: &str| names.short(identity);
    for warning in message.all("Warning") {
        let _ = write!(words, " warning={:?}", warning.split('"').nth(1).unwrap_or_default());
    }
    for (name, key) in [
        ("Min-Expires", "min-expires"),
        ("Min-SE", "min-se"),
        ("Retry-After", "retry-after"),
        ("Unsupported", "unsupported"),
        ("Accept-Encoding", "accept-encoding"),
        ("Allow-Events", "events"),
        ("Resource-Priority", "priority"),
        ("Answer-Mode", "answer"),
        ("P-Answer-State", "state"),
    ] {
        // These say the same in every message that makes a dialog.
        let always = ["Allow-Events"].contains(&name) && message.status() != Some(489);
        if let Some(value) = message.header(name).filter(|_| !always) {
            let _ = write!(words, " {key}={}", value.replace(' ', ""));
        }
    }
    if let Some(expires) = message.header("Expires")
        && (message.status().is_some() || expires == "0")
    {
        let forever = if expires == "4294967295" { "forever" } else { expires };
        let _ = write!(words, " expires={forever}");
    }
    if let Some(reason) = message.header("Reason") {
        let _ = write!(words, " reason={}", reason.split("text=").nth(1).unwrap_or(reason));
    }
    if let (Some(405 | 501), Some(allow)) = (message.status(), message.header("Allow")) {
        let _ = write!(words, " allow={}", allow.replace(' ', ""));
    }
    for challenge in message.all("WWW-Authenticate") {
        let value = |name: &str| {
            challenge
                .split(", ")
                .find_map(|one| one.strip_prefix(name)?.strip_prefix('='))
                .unwrap_or_default()
        };
        let stale = if value("stale").is_empty() { "" } else { ",stale" };
        let _ = write!(words, " challenge={}{stale}", value("algorithm"));
    }
    if matches!(message.status(), Some(300..=399)) {
        let _ = write!(words, " contact={}", short(uri_in(message.value("Contact"))));
    }
    if message.method() == "REGISTER" {
        for contact in message.all("Contact") {
            let place = uri_in(contact).rsplit(':').next().unwrap_or_default();
            let _ = write!(words, " {place}:{}", parameter(contact, "expires").unwrap_or_default());
        }
    }
    if let Some(event) = message.header("Event") {
        let state = message.value("Subscription-State");
        let state = state.split(";expires").next().unwrap_or_default();
        let _ = write!(words, "{}", format!(" {event} {state}").trim_end());
    }
    if message.value("Contact").contains(";isfocus") {
        words.push_str(" isfocus");
    }
}
