//! Requests of peers: from the message to the server transaction.

use super::key::{self, DEFAULT_PORT};
use super::machine::ServerAction;
use super::server::{self, Arrived};
use super::*;
use super::{rewrite, server_invite, server_plain};
use crate::sip::message::{Method, Reply, Via};
use crate::sip::wire::{self, Name, Start};
use std::borrow::Cow;

impl Transactions {
    pub(super) fn receive_request(
        &mut self,
        now: Time,
        flow: Flow,
        request: Request,
        out: &mut Outbox,
        events: &mut Vec<Event>,
    ) {
        let method = request.method();
        if method == Method::Ack {
            return self.receive_ack(now, flow, request, out, events);
        }
        let to_tag = request.to_tag().unwrap_or_default();
        key::transaction(&mut self.key, &request, method, to_tag);
        let hash = self.hasher.place(&self.key);
        if let Some(id) = self.servers.find(hash, &self.key) {
            if self.servers.drive(now, &mut self.clock, id, server::Heard::Again, out).is_none() {
                self.counters.out_of_state += 1;
            }
            return;
        }
        if method == Method::Cancel {
            return self.receive_cancel(now, flow, hash, request, out, events);
        }
        let merged = self.merged_hash(&request);
        if merged.is_some_and(|hash| self.servers.is_merged(hash, &request)) {
            self.counters.merged_requests += 1;
            return self.answer_without_state(flow, &request, Reply::new(482), out);
        }
        if !self.has_room() {
            self.counters.refused_requests += 1;
            let retry = rewrite::RETRY_AFTER_SECONDS.to_string();
            let reply = Reply::new(503).header(Name::RetryAfter, retry);
            return self.answer_without_state(flow, &request, reply, out);
        }
        let state = if method == Method::Invite {
            server::State::Invite(server_invite::START)
        } else {
            server::State::Plain(server_plain::START)
        };
        let reply = reply_flow(flow, request.top_via());
        let arrived = Arrived { request: request.clone(), flow, reply, state, merged, own: false };
        let id = self.servers.insert(hash, &self.key, arrived);
        if method == Method::Invite {
            self.untried.push(id);
        }
        events.push(Event::Request { id: ServerId(id), flow, request });
    }

    /// An ACK belongs to the INVITE that was answered with a failure (RFC 3261 17.2.3), to an answer without state, or
    /// to the user.
    fn receive_ack(
        &mut self,
        now: Time,
        flow: Flow,
        request: Request,
        out: &mut Outbox,
        events: &mut Vec<Event>,
    ) {
        let to_tag = request.to_tag().unwrap_or_default();
        key::transaction(&mut self.key, &request, Method::Invite, to_tag);
        let mut found = self.servers.find(self.hasher.place(&self.key), &self.key);
        if found.is_none() && !key::is_rfc3261(request.top_via()) {
            // RFC 2543: the INVITE had no To tag, and the ACK has that of our answer.
            key::transaction(&mut self.key, &request, Method::Invite, "");
            found = self.servers.find(self.hasher.place(&self.key), &self.key).filter(|id| {
                let answer = self.servers.get(*id).and_then(server::Server::response);
                answer.as_ref().and_then(rewrite::to_tag).is_some_and(|tag| tag == to_tag)
            });
        }
        match found {
            Some(id) => match self.servers.drive(now, &mut self.clock, id, server::Heard::Ack, out) {
                Some(actions) if actions.contains(&ServerAction::DeliverAck) => {
                    events.push(Event::Ack { flow, request });
                }
                Some(_) => {}
                None => self.counters.out_of_state += 1,
            },
            None if self.hasher.gave(to_tag, &self.key) => {}
            None => events.push(Event::Ack { flow, request }),
        }
    }

    /// RFC 3261 9.2. The CANCEL has a server transaction of its own, so that its repetition is answered alike. It is heard
    /// even if there is no room for that, because it makes room.
    fn receive_cancel(
        &mut self,
        now: Time,
        flow: Flow,
        hash: u64,
        request: Request,
        out: &mut Outbox,
        events: &mut Vec<Event>,
    ) {
        let own = self.has_room().then(|| {
            let reply = reply_flow(flow, request.top_via());
            let state = server::State::Plain(server_plain::START);
            let arrived = Arrived { request: request.clone(), flow, reply, state, merged: None, own: true };
            self.servers.insert(hash, &self.key, arrived)
        });
        let to_tag = request.to_tag().unwrap_or_default();
        key::transaction(&mut self.key, &request, Method::Invite, to_tag);
        let invite = self.servers.find(self.hasher.place(&self.key), &self.key);
        let same = |asked: &server::Server| self.settings.beyond.same_side(asked.peer(), flow.peer);
        let invite = invite.and_then(|id| Some((id, self.servers.get(id)?))).filter(|(_, asked)| same(asked));
        // The same tag as in the answers to the INVITE, if one had left.
        let tag = invite.and_then(|(_, server)| rewrite::to_tag(&server.response()?));
        let ringing = invite.filter(|(_, server)| server.is_ringing()).map(|(id, _)| id);
        let reply = Reply::new(if invite.is_some() { 200 } else { 481 });
        match own {
            Some(id) => {
                let tag = tag.unwrap_or_else(|| self.hasher.tag(&self.key));
                self.respond(now, ServerId(id), &reply, &tag, out);
            }
            None => self.answer_without_state(flow, &request, reply, out),
        }
        if let Some(id) = ringing {
            events.push(Event::Cancel { id: ServerId(id), request });
        }
    }

    /// Hash of what merged requests have in common; `None` for those that cannot be merged (RFC 3261 8.2.2.2).
    fn merged_hash(&mut self, request: &Request) -> Option<u64> {
        if request.to_tag().is_some() || request.from_tag().is_empty() {
            return None;
        }
        key::merged(&mut self.merged, request);
        Some(self.hasher.place(&self.merged))
    }

    /// Whether one more server transaction fits; answered ones that wait for mere repetitions make room.
    fn has_room(&mut self) -> bool {
        let limit = self.settings.limits.server_transactions;
        while self.servers.len() >= limit {
            if !self.servers.forget_one(&mut self.clock) {
                return false;
            }
            self.counters.forgotten += 1;
        }
        true
    }

    /// `self.key` is that of the request.
    fn answer_without_state(&self, flow: Flow, request: &Request, reply: Reply, out: &mut Outbox) {
        let tag = self.hasher.tag(&self.key);
        out.push(Transmit {
            path: Path::Flow(reply_flow(flow, request.top_via())),
            octets: self.dressed(&reply, request, flow.peer).to_wire(request, Some(&tag), flow.peer),
            ticket: None,
            answers: None,
            trying: false,
        });
    }

    /// The reply as this peer sees it: with our `Server` header, or as our gateway's.
    pub(super) fn dressed<'a>(&self, reply: &'a Reply, to: &Request, peer: SocketAddr) -> Cow<'a, Reply> {
        let borders = &self.settings.beyond.borders;
        match borders.iter().find(|border| border.is_beyond(peer) || border.is_gateway(to.uri())) {
            Some(border) => Cow::Owned(border.response(reply, &self.settings.hops.listeners)),
            None => self.branded(reply),
        }
    }

    fn branded<'a>(&self, reply: &'a Reply) -> Cow<'a, Reply> {
        match &self.settings.product {
            Some(product) => Cow::Owned(reply.clone().header(Name::Server, product.as_str())),
            None => Cow::Borrowed(reply),
        }
    }

    /// 400 and the like for what cannot be read as a request.
    pub(super) fn refuse_unread(
        &mut self,
        flow: Flow,
        message: &wire::Message,
        status: u16,
        place: &str,
        out: &mut Outbox,
    ) {
        self.counters.malformed_requests += 1;
        // RFC 3261 17: no answer to an ACK, and none to an answer.
        let Start::Request { method, .. } = message.start() else { return };
        if method == b"ACK" {
            return;
        }
        self.key.clear();
        for name in [Name::Via, Name::From, Name::CallId, Name::CSeq] {
            self.key.extend_from_slice(message.raw(name).next().unwrap_or_default());
        }
        let tag = self.hasher.tag(&self.key);
        let hidden = self.settings.beyond.borders.iter().any(|border| border.is_beyond(flow.peer));
        let reply = Reply::new(status);
        let mut reply = if hidden { reply } else { self.branded(&reply).into_owned() };
        reply.reason = Some(place.to_owned());
        if let Some(octets) = reply.to_wire_lenient(message, &tag, flow.peer) {
            let via = message.raw(Name::Via).next().and_then(|line| Via::parse_first(line).ok());
            let path = Path::Flow(via.map_or(flow, |via| reply_flow(flow, &via)));
            out.push(Transmit { path, octets, ticket: None, answers: None, trying: false });
        }
    }
}

/// Where responses go (RFC 3261 18.2.2, RFC 3581 4): over the connection, else to the source address, and there to the
/// source port if `rport` asked for it. `maddr` is for multicast, which we do not offer.
pub(crate) fn reply_flow(flow: Flow, via: &Via) -> Flow {
    if flow.transport != Transport::Udp || via.rport.is_some() {
        return flow;
    }
    let peer = SocketAddr::new(flow.peer.ip(), via.port.unwrap_or(DEFAULT_PORT));
    Flow { peer, ..flow }
}
