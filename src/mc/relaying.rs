//! A session of a served user that stands: the participating function hands on what either side says.
//! TS 24.379 6.3.2.1.6, 6.3.2.2.8.1 (release), 10.1.1.3.3, 10.1.1.3.4 (re-INVITE).
//!
//! ```text
//!  client        participating function      controlling function
//!    |-- BYE ------------->|-- BYE -------------------->|   and the other way round
//!    |-- re-INVITE ------->|-- re-INVITE -------------->|
//!    |<-- answer ----------|<-- answer -----------------|
//! ```

use crate::documents::{McInfo, SessionDescription};
use crate::model::*;
use crate::procedure::*;

/// Re-INVITEs under way in one session.
#[derive(Debug, Default)]
pub(super) struct Relay {
    /// One of the client's waits for the controlling function.
    from_client: bool,
    /// One of the controlling function's waits for the client.
    from_core: bool,
    /// One of the controlling function's that came while `from_client`: goes on afterwards.
    held: Option<(Option<SessionDescription>, Option<McInfo>)>,
}

impl Relay {
    /// Nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        !self.from_client && !self.from_core && self.held.is_none()
    }
}

/// What is heard on a leg of an established session.
pub(super) fn hear(
    participation: &Participation,
    relay: &mut Relay,
    leg: LegId,
    event: LegEvent,
) -> Outcome<Over> {
    let (client, core) = (participation.client_leg, participation.core_leg);
    let other = match leg {
        _ if leg == client => core,
        _ if leg == core => client,
        _ => return Outcome::end(Vec::new(), stray(leg, &event).into_iter().collect()),
    };
    let mut sends = Vec::new();
    match event {
        LegEvent::Released { reason } => return released(participation, other, reason),
        LegEvent::Cancelled | LegEvent::Lost { .. } | LegEvent::Refused(_) => {
            return released(participation, other, None);
        }
        LegEvent::Offered { offer, info } if leg == client => {
            if relay.from_client || relay.from_core {
                sends.push(answer_offer(client, Err(pending())));
            } else {
                relay.from_client = true;
                let info =
                    info.map(|info| McInfo { calling_user: Some(participation.user.to_string()), ..info });
                sends.push(Send::Call(CallSend::Offer { leg: core, offer, info }));
            }
        }
        LegEvent::Offered { offer, info } => {
            if relay.from_core || relay.held.is_some() {
                sends.push(answer_offer(core, Err(pending())));
            } else if relay.from_client {
                relay.held = Some((offer, info));
            } else {
                relay.from_core = true;
                sends.push(Send::Call(CallSend::Offer { leg: client, offer, info }));
            }
        }
        LegEvent::OfferAnswered(result) if leg == client => {
            if std::mem::take(&mut relay.from_core) {
                sends.push(answer_offer(core, result));
            }
        }
        LegEvent::OfferAnswered(result) => {
            if std::mem::take(&mut relay.from_client) {
                sends.push(answer_offer(client, result));
            }
            if let Some((offer, info)) = relay.held.take() {
                relay.from_core = true;
                sends.push(Send::Call(CallSend::Offer { leg: client, offer, info }));
            }
        }
        LegEvent::Progress(_) | LegEvent::Accepted(_) | LegEvent::Confirmed => {}
    }
    Outcome::end(Vec::new(), sends)
}

/// One side is gone: the other is released, the record goes.
fn released(participation: &Participation, other: LegId, reason: Option<String>) -> Outcome<Over> {
    Outcome::end(
        vec![Change::Remove(FactKey::Participation(participation.id))],
        vec![Send::Call(CallSend::Release { leg: other, reason })],
    )
}

/// What to say to something heard on a leg that nobody waits for: a late acceptance is released, an offer is refused.
pub(super) fn stray(leg: LegId, event: &LegEvent) -> Option<Send> {
    match event {
        LegEvent::Accepted(_) => Some(Send::Call(CallSend::Release { leg, reason: None })),
        LegEvent::Offered { .. } => {
            let gone = Rejection { status: 481, ..Rejection::default() };
            Some(answer_offer(leg, Err(Box::new(gone))))
        }
        LegEvent::Progress(_)
        | LegEvent::Refused(_)
        | LegEvent::Cancelled
        | LegEvent::Confirmed
        | LegEvent::Released { .. }
        | LegEvent::Lost { .. }
        | LegEvent::OfferAnswered(_) => None,
    }
}

fn answer_offer(leg: LegId, result: Result<Box<Acceptance>, Box<Rejection>>) -> Send {
    Send::Call(CallSend::AnswerOffer { leg, result })
}

/// RFC 3261 14.2: another offer is under way.
fn pending() -> Box<Rejection> {
    Box::new(Rejection { status: 491, ..Rejection::default() })
}
