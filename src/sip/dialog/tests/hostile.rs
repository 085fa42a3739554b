//! What a peer may send inside and outside of dialogs, well-formed or not, in any order: nothing panics, every request
//! gets at most one final answer, and what the peer can make us keep is bounded.

use super::*;
use crate::env::Ids;
use std::collections::BTreeMap;

const LINES: [&str; 24] = [
    "Require: 100rel",
    "Require: timer, nothing",
    "Supported: 100rel, timer",
    "Session-Expires: 90;refresher=uas",
    "Session-Expires: 0",
    "Session-Expires: 99999999999999999999;refresher=uac",
    "Min-SE: 4294967295",
    "Min-SE: -1",
    "RAck: 1 1 INVITE",
    "RAck: 4294967296 0 BYE",
    "RSeq: 1",
    "RSeq: 4294967295",
    "Contact: *",
    "Contact: <sip:a@[::1]>, <sip:b@192.0.2.5>",
    "Contact: <sip:@>",
    "Contact: <tel:+1>",
    "Record-Route: <sip:192.0.2.8>, <sip:strict.example>",
    "Record-Route: ,,,",
    "Allow: INVITE, ACK",
    "Content-Encoding: gzip",
    "Reason: SIP;cause=200",
    "Expires: 99999999999",
    "Event: presence;id=\"",
    "Subscription-State: terminated;reason=;expires=x",
];
const METHODS: [&str; 13] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "PRACK",
    "UPDATE",
    "INFO",
    "OPTIONS",
    "MESSAGE",
    "SUBSCRIBE",
    "NOTIFY",
    "REFER",
    "DANCE",
];

/// Some lines of the pool.
fn lines(dice: &mut Ids) -> Vec<&'static str> {
    (0..dice.number() % 4).map(|_| LINES[(dice.number() % LINES.len() as u64) as usize]).collect()
}

/// Answers what came up, or leaves it, and goes on with the sessions as it likes.
fn live(stand: &mut Stand, dice: &mut Ids) {
    stand.agent.tell(&mut stand.events);
    for event in std::mem::take(&mut stand.events) {
        let wish = dice.number() % 6;
        match event {
            AgentEvent::Request { id, .. } | AgentEvent::InSession { id, .. } if wish > 0 => {
                let status = if wish == 2 { 488 } else { 200 };
                answer(stand, id, Reply::new(status).body(SDP.0, SDP.1));
            }
            AgentEvent::Invite { session, .. } => {
                let Stand { agent, now, ids, out, .. } = stand;
                let reply = Reply::new(183).body(SDP.0, SDP.1);
                if wish > 2 {
                    agent.progress(*now, ids, session, reply, CONTACT, out);
                }
                match wish {
                    0 => agent.refuse(*now, ids, session, Reply::new(486), out),
                    1 | 4 => agent.accept(*now, ids, session, Reply::new(200), CONTACT, out),
                    2 => agent.bye(*now, ids, session, None, out),
                    _ => {}
                }
            }
            AgentEvent::Confirmed { session, .. } | AgentEvent::Accepted { session, .. } if wish < 3 => {
                let _ = in_session(
                    stand,
                    session,
                    [Method::Info, Method::Update, Method::Invite][wish as usize],
                    None,
                );
            }
            _ => {}
        }
    }
}

#[test]
fn nothing_a_peer_says_does_harm() {
    let mut settings = settings();
    settings.transactions.limits.sessions = 50;
    settings.transactions.limits.server_transactions = 5000;
    settings.transactions.limits.client_transactions = 500;
    let mut stand = Stand::with(settings);
    let mut dice = Ids::new([3; 32]);
    // Our tags as they become known, by Call-ID, and requests of ours that can be answered.
    let mut tags: BTreeMap<String, String> = BTreeMap::new();
    let mut ours: Vec<Sent> = Vec::new();
    let mut finals: BTreeMap<(String, String), u32> = BTreeMap::new();
    let mut peer = Peer::default();
    for round in 0..30_000u32 {
        let extra = lines(&mut dice);
        let body = dice.number().is_multiple_of(2).then_some(SDP);
        match dice.number() % 8 {
            0 if !ours.is_empty() => {
                let request = &ours[(dice.number() % ours.len() as u64) as usize];
                let status =
                    [100, 180, 183, 200, 302, 408, 422, 481, 491, 503][(dice.number() % 10) as usize];
                let tag = ["one", "two", ""][(dice.number() % 3) as usize];
                stand.receive(&request.answer(status, tag, &extra, body));
            }
            1 => {
                let mut draft = our_invite();
                draft.headers.retain(|(name, _)| *name != Name::CallId);
                draft.headers.push((Name::CallId, format!("ours-{round}")));
                let _ = stand.agent.invite(stand.now, &mut stand.ids, draft, None, &mut stand.out);
            }
            2 => stand.pass(dice.number() % 5000),
            _ => {
                peer.call_id = format!("call-{}", dice.number() % 20);
                peer.our_tag = match dice.number() % 4 {
                    0 => String::new(),
                    _ => tags.get(&peer.call_id).cloned().unwrap_or_default(),
                };
                let method = METHODS[(dice.number() % METHODS.len() as u64) as usize];
                let cseq = 1 + round / 300 + (dice.number() % 3) as u32;
                stand.receive(&peer.request_at(method, cseq, &extra, body));
            }
        }
        live(&mut stand, &mut dice);
        for sent in stand.sent() {
            let line = sent.line();
            let (status, method) = line.split_once(' ').unwrap_or(("", ""));
            if status.is_empty() {
                ours.push(sent);
                continue;
            }
            if matches!(line.as_str(), "183 INVITE" | "200 INVITE") {
                tags.insert(sent.get(Name::CallId), sent.tag(Name::To));
            }
            // A 2xx to INVITE is repeated on purpose, and a refusal of one until its ACK.
            if !status.starts_with('1') && method != "INVITE" {
                *finals.entry((sent.get(Name::Via), method.to_owned())).or_default() += 1;
            }
        }
        let drop = ours.len().saturating_sub(30);
        ours.drain(..drop);
        assert!(stand.agent.open_sessions() <= 50);
    }
    assert!(finals.len() > 1000 && finals.values().all(|count| *count == 1));
    stand.pass(10_000_000);
    stand.events.clear();
    assert_eq!(stand.agent.open_transactions().1, 0);
}
