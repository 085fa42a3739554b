use super::*;
use crate::documents::testing::{breaks, children, fuzz, outline, passes};

const PUBLISHED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:mcpttPI10="urn:3gpp:ns:mcpttPresInfo:1.0"
          entity="sip:user.a@primary.example">
  <tuple id="urn:uuid:6f5d0b1e-0001-4000-8000-00000000000a">
    <status>
      <mcpttPI10:affiliation group="sip:fire-1@primary.example"/>
      <mcpttPI10:affiliation group="sip:joint-7@partner.example"/>
    </status>
  </tuple>
  <mcpttPI10:p-id>a-20261121-0001</mcpttPI10:p-id>
</presence>"#;

const CLIENT: &str = "urn:uuid:6f5d0b1e-0001-4000-8000-00000000000a";

fn decode(xml: &str) -> Result<Presence, DocumentError> {
    Presence::decode(xml.as_bytes(), Service::Mcptt, &Limits::default())
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn group(group: &str, status: Option<AffiliationStatus>, expires: Option<Time>) -> Affiliation {
    Affiliation { group: some(group), client: None, status, expires }
}

fn per_user(affiliations: Vec<Affiliation>, p_id: Option<&str>) -> Presence {
    Presence {
        entity: "sip:user.a@primary.example".to_owned(),
        tuples: vec![Tuple { id: CLIENT.to_owned(), affiliations }],
        p_id: p_id.map(str::to_owned),
    }
}

#[test]
fn a_clients_wish_is_read() {
    let groups = vec![
        group("sip:fire-1@primary.example", None, None),
        group("sip:joint-7@partner.example", None, None),
    ];
    assert_eq!(decode(PUBLISHED).unwrap(), per_user(groups, Some("a-20261121-0001")));
}

#[test]
fn the_status_of_a_user_goes_there_and_back() {
    let end = Time::from_millis(1_826_755_200_000);
    let presence = per_user(
        vec![
            group("sip:fire-1@primary.example", Some(AffiliationStatus::Affiliated), None),
            group("sip:joint-7@partner.example", Some(AffiliationStatus::Affiliating), Some(end)),
            group("sip:med-3@primary.example", Some(AffiliationStatus::Deaffiliating), None),
        ],
        Some("a-remote-0001"),
    );
    for service in [Service::Mcptt, Service::McVideo, Service::McData] {
        let xml = presence.encode(service);
        assert_eq!(Presence::decode(xml.as_bytes(), service, &Limits::default()).unwrap(), presence);
        let namespace = names::of(service).presence_namespace;
        assert_eq!(
            outline(&xml)[4],
            format!(
                "3 {{{namespace}}}affiliation @group=sip:joint-7@partner.example @status=affiliating \
                 @expires=2027-11-21T00:00:00Z"
            )
        );
        assert_eq!(children(&xml, &["presence"]), ["tuple", "p-id"]);
    }
}

#[test]
fn the_per_group_form_is_read_and_written() {
    let xml = r#"<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:mcpttPI10="urn:3gpp:ns:mcpttPresInfo:1.0"
          entity="sip:joint-7@partner.example"><tuple id="sip:user.a@primary.example"><status>
      <mcpttPI10:affiliation client="urn:uuid:6f5d0b1e-0001-4000-8000-00000000000a" expires="2027-11-21T00:00:00Z"/>
    </status></tuple><mcpttPI10:p-id>srv-primary-000042</mcpttPI10:p-id></presence>"#;
    let expires = Some(Time::from_millis(1_826_755_200_000));
    let affiliation = Affiliation { client: some(CLIENT), expires, ..Affiliation::default() };
    let expected = Presence {
        entity: "sip:joint-7@partner.example".to_owned(),
        tuples: vec![Tuple { id: "sip:user.a@primary.example".to_owned(), affiliations: vec![affiliation] }],
        p_id: some("srv-primary-000042"),
    };
    assert_eq!(decode(xml).unwrap(), expected);
    assert_eq!(decode(&expected.encode(Service::Mcptt)).unwrap(), expected);
}

#[test]
fn the_attributes_of_the_affiliations_tell_the_form() {
    let expires = Some(Time::from_millis(1_000));
    let status = Some(AffiliationStatus::Affiliated);
    let to_group = || Affiliation::to_group("sip:fire-1@primary.example", status, expires);
    let with_client = || Affiliation::with_client(CLIENT, expires);
    assert_eq!(to_group(), group("sip:fire-1@primary.example", status, expires));
    let form = |affiliations| per_user(affiliations, None).form();
    assert_eq!(form(vec![to_group(), to_group()]), Some(Form::PerUser));
    assert_eq!(form(vec![with_client(), with_client()]), Some(Form::PerGroup));
    assert_eq!(decode(PUBLISHED).unwrap().form(), Some(Form::PerUser));
    // Nothing to tell by, or no agreement.
    assert_eq!(form(vec![]), None);
    assert_eq!(Presence::default().form(), None);
    assert_eq!(form(vec![to_group(), with_client()]), None);
    assert_eq!(form(vec![to_group(), Affiliation::default()]), None);
    assert_eq!(form(vec![Affiliation { client: some(CLIENT), ..to_group() }]), None);
    // An empty status beside a full one says nothing against it.
    let mut several = per_user(vec![with_client()], None);
    several.tuples.insert(0, Tuple { id: "sip:user.b@primary.example".to_owned(), affiliations: vec![] });
    assert_eq!(several.form(), Some(Form::PerGroup));
}

#[test]
fn a_list_of_affiliations_may_be_as_long_as_the_limit_on_elements() {
    let affiliations = |count| vec![Affiliation::with_client("c", None); count];
    let decode = |count| {
        let xml = per_user(affiliations(count), None).encode(Service::Mcptt);
        Presence::decode(xml.as_bytes(), Service::Mcptt, &Limits { xml_elements: 10, ..Limits::default() })
    };
    assert_eq!(decode(7).unwrap().tuples[0].affiliations.len(), 7);
    assert!(passes(decode(8), "elements", 10));
}

#[test]
fn an_empty_status_and_no_tuple_are_states_of_their_own() {
    for status in ["<status/>", "<status></status>", ""] {
        let xml = format!(
            "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:user.a@primary.example'><tuple id='{CLIENT}'>{status}</tuple></presence>"
        );
        assert_eq!(decode(&xml).unwrap(), per_user(vec![], None));
    }
    let nothing = Presence { entity: "sip:user.a@primary.example".to_owned(), ..Presence::default() };
    let first = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:user.a@primary.example\"/>";
    assert_eq!(decode(first).unwrap(), nothing);
    assert_eq!(decode(&nothing.encode(Service::Mcptt)).unwrap(), nothing);
    // A tuple has a status, empty or not (RFC 3863 4.1.2).
    assert!(per_user(vec![], None).encode(Service::Mcptt).contains("<status/>"));
}

#[test]
fn what_belongs_to_others_is_not_seen() {
    let xml = PUBLISHED
        .replace(
            "<status>",
            "<note>n</note><status><basic>open</basic><x:y xmlns:x='urn:x'><mcpttPI10:affiliation/></x:y>",
        )
        .replace("group=\"sip:joint", "xmlns:x='urn:x' x:group='no' future='1' group=\"sip:joint")
        .replace("</presence>", "<mcpttPI10:p-id-fa>no</mcpttPI10:p-id-fa></presence>");
    assert_eq!(decode(&xml).unwrap(), decode(PUBLISHED).unwrap());
    let other = Presence::decode(PUBLISHED.as_bytes(), Service::McVideo, &Limits::default()).unwrap();
    assert_eq!(other, per_user(vec![], None));
    let disguised = PUBLISHED.replace("urn:3gpp:ns:mcpttPresInfo:1.0", "urn:evil");
    assert_eq!(decode(&disguised).unwrap(), per_user(vec![], None));
}

#[test]
fn every_form_of_expiry_is_read() {
    for text in [
        "2027-11-21T00:00:00Z",
        "2027-11-21T00:00:00",
        "2027-11-21T00:00:00.000Z",
        "2027-11-21T00:00:00.000",
        "2027-11-21T02:00:00+02:00",
        " 2027-11-21T00:00:00Z ",
    ] {
        let xml = PUBLISHED
            .replace("<mcpttPI10:affiliation ", &format!("<mcpttPI10:affiliation expires='{text}' "));
        let first = decode(&xml).unwrap().tuples[0].affiliations[0].expires;
        assert_eq!(first, Some(Time::from_millis(1_826_755_200_000)), "{text}");
    }
}

#[test]
fn what_is_missing_twice_or_outside_its_type_is_refused() {
    let twice = PUBLISHED.replace("</presence>", "<mcpttPI10:p-id>b</mcpttPI10:p-id></presence>");
    assert!(breaks(decode(&twice), TWICE));
    assert!(breaks(decode(&PUBLISHED.replace("</status>", "</status><status/>")), TWICE));
    assert!(breaks(decode(&PUBLISHED.replace("<tuple id", "<tuple x")), "attribute missing"));
    assert!(breaks(decode(&PUBLISHED.replace("entity", "entities")), "attribute missing"));
    for attribute in
        ["status='deaffiliated'", "status='Affiliated'", "status=''", "expires='tomorrow'", "expires=''"]
    {
        let xml =
            PUBLISHED.replace("<mcpttPI10:affiliation ", &format!("<mcpttPI10:affiliation {attribute} "));
        assert!(breaks(decode(&xml), "value outside its type"), "{attribute}");
    }
    let wrong = Err(DocumentError::WrongRoot { document: "pidf", expected: "presence" });
    assert_eq!(decode(&PUBLISHED.replace("urn:ietf:params:xml:ns:pidf", "urn:x")), wrong);
}

fn filter(include: &str) -> String {
    format!(
        "<filter-set xmlns='urn:ietf:params:xml:ns:simple-filter'><ns-bindings>\
         <ns-binding prefix='pidf' urn='urn:ietf:params:xml:ns:pidf'/></ns-bindings>\
         <filter id='f1'><what><include>{include}</include></what></filter></filter-set>"
    )
}

fn tuple(xml: &str) -> Option<String> {
    filter_tuple(xml.as_bytes(), &Limits::default()).unwrap()
}

#[test]
fn a_per_client_restriction_is_taken() {
    for include in [
        r#"//pidf:presence/pidf:tuple[@id="urn:uuid:1"]"#,
        "//pidf:presence/pidf:tuple[@id='urn:uuid:1']",
        "\n  //p:presence/p:tuple[@id=&quot;urn:uuid:1&quot;]\n",
        "<![CDATA[//p:presence/p:tuple[@id=\"urn:uuid:1\"]]]>",
    ] {
        assert_eq!(tuple(&filter(include)).as_deref(), Some("urn:uuid:1"), "{include}");
    }
    let escaped = r#"//pidf:presence/pidf:tuple[@id="a&amp;b&apos;"]"#;
    assert_eq!(tuple(&filter(escaped)).as_deref(), Some("a&b'"));
}

#[test]
fn a_restriction_to_a_client_or_a_user_goes_there_and_back() {
    for id in [CLIENT, "sip:user.a@primary.example", "a&<b>", "it's", "a \"b\""] {
        let xml = tuple_filter(id).unwrap();
        assert_eq!(tuple(&xml).as_deref(), Some(id), "{xml}");
        assert_eq!(children(&xml, &["filter-set"]), ["ns-bindings", "filter"]);
        assert_eq!(children(&xml, &["filter-set", "filter"]), ["what"]);
    }
    assert_eq!(tuple_filter("'\""), None);
    assert!(
        outline(&tuple_filter("x").unwrap())
            .contains(&"1 {urn:ietf:params:xml:ns:simple-filter}filter @id=f1".to_owned())
    );
}

#[test]
fn a_filter_of_another_shape_restricts_nothing() {
    for include in [
        "",
        "//presence/tuple[@id=\"x\"]",
        "//a:presence/b:tuple[@id=\"x\"]",
        "/pidf:presence/pidf:tuple[@id=\"x\"]",
        "//pidf:presence/pidf:tuple[@id=\"x']",
        "//pidf:presence/pidf:tuple[@id=\"\"]",
        "//pidf:presence/pidf:tuple[@id=x]",
        "//pidf:presence/pidf:tuple[@id=\"x\"]/pidf:status",
        "//pidf:presence/pidf:tuple[@id=\"x\" or @id=\"y\"]",
        "//*:presence/a:presence/*:tuple[@id=\"x\"]",
        "//pidf:presence/pidf:tuple[@id=\"x\"]|//pidf:presence/pidf:tuple[@id=\"y\"]",
    ] {
        assert_eq!(tuple(&filter(include)), None, "{include}");
    }
    let good = filter(r#"//pidf:presence/pidf:tuple[@id="x"]"#);
    assert_eq!(tuple(&good).as_deref(), Some("x"));
    for (from, to) in [
        ("<include>", "<include type='namespace'>"),
        ("<filter id='f1'>", "<filter id='f1' uri='sip:a@b'>"),
        ("<filter id='f1'>", "<filter id='f1' domain='b'>"),
        ("<filter id='f1'>", "<filter id='f1' enabled='false'>"),
        ("<filter id='f1'>", "<filter id='f1' remove='true'>"),
        ("</what>", "<exclude>x</exclude></what>"),
        ("</what>", "<include>x</include></what>"),
        ("</what>", "</what><trigger/>"),
        ("</filter-set>", "<filter id='f2'><what><include>x</include></what></filter></filter-set>"),
    ] {
        assert_eq!(tuple(&good.replace(from, to)), None, "{to}");
    }
    assert_eq!(
        tuple(&good.replace("<filter id='f1'>", "<filter id='f1' enabled='true'>")).as_deref(),
        Some("x")
    );
    assert_eq!(tuple("<filter-set xmlns='urn:ietf:params:xml:ns:simple-filter'/>"), None);
    assert!(filter_tuple(b"<filter-set/>", &Limits::default()).is_err());
}

#[test]
fn mutations_never_panic() {
    let per_group = per_user(
        vec![Affiliation {
            client: some("c"),
            status: Some(AffiliationStatus::Affiliated),
            expires: Some(Time::from_millis(1)),
            group: None,
        }],
        None,
    );
    let limits = Limits::default();
    let mut read = 0;
    fuzz(4, 10_000, &[PUBLISHED.as_bytes(), per_group.encode(Service::Mcptt).as_bytes()], |text| {
        if let Ok(presence) = Presence::decode(text, Service::Mcptt, &limits) {
            read += 1;
            let again = Presence::decode(presence.encode(Service::Mcptt).as_bytes(), Service::Mcptt, &limits);
            assert_eq!(again.unwrap().tuples.len(), presence.tuples.len());
        }
    });
    assert!(read > 500, "the mutations must not all be refused: {read}");
    fuzz(5, 10_000, &[filter("//pidf:presence/pidf:tuple[@id='x']").as_bytes()], |text| {
        let _ = filter_tuple(text, &limits);
    });
}
