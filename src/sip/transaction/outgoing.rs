//! Requests of ours: from the draft to the client transaction, and responses to it.

use super::client::{self, Leaving, Moved, Pending};
use super::hop::Hop;
use super::key::DEFAULT_PORT;
use super::machine::ClientAction;
use super::*;
use super::{rewrite, slab};
use crate::env::Ids;
use crate::sip::message::{Draft, Method, NameAddr, Via};
use crate::sip::wire::Name;
use std::borrow::Cow;

/// The Via of a request of ours stands within so many octets: it is the second line.
const VIA_WITHIN: usize = 2048;

impl Transactions {
    pub(super) fn receive_response(
        &mut self,
        now: Time,
        flow: Flow,
        response: Response,
        out: &mut Outbox,
        events: &mut Vec<Event>,
    ) {
        let via = response.top_via();
        let found = via.branch.as_deref().and_then(|branch| self.clients.find(branch, response.method()));
        let Some(id) = found else {
            let is_success = response.method() == Method::Invite && (200..300).contains(&response.status());
            if is_success && self.is_ours(via) {
                events.push(Event::StrayResponse { flow, response });
            } else {
                self.counters.stray_responses += 1;
            }
            return;
        };
        let asked = self.clients.get(id).map(client::Client::address);
        if asked.is_some_and(|asked| !self.settings.beyond.same_side(asked, flow.peer)) {
            tracing::warn!(call_id = response.call_id(), peer = %flow.peer, "response dropped: somebody else was asked");
            self.counters.stray_responses += 1;
            return;
        }
        let own = self.clients.get(id).is_some_and(client::Client::is_own);
        let heard = client::Heard::Response(&response);
        let Some(actions) = self.clients.drive(now, &mut self.clock, id, heard, out) else {
            self.counters.out_of_state += 1;
            return;
        };
        if let Some(reason) = self.clients.cancel_wish(id) {
            let heard = client::Heard::Cancel(reason.as_deref());
            self.clients.drive(now, &mut self.clock, id, heard, out);
        }
        if actions.contains(&ClientAction::Deliver) && !own {
            events.push(Event::Response { id: ClientId(id), flow, response });
        }
    }

    /// Moves a client transaction and tells the user what its machine reports.
    pub(super) fn drive_client(
        &mut self,
        now: Time,
        id: u64,
        heard: client::Heard,
        out: &mut Outbox,
        events: &mut Vec<Event>,
    ) {
        let own = self.clients.get(id).is_some_and(client::Client::is_own);
        let Some(actions) = self.clients.drive(now, &mut self.clock, id, heard, out) else { return };
        if own {
            return;
        }
        let id = ClientId(id);
        for action in actions {
            match action {
                ClientAction::ReportTimeout => events.push(Event::Timeout { id }),
                ClientAction::ReportUnreachable => events.push(Event::Unreachable { id }),
                _ => {}
            }
        }
    }

    /// Starts a client transaction over the best way.
    pub(super) fn start_client(
        &mut self,
        now: Time,
        ids: &mut Ids,
        draft: &Draft,
        (path, then): (Option<Path>, Vec<Hop>),
        out: &mut Outbox,
    ) -> Result<ClientId, NoHop> {
        if self.clients.len() >= self.settings.limits.client_transactions {
            return Err(NoHop { host: draft.uri.clone(), why: "too many client transactions" });
        }
        let (path, mut hops) = self.ways(draft, path)?;
        hops.extend(then);
        let (random, place) = (ids.number(), self.clients.next_place());
        let border = self.border(draft, path);
        let octets = self.dressed_draft(draft, border).to_wire(&self.via(path, border, random, place));
        let (path, octets, datagram) = self.over_stream_if_large(path, octets, random, place);
        let needs_more = datagram.is_some() || !hops.is_empty();
        let pending = needs_more.then(|| Box::new(Pending { datagram, hops, cancel: None }));
        let leaving = Leaving { random, method: draft.method, path, octets, pending };
        Ok(ClientId(self.clients.insert(now, &mut self.clock, leaving, out)))
    }

    /// Sends a request that no transaction looks after.
    pub(super) fn send_without_state(
        &mut self,
        ids: &mut Ids,
        draft: &Draft,
        path: Option<Path>,
        out: &mut Outbox,
    ) -> Result<(Path, Bytes), NoHop> {
        let (path, _) = self.ways(draft, path)?;
        // Never the branch of a transaction: its place is not a place.
        let border = self.border(draft, path);
        let via = self.via(path, border, ids.number(), u32::MAX);
        let octets = self.dressed_draft(draft, border).to_wire(&via);
        out.push(Transmit { path, octets: octets.clone(), ticket: None, answers: None, trying: false });
        Ok((path, octets))
    }

    /// Tries the next way to send a request that nobody has answered. False: there is none.
    pub(super) fn move_on(&mut self, now: Time, ids: &mut Ids, id: u64, out: &mut Outbox) -> bool {
        let Some(client) = self.clients.get_mut(id).filter(|client| client.may_move()) else { return false };
        let place = slab::place(id);
        let (random, path, octets, datagram) = if let Some(hop) = client.take_datagram() {
            let (random, octets) = (client.random(), client.octets().clone());
            let via = self.via(hop.into(), self.border_of(&octets), random, place);
            let Some(octets) = rewrite::with_via(&octets, &via) else { return false };
            (random, hop.into(), octets, None)
        } else if let Some(hop) = client.take_hop() {
            // To another place it is another request, with a branch of its own (RFC 3263 4.3).
            let (random, octets) = (ids.number(), client.octets().clone());
            let via = self.via(hop.into(), self.border_of(&octets), random, place);
            let Some(octets) = rewrite::with_via(&octets, &via) else { return false };
            let (path, octets, datagram) = self.over_stream_if_large(hop.into(), octets, random, place);
            (random, path, octets, datagram)
        } else {
            return false;
        };
        self.clients.move_to(now, &mut self.clock, id, Moved { random, path, octets, datagram }, out);
        true
    }

    /// The path of a request, and further hops with the next one last.
    fn ways(&self, draft: &Draft, path: Option<Path>) -> Result<(Path, Vec<Hop>), NoHop> {
        if let Some(path) = path {
            return Ok((path, Vec::new()));
        }
        let mut hops = self.settings.hops.of(draft)?;
        hops.reverse();
        let first = hops.pop().ok_or_else(|| NoHop { host: draft.uri.clone(), why: "no hop is left" })?;
        Ok((first.into(), hops))
    }

    /// RFC 3261 18.1.1: what is too large for a datagram goes over a stream to the same place, if we have a listener to
    /// name in its Via, and falls back to the datagram. A flow is the sender's choice and stays.
    fn over_stream_if_large(
        &self,
        path: Path,
        octets: Bytes,
        random: u64,
        place: u32,
    ) -> (Path, Bytes, Option<Hop>) {
        if let Path::Address { listener, transport: Transport::Udp, address } = path
            && octets.len() > self.settings.udp_request_octets
            && let Some(stream) = self.settings.hops.hop(Transport::Tcp, address)
            && let Some(rewritten) =
                rewrite::with_via(&octets, &self.via(stream.into(), self.border_of(&octets), random, place))
        {
            let datagram = Hop { listener, transport: Transport::Udp, address };
            return (stream.into(), rewritten, Some(datagram));
        }
        (path, octets, None)
    }

    /// The Via of a request, with `rport` on datagrams (RFC 3581 3).
    fn via(&self, path: Path, border: Option<&Border>, random: u64, place: u32) -> String {
        let (transport, listener) = match path {
            Path::Flow(flow) => (flow.transport, flow.listener),
            Path::Address { transport, listener, .. } => (transport, listener),
        };
        let (protocol, end) = match transport {
            Transport::Udp => ("SIP/2.0/UDP ", ";rport"),
            Transport::Tcp => ("SIP/2.0/TCP ", ""),
        };
        let sent_by = border.map_or(self.settings.hops.sent_by(listener), |border| &border.sent_by);
        let mut via = String::with_capacity(protocol.len() + sent_by.len() + end.len() + 39);
        via.push_str(protocol);
        via.push_str(sent_by);
        via.push_str(";branch=");
        client::write_branch(&mut via, random, place);
        via.push_str(end);
        via
    }

    /// Whether sent-by names one of our listeners (RFC 3261 18.1.2).
    fn is_ours(&self, via: &Via) -> bool {
        let port = via.port.unwrap_or(DEFAULT_PORT);
        let listeners = self.settings.hops.listeners.iter().map(|listener| &listener.advertised);
        let borders = self.settings.beyond.borders.iter().map(|border| &border.sent_by);
        listeners.chain(borders).any(|advertised| {
            let (host, own) = match advertised.rsplit_once(':') {
                Some((host, digits)) if !digits.ends_with(']') => (host, digits.parse().ok()),
                _ => (advertised.as_str(), Some(DEFAULT_PORT)),
            };
            host.eq_ignore_ascii_case(&via.host) && own == Some(port)
        })
    }

    /// The border that a request crosses: that of the system it is sent to, or, to an address that is not known as that
    /// system's, the one whose gateway it speaks for already.
    fn border(&self, draft: &Draft, path: Path) -> Option<&Border> {
        let borders = &self.settings.beyond.borders;
        if borders.is_empty() {
            return None;
        }
        let address = match path {
            Path::Flow(flow) => flow.peer,
            Path::Address { address, .. } => address,
        };
        let from = draft.get(Name::From).and_then(|from| NameAddr::parse(from.as_bytes()).ok());
        let speaks = |border: &&Border| from.as_ref().is_some_and(|from| border.is_gateway(&from.uri));
        borders.iter().find(|border| border.is_beyond(address)).or_else(|| borders.iter().find(speaks))
    }

    /// The border that a request of ours crosses which is written already.
    pub(super) fn border_of(&self, octets: &Bytes) -> Option<&Border> {
        let head = octets.get(..VIA_WITHIN).unwrap_or(octets);
        let crosses = |border: &&Border| {
            memchr::memmem::find(head, format!(" {};branch=", border.sent_by).as_bytes()).is_some()
        };
        self.settings.beyond.borders.iter().find(crosses)
    }

    /// The draft as its receiver sees it: with our `User-Agent` header, or as our gateway's.
    fn dressed_draft<'a>(&self, draft: &'a Draft, border: Option<&Border>) -> Cow<'a, Draft> {
        if let Some(border) = border {
            return Cow::Owned(border.request(draft, &self.settings.hops.listeners));
        }
        match &self.settings.product {
            Some(product) => Cow::Owned(draft.clone().header(Name::UserAgent, product.as_str())),
            None => Cow::Borrowed(draft),
        }
    }
}
