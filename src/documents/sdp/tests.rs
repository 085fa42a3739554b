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

#[test]
fn nothing_is_answered_that_was_not_offered() {
    let encodings = encodings(&["AMR-WB"]);
    for (offered, answered) in [
        (
            "mc_queueing;mc_priority=7;mc_granted;mc_implicit_request",
            "mc_queueing;mc_priority=5;mc_implicit_request",
        ),
        ("mc_queueing", "mc_queueing"),
        ("mc_priority=3", "mc_priority=3"),
        ("mc_implicit_request", "mc_implicit_request"),
        ("mc_granted", ""),
        ("mc_implicit_request:mc_priority=9:mc_queueing", "mc_queueing;mc_priority=5;mc_implicit_request"),
        ("MC_Queueing ; mc_priority = 4", "mc_queueing;mc_priority=4"),
        ("mc_priority=0", ""),
        ("mc_priority=256", ""),
        ("mc_priority=high", ""),
        ("mc_priority", ""),
        ("mc_queueing_not", ""),
        ("mc_floor_ssrc=12;mc_ssrc=13", ""),
    ] {
        let offer = read(&OFFER.replace("mc_queueing;mc_priority=7;mc_granted;mc_implicit_request", offered));
        let answer = offer.answer(&leg(&encodings)).unwrap();
        let line = answer.encode().lines().find_map(|line| line.strip_prefix("a=fmtp:MCPTT "));
        assert_eq!(line.unwrap_or_default(), answered, "{offered}");
        assert!(!answer.encode().contains("a=fmtp:MCPTT\r"));
    }
}

#[test]
fn nothing_is_answered_that_the_leg_does_not_give() {
    let encodings = encodings(&["AMR-WB"]);
    let plain = MediaLeg { priority: None, implicit_request: false, queueing: false, ..leg(&encodings) };
    let answer = read(OFFER).answer(&plain).unwrap();
    assert!(answer.encode().ends_with("a=fmtp:MCPTT mc_priority=7\r\n"));
    let lowest = MediaLeg { priority: Some(0), ..plain };
    assert!(read(OFFER).answer(&lowest).unwrap().encode().ends_with("udp MCPTT\r\n"));
    let above = MediaLeg { priority: Some(9), ..lowest };
    assert!(read(OFFER).answer(&above).unwrap().encode().ends_with("a=fmtp:MCPTT mc_priority=7\r\n"));
}

#[test]
fn the_first_of_our_codecs_that_was_offered_is_taken() {
    let codecs = "m=audio 40000 RTP/AVP 0 98 97\r\ni=speech\r\na=rtpmap:98 evs/16000\r\na=rtpmap:97 AMR-WB/16000/1\r\n\
                  a=fmtp:98 br=5.9-13.2\r\na=fmtp:97 a; b=1\r\na=fmtp:97 c\r\na=ptime:20\r\na=maxptime:240\r\na=rtcp-mux\r\n";
    let offer = format!("v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\n{codecs}c=IN IP4 10.0.0.1\r\n");
    for (names, lines) in [
        (
            &["EVS", "AMR-WB"][..],
            "RTP/AVP 98\r\ni=speech\r\na=rtpmap:98 evs/16000\r\na=fmtp:98 br=5.9-13.2\r\n",
        ),
        (
            &["opus", "AMR-WB", "EVS"],
            "RTP/AVP 97\r\ni=speech\r\na=rtpmap:97 AMR-WB/16000/1\r\na=fmtp:97 a; b=1\r\na=fmtp:97 c\r\n",
        ),
        (
            &["amr-wb/16000"],
            "RTP/AVP 97\r\ni=speech\r\na=rtpmap:97 AMR-WB/16000/1\r\na=fmtp:97 a; b=1\r\na=fmtp:97 c\r\n",
        ),
        (&["PCMU"], "RTP/AVP 0\r\ni=speech\r\na=rtpmap:0 PCMU/8000\r\n"),
    ] {
        let encodings = encodings(names);
        let answer = read(&offer).answer(&leg(&encodings)).unwrap();
        assert!(
            answer.encode().ends_with(&format!("m=audio 50000 {lines}a=ptime:20\r\na=maxptime:240\r\n")),
            "{names:?}"
        );
    }
    for names in [&["AMR"][..], &["AMR-WB/8000"], &["AMR-W"], &[]] {
        assert_eq!(read(&offer).answer(&leg(&encodings(names))), Err("no common codec"));
    }
}

#[test]
fn the_speech_medium_is_the_labelled_audio_or_the_first() {
    let encodings = encodings(&["AMR-WB"]);
    let two = |labels: [&str; 2]| {
        let audio = |port: u16, label: &str| {
            format!("m=audio {port} RTP/AVP 97\r\n{label}a=rtpmap:97 AMR-WB/16000\r\n")
        };
        let head = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n";
        let offer = format!("{head}{}{}", audio(40_000, labels[0]), audio(40_010, labels[1]));
        let answer = read(&offer).answer(&leg(&encodings)).unwrap();
        answer.encode().lines().filter(|line| line.starts_with("m=")).map(str::to_owned).collect::<Vec<_>>()
    };
    let (first, second) = (
        ["m=audio 50000 RTP/AVP 97", "m=audio 0 RTP/AVP 97"],
        ["m=audio 0 RTP/AVP 97", "m=audio 50000 RTP/AVP 97"],
    );
    assert_eq!(two(["", ""]), first);
    assert_eq!(two(["", "i=speech\r\n"]), second);
    assert_eq!(two(["i=music\r\n", "i=Speech\r\n"]), second);
    assert_eq!(two(["i=speech\r\n", "i=speech\r\n"]), first);
}

#[test]
fn without_speech_there_is_no_answer() {
    let encodings = encodings(&["AMR-WB"]);
    for (from, to) in [
        ("m=audio 40000", "m=audio 0"),
        ("m=audio 40000", "m=video 40000"),
        ("RTP/AVP", "TCP/MSRP"),
        ("m=audio 40000", "m=audio 0/2"),
    ] {
        assert_eq!(read(&OFFER.replace(from, to)).answer(&leg(&encodings)), Err("no speech medium"), "{to}");
    }
    let nothing = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\n";
    assert_eq!(read(nothing).answer(&leg(&encodings)), Err("no speech medium"));
}

#[test]
fn media_that_we_do_not_take_keep_their_place_with_port_0() {
    let encodings = encodings(&["AMR-WB"]);
    let video = "m=video 40010 RTP/AVPF 31 32\r\na=rtpmap:31 H261/90000\r\n";
    let offer = OFFER.replace("m=audio", &format!("{video}m=audio")) + "m=application 9 udp OTHER\r\n";
    let answer = read(&offer).answer(&leg(&encodings)).unwrap();
    let lines: Vec<_> = answer.encode().lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        lines,
        [
            "m=video 0 RTP/AVPF 31 32",
            "m=audio 50000 RTP/AVP 97",
            "m=application 50001 udp MCPTT",
            "m=application 0 udp OTHER",
        ]
    );
    assert!(!answer.encode().contains("H261"));
}

#[test]
fn the_control_channel_is_found_in_any_case_and_stays_off_with_port_0() {
    let encodings = encodings(&["AMR-WB"]);
    let other_case = OFFER.replace("udp MCPTT", "UDP mcptt").replace("fmtp:MCPTT", "fmtp:mcptt");
    let answer = read(&other_case).answer(&leg(&encodings)).unwrap();
    assert!(answer.encode().contains("m=application 50001 udp MCPTT\r\na=fmtp:MCPTT mc_queueing;"));
    let off =
        read(&OFFER.replace("m=application 40002", "m=application 0")).answer(&leg(&encodings)).unwrap();
    assert!(off.encode().ends_with("m=application 0 udp MCPTT\r\n"));
    let without = read(OFFER.split("m=application").next().unwrap()).answer(&leg(&encodings)).unwrap();
    assert!(!without.encode().contains("m=application"));
    let twice = read(&format!("{OFFER}m=application 40004 udp MCPTT\r\n")).answer(&leg(&encodings)).unwrap();
    assert!(twice.encode().ends_with("m=application 0 udp MCPTT\r\n"));
}

#[test]
fn the_direction_is_mirrored() {
    let encodings = encodings(&["AMR-WB"]);
    for (offered, answered) in [
        ("sendonly", "a=recvonly\r\n"),
        ("recvonly", "a=sendonly\r\n"),
        ("inactive", "a=inactive\r\n"),
        ("sendrecv", ""),
    ] {
        let in_medium = OFFER.replace("i=speech", &format!("i=speech\r\na={offered}"));
        let in_session = OFFER.replace("t=0 0", &format!("t=0 0\r\na={offered}"));
        let overruled = in_medium.replace("t=0 0", "t=0 0\r\na=inactive");
        for offer in [in_medium, in_session, overruled] {
            let answer = read(&offer).answer(&leg(&encodings)).unwrap();
            let expected = format!("a=fmtp:97 mode-change-capability=2\r\n{answered}m=application");
            assert!(answer.encode().contains(&expected), "{offer}");
        }
    }
}

#[test]
fn an_answer_repeats_the_times_and_names_the_leg() {
    let encodings = encodings(&["AMR-WB"]);
    let offer =
        OFFER.replace("t=0 0", "b=AS:64\r\nt=1 2\r\nr=7d 1h 0\r\nt=3 4\r\nz=1 -1h\r\nk=prompt\r\na=x");
    let leg = MediaLeg { address: Ipv6Addr::LOCALHOST.into(), version: 2, ..leg(&encodings) };
    let answer = read(&offer).answer(&leg).unwrap();
    assert!(answer.encode().starts_with(
        "v=0\r\no=- 900 2 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=1 2\r\nr=7d 1h 0\r\nt=3 4\r\nz=1 -1h\r\nm=audio 50000"
    ));
    assert_eq!(refuse(answer.encode()).unwrap(), answer);
    let last = MediaLeg { port: u16::MAX, ..leg };
    assert!(read(OFFER).answer(&last).unwrap().encode().contains("m=application 65535 "));
}

#[test]
fn a_member_is_offered_the_callers_codecs() {
    let encodings = encodings(&["AMR-WB", "EVS"]);
    let caller = OFFER.replace("RTP/AVP 97", "RTP/SAVP 0 97 101 98").replace(
        "a=fmtp:97",
        "a=rtpmap:101 telephone-event/8000\r\na=rtpmap:98 EVS/16000\r\na=ptime:20\r\na=sendonly\r\na=fmtp:97",
    );
    let invite = SessionDescription::invite(Some(&read(&caller)), &leg(&encodings));
    assert_eq!(
        invite.encode(),
        "v=0\r\n\
         o=- 900 1 IN IP4 10.1.0.1\r\n\
         s=-\r\n\
         c=IN IP4 10.1.0.1\r\n\
         t=0 0\r\n\
         m=audio 50000 RTP/SAVP 97 98\r\n\
         i=speech\r\n\
         a=rtpmap:97 AMR-WB/16000\r\n\
         a=fmtp:97 mode-change-capability=2\r\n\
         a=rtpmap:98 EVS/16000\r\n\
         a=ptime:20\r\n\
         m=application 50001 udp MCPTT\r\n\
         a=fmtp:MCPTT mc_queueing;mc_priority=5\r\n"
    );
    assert_eq!(refuse(invite.encode()).unwrap(), invite);
}

#[test]
fn without_a_caller_the_legs_own_codecs_are_offered() {
    let offered = |names: &[&str]| {
        let encodings = encodings(names);
        let leg = MediaLeg { priority: None, queueing: false, ..leg(&encodings) };
        let invite = SessionDescription::invite(None, &leg);
        assert_eq!(refuse(invite.encode()).unwrap(), invite);
        let text = invite.encode().split_once("m=audio 50000 RTP/AVP").unwrap().1;
        text.strip_suffix("m=application 50001 udp MCPTT\r\n").unwrap().to_owned()
    };
    assert_eq!(offered(&["amr-wb"]), " 96\r\ni=speech\r\na=rtpmap:96 AMR-WB/16000\r\n");
    assert_eq!(
        offered(&["own/8000", "opus", "unknown"]),
        " 96 97\r\ni=speech\r\na=rtpmap:96 own/8000\r\na=rtpmap:97 opus/48000/2\r\n"
    );
    for names in [&[][..], &["unknown"], &["a/1\r\nm=x"]] {
        assert_eq!(offered(names), " 96\r\ni=speech\r\na=rtpmap:96 AMR-WB/16000\r\n");
    }
    // A caller with nothing in common, or without speech, is as none.
    for caller in [OFFER.replace("AMR-WB", "GSM-X"), OFFER.replace("m=audio 40000", "m=audio 0")] {
        let encodings = encodings(&["EVS"]);
        let invite = SessionDescription::invite(Some(&read(&caller)), &leg(&encodings));
        assert!(invite.encode().contains("RTP/AVP 96\r\ni=speech\r\na=rtpmap:96 EVS/16000\r\n"));
    }
    let many = vec!["AMR-WB".to_owned(); 1_000];
    let invite = SessionDescription::invite(None, &leg(&many));
    assert_eq!(invite.encode().matches("a=rtpmap:").count(), 32);
}

#[test]
fn a_member_is_never_offered_priority_0() {
    let encodings = encodings(&["AMR-WB"]);
    let leg = MediaLeg { priority: Some(0), queueing: false, ..leg(&encodings) };
    assert!(SessionDescription::invite(None, &leg).encode().ends_with("udp MCPTT\r\n"));
}

#[test]
fn lines_may_end_with_lf_and_what_is_not_interpreted_is_kept() {
    let text = "v=0\no=- 1 1 IN IP6 ::1\ns=a b\ni=x\nu=http://a\ne=a@b\np=+1\nc=IN IP6 ::1\nb=AS:1\nb=TIAS:1\nt=0 0\na=x:\u{e9}\n\
                m=audio 40000/2 RTP/AVP 99\na=rtpmap:99 AMR-WB/16000\ni=speech\nb=AS:1\nc=IN IP6 ::1\nk=clear:x\n\n\n";
    assert_eq!(read(text).encode(), text.trim_end().replace('\n', "\r\n") + "\r\n");
    assert_eq!(read(text.trim_end()).encode(), read(text).encode());
}

#[test]
fn broken_descriptions_are_refused() {
    for (from, to, problem) in [
        ("v=0\r\n", "", "mandatory line missing before this one"),
        ("v=0", "v=1", "version other than 0"),
        ("v=0", "v=0\r\nv=0", "line out of order"),
        ("o=- 100 1 IN IP4 10.0.0.11\r\n", "", "mandatory line missing before this one"),
        ("o=- 100 1", "o=- x 1", "not an origin"),
        ("o=- 100 1", "o=-  1", "not an origin"),
        ("s=-\r\n", "", "mandatory line missing before this one"),
        ("s=-", "s=-\r\ns=-", "line out of order"),
        ("t=0 0\r\n", "", "mandatory line missing before this one"),
        ("t=0 0", "a=x\r\nt=0 0", "mandatory line missing before this one"),
        ("t=0 0", "r=1 2 3\r\nt=0 0", "line out of order"),
        ("t=0 0", "t=0 0\r\nc=IN IP4 1.2.3.4", "line out of order"),
        ("t=0 0", "t=0", "not a time"),
        ("t=0 0", "t=0 0 0", "not a time"),
        ("t=0 0", "t=0 x", "not a time"),
        ("c=IN IP4 10.0.0.11\r\n", "", "no connection address for a medium"),
        ("c=IN IP4 10.0.0.11", "c=IN IP4", "not a connection address"),
        ("c=IN IP4 10.0.0.11", "c=IN IP4 10.0.0.11\r\nc=IN IP4 10.0.0.11", "line out of order"),
        ("i=speech", "s=speech", "line that does not belong into a media description"),
        ("i=speech", "y=speech", "line that does not belong into a media description"),
        ("s=-", "s=-\r\ny=1", "unknown kind of line"),
        ("i=speech", "i speech", "not a line of the form x=value"),
        ("i=speech\r\n", "\r\n", "not a line of the form x=value"),
        ("i=speech", "i=a\rb", "NUL or lone CR"),
        ("i=speech", "i=a\0b", "NUL or lone CR"),
        ("m=audio 40000", "m=audio 70000", "not a media description"),
        ("m=audio 40000", "m=audio 40000/x", "not a media description"),
        ("m=audio 40000", "m=audio ", "not a media description"),
        ("RTP/AVP 97", "RTP/AVP", "not a media description"),
        ("RTP/AVP 97", "RTP/AVP 97  98", "not a media description"),
    ] {
        let text = OFFER.replacen(from, to, 1);
        assert_ne!(text, OFFER);
        assert!(breaks(refuse(&text), problem), "{to}: {:?}", refuse(&text));
    }
    for cut in
        ["", "v=0\r\n", "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\n", "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\n"]
    {
        assert!(refuse(cut).is_err(), "{cut}");
    }
    assert!(breaks(refuse("v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\n"), "mandatory line missing"));
    assert!(breaks(SessionDescription::decode(b"v=0\xff", &Limits::default()), "not UTF-8"));
    // A medium that is not used needs no address.
    assert!(refuse("v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n").is_ok());
}

#[test]
fn lines_are_limited() {
    let lines = OFFER.lines().count();
    let limits = Limits { sdp_lines: lines, ..Limits::default() };
    assert!(SessionDescription::decode(OFFER.as_bytes(), &limits).is_ok());
    let over = format!("{OFFER}a=x\r\n");
    assert!(passes(SessionDescription::decode(over.as_bytes(), &limits), "lines", lines));
}

#[test]
fn mutations_never_panic_and_answers_can_be_read() {
    let encodings = encodings(&["AMR-WB", "PCMU"]);
    let rich = OFFER
        .replace("RTP/AVP 97", "RTP/AVP 0 97")
        .replace("t=0 0", "t=0 0\r\na=sendonly\r\nm=video 9 RTP/AVP 1");
    let mut answered = 0;
    fuzz(8, 30_000, &[OFFER.as_bytes(), rich.as_bytes()], |text| {
        let Ok(offer) = SessionDescription::decode(text, &Limits::default()) else { return };
        let again = SessionDescription::decode(offer.encode().as_bytes(), &Limits::default());
        assert_eq!(again.as_ref(), Ok(&offer));
        let invite = SessionDescription::invite(Some(&offer), &leg(&encodings));
        refuse(invite.encode()).unwrap();
        if let Ok(answer) = offer.answer(&leg(&encodings)) {
            answered += 1;
            refuse(answer.encode()).unwrap();
            let media = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
            assert_eq!(media(answer.encode()), media(offer.encode()));
        }
    });
    assert!(answered > 2_000, "the mutations must not all be refused: {answered}");
}

#[test]
fn a_label_behind_the_attributes_is_seen() {
    let encodings = encodings(&["AMR-WB"]);
    let offer = "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 39990 RTP/AVP 0\n\
                 m=audio 40000 RTP/AVP 99\na=rtpmap:99 AMR-WB/16000\na=fmtp:99 mode-change-period=1; mode-change-capability=2\n\
                 i=speech\nm=application 40002 udp MCPTT\na=fmtp:MCPTT mc_queueing;mc_priority=5\n";
    let answer = read(offer).answer(&leg(&encodings)).unwrap();
    assert!(answer.encode().ends_with(
        "m=audio 0 RTP/AVP 0\r\nm=audio 50000 RTP/AVP 99\r\ni=speech\r\na=rtpmap:99 AMR-WB/16000\r\n\
         a=fmtp:99 mode-change-period=1; mode-change-capability=2\r\nm=application 50001 udp MCPTT\r\n\
         a=fmtp:MCPTT mc_queueing;mc_priority=5\r\n"
    ));
}

#[test]
fn each_payload_type_counts_once_and_has_seven_bits() {
    let formats: String = (0..20_000).map(|number| format!(" {}", number % 300)).collect();
    let offer = OFFER.replace("RTP/AVP 97", &format!("RTP/AVP 97{formats} 98 x"));
    let offer = read(&offer);
    let codecs = Offer::of(&offer.text).speech().unwrap().1.codecs();
    let numbers: Vec<u8> = codecs.iter().map(|codec| codec.payload_type).collect();
    assert_eq!(numbers, [97, 0, 3, 4, 8, 9, 15, 18]);
    let beyond = OFFER.replace("97", "128");
    assert_eq!(read(&beyond).answer(&leg(&encodings(&["AMR-WB"]))), Err("no common codec"));
}

// TS 24.380 14.5, RFC 3264 8.
#[test]
fn a_description_is_offered_again_without_what_only_the_first_offer_has() {
    let encodings = encodings(&["AMR-WB"]);
    let answer =
        read(&OFFER.replace("m=audio", "m=video 9 RTP/AVP 96\r\nm=audio")).answer(&leg(&encodings)).unwrap();
    let again = answer.again(7);
    assert_eq!(
        again.encode(),
        answer.encode().replace("o=- 900 1 IN", "o=- 900 7 IN").replace(";mc_implicit_request", "")
    );
    assert_eq!(refuse(again.encode()).unwrap(), again);
    let bare = read(
        "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=application 5 udp MCPTT\r\na=fmtp:MCPTT mc_granted\r\n",
    );
    assert!(!bare.again(2).encode().contains("fmtp"));
}
