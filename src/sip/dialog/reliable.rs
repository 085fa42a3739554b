//! Reliable provisional responses (RFC 3262): one at a time, repeated until its PRACK comes.

use super::Dialog;
use crate::env::Time;
use crate::sip::message::values::RAck;
use crate::sip::message::{Draft, Method, Reply, Response};
use crate::sip::wire::Name;
use std::collections::VecDeque;
use std::time::Duration;

/// Provisional responses that wait for the PRACK of the one before; what comes on top replaces the last.
pub(super) const MAX_WAITING: usize = 8;

/// Reliable provisional responses of one INVITE that we answer.
#[derive(Debug)]
pub(super) struct Reliable {
    t1: Duration,
    next: u32,
    sent: Option<Sent>,
    waiting: VecDeque<Reply>,
}

/// The response that waits for its PRACK.
#[derive(Debug)]
struct Sent {
    rseq: u32,
    reply: Reply,
    interval: Duration,
    again: Time,
    until: Time,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// Send it again.
    Repeat,
    /// No PRACK within 64*T1 (RFC 3262 3): refuse the INVITE.
    GiveUp,
}

impl Reliable {
    /// Starts with this RSeq; RFC 3262 3 wants it drawn from 1 to 2^31 - 1, which leaves room to count.
    pub fn new(t1: Duration, first: u32) -> Self {
        Self { t1, next: (first % (1 << 31)).max(1), sent: None, waiting: VecDeque::new() }
    }

    /// Takes a response. It is to be sent now, with `Require` and `RSeq` added, if it is given back.
    pub fn offer(&mut self, now: Time, reply: Reply) -> Option<&Reply> {
        if self.sent.is_some() {
            if self.waiting.len() == MAX_WAITING {
                self.waiting.pop_back();
            }
            self.waiting.push_back(reply);
            return None;
        }
        let rseq = self.next;
        self.next += 1;
        let reply = reply.header(Name::Require, "100rel").header(Name::RSeq, rseq.to_string());
        let sent =
            Sent { rseq, reply, interval: self.t1, again: now.plus(self.t1), until: now.plus(self.t1 * 64) };
        Some(&self.sent.insert(sent).reply)
    }

    /// Takes a PRACK: whether it acknowledges the response that waits. `invite` is the CSeq of the INVITE. The next
    /// response is then due: [`Self::next_waiting`].
    pub fn acknowledge(&mut self, rack: &RAck, invite: u32) -> bool {
        let matches = self
            .sent
            .as_ref()
            .is_some_and(|sent| sent.rseq == rack.rseq && rack.cseq == invite && rack.method == "INVITE");
        if matches {
            self.sent = None;
        }
        matches
    }

    /// Takes the next response out of the queue.
    pub fn next_waiting(&mut self) -> Option<Reply> {
        self.waiting.pop_front()
    }

    /// Forgets what was not sent: a final answer overtakes it.
    pub fn drop_waiting(&mut self) {
        self.waiting.clear();
    }

    /// A response waits for its PRACK.
    pub fn is_open(&self) -> bool {
        self.sent.is_some()
    }

    /// When [`Self::late`] has something to say.
    pub fn due(&self) -> Option<Time> {
        self.sent.as_ref().map(|sent| sent.again.min(sent.until))
    }

    /// What is due now; [`Self::again`] is what to repeat.
    pub fn late(&mut self, now: Time) -> Option<Late> {
        let sent = self.sent.as_mut()?;
        if now >= sent.until {
            return Some(Late::GiveUp);
        }
        if now < sent.again {
            return None;
        }
        sent.interval *= 2;
        sent.again = now.plus(sent.interval);
        Some(Late::Repeat)
    }

    /// The response that waits for its PRACK.
    pub fn again(&self) -> Option<&Reply> {
        self.sent.as_ref().map(|sent| &sent.reply)
    }
}

/// RSeq of a reliable provisional response that came, if it is to be acknowledged: the first of its dialog, or the next
/// after `last`. A repetition or one out of order is neither acknowledged nor heard (RFC 3262 4).
pub(super) fn expected(response: &Response, last: Option<u32>) -> Option<u32> {
    let rseq = response.number(Name::RSeq).ok().flatten()?;
    if last.is_none_or(|last| rseq == last.wrapping_add(1)) { Some(rseq) } else { None }
}

/// The PRACK of a reliable provisional response to an INVITE of ours.
pub(super) fn prack(dialog: &mut Dialog, response: &Response, rseq: u32) -> Draft {
    dialog.request(Method::Prack, None).header(Name::RAck, format!("{rseq} {} INVITE", response.cseq()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const T1: Duration = Duration::from_millis(500);

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn rack(rseq: u32, cseq: u32, method: &str) -> RAck {
        RAck { rseq, cseq, method: method.to_owned() }
    }

    fn rseq(reply: Option<&Reply>) -> Option<&str> {
        let found = reply?.headers.iter().find(|(name, _)| *name == Name::RSeq);
        found.map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_second_response_waits_for_the_prack_of_the_first() {
        let mut reliable = Reliable::new(T1, 7);
        assert_eq!(rseq(reliable.offer(at(0), Reply::new(183))), Some("7"));
        assert!(reliable.offer(at(1), Reply::new(180)).is_none());
        assert!(reliable.acknowledge(&rack(7, 1, "INVITE"), 1));
        let next = reliable.next_waiting().expect("the 180 waits");
        assert_eq!(rseq(reliable.offer(at(2), next)), Some("8"));
    }

    #[test]
    fn a_prack_must_match_in_every_part() {
        let mut reliable = Reliable::new(T1, 7);
        assert!(!reliable.acknowledge(&rack(7, 1, "INVITE"), 1));
        reliable.offer(at(0), Reply::new(183));
        assert!(!reliable.acknowledge(&rack(8, 1, "INVITE"), 1));
        assert!(!reliable.acknowledge(&rack(7, 2, "INVITE"), 1));
        assert!(!reliable.acknowledge(&rack(7, 1, "UPDATE"), 1));
        assert!(reliable.is_open());
        assert!(reliable.acknowledge(&rack(7, 1, "INVITE"), 1));
        assert!(!reliable.acknowledge(&rack(7, 1, "INVITE"), 1));
    }

    #[test]
    fn it_is_repeated_at_doubling_intervals_and_given_up_after_64_t1() {
        let mut reliable = Reliable::new(T1, 1);
        reliable.offer(at(0), Reply::new(183));
        let mut times = Vec::new();
        let end = loop {
            let due = reliable.due().expect("something is due");
            match reliable.late(due) {
                Some(Late::Repeat) => times.push(due.as_millis()),
                other => break (due.as_millis(), other),
            }
        };
        assert_eq!(times, [500, 1500, 3500, 7500, 15500, 31500]);
        assert_eq!(end, (32000, Some(Late::GiveUp)));
        assert_eq!(reliable.late(at(100)), None);
    }

    #[test]
    fn what_waits_is_bounded_and_the_newest_is_kept() {
        let mut reliable = Reliable::new(T1, 1);
        reliable.offer(at(0), Reply::new(183));
        for status in 0..=MAX_WAITING {
            reliable.offer(at(0), Reply::new(180 + u16::try_from(status).unwrap_or(0)));
        }
        let statuses: Vec<u16> =
            std::iter::from_fn(|| reliable.next_waiting()).map(|reply| reply.status).collect();
        assert_eq!(statuses, [180, 181, 182, 183, 184, 185, 186, 188]);
    }

    #[test]
    fn the_first_rseq_is_in_range_whatever_is_drawn() {
        for drawn in [0, 1 << 31, u32::MAX] {
            let mut reliable = Reliable::new(T1, drawn);
            let first: u32 =
                rseq(reliable.offer(at(0), Reply::new(183))).and_then(|v| v.parse().ok()).unwrap_or(0);
            assert!((1..1 << 31).contains(&first), "{drawn}");
        }
    }
}
