use super::*;
use crate::documents::testing::{breaks, outline, passes};

const ROOT: (Ns, &str) = (Ns::Pidf, "presence");
const NS: &str = "urn:ietf:params:xml:ns:pidf";

/// Reads the whole document: the text of the root's children, joined.
fn read_with(body: &[u8], limits: &Limits) -> Result<String> {
    let (mut xml, _) = Xml::open(body, "test", ROOT, limits)?;
    let mut text = String::new();
    while xml.child()?.is_some() {
        text.push_str(&xml.text()?);
    }
    xml.finish()?;
    Ok(text)
}

fn read(body: &[u8]) -> Result<String> {
    read_with(body, &Limits::default())
}

/// A document with this inside its root.
fn with(content: &str) -> String {
    format!("<presence xmlns='{NS}'>{content}</presence>")
}

fn inside(content: &str) -> Result<String> {
    read(with(content).as_bytes())
}

#[test]
fn octets_are_limited() {
    let body = with("<a/>");
    let limits = Limits { xml_octets: body.len(), ..Limits::default() };
    assert!(read_with(body.as_bytes(), &limits).is_ok());
    let over = Limits { xml_octets: body.len() - 1, ..Limits::default() };
    assert!(passes(read_with(body.as_bytes(), &over), "octets", body.len() - 1));
}

#[test]
fn levels_of_elements_are_limited() {
    let nested = |levels: usize| with(&format!("{}{}", "<a>".repeat(levels - 1), "</a>".repeat(levels - 1)));
    let limits = Limits { xml_depth: 5, ..Limits::default() };
    assert!(read_with(nested(5).as_bytes(), &limits).is_ok());
    assert!(passes(read_with(nested(6).as_bytes(), &limits), "levels of elements", 5));
    // Siblings are no levels, written either way.
    assert!(
        read_with(with(&"<a><b/></a>".repeat(9)).as_bytes(), &Limits { xml_depth: 3, ..limits.clone() })
            .is_ok()
    );
    assert!(passes(
        read_with(with("<a><b/></a>").as_bytes(), &Limits { xml_depth: 2, ..limits }),
        "levels of elements",
        2
    ));
    let deep = format!("<presence xmlns='{NS}'>{}", "<a>".repeat(20_000));
    assert!(passes(read(deep.as_bytes()), "levels of elements", 32));
}

#[test]
fn elements_are_limited() {
    let limits = Limits { xml_elements: 4, ..Limits::default() };
    assert!(read_with(with("<a/><a><a/></a>").as_bytes(), &limits).is_ok());
    assert!(passes(read_with(with("<a/><a><a/></a><a/>").as_bytes(), &limits), "elements", 4));
}

#[test]
fn attributes_of_one_element_are_limited() {
    let many = |count: usize| -> String { (0..count).map(|number| format!(" a{number}=''")).collect() };
    let limits = Limits { xml_attributes: 8, ..Limits::default() };
    assert!(read_with(with(&format!("<a{}/><a{}/>", many(8), many(8))).as_bytes(), &limits).is_ok());
    assert!(passes(
        read_with(with(&format!("<a{}/>", many(9))).as_bytes(), &limits),
        "attributes of one element",
        8
    ));
    let limits = Limits { xml_octets: usize::MAX, ..Limits::default() };
    let flood = read_with(with(&format!("<a{}/>", many(20_000))).as_bytes(), &limits);
    assert!(passes(flood, "attributes of one element", limits.xml_attributes));
}

#[test]
fn namespaces_in_scope_are_limited() {
    let limits = Limits { xml_attributes: 1_000, ..Limits::default() };
    // The root declares one.
    let declared =
        |count: usize| -> String { (1..count).map(|number| format!(" xmlns:p{number}='x'")).collect() };
    let at = with(&format!("<a{}/>", declared(NAMESPACES_IN_SCOPE)));
    assert!(read_with(at.as_bytes(), &limits).is_ok());
    let over = with(&format!("<a{}/>", declared(NAMESPACES_IN_SCOPE + 1)));
    assert!(passes(read_with(over.as_bytes(), &limits), "namespaces in scope", NAMESPACES_IN_SCOPE));
    // Out of scope again: they may come as often as they like.
    let often = with(&format!("<a{}/>", declared(NAMESPACES_IN_SCOPE)).repeat(20));
    assert!(read_with(often.as_bytes(), &limits).is_ok());
}

#[test]
fn a_doctype_is_refused_wherever_it_stands() {
    let bomb = format!(
        "<!DOCTYPE presence [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>{}",
        with("<t>&b;</t>")
    );
    assert!(breaks(read(bomb.as_bytes()), "DOCTYPE"));
    let external = format!("<!DOCTYPE presence SYSTEM \"file:///etc/passwd\">{}", with(""));
    assert!(breaks(read(external.as_bytes()), "DOCTYPE"));
    assert!(inside("<!DOCTYPE a>").is_err());
    assert!(read(format!("{}<!DOCTYPE a>", with("")).as_bytes()).is_err());
}

#[test]
fn only_the_five_entities_and_characters_are_resolved() {
    let text = "<t>&lt;&gt;&amp;&apos;&quot;&#65;&#x42;&#x10FFFF; <![CDATA[&amp;<x>]]></t>";
    assert_eq!(inside(text).unwrap(), "<>&'\"AB\u{10ffff} &amp;<x>");
    for (reference, problem) in [
        ("&nbsp;", "undefined entity"),
        ("&LT;", "undefined entity"),
        ("&;", "undefined entity"),
        ("&#0;", "character reference"),
        ("&#1;", "character reference"),
        ("&#xFFFE;", "character reference"),
        ("&#xD800;", "character reference"),
        ("&#x110000;", "character reference"),
        ("&#+65;", "character reference"),
        ("&#;", "character reference"),
        ("&#99999999999999999999;", "character reference"),
        ("& ", "not well-formed"),
        ("&amp", "not well-formed"),
    ] {
        assert!(breaks(inside(&format!("<t>{reference}</t>")), problem), "{reference}");
        // Also where nobody looks at the text.
        assert!(inside(&format!("<t><u>{reference}</u></t>")).is_err(), "{reference}");
        assert!(inside(reference).is_err(), "{reference}");
        assert!(inside(&format!("<t a='{reference}'/>")).is_err(), "{reference}");
    }
}

#[test]
fn only_utf_8_is_read() {
    let body = with("<t>\u{e9}</t>");
    for declaration in [
        "\u{feff}",
        "\u{feff}<?xml version='1.0'?>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n",
        "<?xml version='1.0' encoding='utf-8' standalone='yes'?>",
        "<?xml version='1.1'?>",
        " \n<!-- c --><?pi x?>",
    ] {
        assert_eq!(read(format!("{declaration}{body}").as_bytes()).unwrap(), "\u{e9}", "{declaration}");
    }
    for (declaration, problem) in [
        ("<?xml version='1.0' encoding='ISO-8859-1'?>", "encoding other than UTF-8"),
        ("<?xml version='1.0' encoding='UTF-16'?>", "encoding other than UTF-8"),
        ("<?xml version='1.0' encoding=''?>", "encoding other than UTF-8"),
        ("<?xml version='2.0'?>", "XML version"),
        ("<?xml version='1.'?>", "XML version"),
        ("<?xml?>", "XML declaration"),
        ("<?xml encoding='UTF-8'?>", "XML declaration"),
        (" <?xml version='1.0'?>", "text or markup outside the root element"),
        ("<?xml version='1.0'?><?xml version='1.0'?>", "text or markup outside the root element"),
        ("\u{feff}\u{feff}", "text or markup outside the root element"),
    ] {
        assert!(breaks(read(format!("{declaration}{body}").as_bytes()), problem), "{declaration}");
    }
    assert!(breaks(read(&[body.as_bytes(), b"\xff"].concat()), "not UTF-8"));
    let wide: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(read(&wide).is_err());
    for character in ["\0", "\u{1}", "\u{1f}", "\u{fffe}", "\u{ffff}"] {
        let problem = "character that XML does not allow";
        assert!(breaks(inside(&format!("<t>{character}</t>")), problem), "{character:?}");
        assert!(breaks(inside(&format!("<!--{character}-->")), problem), "{character:?}");
    }
    assert_eq!(inside("<t>\u{fffd}\u{7f}\u{10000}</t>").unwrap(), "\u{fffd}\u{7f}\u{10000}");
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for body in [
        "",
        "presence",
        "<presence",
        "<presence xmlns='urn:ietf:params:xml:ns:pidf'>",
        "<presence xmlns='urn:ietf:params:xml:ns:pidf'/><presence/>",
        "<presence xmlns='urn:ietf:params:xml:ns:pidf'/>text",
        "text<presence xmlns='urn:ietf:params:xml:ns:pidf'/>",
        "<presence xmlns='urn:ietf:params:xml:ns:pidf'/>&amp;",
        "<presence xmlns='urn:ietf:params:xml:ns:pidf'/><![CDATA[x]]>",
        "<presence xmlns='urn:ietf:params:xml:ns:pidf'/></presence>",
    ] {
        assert!(matches!(read(body.as_bytes()), Err(DocumentError::Malformed { .. })), "{body}");
    }
    for content in [
        "<a>",
        "</a>",
        "<a></b>",
        "<a></A>",
        "<>",
        "</>",
        "< a/>",
        "<a/ >",
        "<1a/>",
        "<a:/>",
        "<:a/>",
        "<a:b:c/>",
        "<p:a/>",
        "<a p:b=''/>",
        "<a b/>",
        "<a b=c/>",
        "<a b='c\"/>",
        "<a b=''c=''/>",
        "<a b='' b=''/>",
        "<a b='<'/>",
        "<a 1b=''/>",
        "<a b='&'/>",
        "<a =''/>",
        "<a></a b=''>",
        "<!-- a -- b -->",
        "<!--",
        "<?",
        "<?pi",
        "<!x>",
        "]]>",
        "<a>x]]>y</a>",
        "<![CDATA[x",
        "<![cdata[x]]>",
        "<?xml version='1.0'?>",
        "<a xmlns:p=''/>",
        "<a xmlns:xmlns='x'/>",
        "<a xmlns:xml='x'/>",
        "<a b='\u{ffff}'/>",
        "<a b='&#1;'/>",
    ] {
        assert!(matches!(inside(content), Err(DocumentError::Malformed { .. })), "{content}");
    }
}

#[test]
fn what_is_well_formed_is_read() {
    for content in [
        "<a b = 'c'\n d=\"'>\" ></a >",
        "<\u{e9}t\u{e9} \u{e9}=''/>",
        "<_a.b-c1/>",
        "<p:a xmlns:p='x' p:b='' b=''/>",
        "<a xml:lang='en'/>",
        "<a xmlns=''><b/></a>",
        "<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        "<!-- - --><?pi <&> ?>",
        "<a>]]</a><a>]></a><![CDATA[]]>",
        "<a b='>'/>",
        "<a b='&lt;&#38;'/>",
    ] {
        assert!(inside(content).is_ok(), "{content}: {:?}", inside(content));
    }
}

#[test]
fn text_is_joined_and_trimmed() {
    assert_eq!(inside("<t> a&amp;<!-- no --><u>no</u>b<![CDATA[ c ]]>\n</t>").unwrap(), "a&b c");
    assert_eq!(inside("<t>a\r\nb\rc</t>").unwrap(), "a\nb\nc");
    assert_eq!(inside("<t/><t></t><t> \n</t>").unwrap(), "");
}

#[test]
fn attributes_are_normalised_and_only_those_without_namespace_are_seen() {
    let body = format!("<p:presence xmlns:p='{NS}' xmlns:q='x' q:a='no' aa='no' a=' x&amp;y\tz&#10; '/>");
    let limits = Limits::default();
    let (xml, root) = Xml::open(body.as_bytes(), "test", ROOT, &limits).unwrap();
    assert_eq!(root.attribute("a").as_deref(), Some("x&y z"));
    assert_eq!(root.attribute("b"), None);
    assert!(breaks(xml.required(&root, "b"), "attribute missing"));
}

#[test]
fn a_namespace_ends_with_its_element() {
    let body = format!(
        "<p:presence xmlns:p='{NS}'><p:a xmlns:p='urn:x'><p:b/></p:a><p:c/><d/><e xmlns='{NS}'/></p:presence>"
    );
    let limits = Limits::default();
    let (mut xml, _) = Xml::open(body.as_bytes(), "test", ROOT, &limits).unwrap();
    let mut found = Vec::new();
    while let Some(element) = xml.child().unwrap() {
        found.push((element.ns, element.name));
        xml.skip().unwrap();
    }
    assert_eq!(found, [(Ns::Foreign, "a"), (Ns::Pidf, "c"), (Ns::None, "d"), (Ns::Pidf, "e")]);
}

#[test]
fn reserved_prefixes_and_predefined_namespaces_do_not_turn_up_in_kept_xml() {
    let body = with("<a xml:lang='en'><b/></a>");
    let limits = Limits::default();
    let (mut xml, _) = Xml::open(body.as_bytes(), "test", ROOT, &limits).unwrap();
    let element = xml.child().unwrap().unwrap();
    let mut budget = 1_000;
    let raw = xml.raw(&element, &mut budget).unwrap();
    assert_eq!(raw, format!("<a xmlns=\"{NS}\" xml:lang='en'><b/></a>"));
    assert_eq!(budget, 1_000 - raw.len());
    assert!(xml.child().unwrap().is_none());
    xml.finish().unwrap();
}

#[test]
fn what_is_written_is_read_the_same() {
    let text = "<a> & \"b\" 'c' ]]> \u{e9}\u{10ffff}\r\n\tx";
    let mut out = Out::new();
    out.element(("", "presence"), &[("xmlns", NS), ("a", text)], |out| out.leaf(("", "t"), &[], text));
    let body = out.finish();
    let limits = Limits::default();
    let (mut xml, root) = Xml::open(body.as_bytes(), "test", ROOT, &limits).unwrap();
    assert_eq!(root.attribute("a").as_deref(), Some(text));
    xml.child().unwrap().unwrap();
    assert_eq!(xml.text().unwrap(), text);
    assert_eq!(outline(&body).len(), 2);
}

#[test]
fn characters_that_xml_does_not_allow_are_not_written() {
    let mut out = Out::new();
    out.element(("", "presence"), &[("xmlns", NS), ("a", "\0")], |out| {
        out.leaf(("", "t"), &[], "a\u{1}\u{ffff}b")
    });
    assert_eq!(read(out.finish().as_bytes()).unwrap(), "a\u{fffd}\u{fffd}b");
}
