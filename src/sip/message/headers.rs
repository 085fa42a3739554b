//! What requests and responses have in common: the headers every layer needs, read once, and readers for the rest.

use super::address::Raw;
use super::grammar::{elements, end, number, parameters, space, token, word};
use super::values::{Digest, Event, RAck, RefusedUri, SessionExpires, SubscriptionState, Warning};
use super::via::Marks;
use super::{Malformed, Method, NameAddr, Via};
use crate::sip::wire::{self, Name};
use bytes::Bytes;
use nom::{Offset, Parser};

/// The headers of a message, reached through [`super::Request`] and [`super::Response`]. Via, From and To tags,
/// Call-ID and CSeq are read already; the rest is read on demand.
#[derive(Clone, Debug)]
pub struct Headers {
    wire: wire::Message,
    known: Known,
}

/// What is read of every message.
#[derive(Clone, Debug)]
pub(super) struct Known {
    via: Via,
    marks: Marks,
    from_tag: Span,
    to_tag: Option<Span>,
    call_id: Span,
    cseq: u32,
    method: Method,
    method_token: Span,
}

/// Offsets into the message, from inclusive, to exclusive. What they enclose is ASCII.
type Span = (u32, u32);

impl Known {
    /// Reads the mandatory headers (RFC 3261 8.1.1): a Via; one From, To, Call-ID and CSeq.
    pub(super) fn read(wire: &wire::Message) -> Result<Self, Malformed> {
        let (mut via, mut from, mut to, mut call_id, mut cseq) = (None, None, None, None, None);
        for (name, value) in wire.raw_lines() {
            let (slot, twice) = match name {
                Name::Via => {
                    via = via.or(Some(value));
                    continue;
                }
                Name::From => (&mut from, "From twice"),
                Name::To => (&mut to, "To twice"),
                Name::CallId => (&mut call_id, "Call-ID twice"),
                Name::CSeq => (&mut cseq, "CSeq twice"),
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(Malformed { place: twice });
            }
        }
        let missing = |place| Malformed { place };
        let (via, marks, _) = Via::read(via.ok_or(missing("Via missing"))?)?;
        let base = wire.octets();
        let span = |part: &[u8]| {
            let from = base.offset(part) as u32;
            (from, from + part.len() as u32)
        };

        let from_tag = tag(from.ok_or(missing("From missing"))?, Name::From)?.map_or((0, 0), span);
        let to_tag = tag(to.ok_or(missing("To missing"))?, Name::To)?.map(span);
        let call_id = call_id.ok_or(missing("Call-ID missing"))?;
        // More than the grammar allows, but no white space: peers use what they like, and it is only compared.
        if call_id.is_empty() || !call_id.iter().all(u8::is_ascii_graphic) {
            return Err(Malformed { place: Name::CallId.unreadable() });
        }
        let call_id = span(call_id);
        let (cseq, token) = sequence(cseq.ok_or(missing("CSeq missing"))?)?;
        let (method, method_token) = (Method::read(token), span(token));
        Ok(Self { via, marks, from_tag, to_tag, call_id, cseq, method, method_token })
    }

    pub(super) fn method_token<'a>(&self, wire: &'a wire::Message) -> &'a str {
        text_at(wire, self.method_token)
    }
}

impl Headers {
    /// The headers of `wire`, of which these are known.
    pub(super) fn new(wire: wire::Message, known: Known) -> Self {
        Self { wire, known }
    }

    /// The message as received.
    pub fn wire(&self) -> &wire::Message {
        &self.wire
    }

    /// The method: that of the request, or the one in the CSeq of a response.
    pub fn method(&self) -> Method {
        self.known.method
    }

    /// The method as received; names it even if the server does not know it.
    pub fn method_token(&self) -> &str {
        self.known.method_token(&self.wire)
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        text_at(&self.wire, self.known.call_id)
    }

    /// CSeq number, less than 2^31.
    pub fn cseq(&self) -> u32 {
        self.known.cseq
    }

    /// Topmost Via.
    pub fn top_via(&self) -> &Via {
        &self.known.via
    }

    /// Where an answer changes the topmost Via line.
    pub(super) fn marks(&self) -> &Marks {
        &self.known.marks
    }

    /// From tag; empty for an RFC 2543 peer.
    pub fn from_tag(&self) -> &str {
        text_at(&self.wire, self.known.from_tag)
    }

    /// To tag.
    pub fn to_tag(&self) -> Option<&str> {
        self.known.to_tag.map(|span| text_at(&self.wire, span))
    }

    /// From.
    ///
    /// # Errors
    /// [`Malformed`]; not once the message is read.
    pub fn from(&self) -> Result<NameAddr, Malformed> {
        self.address(Name::From)
    }

    /// To.
    ///
    /// # Errors
    /// As [`Self::from`].
    pub fn to(&self) -> Result<NameAddr, Malformed> {
        self.address(Name::To)
    }

    /// All contacts. `Contact: *` gives one NameAddr whose text is `*`.
    ///
    /// # Errors
    /// [`Malformed`] if one cannot be read, or if `*` is not the only one (RFC 3261 10.2.2).
    pub fn contacts(&self) -> Result<Vec<NameAddr>, Malformed> {
        let mut lines = self.wire.raw(Name::Contact);
        if let (Some(b"*"), None) = (lines.next(), lines.next()) {
            return Ok(vec![NameAddr::star()]);
        }
        self.addresses(Name::Contact)
    }

    /// All values of a list header of addresses (Route, Record-Route, Path, P-Asserted-Identity), in order.
    ///
    /// # Errors
    /// [`Malformed`] if one of them cannot be read.
    pub fn addresses(&self, name: Name) -> Result<Vec<NameAddr>, Malformed> {
        let mut list = Vec::new();
        for line in self.wire.raw(name) {
            list.append(&mut NameAddr::parse_list(line).map_err(|_| unreadable(name))?);
        }
        Ok(list)
    }

    /// The one value of a header that is an address and no list (From, To, Refer-To, P-Served-User...).
    fn address(&self, name: Name) -> Result<NameAddr, Malformed> {
        let value = self.wire.raw(name).next().ok_or(unreadable(name))?;
        NameAddr::parse(value).map_err(|_| unreadable(name))
    }

    /// All Via values, topmost first.
    ///
    /// # Errors
    /// [`Malformed`] if one of them cannot be read.
    pub fn vias(&self) -> Result<Vec<Via>, Malformed> {
        let mut list = Vec::new();
        for line in self.wire.raw(Name::Via) {
            list.append(&mut Via::parse_list(line)?);
        }
        Ok(list)
    }

    /// First value of a header as text (octets that are not UTF-8 replaced), unfolded and trimmed.
    pub fn text(&self, name: Name) -> Option<String> {
        self.wire.header(name).map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    /// All tokens of a comma list (Supported, Require, Allow...), trimmed, as written.
    pub fn tokens(&self, name: Name) -> Vec<String> {
        let text = |element: &[u8]| String::from_utf8_lossy(element).trim().to_owned();
        self.wire.raw(name).flat_map(elements).map(text).filter(|token| !token.is_empty()).collect()
    }

    /// A header that is one number of seconds or hops (Max-Forwards, Expires, Min-SE...); parameters ignored.
    ///
    /// # Errors
    /// [`Malformed`] if it is there but not a number; a number over `u32::MAX` reads as `u32::MAX`.
    pub fn number(&self, name: Name) -> Result<Option<u32>, Malformed> {
        let Some(value) = self.wire.raw(name).next() else { return Ok(None) };
        let (rest, (number, _)) = (number, space).parse(value).map_err(|_| unreadable(name))?;
        // `(comment)` follows in Retry-After.
        let whole = matches!(rest.first(), None | Some(b';' | b'('));
        if whole { Ok(Some(number)) } else { Err(unreadable(name)) }
    }

    /// `Event`.
    ///
    /// # Errors
    /// [`Malformed`] if it is there but cannot be read, like the readers that follow.
    pub fn event(&self) -> Result<Option<Event>, Malformed> {
        self.value(Name::Event, Event::parse)
    }

    /// `Subscription-State`.
    pub fn subscription_state(&self) -> Result<Option<SubscriptionState>, Malformed> {
        self.value(Name::SubscriptionState, SubscriptionState::parse)
    }

    /// `Session-Expires`.
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, Malformed> {
        self.value(Name::SessionExpires, SessionExpires::parse)
    }

    /// `RAck`.
    pub fn rack(&self) -> Result<Option<RAck>, Malformed> {
        self.value(Name::RAck, RAck::parse)
    }

    /// All `Warning` values.
    pub fn warnings(&self) -> Result<Vec<Warning>, Malformed> {
        let mut list = Vec::new();
        for line in self.wire.raw(Name::Warning) {
            list.append(&mut Warning::parse_list(line)?);
        }
        Ok(list)
    }

    /// All entries of `P-Refused-URI-List`; empty if there is none.
    pub fn refused_uris(&self) -> Result<Vec<RefusedUri>, Malformed> {
        let mut list = Vec::new();
        for line in self.wire.raw(Name::PRefusedUriList) {
            list.append(&mut RefusedUri::parse_list(line)?);
        }
        Ok(list)
    }

    /// `Content-ID` without its brackets, of a body that is not split into parts.
    pub fn content_id(&self) -> Option<String> {
        let text = self.text(Name::ContentId)?;
        let id = text.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(&text);
        (!id.is_empty()).then(|| id.to_owned())
    }

    /// `In-Reply-To`: the Call-IDs of the requests that this one answers.
    pub fn in_reply_to(&self) -> Vec<String> {
        self.tokens(Name::InReplyTo)
    }

    /// `Min-Expires`, seconds (423).
    pub fn min_expires(&self) -> Result<Option<u32>, Malformed> {
        self.number(Name::MinExpires)
    }

    /// `Retry-After`, seconds; its comment and parameters are not read.
    pub fn retry_after(&self) -> Result<Option<u32>, Malformed> {
        self.number(Name::RetryAfter)
    }

    /// `SIP-ETag`: the entity tag of a publication (RFC 3903 11.3.1).
    pub fn entity_tag(&self) -> Result<Option<String>, Malformed> {
        self.one_token(Name::SipEtag)
    }

    /// `SIP-If-Match`: the entity tag that a publication changes (RFC 3903 11.3.2).
    pub fn if_match(&self) -> Result<Option<String>, Malformed> {
        self.one_token(Name::SipIfMatch)
    }

    /// A header that is one token, once.
    fn one_token(&self, name: Name) -> Result<Option<String>, Malformed> {
        let mut lines = self.wire.raw(name);
        match (lines.next(), lines.next()) {
            (None, _) => Ok(None),
            (Some(line), None) => {
                let (rest, word) = word(line).map_err(|_| unreadable(name))?;
                end(rest).map_err(|_| unreadable(name))?;
                Ok(Some(word.to_owned()))
            }
            (Some(_), Some(_)) => Err(unreadable(name)),
        }
    }

    /// All Digest challenges or credentials of `WWW-Authenticate`, `Authorization` and the like, in order; other
    /// schemes are left out.
    pub fn digests(&self, name: Name) -> Result<Vec<Digest>, Malformed> {
        self.wire.raw(name).filter(|line| Digest::is_digest(line)).map(Digest::parse).collect()
    }

    /// The body.
    pub fn body(&self) -> Bytes {
        self.wire.body()
    }

    fn value<T>(&self, name: Name, parse: fn(&[u8]) -> Result<T, Malformed>) -> Result<Option<T>, Malformed> {
        self.wire.raw(name).next().map(parse).transpose()
    }
}

fn text_at(wire: &wire::Message, span: Span) -> &str {
    let octets = wire.octets().get(span.0 as usize..span.1 as usize);
    octets.and_then(|octets| str::from_utf8(octets).ok()).unwrap_or("")
}

fn unreadable(name: Name) -> Malformed {
    Malformed { place: name.unreadable() }
}

/// Checks a From or To value and gives its tag.
fn tag(value: &[u8], name: Name) -> Result<Option<&[u8]>, Malformed> {
    let (rest, raw) = Raw::read(value).map_err(|_| unreadable(name))?;
    raw.check_uri().map_err(|_| unreadable(name))?;
    let mut tag = None;
    let read = parameters(rest, |name, value| {
        if !name.eq_ignore_ascii_case(b"tag") {
            return Some(());
        }
        match tag.replace(value.plain()?) {
            None => Some(()),
            Some(_) => None,
        }
    });
    read.and_then(|(rest, ())| end(rest)).map_err(|_| unreadable(name))?;
    Ok(tag)
}

/// `CSeq`: a number below 2^31 and a method (RFC 3261 8.1.1.5).
fn sequence(value: &[u8]) -> Result<(u32, &[u8]), Malformed> {
    let unreadable = |_| unreadable(Name::CSeq);
    let (rest, number) = number(value).map_err(unreadable)?;
    if number >= 1 << 31 {
        return Err(Malformed { place: "CSeq number too large" });
    }
    let (rest, white) = space(rest).map_err(unreadable)?;
    if white.is_empty() {
        return Err(Malformed { place: Name::CSeq.unreadable() });
    }
    let (rest, method) = token(rest).map_err(unreadable)?;
    end(rest).map_err(unreadable)?;
    Ok((number, method))
}

#[cfg(test)]
mod tests {
    use crate::config::Limits;
    use crate::sip::message::{Malformed, Method, Request, Response};
    use crate::sip::wire::{self, Name};
    use bytes::Bytes;

    const BYE: &str = "BYE sip:b@two.example SIP/2.0\nVia: SIP/2.0/UDP h\nFrom: <sip:a@x>;tag=f\nTo: <sip:b@x>;tag=t\n\
                       Call-ID: c\nCSeq: 7 BYE\n";

    fn message(text: &str) -> wire::Message {
        let octets = Bytes::from(format!("{text}\n").replace('\n', "\r\n"));
        wire::datagram(octets, &Limits::default()).expect("scanned").expect("a message")
    }

    fn with(lines: &str) -> Request {
        Request::read(message(&format!("{BYE}{lines}"))).expect("a request")
    }

    fn place(from: &str, to: &str) -> &'static str {
        let text = BYE.replace(from, to);
        assert_ne!(text, BYE, "{from}");
        match Request::read(message(&text)) {
            Err(Malformed { place }) => place,
            Ok(_) => "taken",
        }
    }

    #[test]
    fn what_every_layer_needs_is_read() {
        let request = with("");
        assert_eq!((request.method(), request.method_token(), request.cseq()), (Method::Bye, "BYE", 7));
        assert_eq!((request.from_tag(), request.to_tag(), request.call_id()), ("f", Some("t"), "c"));
        assert_eq!((request.top_via().host.as_str(), request.uri().as_str()), ("h", "sip:b@two.example"));
        assert_eq!(request.from().map(|from| from.uri.as_str().to_owned()), Ok("sip:a@x".to_owned()));
    }

    #[test]
    fn what_publications_and_answers_by_message_carry_is_read() {
        let request = with(
            "SIP-If-Match: e-7f31\nSIP-ETag: e-7f32\nIn-Reply-To: a@x, b@y\nin-reply-to: c@z\nMin-Expires: 4294967295\n\
             Retry-After: 5 (later);duration=9\nContent-ID: <list9@b.example>\n\
             P-Refused-URI-List: <sip:a@b>;members=<cid:list9@b.example>\nP-Refused-URI-List: <sip:c@d>\n",
        );
        assert_eq!(request.if_match(), Ok(Some("e-7f31".to_owned())));
        assert_eq!(request.entity_tag(), Ok(Some("e-7f32".to_owned())));
        assert_eq!(request.in_reply_to(), ["a@x", "b@y", "c@z"]);
        assert_eq!((request.min_expires(), request.retry_after()), (Ok(Some(u32::MAX)), Ok(Some(5))));
        assert_eq!(request.content_id().as_deref(), Some("list9@b.example"));
        let refused = request.refused_uris().expect("a list");
        assert_eq!((refused.len(), refused[0].members.as_deref()), (2, Some("list9@b.example")));
        let bare = with("");
        assert_eq!((bare.if_match(), bare.entity_tag(), bare.content_id()), (Ok(None), Ok(None), None));
        assert!(bare.in_reply_to().is_empty() && bare.refused_uris().is_ok_and(|list| list.is_empty()));
        assert_eq!((bare.min_expires(), bare.retry_after()), (Ok(None), Ok(None)));
    }

    #[test]
    fn an_entity_tag_is_one_token() {
        for broken in ["", "a b", "\"a\"", "a, b", "a\nSIP-If-Match: b"] {
            let refused = with(&format!("SIP-If-Match: {broken}\n")).if_match();
            assert_eq!(refused, Err(Malformed { place: "SIP-If-Match cannot be read" }), "{broken}");
        }
        assert_eq!(with("Content-ID: bare@b\n").content_id().as_deref(), Some("bare@b"));
        assert_eq!(with("Content-ID: <>\n").content_id(), None);
        assert!(with("P-Refused-URI-List: x\n").refused_uris().is_err());
    }

    #[test]
    fn what_is_missing_or_there_twice_is_named() {
        assert_eq!(place("Via", "X"), "Via missing");
        assert_eq!(place("From", "X"), "From missing");
        assert_eq!(place("To", "X"), "To missing");
        assert_eq!(place("Call-ID", "X"), "Call-ID missing");
        assert_eq!(place("CSeq", "X"), "CSeq missing");
        assert_eq!(place("To:", "f: <sip:x>\nTo:"), "From twice");
        assert_eq!(place("To:", "t: <sip:x>\nTo:"), "To twice");
        assert_eq!(place("To:", "i: c\nTo:"), "Call-ID twice");
        assert_eq!(place("To:", "cseq: 7 BYE\nTo:"), "CSeq twice");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(place("<sip:a@x>", "<sip:a@x"), "From cannot be read");
        assert_eq!(place(";tag=f", ";tag"), "From cannot be read");
        assert_eq!(place(";tag=f", ";tag=\"f\""), "From cannot be read");
        assert_eq!(place(";tag=f", ";tag=f;tag=f"), "From cannot be read");
        assert_eq!(place(";tag=f", ", <sip:b>"), "From cannot be read");
        assert_eq!(place("<sip:b@x>", "<sip:>"), "To cannot be read");
        assert_eq!(place("Call-ID: c", "Call-ID: "), "Call-ID cannot be read");
        assert_eq!(place("Call-ID: c", "Call-ID: c d"), "Call-ID cannot be read");
        assert_eq!(place("Call-ID: c", "Call-ID: \u{e4}"), "Call-ID cannot be read");
        assert_eq!(place("SIP/2.0/UDP h", "SIP/2.0/UDP"), "Via: sent-by");
        assert_eq!(place("sip:b@two.example", "sip:b@"), "Request-URI cannot be read");
        assert_eq!(place("sip:b@two.example", "sip:b@x?a=b"), "Request-URI with headers");
    }

    #[test]
    fn cseq_is_a_number_below_two_to_the_31_and_the_method() {
        assert_eq!(place("7 BYE", "2147483647 BYE"), "taken");
        assert_eq!(place("7 BYE", "0\n \tBYE "), "taken");
        assert_eq!(place("7 BYE", "2147483648 BYE"), "CSeq number too large");
        assert_eq!(place("7 BYE", "99999999999999999999 BYE"), "CSeq number too large");
        assert_eq!(place("7 BYE", "7 INVITE"), "CSeq method differs from the request line");
        assert_eq!(place("7 BYE", "7 bye"), "CSeq method differs from the request line");
        for broken in ["7BYE", "BYE 7", "-7 BYE", "7", "7 BYE x", ""] {
            assert_eq!(place("7 BYE", broken), "CSeq cannot be read", "{broken}");
        }
    }

    #[test]
    fn numbers_may_have_parameters_and_comments() {
        let read = |value: &str| with(&format!("Expires: {value}\n")).number(Name::Expires);
        assert_eq!(
            (read("0"), read("3600;x=y"), read("3600 ; x")),
            (Ok(Some(0)), Ok(Some(3600)), Ok(Some(3600)))
        );
        assert_eq!(read("18000 (in a meeting) ;duration=3600"), Ok(Some(18000)));
        assert_eq!((read("4294967295"), read("4294967296")), (Ok(Some(u32::MAX)), Ok(Some(u32::MAX))));
        for broken in ["", "x", "-1", "1 2", "1x", "1,2", "0x10"] {
            assert_eq!(read(broken), Err(Malformed { place: "Expires cannot be read" }), "{broken}");
        }
        assert_eq!(with("").number(Name::Expires), Ok(None));
    }

    #[test]
    fn tokens_are_gathered_from_all_lines() {
        let request = with("Supported: timer , 100rel\nk:\nSupported: ,x;y=\"a,b\",\n");
        assert_eq!(request.tokens(Name::Supported), ["timer", "100rel", "x;y=\"a,b\""]);
        assert!(request.tokens(Name::Require).is_empty());
    }

    #[test]
    fn absent_headers_are_none_and_broken_ones_are_named() {
        let absent = with("");
        assert_eq!((absent.event(), absent.rack(), absent.session_expires()), (Ok(None), Ok(None), Ok(None)));
        assert_eq!((absent.subscription_state(), absent.warnings()), (Ok(None), Ok(Vec::new())));
        let broken = with("Event: ;\nRAck: 1\nWarning: 1\nSession-Expires: x\nSubscription-State:\n");
        let places = [
            broken.event().map(|_| ()),
            broken.rack().map(|_| ()),
            broken.warnings().map(|_| ()),
            broken.session_expires().map(|_| ()),
            broken.subscription_state().map(|_| ()),
        ];
        let names = ["Event", "RAck", "Warning", "Session-Expires", "Subscription-State"];
        for (read, name) in places.into_iter().zip(names) {
            assert_eq!(read.expect_err(name).place, format!("{name} cannot be read"));
        }
    }

    #[test]
    fn a_response_is_read_by_the_same_rules() {
        let text = BYE.replace("BYE sip:b@two.example SIP/2.0", "SIP/2.0 481 Gone away");
        let response = Response::read(message(&text)).expect("a response");
        assert_eq!((response.status(), response.reason().as_str()), (481, "Gone away"));
        assert_eq!((response.method(), response.cseq(), response.to_tag()), (Method::Bye, 7, Some("t")));
        assert_eq!(
            Response::read(message(&text.replace("To", "X"))).map(|_| ()),
            Err(Malformed { place: "To missing" })
        );
        assert_eq!(Response::read(message(BYE)).map(|_| ()), Err(Malformed { place: "not a response" }));
        assert_eq!(Request::read(message(&text)).map(|_| ()), Err(Malformed { place: "not a request" }));
    }

    #[test]
    fn a_refused_request_comes_back_whole() {
        let text = BYE.replace("7 BYE", "7 ACK");
        let refused = Request::read_or_return(message(&text)).expect_err("refused");
        assert_eq!(refused.1.place, "CSeq method differs from the request line");
        assert_eq!(refused.0.octets(), message(&text).octets());
    }
}
