use super::*;
use crate::documents::testing::{breaks, children, fuzz, outline, passes};

const NS: &str = "urn:3gpp:ns:mcpttInfo:1.0";

/// As a client of a lab sends it, with what only a careful reader gets right.
const CALL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<mcpttinfo xmlns="urn:3gpp:ns:mcpttInfo:1.0">
<mcptt-Params>
<session-type>prearranged</session-type>
<mcptt-request-uri type="Normal"><mcpttURI>sip:fire@one.example</mcpttURI></mcptt-request-uri>
<mcptt-calling-user-id type="Normal"><mcpttURI>sip:user7@one.example</mcpttURI></mcptt-calling-user-id>
<mcptt-client-id type="Normal"><mcpttString>urn:uuid:00000000-0000-1000-8000-00AABBDDCCEE</mcpttString></mcptt-client-id>
</mcptt-Params>
</mcpttinfo>
"#;

fn read(xml: &str) -> McInfo {
    decode(xml).unwrap()
}

fn decode(xml: &str) -> Result<McInfo, DocumentError> {
    McInfo::decode(xml.as_bytes(), Service::Mcptt, &Limits::default())
}

/// A document with these children of `mcptt-Params`.
fn with(params: &str) -> String {
    format!("<mcpttinfo xmlns='{NS}'><mcptt-Params>{params}</mcptt-Params></mcpttinfo>")
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Every field that this server reads.
fn full() -> McInfo {
    McInfo {
        access_token: some("token"),
        session_type: some("prearranged"),
        request_uri: some("sip:fire@one.example"),
        calling_user: some("sip:anna@one.example"),
        called_party: some("sip:bob@one.example"),
        calling_group: some("sip:tg-77@one.example"),
        required: Some(true),
        emergency: Some(false),
        alert: Some(true),
        imminent_peril: Some(false),
        broadcast: Some(true),
        organisation: some("county <1> & \"co\""),
        floor_state: some("floor-taken"),
        associated_group: some("sip:ems@two.example"),
        originated_by: some("sip:carl@one.example"),
        client_id: some("urn:uuid:1"),
        alert_received: Some(true),
        gateway_usage: Some(false),
        req_type: some("group-regroup-request"),
        resp_type: some("group-regroup-response"),
        functional_alias: some("sip:driver-7@one.example"),
        non_acknowledged: vec!["sip:bob@one.example".to_owned(), "sip:carl@one.example".to_owned()],
        kept: Kept {
            keys: some(r#"<k:MKFC-GKTPs xmlns:k="urn:3gpp:ns:mcpttInfo:1.0"/>"#),
            foreign: vec![r#"<a:b xmlns:a="urn:a" xmlns="urn:3gpp:ns:mcpttInfo:1.0">x</a:b>"#.to_owned()],
            any_ext: vec![
                r#"<adhoc-emergency-ind xmlns="urn:3gpp:ns:mcpttInfo:1.0">true</adhoc-emergency-ind>"#
                    .to_owned(),
            ],
            beside: vec![r#"<z xmlns="urn:z"/>"#.to_owned()],
        },
        encrypted: false,
    }
}

#[test]
fn the_info_body_of_an_invite_is_read() {
    let expected = McInfo {
        session_type: some("prearranged"),
        request_uri: some("sip:fire@one.example"),
        calling_user: some("sip:user7@one.example"),
        client_id: some("urn:uuid:00000000-0000-1000-8000-00AABBDDCCEE"),
        ..McInfo::default()
    };
    assert_eq!(read(CALL), expected);
    assert_eq!(read(&expected.encode(Service::Mcptt)), expected);
}

#[test]
fn the_info_bodies_of_other_messages_are_read() {
    let uri = |name: &str, uri: &str| {
        format!("<mcptt-{name} type=\"Normal\"><mcpttURI>{uri}</mcpttURI></mcptt-{name}>")
    };
    let kind = |name: &str, kind: &str| {
        format!("<anyExt>\n  <{name} type=\"Normal\"><mcpttString>{kind}</mcpttString></{name}>\n</anyExt>")
    };
    // A client asks for a temporary group.
    let formation =
        "<mcptt-access-token type=\"Normal\"><mcpttString>eyJ.ann.token</mcpttString></mcptt-access-token>"
            .to_owned()
            + &uri("request-uri", "sip:tgi-81@primary.example")
            + &kind("req-type", "group-regroup-request");
    let expected = McInfo {
        access_token: some("eyJ.ann.token"),
        request_uri: some("sip:tgi-81@primary.example"),
        req_type: some("group-regroup-request"),
        ..McInfo::default()
    };
    assert_eq!(read(&with(&formation)), expected);
    // The result comes back.
    let result = uri("request-uri", "sip:ann@primary.example")
        + &uri("calling-group-id", "sip:tgi-81@primary.example")
        + &kind("resp-type", "group-regroup-response");
    let expected = McInfo {
        request_uri: some("sip:ann@primary.example"),
        calling_group: some("sip:tgi-81@primary.example"),
        resp_type: some("group-regroup-response"),
        ..McInfo::default()
    };
    assert_eq!(read(&with(&result)), expected);
    assert_eq!(read(&expected.encode(Service::Mcptt)), expected);
    // A constituent has moved: 302.
    let moved = uri("request-uri", "sip:tg-77@a.example") + &uri("calling-group-id", "sip:ems2@b.example");
    let moved = read(&with(&moved));
    assert_eq!(moved.calling_group.as_deref(), Some("sip:ems2@b.example"));
    // A partner's own call is running: 200.
    let running = read(&with("<floor-state>floor-taken</floor-state>"));
    assert_eq!(running, McInfo { floor_state: some("floor-taken"), ..McInfo::default() });
    // A log-on without anything.
    assert_eq!(read(&with("")), McInfo::default());
    assert_eq!(read(&format!("<mcpttinfo xmlns='{NS}'/>")), McInfo::default());
}

#[test]
fn the_whole_schema_goes_there_and_back_in_its_order() {
    for service in [Service::Mcptt, Service::McVideo, Service::McData] {
        let prefix = names::of(service).prefix;
        let mut info = full();
        info.kept.keys = Some(format!(r#"<k:MKFC-GKTPs xmlns:k="{}"/>"#, names::of(service).info_namespace));
        // Kept raw, each with all declarations that were in scope.
        let again = McInfo::decode(info.encode(service).as_bytes(), service, &Limits::default()).unwrap();
        assert_eq!(
            again.encode(service),
            McInfo::decode(again.encode(service).as_bytes(), service, &Limits::default())
                .unwrap()
                .encode(service)
        );
        assert_eq!(
            McInfo { kept: Kept::default(), ..again },
            McInfo { kept: Kept::default(), ..info.clone() }
        );
        let own = |rest: &str| format!("{prefix}-{rest}");
        let session = if service == Service::McData { "request-type" } else { "session-type" };
        let gateway = format!("gw-{prefix}-usage");
        let order = [
            &own("access-token"),
            session,
            &own("request-uri"),
            &own("calling-user-id"),
            &own("called-party-id"),
            &own("calling-group-id"),
            "required",
            "emergency-ind",
            "alert-ind",
            "imminentperil-ind",
            "broadcast-ind",
            "mc-org",
            "floor-state",
            "associated-group-id",
            "originated-by",
            "MKFC-GKTPs",
            &own("client-id"),
            "alert-ind-rcvd",
            &gateway,
            "b",
            "anyExt",
        ];
        let xml = info.encode(service);
        assert_eq!(children(&xml, &[&format!("{prefix}info"), &format!("{prefix}-Params")]), order);
        assert_eq!(children(&xml, &[&format!("{prefix}info")]), [own("Params"), "z".to_owned()]);
        let namespace = names::of(service).info_namespace;
        assert!(outline(&xml).contains(&format!("3 {{{namespace}}}{prefix}URI sip:fire@one.example")));
        assert!(outline(&xml).contains(&format!("2 {{{namespace}}}{prefix}-request-uri @type=Normal")));
        assert!(outline(&xml).contains(&format!("3 {{{namespace}}}{prefix}Boolean true")));
    }
}

#[test]
fn the_older_kinds_are_written_as_the_older_elements() {
    let xml = with("<anyExt><request-type>private-call-call-back-request</request-type></anyExt>");
    let info = read(&xml);
    assert_eq!(info.req_type.as_deref(), Some("private-call-call-back-request"));
    assert!(info.kept.any_ext.is_empty());
    assert_eq!(
        outline(&info.encode(Service::Mcptt)).last().unwrap(),
        &format!("3 {{{NS}}}request-type private-call-call-back-request")
    );
    let response = McInfo { resp_type: some("transfer-private-call-response"), ..McInfo::default() };
    assert_eq!(
        outline(&response.encode(Service::Mcptt)).last().unwrap(),
        &format!("3 {{{NS}}}response-type transfer-private-call-response")
    );
}

#[test]
fn the_newer_kind_wins_over_the_older() {
    for xml in [
        "<anyExt><request-type>a</request-type><req-type><mcpttString>b</mcpttString></req-type></anyExt>",
        "<anyExt><req-type><mcpttString>b</mcpttString></req-type><request-type>a</request-type></anyExt>",
    ] {
        assert_eq!(read(&with(xml)).req_type.as_deref(), Some("b"));
    }
}

#[test]
fn a_prefix_other_than_the_default_is_as_good() {
    let xml = format!(
        "<i:mcpttinfo xmlns:i='{NS}'><i:mcptt-Params><i:mcptt-request-uri type='Normal'><i:mcpttURI>sip:a@b</i:mcpttURI>\
         </i:mcptt-request-uri></i:mcptt-Params></i:mcpttinfo>"
    );
    assert_eq!(read(&xml).request_uri.as_deref(), Some("sip:a@b"));
}

#[test]
fn order_is_free_on_input() {
    let info = read(&with(
        "<mcptt-client-id><mcpttString>c</mcpttString></mcptt-client-id><anyExt/>\
         <mcptt-request-uri><mcpttURI>sip:a@b</mcpttURI></mcptt-request-uri><session-type>chat</session-type>",
    ));
    assert_eq!(info.client_id.as_deref(), Some("c"));
    assert_eq!(info.request_uri.as_deref(), Some("sip:a@b"));
    assert_eq!(info.session_type.as_deref(), Some("chat"));
    let xml = info.encode(Service::Mcptt);
    let order = children(&xml, &["mcpttinfo", "mcptt-Params"]);
    assert_eq!(order, ["session-type", "mcptt-request-uri", "mcptt-client-id"]);
}

#[test]
fn bare_text_is_taken_and_never_sent() {
    let info = read(&with(
        "<mcptt-request-uri type='Normal'> sip:a@b\n</mcptt-request-uri><emergency-ind>1</emergency-ind>\
         <associated-group-id>sip:g@b</associated-group-id>",
    ));
    assert_eq!(info.request_uri.as_deref(), Some("sip:a@b"));
    assert_eq!(info.associated_group.as_deref(), Some("sip:g@b"));
    assert_eq!(info.emergency, Some(true));
    let sent = outline(&info.encode(Service::Mcptt));
    assert!(sent.contains(&format!("2 {{{NS}}}mcptt-request-uri @type=Normal")));
    assert!(sent.contains(&format!("3 {{{NS}}}mcpttURI sip:a@b")));
}

#[test]
fn a_client_id_may_be_a_string_or_a_uri() {
    for child in ["mcpttString", "mcpttURI"] {
        let xml =
            with(&format!("<mcptt-client-id type='Normal'><{child}>urn:uuid:1</{child}></mcptt-client-id>"));
        assert_eq!(read(&xml).client_id.as_deref(), Some("urn:uuid:1"));
    }
}

#[test]
fn booleans_have_four_spellings() {
    for (text, value) in [("true", true), ("1", true), ("false", false), ("0", false), (" true\n", true)] {
        let xml = with(&format!(
            "<emergency-ind type='Normal'><mcpttBoolean>{text}</mcpttBoolean></emergency-ind><broadcast-ind>{text}</broadcast-ind>"
        ));
        assert_eq!((read(&xml).emergency, read(&xml).broadcast), (Some(value), Some(value)));
    }
    for text in ["TRUE", "yes", "2", "&#49;1"] {
        let xml = with(&format!("<emergency-ind><mcpttBoolean>{text}</mcpttBoolean></emergency-ind>"));
        assert!(breaks(decode(&xml), "not a boolean"), "{text}");
    }
}

#[test]
fn a_value_element_without_value_is_absent() {
    assert_eq!(
        read(&with("<mcptt-request-uri type='Normal'/><emergency-ind> </emergency-ind>")),
        McInfo::default()
    );
}

#[test]
fn encrypted_values_are_not_read() {
    let info = read(&with(
        "<mcptt-request-uri type='Encrypted'><e:EncryptedData xmlns:e='http://www.w3.org/2001/04/xmlenc#'>\
         <mcpttURI>sip:a@b</mcpttURI></e:EncryptedData></mcptt-request-uri><session-type>chat</session-type>",
    ));
    assert!(info.encrypted);
    assert_eq!(info.request_uri, None);
    assert_eq!(info.session_type.as_deref(), Some("chat"));
    let unmarked = "<mcptt-request-uri><e:EncryptedData xmlns:e='http://www.w3.org/2001/04/xmlenc#'/></mcptt-request-uri>";
    assert!(read(&with(unmarked)).encrypted);
    let in_any_ext = "<anyExt><req-type type='Encrypted'>x</req-type></anyExt>";
    assert!(read(&with(in_any_ext)).encrypted);
    let misspelt = "<mcptt-request-uri type='encrypted'><mcpttURI>sip:a@b</mcpttURI></mcptt-request-uri>";
    assert!(breaks(decode(&with(misspelt)), "type is neither Normal nor Encrypted"));
}

#[test]
fn an_element_that_occurs_twice_is_refused() {
    for twice in [
        "<session-type>a</session-type><session-type>a</session-type>",
        "<mcptt-request-uri type='Encrypted'/><mcptt-request-uri><mcpttURI>sip:a@b</mcpttURI></mcptt-request-uri>",
        "<anyExt/><anyExt/>",
        "<anyExt><req-type>a</req-type><req-type>b</req-type></anyExt>",
        "<anyExt><response-type>a</response-type><response-type>b</response-type></anyExt>",
        "<MKFC-GKTPs/><MKFC-GKTPs/>",
    ] {
        assert!(breaks(decode(&with(twice)), TWICE), "{twice}");
    }
    let two_params = format!("<mcpttinfo xmlns='{NS}'><mcptt-Params/><mcptt-Params/></mcpttinfo>");
    assert!(breaks(decode(&two_params), TWICE));
    let two_values = "<mcptt-request-uri><mcpttURI>a</mcpttURI><mcpttURI>b</mcpttURI></mcptt-request-uri>";
    assert!(breaks(decode(&with(two_values)), "more than one value"));
}

#[test]
fn what_is_unknown_is_ignored_and_what_is_foreign_is_kept() {
    let info = read(&with(
        "<future-ind x='1'><deep/></future-ind><o:own xmlns:o='urn:o' o:a='1'>t&amp;<o:c/></o:own>\
         <anyExt><location-of-functional-alias-URI>x</location-of-functional-alias-URI></anyExt>",
    ));
    assert_eq!(
        info.kept.foreign,
        [format!("<o:own xmlns=\"{NS}\" xmlns:o='urn:o' o:a='1'>t&amp;<o:c/></o:own>")]
    );
    assert_eq!(
        info.kept.any_ext,
        [format!("<location-of-functional-alias-URI xmlns=\"{NS}\">x</location-of-functional-alias-URI>")]
    );
    assert!(!info.encode(Service::Mcptt).contains("future-ind"));
}

#[test]
fn kept_xml_stands_alone() {
    let xml = format!(
        "<i:mcpttinfo xmlns:i='{NS}' xmlns:q='urn:\"q\"&amp;'><i:mcptt-Params xmlns='urn:d'><i:MKFC-GKTPs><k/></i:MKFC-GKTPs>\
         <q:f a='q:name'/><plain xmlns=''/></i:mcptt-Params></i:mcpttinfo>"
    );
    let kept = read(&xml).kept;
    let q = r#"xmlns:q="urn:&quot;q&quot;&amp;""#;
    assert_eq!(
        kept.keys,
        Some(format!(r#"<i:MKFC-GKTPs xmlns:i="{NS}" {q} xmlns="urn:d"><k/></i:MKFC-GKTPs>"#))
    );
    assert_eq!(kept.foreign[0], format!(r#"<q:f xmlns:i="{NS}" {q} xmlns="urn:d" a='q:name'/>"#));
    assert_eq!(kept.foreign[1], format!(r#"<plain xmlns:i="{NS}" {q} xmlns=''/>"#));
    for raw in [kept.keys.as_ref().unwrap(), &kept.foreign[0], &kept.foreign[1]] {
        outline(raw);
    }
    // Without a default namespace in scope, the copy must not fall into the one of its new surroundings.
    let bare = format!("<i:mcpttinfo xmlns:i='{NS}'><i:mcptt-Params><plain/></i:mcptt-Params></i:mcpttinfo>");
    assert_eq!(read(&bare).kept.foreign, [format!(r#"<plain xmlns:i="{NS}" xmlns=""/>"#)]);
}

#[test]
fn what_servers_say_of_users_in_the_extension_is_read() {
    let uri = |name: &str, uri: &str| format!("<{name} type='Normal'><mcpttURI>{uri}</mcpttURI></{name}>");
    let ext = |content: &str| with(&format!("<anyExt>{content}</anyExt>"));
    let alias = uri("functional-alias-URI", "sip:driver-7@one.example");
    let absent = uri("non-acknowledged-user", "sip:bob@one.example");
    let more = uri("non-acknowledged-user", "sip:carl@one.example");
    let info = read(&ext(&format!("{absent}{alias}{more}")));
    assert_eq!(info.functional_alias.as_deref(), Some("sip:driver-7@one.example"));
    assert_eq!(info.non_acknowledged, ["sip:bob@one.example", "sip:carl@one.example"]);
    assert!(info.kept.any_ext.is_empty());
    assert!(breaks(decode(&ext(&format!("{alias}{alias}"))), TWICE));
    // In another namespace they are somebody else's.
    let foreign = read(&ext(&format!("<x:non-acknowledged-user xmlns:x='urn:x'/>{absent}")));
    assert_eq!((foreign.non_acknowledged.len(), foreign.kept.any_ext.len()), (1, 1));
    assert!(read(&ext("<non-acknowledged-user type='Encrypted'/>")).encrypted);
    // A service reads its own.
    let video = "<mcvideoinfo xmlns='urn:3gpp:ns:mcvideoInfo:1.0'><mcvideo-Params><anyExt><functional-alias-URI>\
        <mcvideoURI>sip:cam@one.example</mcvideoURI></functional-alias-URI></anyExt></mcvideo-Params></mcvideoinfo>";
    let info = McInfo::decode(video.as_bytes(), Service::McVideo, &Limits::default()).unwrap();
    assert_eq!(info.functional_alias.as_deref(), Some("sip:cam@one.example"));
}

#[test]
fn another_root_or_namespace_is_refused() {
    let wrong = Err(DocumentError::WrongRoot { document: "mcptt-info", expected: "mcpttinfo" });
    for xml in [
        "<mcpttinfo xmlns='urn:evil'/>",
        "<mcpttinfo/>",
        "<mcvideoinfo xmlns='urn:3gpp:ns:mcvideoInfo:1.0'/>",
        "<mcptt-Params xmlns='urn:3gpp:ns:mcpttInfo:1.0'/>",
    ] {
        assert_eq!(decode(xml), wrong, "{xml}");
    }
    // Known names in another namespace are foreign, not ours.
    let disguised = format!(
        "<mcpttinfo xmlns='{NS}'><mcptt-Params xmlns='urn:evil'><session-type>chat</session-type></mcptt-Params></mcpttinfo>"
    );
    assert_eq!(read(&disguised).session_type, None);
    let value =
        with("<mcptt-request-uri><e:mcpttURI xmlns:e='urn:evil'>sip:a@b</e:mcpttURI></mcptt-request-uri>");
    assert_eq!(read(&value).request_uri, None);
}

#[test]
fn what_is_kept_is_limited() {
    let long = "x".repeat(30_000);
    let xml = format!(
        "<mcpttinfo xmlns='{NS}' xmlns:a='{long}'><mcptt-Params>{}</mcptt-Params></mcpttinfo>",
        "<a:b/>".repeat(3)
    );
    assert!(passes(decode(&xml), "octets of kept elements", 65_535));
    let two = xml.replacen("<a:b/>", "", 1);
    assert_eq!(read(&two).kept.foreign.len(), 2);
}

#[test]
fn a_session_of_another_service_is_read_by_its_names() {
    let xml = "<mcvideoinfo xmlns='urn:3gpp:ns:mcvideoInfo:1.0'><mcvideo-Params><mcvideo-request-uri type='Normal'>\
               <mcvideoURI>sip:user.a@primary.example</mcvideoURI></mcvideo-request-uri></mcvideo-Params></mcvideoinfo>";
    let info = McInfo::decode(xml.as_bytes(), Service::McVideo, &Limits::default()).unwrap();
    assert_eq!(info.request_uri.as_deref(), Some("sip:user.a@primary.example"));
    let data = "<mcdatainfo xmlns='urn:3gpp:ns:mcdataInfo:1.0'><mcdata-Params><request-type>group-sds</request-type>\
                </mcdata-Params></mcdatainfo>";
    let info = McInfo::decode(data.as_bytes(), Service::McData, &Limits::default()).unwrap();
    assert_eq!(info.session_type.as_deref(), Some("group-sds"));
    assert_eq!(children(&info.encode(Service::McData), &["mcdatainfo", "mcdata-Params"]), ["request-type"]);
}

#[test]
fn mutations_never_panic_and_what_is_read_can_be_written() {
    let rich = full().encode(Service::Mcptt);
    let encrypted =
        with("<mcptt-request-uri type='Encrypted'/><anyExt><a:b xmlns:a='urn:a'>&#65;</a:b></anyExt>");
    let limits = Limits::default();
    let mut read = 0;
    fuzz(1, 20_000, &[CALL.as_bytes(), rich.as_bytes(), encrypted.as_bytes()], |text| {
        if let Ok(info) = McInfo::decode(text, Service::Mcptt, &limits) {
            read += 1;
            let again = McInfo::decode(info.encode(Service::Mcptt).as_bytes(), Service::Mcptt, &limits);
            let again = again.unwrap_or_else(|error| panic!("{error} in {}", info.encode(Service::Mcptt)));
            assert_eq!(again.request_uri, info.request_uri);
            assert_eq!(again.kept.foreign.len(), info.kept.foreign.len());
        }
    });
    assert!(read > 500, "the mutations must not all be refused: {read}");
}
