use super::*;
use crate::documents::testing::{breaks, fuzz, passes};
use std::net::{Ipv4Addr, Ipv6Addr};

const OFFER: &str = "v=0\r\n\
    o=- 100 1 IN IP4 10.0.0.11\r\n\
    s=-\r\n\
    c=IN IP4 10.0.0.11\r\n\
    t=0 0\r\n\
    m=audio 40000 RTP/AVP 97\r\n\
    i=speech\r\n\
    a=rtpmap:97 AMR-WB/16000\r\n\
    a=fmtp:97 mode-change-capability=2\r\n\
    m=application 40002 udp MCPTT\r\n\
    a=fmtp:MCPTT mc_queueing;mc_priority=7;mc_granted;mc_implicit_request\r\n";

fn read(text: &str) -> SessionDescription {
    SessionDescription::decode(text.as_bytes(), &Limits::default()).unwrap()
}

fn refuse(text: &str) -> Result<SessionDescription, DocumentError> {
    SessionDescription::decode(text.as_bytes(), &Limits::default())
}

fn encodings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn leg(encodings: &[String]) -> MediaLeg<'_> {
    MediaLeg {
        address: Ipv4Addr::new(10, 1, 0, 1).into(),
        port: 50_000,
        session: 900,
        version: 1,
        encodings,
        priority: Some(5),
        implicit_request: true,
        queueing: true,
    }
}

#[test]
fn the_typical_offer_gets_the_typical_answer() {
    let encodings = encodings(&["AMR-WB"]);
    let answer = read(OFFER).answer(&leg(&encodings)).unwrap();
    assert_eq!(
        answer.encode(),
        "v=0\r\n\
         o=- 900 1 IN IP4 10.1.0.1\r\n\
         s=-\r\n\
         c=IN IP4 10.1.0.1\r\n\
         t=0 0\r\n\
         m=audio 50000 RTP/AVP 97\r\n\
         i=speech\r\n\
         a=rtpmap:97 AMR-WB/16000\r\n\
         a=fmtp:97 mode-change-capability=2\r\n\
         m=application 50001 udp MCPTT\r\n\
         a=fmtp:MCPTT mc_queueing;mc_priority=5;mc_implicit_request\r\n"
    );
    assert_eq!(refuse(answer.encode()).unwrap(), answer);
}
