//! What a user agent server checks before anybody decides about a request: RFC 3261 8.2, in its order.

use super::AgentSettings;
use crate::sip::message::{Headers, Method, Reply, Request};
use crate::sip::wire::Name;

/// The only content coding we take.
const IDENTITY: &str = "identity";

/// Header values that every message of ours says alike.
#[derive(Debug)]
pub(super) struct Says {
    /// `Allow`.
    pub allow: String,
    /// `Supported`.
    pub supported: String,
    /// `Allow-Events`.
    pub events: String,
}

impl Says {
    pub fn new(settings: &AgentSettings) -> Self {
        let methods: Vec<&str> = settings.allowed.iter().map(|method| method.text()).collect();
        Self {
            allow: methods.join(", "),
            supported: settings.options.join(", "),
            events: settings.events.join(", "),
        }
    }

    /// Adds Allow, Supported and Allow-Events to a message that creates or refreshes a dialog, as far as it does not
    /// speak of them itself.
    pub fn add_to(&self, headers: &mut Vec<(Name, String)>) {
        for (name, value) in [
            (Name::Allow, &self.allow),
            (Name::Supported, &self.supported),
            (Name::AllowEvents, &self.events),
        ] {
            if !value.is_empty() && !headers.iter().any(|(other, _)| *other == name) {
                headers.push((name, value.clone()));
            }
        }
    }
}

/// The refusal of a request that fails one of the checks of RFC 3261 8.2. Merged requests (8.2.2.2) are refused by the
/// transaction layer.
///
/// # Errors
/// The refusal.
pub(super) fn check(request: &Request, settings: &AgentSettings, says: &Says) -> Result<(), Reply> {
    // 8.2.1
    let method = request.method();
    if method == Method::Other {
        return Err(Reply::new(501).header(Name::Allow, says.allow.as_str()));
    }
    if !settings.allowed.contains(&method) {
        return Err(Reply::new(405).header(Name::Allow, says.allow.as_str()));
    }
    // 8.2.2.1
    if !matches!(request.uri().scheme(), "sip" | "sips" | "tel") {
        return Err(Reply::new(416));
    }
    // 8.2.2.3
    if request.wire().header(Name::Require).is_some() {
        let mut unsupported = request.tokens(Name::Require);
        unsupported.retain(|option| !settings.options.iter().any(|known| known.eq_ignore_ascii_case(option)));
        if !unsupported.is_empty() {
            return Err(Reply::new(420).header(Name::Unsupported, unsupported.join(", ")));
        }
    }
    // 8.2.3. Which media types are taken is the user's decision.
    if request.wire().header(Name::ContentEncoding).is_some()
        && request.tokens(Name::ContentEncoding).iter().any(|coding| !coding.eq_ignore_ascii_case(IDENTITY))
    {
        return Err(Reply::new(415).header(Name::AcceptEncoding, IDENTITY));
    }
    Ok(())
}

/// Whether a comma list (Supported, Require, Allow) names this token.
pub(super) fn lists(message: &Headers, name: Name, token: &str) -> bool {
    message.wire().headers(name).any(|line| {
        line.split(|octet| *octet == b',')
            .any(|element| element.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// Whether the sender takes UPDATE. Without Allow we do not know: yes.
pub(super) fn takes_update(message: &Headers) -> bool {
    message.wire().header(Name::Allow).is_none() || lists(message, Name::Allow, Method::Update.text())
}
