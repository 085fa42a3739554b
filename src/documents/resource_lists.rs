//! `application/resource-lists+xml` (RFC 4826).

use super::DocumentError;
use super::xml::{Node, Ns, Out, Xml, malformed};
use crate::config::Limits;
use crate::model::UserId;
use crate::sip::message::Uri;
use std::collections::BTreeSet;

const DOCUMENT: &str = "resource-lists";

/// All `entry@uri` values, nested lists included, in document order.
///
/// # Errors
/// [`DocumentError`].
pub fn decode(body: &[u8], limits: &Limits) -> Result<Vec<String>, DocumentError> {
    let (mut xml, _) = Xml::open(body, DOCUMENT, (Ns::ResourceLists, "resource-lists"), limits)?;
    let mut uris = Vec::new();
    let mut open = 1_usize;
    while open > 0 {
        match xml.node()? {
            Node::Open(element) if element.is(Ns::ResourceLists, "list") => open += 1,
            Node::Open(element) => {
                if element.is(Ns::ResourceLists, "entry") {
                    uris.push(xml.required(&element, "uri")?.into_owned());
                }
                xml.skip()?;
            }
            Node::Text(_) => {}
            Node::Close => open -= 1,
        }
    }
    xml.finish()?;
    Ok(uris)
}

/// The users that a list names, in canonical form, in document order, each once. Attributes for copies and anonymity
/// (RFC 5364) say nothing here.
///
/// # Errors
/// [`DocumentError`]; also if an entry is not a URI.
pub fn decode_users(body: &[u8], limits: &Limits) -> Result<Vec<UserId>, DocumentError> {
    let mut seen = BTreeSet::new();
    let mut users = Vec::new();
    for uri in decode(body, limits)? {
        let uri = Uri::parse(uri.as_bytes()).map_err(|_| malformed(DOCUMENT, "uri", "not a URI"))?;
        let user = UserId::new(uri.identity());
        if seen.insert(user.clone()) {
            users.push(user);
        }
    }
    Ok(users)
}

/// Writes one flat list.
pub fn encode(uris: &[String]) -> String {
    let mut out = Out::new();
    out.element(("", "resource-lists"), &[("xmlns", Ns::ResourceLists.text())], |out| {
        out.element(("", "list"), &[], |out| {
            for uri in uris {
                out.empty(("", "entry"), &[("uri", uri)]);
            }
        });
    });
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::testing::{breaks, fuzz, outline, passes};

    const NESTED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<r:resource-lists xmlns:r="urn:ietf:params:xml:ns:resource-lists" xmlns:x="urn:x">
  <r:list name="one"><r:display-name>One</r:display-name>
    <r:entry uri="sip:bob@b.example"><r:display-name>Bob</r:display-name></r:entry>
    <r:list><r:entry uri=" sip:dora@b.example?a=1&amp;b=2 "/><r:entry-ref ref="x"/></r:list>
    <x:entry uri="sip:no@b.example"/><x:list><r:entry uri="sip:no@b.example"/></x:list>
  </r:list>
  <r:list><r:entry uri="sip:eve@b.example"/></r:list>
</r:resource-lists>"#;

    #[test]
    fn entries_of_all_lists_come_in_order() {
        let uris = decode(NESTED.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(uris, ["sip:bob@b.example", "sip:dora@b.example?a=1&b=2", "sip:eve@b.example"]);
    }

    #[test]
    fn a_member_list_goes_there_and_back() {
        let uris = ["sip:bob@b.example".to_owned(), "sip:\"<&>@b.example".to_owned()];
        let xml = encode(&uris);
        assert_eq!(decode(xml.as_bytes(), &Limits::default()).unwrap(), uris);
        assert_eq!(
            outline(&encode(&uris[..1])),
            [
                "0 {urn:ietf:params:xml:ns:resource-lists}resource-lists",
                "1 {urn:ietf:params:xml:ns:resource-lists}list",
                "2 {urn:ietf:params:xml:ns:resource-lists}entry @uri=sip:bob@b.example",
            ]
        );
        assert_eq!(decode(encode(&[]).as_bytes(), &Limits::default()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn an_entry_without_uri_and_a_wrong_root_are_refused() {
        let missing = NESTED.replace(" uri=\"sip:bob@b.example\"", "");
        assert!(breaks(decode(missing.as_bytes(), &Limits::default()), "attribute missing"));
        let wrong = Err(DocumentError::WrongRoot { document: "resource-lists", expected: "resource-lists" });
        assert_eq!(decode(b"<resource-lists/>", &Limits::default()), wrong);
        assert_eq!(
            decode(b"<list xmlns='urn:ietf:params:xml:ns:resource-lists'/>", &Limits::default()),
            wrong
        );
    }

    #[test]
    fn the_affiliated_members_of_a_partners_group_are_read() {
        let list = r#"<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:cc="urn:ietf:params:xml:ns:copycontrol">
  <list>
    <entry uri="sip:bob@b.example" cc:copyControl="to"/>
    <entry uri="sip:dora@B.example;x=y" cc:copyControl="bcc" cc:anonymize="true"/>
    <entry uri="sip:bob@b.example:5060"/>
    <entry uri="tel:+3585550100"/>
  </list>
</resource-lists>"#;
        let users = decode_users(list.as_bytes(), &Limits::default()).unwrap();
        let expected = ["sip:bob@b.example", "sip:dora@b.example", "tel:+3585550100"];
        assert_eq!(users.iter().map(UserId::as_str).collect::<Vec<_>>(), expected);
        let broken = list.replace("tel:+3585550100", "bob");
        assert!(breaks(decode_users(broken.as_bytes(), &Limits::default()), "not a URI"));
    }

    #[test]
    fn selectors_of_documents_are_entries_like_others() {
        let selectors = ["sip:fire-1@primary.example", "sip:tgi-81@primary.example"]
            .map(crate::documents::xcap_diff::group_selector);
        assert_eq!(decode(encode(&selectors).as_bytes(), &Limits::default()).unwrap(), selectors);
    }

    #[test]
    fn lists_may_nest_to_the_limit() {
        let nested = |levels: usize| {
            let (open, close) = ("<list>".repeat(levels), "</list>".repeat(levels));
            format!(
                "<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'>{open}{close}</resource-lists>"
            )
        };
        let depth = Limits::default().xml_depth;
        assert!(decode(nested(depth - 1).as_bytes(), &Limits::default()).is_ok());
        assert!(passes(decode(nested(depth).as_bytes(), &Limits::default()), "levels of elements", depth));
    }

    #[test]
    fn mutations_never_panic() {
        let mut read = 0;
        fuzz(3, 10_000, &[NESTED.as_bytes(), encode(&["sip:a@b".to_owned()]).as_bytes()], |text| {
            if let Ok(uris) = decode(text, &Limits::default()) {
                read += 1;
                assert_eq!(decode(encode(&uris).as_bytes(), &Limits::default()).unwrap(), uris);
            }
        });
        assert!(read > 200, "the mutations must not all be refused: {read}");
    }
}
