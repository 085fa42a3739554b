//! A dialog (RFC 3261 section 12).

use super::super::message::{Draft, Headers, Malformed, Method, NameAddr, Request, Response, Uri};
use crate::model::{DialogFact, Transport};
use crate::sip::transaction::{NextHops, Path};
use crate::sip::wire::Name;
use std::net::SocketAddr;

/// Largest CSeq number (RFC 3261 8.1.1.5).
pub(crate) const MAX_CSEQ: u32 = (1 << 31) - 1;
/// `Max-Forwards` of requests that start here (RFC 3261 8.1.1.6).
const MAX_FORWARDS: &str = "70";

/// The state of a dialog, as RFC 3261 12 lists it. Converts to and from what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// The stored part; all of it.
    pub fact: DialogFact,
}

impl Dialog {
    /// The dialog a UAS makes of a request and the tag and Contact of its answer (12.1.1).
    ///
    /// # Errors
    /// [`Malformed`] if Contact, Record-Route, From or To cannot be read.
    pub fn of_request(request: &Request, local_tag: &str, local_contact: &str) -> Result<Self, Malformed> {
        let contacts = request.contacts()?;
        // RFC 3261 8.1.1.8: exactly one.
        let [contact] = contacts.as_slice() else {
            return Err(Malformed { place: "one Contact is needed to create a dialog" });
        };
        Ok(Self {
            fact: DialogFact {
                call_id: request.call_id().to_owned(),
                local_tag: local_tag.to_owned(),
                remote_tag: request.from_tag().to_owned(),
                local_uri: without_params(&request.to()?.text).to_owned(),
                remote_uri: without_params(&request.from()?.text).to_owned(),
                remote_target: contact.uri.as_str().to_owned(),
                local_contact: local_contact.to_owned(),
                route_set: request
                    .addresses(Name::RecordRoute)?
                    .into_iter()
                    .map(|route| route.text)
                    .collect(),
                local_cseq: 0,
                remote_cseq: Some(request.cseq()),
                source: None,
                session_timer: None,
            },
        })
    }

    /// The dialog a UAC makes of its request and the response (12.1.2). A response without Contact, which it must
    /// have, is taken to come from the Request-URI.
    ///
    /// # Errors
    /// [`Malformed`] if Contact, Record-Route, From or To cannot be read.
    pub fn of_response(request: &Draft, response: &Response, local_contact: &str) -> Result<Self, Malformed> {
        let remote_target = match response.contacts()?.first() {
            Some(contact) => contact.uri.as_str().to_owned(),
            None => request.uri.clone(),
        };
        let routes =
            response.addresses(Name::RecordRoute)?.into_iter().rev().map(|route| route.text).collect();
        Ok(Self::towards(remote_target, routes, response, local_contact))
    }

    /// The dialog of a response to a request of ours, with this target and route set.
    pub(crate) fn towards(
        target: String,
        route_set: Vec<String>,
        response: &Response,
        local_contact: &str,
    ) -> Self {
        // Once a message is read, its From and To can be.
        let uri = |address: Result<NameAddr, Malformed>| {
            address.map(|address| without_params(&address.text).to_owned()).unwrap_or_default()
        };
        Self {
            fact: DialogFact {
                call_id: response.call_id().to_owned(),
                local_tag: response.from_tag().to_owned(),
                remote_tag: response.to_tag().unwrap_or_default().to_owned(),
                local_uri: uri(response.from()),
                remote_uri: uri(response.to()),
                remote_target: target,
                local_contact: local_contact.to_owned(),
                route_set,
                local_cseq: response.cseq(),
                remote_cseq: None,
                source: None,
                session_timer: None,
            },
        }
    }

    /// A stored dialog goes on after a restart: requests may have been sent that no fact tells of.
    pub(crate) fn move_cseq_on(&mut self) {
        self.fact.local_cseq = self.fact.local_cseq.saturating_add(super::RESTART_CSEQ_GAP).min(MAX_CSEQ);
    }

    /// A request inside the dialog (12.2.1.1): next CSeq (for ACK the CSeq given), route set, target, and Contact
    /// where the request refreshes the target.
    pub fn request(&mut self, method: Method, ack_cseq: Option<u32>) -> Draft {
        let cseq = ack_cseq.unwrap_or_else(|| {
            self.fact.local_cseq = (self.fact.local_cseq + 1).min(MAX_CSEQ);
            self.fact.local_cseq
        });
        let fact = &self.fact;
        let mut draft = Draft::new(method, fact.remote_target.as_str());
        let headers = &mut draft.headers;
        headers.reserve(fact.route_set.len() + 7);
        match fact.route_set.split_first() {
            // A strict router takes the place of the target, which goes to the end of the route.
            Some((first, rest)) if strict_router(first).is_some() => {
                headers.extend(rest.iter().map(|route| (Name::Route, route.clone())));
                headers.push((Name::Route, format!("<{}>", fact.remote_target)));
                draft.uri = strict_router(first).unwrap_or_default();
            }
            _ => headers.extend(fact.route_set.iter().map(|route| (Name::Route, route.clone()))),
        }
        let headers = &mut draft.headers;
        headers.push((Name::MaxForwards, MAX_FORWARDS.to_owned()));
        headers.push((Name::From, with_tag(&fact.local_uri, &fact.local_tag)));
        headers.push((Name::To, with_tag(&fact.remote_uri, &fact.remote_tag)));
        headers.push((Name::CallId, fact.call_id.clone()));
        headers.push((Name::CSeq, format!("{cseq} {}", method.text())));
        if refreshes_target(method) {
            headers.push((Name::Contact, fact.local_contact.clone()));
        }
        draft
    }

    /// Whether a request that came in is inside this dialog (12.2.2).
    pub(crate) fn is_of(&self, request: &Headers) -> bool {
        self.fact.call_id == request.call_id()
            && self.fact.remote_tag == request.from_tag()
            && request.to_tag() == Some(self.fact.local_tag.as_str())
    }

    /// Checks the CSeq of a request that came in (12.2.2): false if it is lower than one seen before.
    pub fn in_order(&mut self, request: &Request) -> bool {
        let cseq = request.cseq();
        if self.fact.remote_cseq.is_some_and(|last| cseq < last) {
            return false;
        }
        self.fact.remote_cseq = Some(cseq);
        true
    }

    /// Takes the target from a target refresh request or response (12.2.1.2, 12.2.2). True if it is another one.
    pub fn refresh_target(&mut self, contact: Option<&str>) -> bool {
        match contact {
            Some(contact) if contact != self.fact.remote_target => {
                contact.clone_into(&mut self.fact.remote_target);
                true
            }
            _ => false,
        }
    }

    /// The place the peer was last heard from, for requests that find no way by route set and target; and before
    /// them for a peer on a stream: its connection is open, while its Contact names a port that it may not even
    /// listen on. Only where no route set says otherwise and the Contact is at the same address.
    pub(crate) fn open_stream(&self, hops: &NextHops) -> Option<Path> {
        let source = self.fact.source.filter(|source| source.transport == Transport::Tcp)?;
        let target = Uri::parse(self.fact.remote_target.as_bytes()).ok()?;
        let same = self.fact.route_set.is_empty() && target.ip() == Some(source.address.ip());
        if same { hops.hop(source.transport, source.address).map(Path::from) } else { None }
    }

    /// Where requests go by route set and target; nothing if that is not known.
    pub(crate) fn ends(&self, hops: &NextHops) -> Vec<SocketAddr> {
        let route = self.fact.route_set.first().and_then(|route| NameAddr::parse(route.as_bytes()).ok());
        let uri = match route {
            Some(route) => Some(route.uri),
            None => Uri::parse(self.fact.remote_target.as_bytes()).ok(),
        };
        let hops = uri.and_then(|uri| hops.resolve(&uri).ok()).unwrap_or_default();
        hops.into_iter().map(|hop| hop.address).collect()
    }

    /// See [`Self::open_stream`].
    pub(crate) fn last_heard(&self, hops: &NextHops) -> Option<Path> {
        let source = self.fact.source?;
        hops.hop(source.transport, source.address).map(Path::from)
    }
}

/// Target refresh requests (RFC 3261 12.2, RFC 3311 5.1, RFC 6665 4.4.1).
pub(crate) fn refreshes_target(method: Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer)
}

/// The URI of a route that is a strict router: no `lr` parameter (RFC 3261 12.2.1.1).
fn strict_router(route: &str) -> Option<String> {
    let route = NameAddr::parse(route.as_bytes()).ok()?;
    if route.uri.param("lr").is_none() { Some(route.uri.as_str().to_owned()) } else { None }
}

/// From or To of a request in the dialog; a peer of RFC 2543 has no tag.
fn with_tag(uri: &str, tag: &str) -> String {
    if tag.is_empty() { uri.to_owned() } else { format!("{uri};tag={tag}") }
}

/// `"Display" <uri>` of a From or To value: all before its parameters.
pub(crate) fn without_params(text: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' if !quoted => {
                let end = text[at..].find('>').map_or(text.len(), |end| at + end + 1);
                return &text[..end];
            }
            // Without angle brackets parameters are the header's (RFC 3261 20.10).
            b';' if !quoted => return text[..at].trim_end(),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog() -> Dialog {
        Dialog {
            fact: DialogFact {
                call_id: "c1".to_owned(),
                local_tag: "ours".to_owned(),
                remote_tag: "theirs".to_owned(),
                local_uri: "<sip:fire@one.example>".to_owned(),
                remote_uri: "\"Anna; <x>\" <sip:anna@one.example>".to_owned(),
                remote_target: "sip:anna@192.0.2.5:5066".to_owned(),
                local_contact: "<sip:fire@192.0.2.1;gr=s1>;isfocus".to_owned(),
                route_set: Vec::new(),
                local_cseq: 7,
                remote_cseq: None,
                source: None,
                session_timer: None,
            },
        }
    }

    fn routes(draft: &Draft) -> Vec<&str> {
        draft
            .headers
            .iter()
            .filter(|(name, _)| *name == Name::Route)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    #[test]
    fn a_request_carries_tags_target_and_the_next_cseq() {
        let mut dialog = dialog();
        let draft = dialog.request(Method::Bye, None);
        assert_eq!(draft.uri, "sip:anna@192.0.2.5:5066");
        assert_eq!(draft.get(Name::From), Some("<sip:fire@one.example>;tag=ours"));
        assert_eq!(draft.get(Name::To), Some("\"Anna; <x>\" <sip:anna@one.example>;tag=theirs"));
        assert_eq!(draft.get(Name::CallId), Some("c1"));
        assert_eq!(draft.get(Name::CSeq), Some("8 BYE"));
        assert_eq!(draft.get(Name::MaxForwards), Some("70"));
        assert_eq!(draft.get(Name::Contact), None);
        assert_eq!(dialog.request(Method::Update, None).get(Name::CSeq), Some("9 UPDATE"));
        assert_eq!(
            dialog.request(Method::Update, None).get(Name::Contact),
            Some("<sip:fire@192.0.2.1;gr=s1>;isfocus")
        );
    }

    #[test]
    fn an_ack_has_the_cseq_of_its_invite_and_uses_up_none() {
        let mut dialog = dialog();
        assert_eq!(dialog.request(Method::Ack, Some(3)).get(Name::CSeq), Some("3 ACK"));
        assert_eq!(dialog.fact.local_cseq, 7);
    }

    #[test]
    fn cseq_stops_at_its_largest_value() {
        let mut dialog = dialog();
        dialog.fact.local_cseq = MAX_CSEQ;
        assert_eq!(dialog.request(Method::Info, None).get(Name::CSeq), Some("2147483647 INFO"));
    }

    #[test]
    fn loose_routers_stay_in_the_route() {
        let mut dialog = dialog();
        dialog.fact.route_set = vec!["<sip:p1.example;lr>".to_owned(), "<sip:p2.example>".to_owned()];
        let draft = dialog.request(Method::Info, None);
        assert_eq!(draft.uri, "sip:anna@192.0.2.5:5066");
        assert_eq!(routes(&draft), ["<sip:p1.example;lr>", "<sip:p2.example>"]);
    }

    #[test]
    fn a_strict_router_becomes_the_request_uri() {
        // RFC 3261 12.2.1.1, the example of a route set that starts without lr.
        let mut dialog = dialog();
        dialog.fact.route_set =
            ["<sip:proxy1>", "<sip:proxy2>", "<sip:proxy3;lr>"].map(str::to_owned).to_vec();
        let draft = dialog.request(Method::Info, None);
        assert_eq!(draft.uri, "sip:proxy1");
        assert_eq!(routes(&draft), ["<sip:proxy2>", "<sip:proxy3;lr>", "<sip:anna@192.0.2.5:5066>"]);
    }

    #[test]
    fn a_peer_without_tag_gets_none_back() {
        let mut dialog = dialog();
        dialog.fact.remote_tag.clear();
        assert_eq!(
            dialog.request(Method::Bye, None).get(Name::To),
            Some("\"Anna; <x>\" <sip:anna@one.example>")
        );
    }

    #[test]
    fn parameters_are_cut_off_where_the_header_has_them_and_nowhere_else() {
        for (text, kept) in [
            ("<sip:a@b.c;x=1>;tag=9", "<sip:a@b.c;x=1>"),
            ("\"A;B <\\\"> \" <sip:a@b.c>;tag=9;y", "\"A;B <\\\"> \" <sip:a@b.c>"),
            ("sip:a@b.c;tag=9", "sip:a@b.c"),
            ("sip:a@b.c ;tag=9", "sip:a@b.c"),
            ("Anna <tel:+1;phone-context=x>", "Anna <tel:+1;phone-context=x>"),
        ] {
            assert_eq!(without_params(text), kept);
        }
    }

    #[test]
    fn the_target_moves_only_to_another_contact() {
        let mut dialog = dialog();
        assert!(!dialog.refresh_target(None));
        assert!(!dialog.refresh_target(Some("sip:anna@192.0.2.5:5066")));
        assert!(dialog.refresh_target(Some("sip:anna@192.0.2.6")));
        assert_eq!(dialog.fact.remote_target, "sip:anna@192.0.2.6");
    }
}
