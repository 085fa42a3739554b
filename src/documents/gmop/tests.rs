use super::*;
use crate::documents::testing::{breaks, children, fuzz, outline, passes};

const CREATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<document xmlns="urn:3gpp:ns:mcpttGMOP:1.0">
  <request>
    <group-regroup-creation group-id="sip:tgi-81@primary.example"
        transaction-id="t-1001" requestor="sip:ann@primary.example">
      <ls:group xmlns:ls="urn:oma:xml:poc:list-service"
                xmlns:mcpttgi="urn:3gpp:ns:mcpttGroupInfo:1.0">
        <ls:list-service uri="sip:tgi-81@primary.example">
          <ls:display-name>Harbour incident</ls:display-name>
          <mcpttgi:on-network-temporary>
            <mcpttgi:constituent-MCPTT-group-IDs>
              <mcpttgi:constituent-MCPTT-group-ID>sip:fire-1@primary.example</mcpttgi:constituent-MCPTT-group-ID>
              <mcpttgi:constituent-MCPTT-group-ID>sip:police-4@partner.example</mcpttgi:constituent-MCPTT-group-ID>
            </mcpttgi:constituent-MCPTT-group-IDs>
          </mcpttgi:on-network-temporary>
          <mcpttgi:on-network-group-priority>120</mcpttgi:on-network-group-priority>
        </ls:list-service>
      </ls:group>
    </group-regroup-creation>
  </request>
</document>"#;

const TEARDOWN: &str = r#"<document xmlns="urn:3gpp:ns:mcpttGMOP:1.0" xmlns:gx="urn:rollcall:gmop-ext:1.0">
  <request>
    <gx:group-regroup-teardown group-id="sip:tgi-81@primary.example"
        transaction-id="t-1002" requestor="sip:ann@primary.example"/>
  </request>
</document>"#;

const NOTIFIED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<document xmlns="urn:3gpp:ns:mcpttGMOP:1.0" xmlns:gx="urn:rollcall:gmop-ext:1.0">
  <request>
    <gx:group-regroup-teardown-notification group-id="sip:tgi-81@primary.example"
        transaction-id="t-1002-a" requestor="sip:gms@primary.example">
      <ls:group xmlns:ls="urn:oma:xml:poc:list-service" xmlns:mcpttgi="urn:3gpp:ns:mcpttGroupInfo:1.0">
        <ls:list-service uri="sip:tgi-81@primary.example">
          <mcpttgi:on-network-temporary>
            <mcpttgi:constituent-MCPTT-group-IDs>
              <mcpttgi:constituent-MCPTT-group-ID>sip:police-4@partner.example</mcpttgi:constituent-MCPTT-group-ID>
            </mcpttgi:constituent-MCPTT-group-IDs>
          </mcpttgi:on-network-temporary>
        </ls:list-service>
      </ls:group>
    </gx:group-regroup-teardown-notification>
  </request>
</document>"#;

const REJECTED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<document xmlns="urn:3gpp:ns:mcpttGMOP:1.0" xmlns:gx="urn:rollcall:gmop-ext:1.0">
  <gx:response operation="group-regroup-creation" group-id="sip:tgi-81@primary.example"
      transaction-id="t-1001">
    <gx:result>failure</gx:result>
    <gx:reason code="group-already-regrouped">a constituent group is part of another temporary group</gx:reason>
    <gx:rejected-group id="sip:police-4@PARTNER.example" code="group-already-regrouped"/>
  </gx:response>
</document>"#;

const GROUP: &str = "<group xmlns='urn:oma:xml:poc:list-service' xmlns:g='urn:3gpp:ns:mcpttGroupInfo:1.0' \
    xmlns:oxe='urn:oma:xml:xdm:extensions'><list-service uri='sip:tgi-81@primary.example'>\
    <display-name>Harbour</display-name><list><entry uri='sip:bob@b'/></list><g:on-network-temporary>\
    <g:constituent-MCPTT-group-IDs><g:constituent-MCPTT-group-ID>sip:fire-1@primary.example\
    </g:constituent-MCPTT-group-ID></g:constituent-MCPTT-group-IDs></g:on-network-temporary></list-service></group>";

fn decode(xml: &str) -> Result<Gmop, DocumentError> {
    Gmop::decode(xml.as_bytes(), &Limits::default())
}

fn read(xml: &str) -> Operation {
    match decode(xml).unwrap() {
        Gmop::Request(operation) => operation,
        Gmop::Response(_) => panic!("a response"),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn requested(content: &str) -> String {
    format!(
        "<document xmlns='urn:3gpp:ns:mcpttGMOP:1.0' xmlns:gx='urn:rollcall:gmop-ext:1.0'><request>{content}</request></document>"
    )
}

fn creation() -> Operation {
    Operation {
        kind: OperationKind::GroupRegroupCreation,
        group_id: some("sip:tgi-81@primary.example"),
        transaction_id: some("t-1001"),
        requestor: some("sip:ann@primary.example"),
        group: Some(GroupProposal {
            uri: "sip:tgi-81@primary.example".to_owned(),
            display_name: some("Harbour incident"),
            constituents: Some(vec![
                "sip:fire-1@primary.example".to_owned(),
                "sip:police-4@partner.example".to_owned(),
            ]),
            priority: Some(120),
            ..GroupProposal::default()
        }),
        document: None,
    }
}

fn rejection() -> Response {
    Response {
        operation: "group-regroup-creation".to_owned(),
        group_id: "sip:tgi-81@primary.example".to_owned(),
        transaction_id: "t-1001".to_owned(),
        result: Err(Reason::new(ReasonCode::GroupAlreadyRegrouped)),
        rejected: vec![("sip:police-4@partner.example".into(), ReasonCode::GroupAlreadyRegrouped)],
        document: None,
    }
}

#[test]
fn a_formation_is_read() {
    assert_eq!(read(CREATION), creation());
}

#[test]
fn requests_go_there_and_back() {
    let bare = Operation { group_id: None, transaction_id: None, requestor: None, group: None, ..creation() };
    let protected = GroupProposal {
        protect_media: Some(true),
        protect_floor_control: Some(false),
        constituents: Some(vec![]),
        ..GroupProposal::default()
    };
    let free = Operation { group: Some(protected), ..creation() };
    let check = Operation { kind: OperationKind::GroupRegroupCheck, ..creation() };
    for operation in [creation(), bare, free, check, read(TEARDOWN), read(NOTIFIED)] {
        assert_eq!(read(&Gmop::Request(operation.clone()).encode()), operation);
    }
}

#[test]
fn a_teardown_and_its_notification_are_read() {
    let teardown = read(TEARDOWN);
    assert_eq!(teardown.kind, OperationKind::GroupRegroupTeardown);
    assert_eq!((teardown.transaction_id.as_deref(), teardown.group), (Some("t-1002"), None));
    let notified = read(NOTIFIED);
    assert_eq!(notified.kind, OperationKind::GroupRegroupTeardownNotification);
    let constituents = notified.group.unwrap().constituents.unwrap();
    assert_eq!(constituents, ["sip:police-4@partner.example"]);
}

#[test]
fn every_operation_is_known_in_either_namespace() {
    for kind::Row { kind, prefix, element: name, .. } in &kind::ROWS {
        for given in ["", "gx:"] {
            assert_eq!(read(&requested(&format!("<{given}{name} group-id='sip:g@b'/>"))).kind, *kind);
        }
        let operation = Operation { kind: kind.clone(), group: None, ..creation() };
        let namespace = if prefix.is_empty() { "urn:3gpp:ns:mcpttGMOP:1.0" } else { EXTENSION_NAMESPACE };
        let line = &outline(&Gmop::Request(operation).encode())[2];
        assert!(line.starts_with(&format!("2 {{{namespace}}}{name} @group-id=")), "{line}");
        assert_eq!(kind.name(), *name);
    }
    let unknown = read(&requested("<gx:group-split transaction-id=' t-9 '/>"));
    assert_eq!(unknown.kind, OperationKind::Unknown("group-split".to_owned()));
    assert_eq!(unknown.transaction_id.as_deref(), Some("t-9"));
    assert_eq!(read(&Gmop::Request(unknown.clone()).encode()), unknown);
}

#[test]
fn the_empty_operation_of_the_standard_is_read() {
    let operation = read(&requested("<get-excluding-memberlist/>"));
    assert_eq!(operation.kind, OperationKind::GetExcludingMemberlist);
    assert_eq!((operation.group_id, operation.transaction_id, operation.requestor), (None, None, None));
}

#[test]
fn responses_go_there_and_back() {
    assert_eq!(decode(REJECTED).unwrap(), Gmop::Response(Box::new(rejection())));
    let document = crate::documents::group_document::decode(ORDINARY.as_bytes(), &Limits::default()).unwrap();
    let kind = OperationKind::GroupInformationRequest;
    let success = Response {
        document: Some(document),
        ..Response::success(&kind, "sip:fire-1@primary.example", "q-9")
    };
    let refused = Reason::new(ReasonCode::PartnerNotPermitted);
    let failure = Response::failure(&kind, "sip:fire-1@primary.example", "q-9", refused);
    let strange = Response {
        rejected: vec![("sip:a@b".into(), ReasonCode::Unknown("moon-phase".to_owned()))],
        ..rejection()
    };
    for response in [rejection(), success, failure, strange] {
        let gmop = Gmop::Response(Box::new(response));
        assert_eq!(decode(&gmop.encode()).unwrap(), gmop);
    }
}

#[test]
fn a_response_is_written_in_the_order_of_the_profile() {
    let document = crate::documents::group_document::decode(GROUP.as_bytes(), &Limits::default()).unwrap();
    let all = Gmop::Response(Box::new(Response { document: Some(document), ..rejection() })).encode();
    assert_eq!(children(&all, &["document"]), ["response"]);
    assert_eq!(children(&all, &["document", "response"]), ["result", "reason", "rejected-group", "group"]);
    let lines = outline(&all);
    assert_eq!(lines[0], "0 {urn:3gpp:ns:mcpttGMOP:1.0}document");
    assert_eq!(lines[2], "2 {urn:rollcall:gmop-ext:1.0}result failure");
    assert!(lines.contains(&"2 {urn:oma:xml:poc:list-service}group".to_owned()));
}

#[test]
fn a_notification_holds_the_whole_document_without_members() {
    let document = crate::documents::group_document::decode(GROUP.as_bytes(), &Limits::default()).unwrap();
    let xml =
        notification(OperationKind::GroupRegroupNotification, &document, "t-1", "sip:ann@primary.example");
    assert_eq!(
        outline(&xml)[2],
        "2 {urn:rollcall:gmop-ext:1.0}group-regroup-notification @group-id=sip:tgi-81@primary.example \
         @transaction-id=t-1 @requestor=sip:ann@primary.example"
    );
    let path = ["document", "request", "group-regroup-notification", "group", "list-service"];
    let inside = children(&xml, &path);
    assert_eq!(inside[..3], ["display-name", "supported-services", "on-network-temporary"]);
    assert!(!inside.contains(&"list".to_owned()));
    let operation = read(&xml);
    assert_eq!(operation.group, None);
    let read = operation.document.unwrap();
    assert_eq!(read.temporary.as_ref().unwrap().constituents, ["sip:fire-1@primary.example".into()]);
    assert_eq!(*read, GroupDocument { members: Default::default(), ..document });
}

/// A group of two members, as a primary system provides it.
const ORDINARY: &str = "<group xmlns='urn:oma:xml:poc:list-service' xmlns:g='urn:3gpp:ns:mcpttGroupInfo:1.0'>\
    <list-service uri='sip:fire-1@primary.example'><display-name>Fire</display-name>\
    <list><entry uri='sip:bob@primary.example'/><entry uri='sip:dan@partner.example'/></list>\
    <g:on-network-group-priority>60</g:on-network-group-priority></list-service></group>";

#[test]
fn a_provided_group_keeps_its_members() {
    let document = crate::documents::group_document::decode(ORDINARY.as_bytes(), &Limits::default()).unwrap();
    let provision = Operation {
        kind: OperationKind::GroupInformationProvision,
        group_id: some("sip:fire-1@primary.example"),
        transaction_id: some("p-1"),
        requestor: None,
        group: None,
        document: Some(Box::new(document.clone())),
    };
    assert_eq!(read(&Gmop::Request(provision.clone()).encode()), provision);
    let none = Operation { document: None, ..provision.clone() };
    assert_eq!(read(&Gmop::Request(none.clone()).encode()), none);
    let hidden = Box::new(GroupDocument { members: Default::default(), ..document });
    let xml = Gmop::Request(Operation { document: Some(hidden), ..provision }).encode();
    let path = ["document", "request", "group-information-provision", "group", "list-service"];
    assert!(!children(&xml, &path).contains(&"list".to_owned()));
    let broken = requested(&format!(
        "<gx:group-information-provision>{ORDINARY}{ORDINARY}</gx:group-information-provision>"
    ));
    assert!(breaks(decode(&broken), "element that occurs twice"));
    let unnamed = ORDINARY.replace("sip:fire-1@primary.example", "");
    let unnamed = requested(&format!("<group-regroup-notification>{unnamed}</group-regroup-notification>"));
    assert!(breaks(decode(&unnamed), "not a URI"));
}

#[test]
fn the_limit_on_elements_counts_the_group_inside() {
    let limits = |xml_elements| Limits { xml_elements, ..Limits::default() };
    let elements = outline(CREATION).len();
    assert!(Gmop::decode(CREATION.as_bytes(), &limits(elements)).is_ok());
    assert!(passes(Gmop::decode(CREATION.as_bytes(), &limits(elements - 1)), "elements", elements - 1));
}

#[test]
fn what_is_unknown_is_passed_over() {
    let noisy = CREATION
        .replace(
            "<request>",
            "<note/><x:request xmlns:x='urn:x'/><request><x:group-regroup-creation xmlns:x='urn:x'/>",
        )
        .replace("<ls:group ", "<gx:hint xmlns:gx='urn:rollcall:gmop-ext:1.0'/><ls:group future='1' ")
        .replace(
            "<ls:display-name>",
            "<ls:list><ls:entry uri='x'/></ls:list><mcpttgi:owner>o</mcpttgi:owner><ls:display-name>",
        );
    assert_eq!(read(&noisy), creation());
}

#[test]
fn an_absent_list_of_constituents_is_not_an_empty_one() {
    let with = |temporary: &str| {
        read(&requested(&format!(
            "<group-regroup-creation><l:group xmlns:l='urn:oma:xml:poc:list-service' xmlns:g='urn:3gpp:ns:mcpttGroupInfo:1.0'>\
             <l:list-service>{temporary}</l:list-service></l:group></group-regroup-creation>"
        )))
        .group
        .unwrap()
    };
    assert_eq!(with(""), GroupProposal::default());
    assert_eq!(with("<g:on-network-temporary/>").constituents, None);
    let empty = "<g:on-network-temporary><g:constituent-MCPTT-group-IDs/></g:on-network-temporary>";
    assert_eq!(with(empty).constituents, Some(vec![]));
}

#[test]
fn what_breaks_the_profile_is_refused() {
    for (content, problem) in [
        ("", "no operation"),
        ("<x:get-excluding-memberlist xmlns:x='urn:x'/>", "no operation"),
        ("<a/><b/>", "more than one operation"),
        ("<a><group xmlns='urn:oma:xml:poc:list-service'/></a>", "element missing"),
        (
            "<a><group xmlns='urn:oma:xml:poc:list-service'><list-service/><list-service/></group></a>",
            "element that occurs twice",
        ),
        (
            "<a><l:group xmlns:l='urn:oma:xml:poc:list-service'><l:list-service/></l:group>\
             <l:group xmlns:l='urn:oma:xml:poc:list-service'><l:list-service/></l:group></a>",
            "element that occurs twice",
        ),
        (
            "<a><l:group xmlns:l='urn:oma:xml:poc:list-service' xmlns:g='urn:3gpp:ns:mcpttGroupInfo:1.0'><l:list-service>\
             <g:on-network-group-priority>256</g:on-network-group-priority></l:list-service></l:group></a>",
            "value outside its type",
        ),
        (
            "<a><l:group xmlns:l='urn:oma:xml:poc:list-service' xmlns:g='urn:3gpp:ns:mcpttGroupInfo:1.0'><l:list-service>\
             <g:on-network-temporary/><g:on-network-temporary/></l:list-service></l:group></a>",
            "element that occurs twice",
        ),
    ] {
        assert!(breaks(decode(&requested(content)), problem), "{content}");
    }
    let two = requested("<a/>").replace("</document>", "<request><a/></request></document>");
    assert!(breaks(decode(&two), "more than one request or response"));
    assert!(breaks(decode("<document xmlns='urn:3gpp:ns:mcpttGMOP:1.0'/>"), "neither request nor response"));
    let wrong = Err(DocumentError::WrongRoot { document: "GMOP", expected: "document" });
    assert_eq!(decode("<document xmlns='urn:rollcall:gmop-ext:1.0'/>"), wrong);
    for (from, to, problem) in [
        ("<gx:result>failure</gx:result>", "", "element missing"),
        ("failure", "maybe", "value outside its type"),
        (" code=\"group-already-regrouped\">a", ">a", "attribute missing"),
        ("sip:police-4@PARTNER.example", "police", "not a URI"),
        ("operation=", "x=", "attribute missing"),
        ("</gx:response>", "<gx:result>success</gx:result></gx:response>", "element that occurs twice"),
    ] {
        assert!(breaks(decode(&REJECTED.replace(from, to)), problem), "{from}");
    }
    let unexplained = REJECTED.replace("gx:reason", "gx:cause");
    assert!(breaks(decode(&unexplained), "element missing"));
}

#[test]
fn mutations_never_panic_and_what_is_read_can_be_written() {
    let provided = requested(&format!(
        "<gx:group-information-provision group-id='sip:fire-1@primary.example'>{ORDINARY}</gx:group-information-provision>"
    ));
    let seeds = [CREATION, TEARDOWN, NOTIFIED, REJECTED, &provided];
    let seeds: Vec<&[u8]> = seeds.iter().map(|seed| seed.as_bytes()).collect();
    let mut read = 0;
    fuzz(7, 20_000, &seeds, |text| {
        if let Ok(gmop) = Gmop::decode(text, &Limits::default()) {
            read += 1;
            // The first copy may declare more namespaces in what is kept, and the members of a temporary group are those
            // of its constituents; the second copy is like the first.
            let copy = decode(&gmop.encode()).unwrap();
            let plain = match &gmop {
                Gmop::Request(operation) => operation.document.is_none(),
                Gmop::Response(response) => response.document.is_none(),
            };
            assert!(!plain || copy == gmop);
            assert_eq!(decode(&copy.encode()).unwrap(), copy);
        }
    });
    assert!(read > 1_000, "the mutations must not all be refused: {read}");
}
