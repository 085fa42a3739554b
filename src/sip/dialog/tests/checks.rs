use super::*;

fn refusal(request: &str) -> (String, crate::sip::testing::Sent) {
    let mut stand = Stand::default();
    stand.receive(request);
    assert_eq!(stand.told(), [""; 0]);
    let sent = stand.only();
    (sent.line(), sent)
}

fn request(method: &str, extra: &[&str]) -> String {
    Peer::default().request(method, extra, None)
}

#[test]
fn an_unknown_method_is_not_implemented() {
    let (line, sent) = refusal(&request("DANCE", &["Require: nothing"]));
    assert_eq!(line, "501 DANCE");
    assert!(sent.get(Name::Allow).contains("INVITE, ACK"));
    assert!(!sent.tag(Name::To).is_empty());
}

#[test]
fn a_method_that_is_not_allowed_is_told_which_are() {
    let (line, sent) = refusal(&request("REFER", &["Require: nothing"]));
    assert_eq!(line, "405 REFER");
    assert!(sent.get(Name::Allow).contains("UPDATE"));
    assert!(!sent.get(Name::Allow).contains("REFER"));
}

#[test]
fn a_scheme_that_is_unknown_is_refused_before_require() {
    let mut peer = Peer { uri: "nobody:knows".to_owned(), ..Peer::default() };
    assert_eq!(refusal(&peer.request("OPTIONS", &["Require: nothing"], None)).0, "416 OPTIONS");
}

#[test]
fn sip_sips_and_tel_are_known_schemes() {
    for uri in ["sip:a@b.example", "sips:a@b.example", "tel:+49301234"] {
        let mut stand = Stand::default();
        stand.receive(&Peer { uri: uri.to_owned(), ..Peer::default() }.request("OPTIONS", &[], None));
        assert_eq!(stand.told(), ["Request OPTIONS"]);
    }
}

#[test]
fn an_unknown_option_is_refused_by_name_before_the_coding() {
    let (line, sent) = refusal(&request(
        "INVITE",
        &["Require: 100rel, nothing", "Require: Timer,more", "Content-Encoding: gzip"],
    ));
    assert_eq!(line, "420 INVITE");
    assert_eq!(sent.get(Name::Unsupported), "nothing, more");
}

#[test]
fn known_options_pass() {
    let mut stand = Stand::default();
    stand.receive(&request("OPTIONS", &["Require: 100rel , TIMER", "Content-Encoding: identity"]));
    assert_eq!(stand.told(), ["Request OPTIONS"]);
}

#[test]
fn a_coding_we_do_not_have_is_refused() {
    let (line, sent) = refusal(&request("MESSAGE", &["Content-Encoding: gzip"]));
    assert_eq!((line.as_str(), sent.get(Name::AcceptEncoding).as_str()), ("415 MESSAGE", "identity"));
}

#[test]
fn a_request_in_an_unknown_dialog_is_refused_whatever_its_method() {
    for method in ["INVITE", "BYE", "PRACK", "UPDATE", "INFO", "OPTIONS", "MESSAGE", "REGISTER", "PUBLISH"] {
        let mut peer = Peer { our_tag: "unknown".to_owned(), ..Peer::default() };
        assert_eq!(refusal(&peer.request(method, &[], None)).0, format!("481 {method}"));
    }
}

#[test]
fn what_only_a_dialog_knows_is_refused_outside_one() {
    for method in ["BYE", "PRACK", "UPDATE", "INFO"] {
        assert_eq!(refusal(&request(method, &[])).0, format!("481 {method}"));
    }
}

#[test]
fn subscribe_and_notify_in_a_dialog_go_to_who_knows_it() {
    for method in ["SUBSCRIBE", "NOTIFY"] {
        let mut stand = Stand::default();
        let mut peer = Peer { our_tag: "some".to_owned(), ..Peer::default() };
        stand.receive(&peer.request(method, &[], None));
        assert_eq!(stand.told(), [format!("Request {method}")]);
    }
}

#[test]
fn an_ack_without_dialog_is_silently_dropped() {
    let mut stand = Stand::default();
    let mut peer = Peer { our_tag: "unknown".to_owned(), ..Peer::default() };
    stand.receive(&peer.request("ACK", &[], None));
    stand.receive(&request("ACK", &["Require: nothing"]));
    assert_eq!((stand.told(), stand.lines()), (vec![], vec![]));
}

#[test]
fn an_answer_outside_sessions_carries_the_tag_that_is_given() {
    let mut stand = Stand::default();
    stand.receive(&request("MESSAGE", &[]));
    let id = stand.asked();
    stand.agent.answer(stand.now, &mut stand.ids, id, Reply::new(202), Some("given"), &mut stand.out);
    let sent = stand.only();
    assert_eq!((sent.line(), sent.tag(Name::To)), ("202 MESSAGE".to_owned(), "given".to_owned()));
    stand.agent.answer(stand.now, &mut stand.ids, id, Reply::new(500), None, &mut stand.out);
    assert_eq!(stand.lines(), [""; 0]);
}

#[test]
fn an_invite_that_cannot_make_a_dialog_is_a_bad_request() {
    assert_eq!(refusal(&request("INVITE", &["Contact"])).0, "400 INVITE");
}
