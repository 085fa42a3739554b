//! Sessions through the real transaction layer: octets in, octets out.

mod called;
mod calling;
mod checks;
mod hostile;
mod lossy;
mod restart;
mod timer;
mod within;

use super::*;
use crate::sip::message::{Method, OutBody, Reply};
use crate::sip::testing::*;
use crate::sip::transaction::ServerId;
use crate::sip::wire::Name;

/// A session that the peer opened, confirmed.
fn called() -> (Stand, Peer, SessionId) {
    called_with(settings(), &[])
}

fn called_with(settings: AgentSettings, extra: &[&str]) -> (Stand, Peer, SessionId) {
    let mut stand = Stand::with(settings);
    let mut peer = Peer::default();
    stand.receive(&peer.request("INVITE", extra, Some(SDP)));
    let session = stand.invited();
    let reply = Reply::new(200).body(SDP.0, SDP.1);
    stand.agent.accept(stand.now, &mut stand.ids, session, reply, CONTACT, &mut stand.out);
    peer.our_tag = stand.sent().pop().expect("the 200").tag(Name::To);
    stand.receive(&peer.request_at("ACK", 1, &[], None));
    assert_eq!(stand.told(), ["Confirmed"]);
    (stand, peer, session)
}

/// A session that we opened, confirmed; the peer's 200 said `extra`.
fn calling(extra: &[&str]) -> (Stand, Peer, SessionId) {
    let mut stand = Stand::default();
    let session = stand.agent.invite(stand.now, &mut stand.ids, our_invite(), None, &mut stand.out);
    let session = session.expect("there is a way");
    let invite = stand.only();
    let mut lines = vec!["Contact: <sip:bob@192.0.2.5:5066>"];
    lines.extend(extra);
    stand.receive(&invite.answer(200, "bob", &lines, Some(SDP)));
    assert_eq!((stand.told(), stand.lines()), (vec!["Accepted".to_owned()], vec!["ACK".to_owned()]));
    (stand, Peer::of(&invite, "bob"), session)
}

fn bye(stand: &mut Stand, session: SessionId) {
    stand.agent.bye(stand.now, &mut stand.ids, session, None, &mut stand.out);
}

fn in_session(
    stand: &mut Stand,
    session: SessionId,
    method: Method,
    body: Option<(&str, &str)>,
) -> Result<crate::sip::transaction::ClientId, NotSent> {
    let body = body.map(|(kind, content)| OutBody {
        content_type: kind.to_owned(),
        content: content.to_owned().into_bytes().into(),
    });
    stand.agent.in_session(stand.now, &mut stand.ids, session, method, Vec::new(), body, &mut stand.out)
}

fn answer(stand: &mut Stand, id: ServerId, reply: Reply) {
    stand.agent.answer(stand.now, &mut stand.ids, id, reply, None, &mut stand.out);
}
