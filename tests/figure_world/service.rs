//! The three services differ in names only (TS 24.379, 24.281, 24.282): figures and their parties speak MCPTT, and what
//! they say for another service is put into its names on the way to the server and back.

use crate::outside::bodies;
use crate::outside::message::Message;

/// The other services, by the word that names of theirs begin with.
pub const OTHERS: [&str; 2] = ["mcvideo", "mcdata"];

/// A message in the names of this service.
pub fn put(message: Message, service: &str) -> Message {
    assert!(OTHERS.contains(&service), "no service: {service}");
    translate(message, "mcptt", service)
}

/// A message in the names of MCPTT, and the service it was for. What speaks two languages at once is a fault.
pub fn read(message: Message) -> (Message, Option<&'static str>, Vec<String>) {
    let Some(service) = OTHERS.into_iter().find(|service| speaks(&message, service)) else {
        return (message, None, Vec::new());
    };
    let mixed = ["mcptt"].into_iter().chain(OTHERS).filter(|other| *other != service);
    let mixed: Vec<&str> = mixed.filter(|other| speaks(&message, other)).collect();
    let faults = mixed.iter().map(|other| format!("names of {service} and {other} in one message")).collect();
    (translate(message, service, "mcptt"), Some(service), faults)
}

/// What is called after MCPTT whatever the service: the participating function of the figures, and the namespaces of group
/// documents and group management (TS 24.481).
const SHARED: [&str; 3] = ["sip:mcptt@", "ns:mcpttG", "mcpttgi"];

/// Whether names of a service stand somewhere, but for what lists all of them, and what they share.
fn speaks(message: &Message, service: &str) -> bool {
    let names = |text: &str| {
        text.contains(service)
            && SHARED.iter().fold(text.to_owned(), |text, shared| text.replace(shared, "")).contains(service)
    };
    let told =
        message.headers.iter().filter(|(name, _)| !["Accept", "Allow-Events"].contains(&name.as_str()));
    // A document of a group tells all services of it.
    let body = message.body.split(bodies::GMOP).next().unwrap_or_default();
    told.into_iter().any(|(_, value)| names(value)) || names(body)
}

fn translate(message: Message, from: &str, to: &str) -> Message {
    let kept = |text: &str| {
        let marks = ["\u{1}", "\u{2}", "\u{3}"];
        let shared = || SHARED.iter().zip(marks);
        let text = shared().fold(text.to_owned(), |text, (shared, mark)| text.replace(shared, mark));
        shared().fold(text.replace(from, to), |text, (shared, mark)| text.replace(mark, shared))
    };
    let length = message.body.len().to_string();
    let body = kept(&message.body);
    let headers = message
        .headers
        .into_iter()
        .map(|(name, value)| match name.as_str() {
            "Content-Length" if value == length => (name, body.len().to_string()),
            _ => (name, kept(&value)),
        })
        .collect();
    Message { start: message.start, headers, body }
}
