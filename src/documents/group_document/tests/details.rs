//! What passes through, and what a partner's policy may do to it.

use super::*;
use crate::documents::testing::passes;

/// All that [`FIRE`] does not say.
const RICH: &str = r#"<group xmlns="urn:oma:xml:poc:list-service" xmlns:rl="urn:ietf:params:xml:ns:resource-lists"
       xmlns:cp="urn:ietf:params:xml:ns:common-policy" xmlns:oxe="urn:oma:xml:xdm:extensions"
       xmlns:g="urn:3gpp:ns:mcpttGroupInfo:1.0" xmlns:mgktp="urn:3gpp:ns:mcpttGKTP:1.0">
  <list-service uri="sip:fire-1@primary.example">
    <mgktp:GKTPs><mgktp:GMK-GKTPs><mgktp:GKTP id="1">00ff</mgktp:GKTP></mgktp:GMK-GKTPs></mgktp:GKTPs>
    <g:mcdata-allow-file-distribution>true</g:mcdata-allow-file-distribution>
    <g:future>soon</g:future>
    <g:off-network-queue-usage>true</g:off-network-queue-usage>
    <g:mcvideo-off-network-arbitration-approach>self</g:mcvideo-off-network-arbitration-approach>
    <g:on-network-in-progress-emergency-state-cancellation-timeout>PT5M</g:on-network-in-progress-emergency-state-cancellation-timeout>
    <g:on-network-in-progress-imminent-peril-state-cancellation-timeout>PT2M</g:on-network-in-progress-imminent-peril-state-cancellation-timeout>
    <g:mcvideo-on-network-group-priority>7</g:mcvideo-on-network-group-priority>
    <g:mcdata-on-network-group-priority>8</g:mcdata-on-network-group-priority>
    <g:mcvideo-preferred-video-encodings><g:encoding name="H264"/></g:mcvideo-preferred-video-encodings>
    <g:permitted-geographic-area><g:PolygonArea>
      <g:Corner><g:Longitude>1</g:Longitude><g:Latitude>2</g:Latitude></g:Corner>
      <g:Corner><g:Longitude>3</g:Longitude><g:Latitude>4</g:Latitude></g:Corner>
      <g:Corner><g:Longitude>16777215</g:Longitude><g:Latitude>0</g:Latitude></g:Corner>
    </g:PolygonArea><g:EllipsoidArcArea>
      <g:Center><g:Longitude>9</g:Longitude><g:Latitude>8</g:Latitude></g:Center>
      <g:Radius>500</g:Radius><g:OffsetAngle>0</g:OffsetAngle><g:IncludedAngle>255</g:IncludedAngle>
    </g:EllipsoidArcArea></g:permitted-geographic-area>
    <g:mandatory-geographic-area><g:EllipsoidArcArea>
      <g:Center><g:Longitude>9</g:Longitude><g:Latitude>8</g:Latitude></g:Center>
      <g:Radius>500</g:Radius><g:OffsetAngle>0</g:OffsetAngle><g:IncludedAngle>90</g:IncludedAngle>
    </g:EllipsoidArcArea><g:anyExt><g:Ring/></g:anyExt></g:mandatory-geographic-area>
    <g:owner>primary-county</g:owner>
    <oxe:supported-services>
      <oxe:service enabler="urn:urn-7:3gpp-service.ims.icsi.mcdata.sds"><oxe:group-media/></oxe:service>
    </oxe:supported-services>
    <cp:ruleset><cp:rule id="a"><cp:conditions><is-list-member/></cp:conditions><cp:actions>
      <allow-expelling>true</allow-expelling>
      <g:on-network-allow-getting-affiliation-list>true</g:on-network-allow-getting-affiliation-list>
      <g:allow-MCPTT-emergency-alert>true</g:allow-MCPTT-emergency-alert>
      <g:mcdata-allow-transmit-data-in-this-group>true</g:mcdata-allow-transmit-data-in-this-group>
      <g:mcdata-allow-emergency-alert>false</g:mcdata-allow-emergency-alert>
    </cp:actions></cp:rule></cp:ruleset>
    <invite-members>true</invite-members>
    <list><entry uri="sip:bob@primary.example">
      <g:on-network-required/>
      <g:mcdata-off-network-thing/>
      <g:anyExt><g:x/></g:anyExt>
      <g:mcvideo-mcvideo-id uri="sip:bob.video@primary.example"/>
      <g:user-priority>5</g:user-priority>
      <g:participant-type>First responder</g:participant-type>
      <rl:display-name>Bob</rl:display-name>
    </entry></list>
    <display-name>Fire</display-name>
  </list-service>
</group>"#;

fn rich() -> GroupDocument {
    read(RICH)
}

fn again(document: &GroupDocument) -> GroupDocument {
    read(&encode(document, true, None))
}

#[test]
fn what_a_policy_may_change_is_read_and_written() {
    let corner = |longitude, latitude| Point { longitude, latitude };
    let details = rich().details;
    assert_eq!(
        details.permitted_area.as_ref().unwrap()[..],
        [
            Shape::Polygon(vec![corner(1, 2), corner(3, 4), corner(16_777_215, 0)]),
            Shape::Arc { center: corner(9, 8), radius: 500, offset_angle: 0, included_angle: 255 }
        ]
    );
    assert_eq!(details.emergency_timeout, Some(Duration::from_secs(300)));
    assert_eq!(details.imminent_peril_timeout, Some(Duration::from_secs(120)));
    assert_eq!((details.mcvideo_priority, details.mcdata_priority), (Some(7), Some(8)));
    assert_eq!(details.owner.as_deref(), Some("primary-county"));
    assert_eq!(again(&rich()).details.permitted_area, details.permitted_area);
}

#[test]
fn what_is_not_read_survives_in_the_place_the_schema_gives_it() {
    let xml = encode(&rich(), true, None);
    assert_eq!(
        children(&xml, &["group", "list-service"]),
        [
            "display-name",
            "list",
            "invite-members",
            "ruleset",
            "supported-services",
            "owner",
            "permitted-geographic-area",
            "mandatory-geographic-area",
            "on-network-invite-members",
            "on-network-in-progress-emergency-state-cancellation-timeout",
            "on-network-in-progress-imminent-peril-state-cancellation-timeout",
            "protect-media",
            "protect-floor-control-signalling",
            "off-network-queue-usage",
            "mcvideo-preferred-video-encodings",
            "mcvideo-on-network-group-priority",
            "mcdata-allow-file-distribution",
            "mcdata-on-network-group-priority",
            "future",
            "mcvideo-off-network-arbitration-approach",
            "GKTPs",
        ]
    );
    assert_eq!(
        children(&xml, &["group", "list-service", "list", "entry"]),
        [
            "display-name",
            "user-priority",
            "participant-type",
            "on-network-required",
            "mcvideo-mcvideo-id",
            "mcdata-off-network-thing",
            "anyExt"
        ]
    );
    let lines = outline(&xml);
    for line in [
        "2 {urn:oma:xml:poc:list-service}invite-members true",
        "3 {urn:oma:xml:xdm:extensions}service @enabler=urn:urn-7:3gpp-service.ims.icsi.mcdata.sds",
        "3 {urn:3gpp:ns:mcpttGroupInfo:1.0}encoding @name=H264",
        "4 {urn:3gpp:ns:mcpttGroupInfo:1.0}Ring",
        "4 {urn:3gpp:ns:mcpttGKTP:1.0}GKTP @id=1 00ff",
        "4 {urn:3gpp:ns:mcpttGroupInfo:1.0}mcvideo-mcvideo-id @uri=sip:bob.video@primary.example",
        "5 {urn:oma:xml:poc:list-service}allow-expelling true",
        "5 {urn:3gpp:ns:mcpttGroupInfo:1.0}mcdata-allow-transmit-data-in-this-group true",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line}");
    }
    // Whatever was in scope at first is in scope still: from here on nothing changes.
    assert_eq!(again(&again(&rich())), again(&rich()));
    assert_eq!(outline(&encode(&again(&rich()), true, None)), lines);
}

#[test]
fn a_kept_document_can_travel_inside_another() {
    let mut out = Out::new();
    out.element(("", "document"), &[("xmlns", Ns::Gmop.text())], |out| {
        write::group(out, "ls:", &rich(), true, None)
    });
    let inside = outline(&out.finish());
    let plain = outline(&encode(&rich(), true, None));
    let deeper: Vec<String> = plain
        .iter()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(depth, rest)| format!("{} {rest}", depth.parse::<usize>().unwrap() + 1))
        .collect();
    assert_eq!(inside[1..], deeper);
}

#[test]
fn services_are_written_as_received_until_they_change() {
    let mut document = rich();
    assert_eq!(document.services, [Service::McData]);
    document.services.push(Service::Mcptt);
    let lines = outline(&encode(&document, true, None));
    let enablers: Vec<_> = lines.iter().filter(|line| line.contains("@enabler")).collect();
    assert_eq!(enablers.len(), 2);
    assert!(enablers[0].ends_with("icsi.mcdata"));
    // What we write ourselves needs no copy.
    assert_eq!(again(&document).details.services, None);
    let odd = [
        "<oxe:service enabler='urn:urn-7:3gpp-service.ims.icsi.mcptt' x='1'><oxe:group-media><g:mcptt-speech/></oxe:group-media></oxe:service>",
        "<oxe:service enabler='urn:urn-7:3gpp-service.ims.icsi.mcptt'><oxe:group-media><g:mcptt-speech/><g:x/></oxe:group-media></oxe:service>",
        "<oxe:service enabler='urn:urn-7:3gpp-service.ims.icsi.mcptt'><oxe:group-media><g:mcptt-speech x='1'/></oxe:group-media></oxe:service>",
        "<oxe:service enabler='urn:urn-7:3gpp-service.ims.icsi.mcptt'/>",
        "<oxe:service enabler='urn:other'><oxe:group-media/></oxe:service>",
        "<oxe:note/>",
    ];
    for content in odd {
        let document = read(&with(&format!("<oxe:supported-services>{content}</oxe:supported-services>")));
        assert!(document.details.services.is_some(), "{content}");
        assert_eq!(again(&document).services, document.services);
    }
}

#[test]
fn actions_are_found_by_name_and_can_only_be_taken() {
    let mut document = rich();
    for name in [
        "on-network-allow-getting-affiliation-list",
        "allow-MCPTT-emergency-alert",
        "mcdata-allow-transmit-data-in-this-group",
        "allow-expelling",
    ] {
        assert_eq!(*who(&document.rules, name), Who::Members);
        assert!(deny_action(&mut document, name));
        assert!(!deny_action(&mut document, name));
        assert_eq!(*who(&document.rules, name), Who::Nobody);
    }
    assert_eq!(document.rules, nobody());
    assert!(!deny_action(&mut document, "mcdata-allow-emergency-alert"));
    assert!(deny_action(&mut document, "mcdata-allow-file-distribution"));
    assert!(!deny_action(&mut document, "mcdata-allow-file-distribution"));
    let xml = encode(&document, true, None);
    assert!(
        outline(&xml)
            .contains(&"2 {urn:3gpp:ns:mcpttGroupInfo:1.0}mcdata-allow-file-distribution false".to_owned())
    );
    // Only a switch can be switched.
    assert!(!deny_action(&mut document, "future"));
}

#[test]
fn other_actions_go_to_whom_any_rule_gives_them() {
    let rule = |conditions: &str, action: &str| {
        format!("<cp:rule id='r'>{conditions}<cp:actions>{action}</cp:actions></cp:rule>")
    };
    let one = "<cp:conditions><cp:identity><cp:one id='sip:ann@b'/></cp:identity></cp:conditions>";
    let sphere = "<cp:conditions><cp:sphere value='x'/></cp:conditions>";
    let rules: String = [
        rule(one, "<g:z-other>1</g:z-other><a>true</a><g:odd>maybe</g:odd><x:b xmlns:x='urn:x'>true</x:b>"),
        rule("<cp:conditions><is-list-member/></cp:conditions>", "<g:z-other>true</g:z-other>"),
        rule(sphere, "<g:sometimes>true</g:sometimes>"),
    ]
    .concat();
    let list = "<list><entry uri='sip:bob@b'/></list>";
    let document = read(&with(&format!("<cp:ruleset>{rules}</cp:ruleset>{list}")));
    let other = |space, name: &str, who| OtherAction { space, name: name.to_owned(), who };
    assert_eq!(
        document.rules.others,
        [
            other(Space::ListService, "a", users(&["ann"])),
            other(Space::GroupInfo, "z-other", users(&["ann", "bob"]))
        ]
    );
    assert_eq!(again(&document).rules, document.rules);
}

#[test]
fn what_one_system_keeps_to_itself_can_be_removed() {
    let mut document = rich();
    assert!(remove_off_network(&mut document) && !remove_off_network(&mut document));
    assert!(remove_keys(&mut document) && !remove_keys(&mut document));
    let xml = encode(&document, true, None);
    for name in ["off-network", "GKTP>"] {
        assert!(!xml.contains(name), "{name} in {xml}");
    }
    assert!(remove(&mut document, |space, name| space == Space::GroupInfo && name == "participant-type"));
    assert!(!encode(&document, true, None).contains("participant-type"));
    // Nothing else went, and other holders of the same lists see no change.
    assert!(document.details.kept.iter().any(|element| element.name == "future"));
    assert_eq!(rich().details.kept.len(), document.details.kept.len() + 3);
}

#[test]
fn an_area_has_the_shapes_of_the_schema() {
    let area = |content: &str| {
        decode(&with(&format!("<g:permitted-geographic-area>{content}</g:permitted-geographic-area>")))
    };
    let corner = "<g:Corner><g:Longitude>1</g:Longitude><g:Latitude>2</g:Latitude></g:Corner>";
    let polygon = |corners| format!("<g:PolygonArea>{}</g:PolygonArea>", corner.repeat(corners));
    assert!(area(&polygon(3)).is_ok() && area(&polygon(15)).is_ok());
    assert!(breaks(area(&polygon(2)), "fewer than 3 corners"));
    assert!(breaks(area(&polygon(16)), "more than 15 corners"));
    assert!(breaks(area(""), "element missing"));
    let arc = "<g:EllipsoidArcArea><g:Center><g:Longitude>1</g:Longitude><g:Latitude>2</g:Latitude></g:Center>\
        <g:Radius>3</g:Radius><g:OffsetAngle>4</g:OffsetAngle><g:IncludedAngle>5</g:IncludedAngle></g:EllipsoidArcArea>";
    assert!(area(arc).unwrap().details.permitted_area.is_some());
    for (from, to, problem) in [
        ("<g:Longitude>1<", "<g:Longitude>16777216<", "value outside its type"),
        ("<g:Latitude>2</g:Latitude>", "", "element missing"),
        ("<g:Radius>3<", "<g:Radius>-3<", "value outside its type"),
        ("<g:OffsetAngle>4<", "<g:OffsetAngle>256<", "value outside its type"),
        ("<g:Radius>3</g:Radius>", "", "element missing"),
        ("</g:EllipsoidArcArea>", "<g:Radius>3</g:Radius></g:EllipsoidArcArea>", "element that occurs twice"),
        ("</g:Center>", "<g:Latitude>2</g:Latitude></g:Center>", "element that occurs twice"),
    ] {
        assert!(breaks(area(&arc.replace(from, to)), problem), "{to}");
    }
    // What the schema may get later is not cut off from the rest.
    for more in
        ["<g:Circle/>", &polygon(3).replace("</g:P", "<g:Hole/></g:P"), &arc.replace("</g:E", "<g:x/></g:E")]
    {
        let document = area(&format!("{arc}{more}")).unwrap();
        assert_eq!(document.details.permitted_area, None);
        assert_eq!(document.details.kept.len(), 1);
        let mut replaced = document;
        Arc::make_mut(&mut replaced.details).permitted_area =
            area(arc).unwrap().details.permitted_area.clone();
        let xml = encode(&replaced, true, None);
        assert_eq!(xml.matches("<mcpttgi:permitted-geographic-area").count(), 1);
        assert!(!xml.contains("<g:permitted-geographic-area"));
    }
    let two = format!("<g:permitted-geographic-area>{arc}</g:permitted-geographic-area>").repeat(2);
    assert!(breaks(decode(&with(&two)), "element that occurs twice"));
}

#[test]
fn what_is_kept_is_limited() {
    let long = "x".repeat(30_000);
    let xml = |count| with(&format!("<a:b xmlns:a='urn:a' c='{long}'/>").repeat(count));
    assert_eq!(read(&xml(2)).details.kept.len(), 2);
    // One declaration with a long name counts in every element that it is copied into.
    let scoped =
        |count| with(&"<a:b/>".repeat(count)).replace("<group ", &format!("<group xmlns:a='{long}' "));
    assert_eq!(read(&scoped(2)).details.kept.len(), 2);
    assert!(passes(decode(&scoped(3)), "octets of kept elements", 65_535));
}

#[test]
fn mutations_of_what_is_kept_never_panic_and_are_stable() {
    let mut read = 0;
    fuzz(10, 6_000, &[RICH.as_bytes(), encode(&rich(), true, None).as_bytes()], |text| {
        if let Ok(document) = super::super::decode(text, &Limits::default()) {
            read += 1;
            // Declarations that were in scope come along, so the copy may be over a limit.
            let roomy = Limits { xml_octets: 1_000_000, ..Limits::default() };
            let copy = super::super::decode(encode(&document, true, None).as_bytes(), &roomy).unwrap();
            assert_eq!(copy.details.kept.len(), document.details.kept.len());
            assert_eq!(copy.rules, document.rules);
        }
    });
    assert!(read > 150, "the mutations must not all be refused: {read}");
}
