use super::*;
use crate::documents::testing::{breaks, children, fuzz, outline};
use crate::model::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

mod details;

const FIRE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<group xmlns="urn:oma:xml:poc:list-service"
       xmlns:rl="urn:ietf:params:xml:ns:resource-lists"
       xmlns:cp="urn:ietf:params:xml:ns:common-policy"
       xmlns:oxe="urn:oma:xml:xdm:extensions"
       xmlns:mcpttgi="urn:3gpp:ns:mcpttGroupInfo:1.0">
  <list-service uri="sip:fire-1@primary.example">
    <display-name xml:lang="en">Fire brigade 1</display-name>
    <list>
      <entry uri="sip:bob@primary.example">
        <rl:display-name>Bob</rl:display-name>
        <mcpttgi:user-priority>5</mcpttgi:user-priority>
        <mcpttgi:participant-type>First responder</mcpttgi:participant-type>
        <mcpttgi:on-network-required/>
      </entry>
      <entry uri="sip:cho@PRIMARY.example">
        <rl:display-name>Cho</rl:display-name>
        <mcpttgi:user-priority>3</mcpttgi:user-priority>
      </entry>
    </list>
    <cp:ruleset>
      <cp:rule id="members">
        <cp:conditions><is-list-member/></cp:conditions>
        <cp:actions>
          <allow-initiate-conference>true</allow-initiate-conference>
          <join-handling>true</join-handling>
          <mcpttgi:on-network-allow-getting-member-list>true</mcpttgi:on-network-allow-getting-member-list>
          <mcpttgi:on-network-allow-getting-affiliation-list>true</mcpttgi:on-network-allow-getting-affiliation-list>
          <mcpttgi:on-network-allow-conference-state>true</mcpttgi:on-network-allow-conference-state>
          <mcpttgi:allow-MCPTT-emergency-call>true</mcpttgi:allow-MCPTT-emergency-call>
        </cp:actions>
      </cp:rule>
    </cp:ruleset>
    <oxe:supported-services>
      <oxe:service enabler="urn:urn-7:3gpp-service.ims.icsi.mcptt">
        <oxe:group-media><mcpttgi:mcptt-speech/></oxe:group-media>
      </oxe:service>
    </oxe:supported-services>
    <mcpttgi:owner>primary-county</mcpttgi:owner>
    <mcpttgi:on-network-group-priority>60</mcpttgi:on-network-group-priority>
    <mcpttgi:on-network-max-participant-count>50</mcpttgi:on-network-max-participant-count>
    <mcpttgi:on-network-invite-members>true</mcpttgi:on-network-invite-members>
    <mcpttgi:preferred-voice-encodings>
      <mcpttgi:encoding name="AMR-WB"/>
    </mcpttgi:preferred-voice-encodings>
    <mcpttgi:on-network-hang-timer>PT30S</mcpttgi:on-network-hang-timer>
    <mcpttgi:on-network-maximum-duration>PT1H</mcpttgi:on-network-maximum-duration>
    <mcpttgi:on-network-minimum-number-to-start>1</mcpttgi:on-network-minimum-number-to-start>
    <mcpttgi:on-network-timeout-for-acknowledgement-of-required-members>PT10S</mcpttgi:on-network-timeout-for-acknowledgement-of-required-members>
    <mcpttgi:protect-media>false</mcpttgi:protect-media>
    <mcpttgi:protect-floor-control-signalling>false</mcpttgi:protect-floor-control-signalling>
  </list-service>
</group>"#;

fn fire() -> GroupDocument {
    let member = |name: &str, priority, required, kept: Vec<KeptElement>| {
        let details = MemberDetails { display_name: Some(name.to_owned()), kept };
        Member { priority: Some(priority), required, details: Some(Box::new(details)), ..Member::default() }
    };
    let kind = simple(Space::GroupInfo, "participant-type", &[], "First responder");
    GroupDocument {
        id: "sip:fire-1@primary.example".into(),
        display_name: "Fire brigade 1".to_owned(),
        members: Arc::new(BTreeMap::from([
            ("sip:bob@primary.example".into(), member("Bob", 5, true, vec![kind])),
            ("sip:cho@primary.example".into(), member("Cho", 3, false, vec![])),
        ])),
        prearranged: true,
        disabled: false,
        preconfigured_only: false,
        max_participants: Some(50),
        minimum_to_start: 1,
        minimum_affiliated: None,
        acknowledgement_timeout: Some(Duration::from_secs(10)),
        on_acknowledgement_timeout: OnTimeout::Abandon,
        maximum_duration: Some(Duration::from_secs(3600)),
        hang_timer: Some(Duration::from_secs(30)),
        priority: Some(60),
        protect_media: false,
        protect_floor_control: false,
        encodings: vec!["AMR-WB".to_owned()],
        rules: GroupRules {
            initiate: Who::Members,
            join: Who::Members,
            conference_state: Who::Members,
            member_list: Who::Members,
            affiliation_list: Who::Members,
            emergency_call: Who::Members,
            ..nobody()
        },
        services: vec![Service::Mcptt],
        temporary: None,
        details: Arc::new(GroupDetails {
            language: Some("en".to_owned()),
            owner: Some("primary-county".to_owned()),
            ..GroupDetails::default()
        }),
        version: 0,
    }
}

fn nobody() -> GroupRules {
    GroupRules::default()
}

fn simple(space: Space, name: &str, attributes: &[(&str, &str)], text: &str) -> KeptElement {
    let attributes =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let content = KeptContent::Simple { attributes, text: text.to_owned() };
    KeptElement { space, name: name.to_owned(), content }
}

fn constituents() -> Vec<GroupId> {
    vec!["sip:fire-1@primary.example".into(), "sip:police-4@partner.example".into()]
}

fn temporary() -> GroupDocument {
    GroupDocument {
        id: "sip:tgi-81@primary.example".into(),
        display_name: "Harbour incident".to_owned(),
        members: MemberList::default(),
        max_participants: None,
        minimum_to_start: 0,
        acknowledgement_timeout: None,
        hang_timer: None,
        priority: Some(120),
        encodings: vec![],
        rules: nobody(),
        temporary: Some(Temporary { constituents: constituents(), requestor: "".into() }),
        details: Arc::default(),
        ..fire()
    }
}

fn decode(xml: &str) -> Result<GroupDocument, DocumentError> {
    super::decode(xml.as_bytes(), &Limits::default())
}

fn read(xml: &str) -> GroupDocument {
    decode(xml).unwrap()
}

/// A document whose `list-service` holds this.
fn with(content: &str) -> String {
    format!(
        "<group xmlns='urn:oma:xml:poc:list-service' xmlns:cp='urn:ietf:params:xml:ns:common-policy' \
         xmlns:oxe='urn:oma:xml:xdm:extensions' xmlns:g='urn:3gpp:ns:mcpttGroupInfo:1.0'>\
         <list-service uri='sip:g@b'>{content}</list-service></group>"
    )
}

#[test]
fn a_group_document_is_read() {
    assert_eq!(read(FIRE), fire());
}

#[test]
fn a_group_document_goes_there_and_back() {
    let full = GroupDocument {
        disabled: true,
        preconfigured_only: true,
        minimum_affiliated: Some(2),
        on_acknowledgement_timeout: OnTimeout::Proceed,
        protect_media: true,
        encodings: vec!["EVS".to_owned(), "AMR-WB".to_owned()],
        services: vec![Service::McData, Service::Mcptt, Service::McVideo],
        members: Arc::new(BTreeMap::from([(
            "tel:+3585550100".into(),
            Member { required: true, affiliation_required: true, receive_only: true, ..Member::default() },
        )])),
        rules: GroupRules {
            initiate: Who::Members,
            join: Who::Anyone,
            member_list: Who::Users(vec!["sip:a@b".into(), "sip:c@d".into()]),
            conference_state: Who::Anyone,
            imminent_peril_call: Who::Members,
            ..nobody()
        },
        ..fire()
    };
    for document in [fire(), full, read(&with(""))] {
        assert_eq!(read(&encode(&document, true, None)), document);
        let without = read(&encode(&document, false, None));
        assert_eq!(without, GroupDocument { members: MemberList::default(), ..document });
    }
}

#[test]
fn elements_are_written_in_the_order_of_the_schema() {
    let full = GroupDocument {
        disabled: true,
        preconfigured_only: true,
        minimum_affiliated: Some(2),
        temporary: None,
        ..fire()
    };
    let mark = mark();
    let xml = encode(&full, true, Some(&mark));
    assert_eq!(
        children(&xml, &["group", "list-service"]),
        [
            "display-name",
            "list",
            "ruleset",
            "supported-services",
            "on-network-disabled",
            "on-network-regrouped",
            "owner",
            "preconfigured-group-use-only",
            "on-network-group-priority",
            "on-network-invite-members",
            "on-network-max-participant-count",
            "on-network-minimum-number-to-start",
            "on-network-timeout-for-acknowledgement-of-required-members",
            "on-network-action-upon-expiration-of-timeout-for-acknowledgement-of-required-members",
            "on-network-hang-timer",
            "on-network-maximum-duration",
            "preferred-voice-encodings",
            "protect-media",
            "protect-floor-control-signalling",
            "on-network-minimum-number-of-affiliated-members",
        ]
    );
    let regrouped = ["group", "list-service", "on-network-regrouped"];
    assert_eq!(
        children(&xml, &regrouped),
        [
            "constituent-MCPTT-group-IDs",
            "on-network-group-priority",
            "protect-media",
            "protect-floor-control-signalling"
        ]
    );
    let all = outline(&xml);
    let gi = "{urn:3gpp:ns:mcpttGroupInfo:1.0}";
    assert!(all.contains(&format!(
        "2 {gi}on-network-regrouped @temporary-MCPTT-group-ID=sip:tgi-81@primary.example \
         @temporary-MCPTT-group-requestor=sip:dispatcher@primary.example"
    )));
    assert!(all.contains(&format!("2 {gi}on-network-maximum-duration PT1H")));
    assert!(all.contains(&"4 {urn:ietf:params:xml:ns:common-policy}conditions".to_owned()));
    assert!(all.contains(&"5 {urn:oma:xml:poc:list-service}is-list-member".to_owned()));
    assert!(all.contains(&"5 {urn:oma:xml:poc:list-service}join-handling true".to_owned()));
    assert!(all.contains(&format!("5 {gi}mcptt-speech")));
}

fn mark() -> Regrouped {
    Regrouped {
        temporary: "sip:tgi-81@primary.example".into(),
        requestor: "sip:dispatcher@primary.example".into(),
        constituents: constituents(),
        priority: Some(120),
        protect_media: false,
        protect_floor_control: true,
    }
}

#[test]
fn a_constituent_carries_its_mark() {
    let xml = encode(&fire(), true, Some(&mark()));
    let (document, mark_read) = decode_marked(xml.as_bytes(), &Limits::default()).unwrap();
    assert_eq!((document, mark_read), (fire(), Some(mark())));
    assert_eq!(decode_marked(FIRE.as_bytes(), &Limits::default()).unwrap().1, None);
    let bare = with(
        "<g:on-network-regrouped temporary-MCPTT-group-ID='sip:t@b' temporary-MCPTT-group-requestor='sip:u@b'>\
         <g:constituent-MCPTT-group-IDs/></g:on-network-regrouped>",
    );
    let mark = decode_marked(bare.as_bytes(), &Limits::default()).unwrap().1.unwrap();
    assert!(mark.protect_media && mark.protect_floor_control && mark.constituents.is_empty());
    let unnamed = bare.replace("temporary-MCPTT-group-requestor", "x");
    assert!(breaks(decode(&unnamed), "attribute missing"));
}

#[test]
fn a_temporary_group_has_constituents_and_neither_members_nor_rules_for_them() {
    let document = GroupDocument {
        rules: GroupRules { initiate: Who::Members, join: Who::Members, ..nobody() },
        ..temporary()
    };
    let xml = encode(&document, true, None);
    assert_eq!(read(&xml), temporary());
    assert_eq!(
        children(&xml, &["group", "list-service"]),
        [
            "display-name",
            "supported-services",
            "on-network-temporary",
            "on-network-group-priority",
            "on-network-invite-members",
            "on-network-maximum-duration",
            "protect-media",
            "protect-floor-control-signalling",
        ]
    );
    let listed = ["group", "list-service", "on-network-temporary", "constituent-MCPTT-group-IDs"];
    assert_eq!(children(&xml, &listed), ["constituent-MCPTT-group-ID"; 2]);
    assert!(breaks(decode(&with("<g:on-network-temporary/>")), "element missing"));
    let empty = with("<g:on-network-temporary><g:constituent-MCPTT-group-IDs/></g:on-network-temporary>");
    assert_eq!(read(&empty).temporary.unwrap().constituents, []);
}

#[test]
fn what_is_absent_has_the_default_of_the_standard() {
    let document = read(&with(""));
    assert!(document.protect_media && document.protect_floor_control);
    assert!(!document.prearranged && !document.disabled && !document.preconfigured_only);
    assert_eq!((document.max_participants, document.minimum_to_start, document.priority), (None, 0, None));
    assert_eq!((document.rules, document.services, document.temporary), (nobody(), vec![], None));
    assert!(read(&with("<g:on-network-disabled/>")).disabled);
    for (text, action) in
        [("proceed", OnTimeout::Proceed), ("abandon", OnTimeout::Abandon), ("?", OnTimeout::Abandon)]
    {
        let name = "g:on-network-action-upon-expiration-of-timeout-for-acknowledgement-of-required-members";
        assert_eq!(read(&with(&format!("<{name}>{text}</{name}>"))).on_acknowledgement_timeout, action);
    }
}

#[test]
fn the_services_of_a_group_meet_all_five_conditions() {
    let services = |content: &str| {
        read(&with(&format!("<oxe:supported-services>{content}</oxe:supported-services>"))).services
    };
    let one = |icsi: &str, media: &str| {
        services(&format!(
            "<oxe:service enabler='urn:urn-7:3gpp-service.ims.icsi.{icsi}'><oxe:group-media>{media}</oxe:group-media></oxe:service>"
        ))
    };
    assert_eq!(one("mcptt", "<g:mcptt-speech/>"), [Service::Mcptt]);
    assert_eq!(one("mcvideo", "<g:other/><g:mcvideo-video-media/>"), [Service::McVideo]);
    assert_eq!(one("mcdata.sds", ""), [Service::McData]);
    assert_eq!(one("mcptt", ""), []);
    assert_eq!(one("mcptt", "<mcptt-speech/>"), []);
    assert_eq!(one("mcvideo", "<g:mcptt-speech/>"), []);
    assert_eq!(one("mcdatabase", ""), []);
    assert_eq!(
        services("<oxe:service><oxe:group-media><g:mcptt-speech/></oxe:group-media></oxe:service>"),
        []
    );
    assert_eq!(services("<oxe:service enabler='urn:urn-7:3gpp-service.ims.icsi.mcptt'/>"), []);
}

/// Who may start calls by these rules, in a group of bob and cho.
fn initiate(rules: &[&str]) -> Who {
    let rules: String = rules
        .iter()
        .map(|conditions| {
            format!(
                "<cp:rule id='r'>{conditions}<cp:actions><allow-initiate-conference>true</allow-initiate-conference>\
                 </cp:actions></cp:rule>"
            )
        })
        .collect();
    let list = "<list><entry uri='sip:bob@b'/><entry uri='sip:cho@b'/></list>";
    read(&with(&format!("<cp:ruleset>{rules}</cp:ruleset>{list}"))).rules.initiate
}

fn users(names: &[&str]) -> Who {
    Who::Users(names.iter().map(|name| UserId::new(format!("sip:{name}@b"))).collect())
}

#[test]
fn conditions_say_who() {
    let identity =
        |content: &str| format!("<cp:conditions><cp:identity>{content}</cp:identity></cp:conditions>");
    let both = |content: &str| {
        format!("<cp:conditions><is-list-member/><cp:identity>{content}</cp:identity></cp:conditions>")
    };
    for (conditions, who) in [
        ("<cp:conditions><is-list-member/></cp:conditions>".to_owned(), Who::Members),
        (identity("<cp:many/>"), Who::Anyone),
        (identity("<cp:one id='sip:ann@B'/><cp:one id='sip:bob@b'/>"), users(&["ann", "bob"])),
        (identity("<cp:one id='sip:ann@b'/><cp:many/>"), Who::Anyone),
        (String::new(), Who::Anyone),
        ("<cp:conditions/>".to_owned(), Who::Anyone),
        (both("<cp:many/>"), Who::Members),
        (both("<cp:one id='sip:ann@b'/><cp:one id='sip:bob@b'/>"), users(&["bob"])),
        // What cannot be read is no permission.
        (identity(""), Who::Nobody),
        (identity("<cp:many domain='b'/>"), Who::Nobody),
        (identity("<cp:many><cp:except id='sip:ann@b'/></cp:many>"), Who::Nobody),
        (identity("<cp:one id='sip:ann@b'/><cp:many domain='b'/>"), users(&["ann"])),
        ("<cp:conditions><is-list-member/><cp:sphere value='x'/></cp:conditions>".to_owned(), Who::Nobody),
        ("<cp:conditions><cp:is-list-member/></cp:conditions>".to_owned(), Who::Nobody),
        (
            both("").replace("</cp:conditions>", "<cp:identity><cp:many/></cp:identity></cp:conditions>"),
            Who::Nobody,
        ),
    ] {
        assert_eq!(initiate(&[&conditions]), who, "{conditions}");
    }
}

#[test]
fn any_rule_gives_its_actions() {
    let members = "<cp:conditions><is-list-member/></cp:conditions>";
    let one = |name: &str| {
        format!("<cp:conditions><cp:identity><cp:one id='sip:{name}@b'/></cp:identity></cp:conditions>")
    };
    let many = "<cp:conditions><cp:identity><cp:many/></cp:identity></cp:conditions>";
    assert_eq!(initiate(&[]), Who::Nobody);
    assert_eq!(initiate(&[members, members]), Who::Members);
    assert_eq!(initiate(&[&one("bob"), many]), Who::Anyone);
    assert_eq!(initiate(&[&one("zoe"), &one("ann"), &one("zoe")]), users(&["ann", "zoe"]));
    assert_eq!(initiate(&[members, &one("bob")]), Who::Members);
    assert_eq!(initiate(&[&one("ann"), members]), users(&["ann", "bob", "cho"]));
    let refused = with(
        "<cp:ruleset><cp:rule id='r'><cp:actions><join-handling>0</join-handling>\
         <g:allow-MCPTT-emergency-call>1</g:allow-MCPTT-emergency-call></cp:actions></cp:rule></cp:ruleset>",
    );
    assert_eq!(read(&refused).rules, GroupRules { emergency_call: Who::Anyone, ..nobody() });
}

#[test]
fn what_the_model_lacks_passes_through() {
    let xml = FIRE
        .replace(
            "<list>",
            "<invite-members>false</invite-members><future xmlns='urn:x'/><list><external anchor='x'/>",
        )
        .replace("<list-service uri", "<other/><list-service future='1' uri")
        .replace("<cp:rule id", "<cp:note/><cp:rule id")
        .replace(
            "<mcpttgi:owner>",
            "<mcpttgi:level-within-group-hierarchy>3</mcpttgi:level-within-group-hierarchy><mcpttgi:owner>",
        );
    let document = read(&xml);
    let names: Vec<_> = document.details.kept.iter().map(|element| element.name.as_str()).collect();
    assert_eq!(names, ["invite-members", "future", "level-within-group-hierarchy"]);
    let details = GroupDetails { kept: vec![], ..GroupDetails::clone(&document.details) };
    assert_eq!(GroupDocument { details: Arc::new(details), ..document }, fire());
}

#[test]
fn the_wrong_namespace_is_not_the_element() {
    let wrong = Err(DocumentError::WrongRoot { document: DOCUMENT, expected: "group" });
    assert_eq!(decode(&FIRE.replace("urn:oma:xml:poc:list-service", "urn:x")), wrong);
    assert_eq!(decode("<group/>"), wrong);
    let unread = read(&FIRE.replace("urn:3gpp:ns:mcpttGroupInfo:1.0", "urn:x"));
    assert!(!unread.prearranged && unread.protect_media && unread.services.is_empty());
    let unruled = read(&FIRE.replace("urn:ietf:params:xml:ns:common-policy", "urn:x"));
    assert_eq!(unruled.rules, nobody());
}

#[test]
fn what_breaks_the_schema_is_refused() {
    for (content, problem) in [
        ("<g:on-network-group-priority>256</g:on-network-group-priority>", "value outside its type"),
        ("<g:on-network-group-priority>-1</g:on-network-group-priority>", "value outside its type"),
        ("<g:on-network-invite-members>yes</g:on-network-invite-members>", "value outside its type"),
        (
            "<g:on-network-max-participant-count>x</g:on-network-max-participant-count>",
            "value outside its type",
        ),
        (
            "<g:on-network-minimum-number-to-start>65536</g:on-network-minimum-number-to-start>",
            "value outside its type",
        ),
        ("<g:on-network-maximum-duration>1h</g:on-network-maximum-duration>", "value outside its type"),
        (
            "<g:on-network-minimum-number-of-affiliated-members>0</g:on-network-minimum-number-of-affiliated-members>",
            "value outside its type",
        ),
        ("<g:preferred-voice-encodings><g:encoding/></g:preferred-voice-encodings>", "attribute missing"),
        ("<list><entry/></list>", "attribute missing"),
        ("<list><entry uri='bob'/></list>", "not a URI"),
        (
            "<list><entry uri='sip:bob@b'/><entry uri='sip:bob@B:5060;a=b'/></list>",
            "member that occurs twice",
        ),
        (
            "<list><entry uri='sip:b@b'><g:user-priority>999</g:user-priority></entry></list>",
            "value outside its type",
        ),
        ("<list/><list/>", "element that occurs twice"),
        (
            "<g:protect-media>true</g:protect-media><g:protect-media>false</g:protect-media>",
            "element that occurs twice",
        ),
        (
            "<g:on-network-temporary><g:constituent-MCPTT-group-IDs><g:constituent-MCPTT-group-ID>x</g:constituent-MCPTT-group-ID></g:constituent-MCPTT-group-IDs></g:on-network-temporary>",
            "not a URI",
        ),
    ] {
        assert!(breaks(decode(&with(content)), problem), "{content}");
    }
    assert!(breaks(decode("<group xmlns='urn:oma:xml:poc:list-service'/>"), "element missing"));
    let two = with("").replace("</group>", "<list-service uri='sip:h@b'/></group>");
    assert!(breaks(decode(&two), "element that occurs twice"));
}

#[test]
fn mutations_never_panic_and_what_is_read_can_be_written() {
    let marked = encode(&fire(), true, Some(&mark()));
    let temporary = encode(&temporary(), false, None);
    let mut read = 0;
    fuzz(6, 20_000, &[FIRE.as_bytes(), marked.as_bytes(), temporary.as_bytes()], |text| {
        if let Ok((document, mark)) = decode_marked(text, &Limits::default()) {
            read += 1;
            let again =
                decode_marked(encode(&document, true, mark.as_ref()).as_bytes(), &Limits::default()).unwrap();
            assert_eq!(again.1, mark);
            assert_eq!((again.0.id, again.0.temporary), (document.id, document.temporary));
        }
    });
    assert!(read > 300, "the mutations must not all be refused: {read}");
}
