//! Many good requests at once.

use crate::host::{Host, Phone, options};
use crate::sip;

/// Requests of one flood.
const FLOOD: u64 = 20_000;

#[test]
fn more_requests_than_can_be_answered() {
    let host = Host::start("siege-flood", "");
    host.withstands(|| {
        let mut phone = Phone::new(host.address);
        for _ in 0..FLOOD {
            let n = phone.write.next();
            phone.send(options(phone.write.own, "UDP", n));
        }
        phone.is_answered();
    });
}

#[test]
fn the_same_request_again_and_again() {
    let host = Host::start("siege-again", "");
    let mut phone = Phone::new(host.address);
    phone.register();
    host.withstands(|| {
        let publish = phone.write.publish("alice", &[]);
        for _ in 0..FLOOD {
            phone.send(&publish);
        }
        let answer = phone.ask(&publish);
        assert_eq!(sip::status(&answer), 200, "{answer}");
    });
}

#[test]
fn subscriptions_up_to_the_limit_of_a_user() {
    let host = Host::start("siege-subscriptions", "");
    let mut phone = Phone::new(host.address);
    phone.register();
    let mut granted = 0;
    for _ in 0..500 {
        let subscribe = phone.write.subscribe("alice", 3600);
        match sip::status(&phone.ask(&subscribe)) {
            200 => granted += 1,
            503 => {}
            status => panic!("{status}"),
        }
    }
    assert!(granted <= 32 && granted > 0, "{granted}");
    host.is_well();
}
