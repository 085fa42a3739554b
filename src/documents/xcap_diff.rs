//! `application/xcap-diff+xml` (RFC 5874): which group documents have changed, and the selectors that name them
//! (TS 24.481 6.3.13, 7.2.10.2).

use super::DocumentError;
use super::xml::{Ns, Out, Xml};
use crate::config::Limits;
use crate::model::GroupId;
use crate::sip::message::{Uri, escape};

const DOCUMENT: &str = "xcap-diff";

/// Where group documents stand under the XCAP root, by group ID.
const BY_GROUP_ID: &str = "org.openmobilealliance.groups/global/byGroupID/";

/// What has become of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XcapDiff {
    /// `xcap-root`.
    pub root: String,
    /// `document` elements.
    pub documents: Vec<DocumentChange>,
}

/// One `document`. Entity tags are written without the quotes that HTTP puts around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentChange {
    /// `sel`: the URI as it was subscribed to (RFC 5875 4.6).
    pub selector: String,
    /// `previous-etag`.
    pub previous_etag: Option<String>,
    /// `new-etag`.
    pub new_etag: Option<String>,
}

/// What a [`DocumentChange`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// The document exists with this entity tag: it is new, or the subscription is.
    Exists(&'a str),
    /// The document has changed, and has this entity tag now.
    Changed(&'a str),
    /// The document exists no longer.
    Deleted,
    /// Neither tag: only reading the document tells.
    Unknown,
}

impl DocumentChange {
    /// What has become of the document.
    pub fn change(&self) -> Change<'_> {
        match (&self.previous_etag, &self.new_etag) {
            (None, Some(tag)) => Change::Exists(tag),
            (Some(_), Some(tag)) => Change::Changed(tag),
            (Some(_), None) => Change::Deleted,
            (None, None) => Change::Unknown,
        }
    }
}

impl XcapDiff {
    /// Reads a document. Patches, and changes of single nodes, are passed over: whoever hears of a change reads the
    /// document.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        let (mut xml, root) = Xml::open(body, DOCUMENT, (Ns::XcapDiff, "xcap-diff"), limits)?;
        let mut diff = Self { root: xml.required(&root, "xcap-root")?.into_owned(), documents: Vec::new() };
        while let Some(element) = xml.child()? {
            if element.is(Ns::XcapDiff, "document") {
                let tag = |name| element.attribute(name).map(|value| value.into_owned());
                diff.documents.push(DocumentChange {
                    selector: xml.required(&element, "sel")?.into_owned(),
                    previous_etag: tag("previous-etag"),
                    new_etag: tag("new-etag"),
                });
            }
            xml.skip()?;
        }
        xml.finish()?;
        Ok(diff)
    }

    /// Writes the document.
    pub fn encode(&self) -> String {
        let mut out = Out::new();
        let attributes = [("xmlns", Ns::XcapDiff.text()), ("xcap-root", self.root.as_str())];
        out.element(("", "xcap-diff"), &attributes, |out| {
            for document in &self.documents {
                let attributes = [
                    ("sel", Some(document.selector.as_str())),
                    ("new-etag", document.new_etag.as_deref()),
                    ("previous-etag", document.previous_etag.as_deref()),
                ];
                let given: Vec<_> =
                    attributes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                out.empty(("", "document"), &given);
            }
        });
        out.finish()
    }
}

/// The selector of a group's document, relative to the XCAP root: the group ID is one segment, escaped.
pub fn group_selector(group: &str) -> String {
    format!("{BY_GROUP_ID}{}", escape::encode(group))
}

/// The group whose document a selector names, relative to the XCAP root or as an absolute URI. `None` for any other
/// document, for a node inside a document, and for what is no group ID.
pub fn selected_group(selector: &str) -> Option<GroupId> {
    let at = selector.find(BY_GROUP_ID)?;
    // A root ends where the selector begins.
    if at > 0 && !selector.get(..at)?.ends_with('/') {
        return None;
    }
    let segment = selector.get(at + BY_GROUP_ID.len()..)?;
    if segment.contains(['/', '?', '#']) {
        return None;
    }
    let group = escape::decode(segment)?;
    Uri::parse(group.as_bytes()).ok().map(|uri| GroupId::new(uri.identity()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::testing::{breaks, fuzz, outline, passes};

    const TORN_DOWN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff" xcap-root="https://gms.primary.example/xcap/">
  <document sel="org.openmobilealliance.groups/global/byGroupID/sip%3Afire-1%40primary.example"
            previous-etag="f1-9" new-etag="f1-10"/>
  <document sel="org.openmobilealliance.groups/global/byGroupID/sip%3Atgi-81%40primary.example"
            previous-etag="g81-1"/>
</xcap-diff>"#;

    fn decode(xml: &str) -> Result<XcapDiff, DocumentError> {
        XcapDiff::decode(xml.as_bytes(), &Limits::default())
    }

    fn changed(group: &str, previous: Option<&str>, new: Option<&str>) -> DocumentChange {
        DocumentChange {
            selector: group_selector(&format!("sip:{group}@primary.example")),
            previous_etag: previous.map(str::to_owned),
            new_etag: new.map(str::to_owned),
        }
    }

    fn torn_down() -> XcapDiff {
        XcapDiff {
            root: "https://gms.primary.example/xcap/".to_owned(),
            documents: vec![
                changed("fire-1", Some("f1-9"), Some("f1-10")),
                changed("tgi-81", Some("g81-1"), None),
            ],
        }
    }

    #[test]
    fn changes_after_a_teardown_are_read() {
        assert_eq!(decode(TORN_DOWN).unwrap(), torn_down());
    }

    #[test]
    fn tags_tell_what_became_of_a_document() {
        for (previous, new, change) in [
            (None, Some("1"), Change::Exists("1")),
            (Some("1"), Some("2"), Change::Changed("2")),
            (Some("1"), None, Change::Deleted),
            (None, None, Change::Unknown),
        ] {
            let document = changed("fire-1", previous, new);
            assert_eq!(document.change(), change);
            let diff = XcapDiff { documents: vec![document], ..torn_down() };
            assert_eq!(decode(&diff.encode()).unwrap(), diff);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let odd = XcapDiff { root: "<&\">".to_owned(), documents: vec![] };
        for diff in [torn_down(), odd] {
            assert_eq!(decode(&diff.encode()).unwrap(), diff);
        }
        assert_eq!(
            outline(&torn_down().encode())[1],
            "1 {urn:ietf:params:xml:ns:xcap-diff}document \
             @sel=org.openmobilealliance.groups/global/byGroupID/sip%3Afire-1%40primary.example @new-etag=f1-10 \
             @previous-etag=f1-9"
        );
    }

    #[test]
    fn patches_and_nodes_are_passed_over() {
        let noisy = TORN_DOWN
            .replace(
                "new-etag=\"f1-10\"/>",
                "new-etag=\"f1-10\" x='1'><body-not-changed/><add sel='*'><a/></add></document>",
            )
            .replace("</xcap-diff>", "<element sel='x' exists='true'/><document xmlns='urn:x'/></xcap-diff>");
        assert_eq!(decode(&noisy).unwrap(), torn_down());
    }

    #[test]
    fn what_is_missing_is_refused() {
        assert!(breaks(decode(&TORN_DOWN.replace("xcap-root=", "x=")), "attribute missing"));
        assert!(breaks(decode(&TORN_DOWN.replacen("sel=", "x=", 1)), "attribute missing"));
        let wrong = Err(DocumentError::WrongRoot { document: DOCUMENT, expected: "xcap-diff" });
        assert_eq!(decode(&TORN_DOWN.replace("urn:ietf:params:xml:ns:xcap-diff", "urn:x")), wrong);
    }

    #[test]
    fn the_limit_on_elements_holds() {
        let limits = |xml_elements| Limits { xml_elements, ..Limits::default() };
        assert!(XcapDiff::decode(TORN_DOWN.as_bytes(), &limits(3)).is_ok());
        assert!(passes(XcapDiff::decode(TORN_DOWN.as_bytes(), &limits(2)), "elements", 2));
    }

    #[test]
    fn selectors_name_groups() {
        let group = "sip:fire-1@primary.example";
        let selector = "org.openmobilealliance.groups/global/byGroupID/sip%3Afire-1%40primary.example";
        assert_eq!(group_selector(group), selector);
        for written in [
            selector,
            "/org.openmobilealliance.groups/global/byGroupID/sip:fire-1@primary.example",
            "https://gms.primary.example/xcap/org.openmobilealliance.groups/global/byGroupID/sip%3afire-1@PRIMARY.example",
        ] {
            assert_eq!(selected_group(written), Some(group.into()), "{written}");
        }
        for other in [
            "",
            "org.openmobilealliance.groups/global/byGroupID/",
            "org.openmobilealliance.groups/global/byGroup/sip%3Afire-1%40primary.example",
            "org.openmobilealliance.groups/users/sip:x@y/fire",
            "xorg.openmobilealliance.groups/global/byGroupID/sip%3Afire-1%40primary.example",
            "org.openmobilealliance.groups/global/byGroupID/sip%3Afire-1%40primary.example/~~/group",
            "org.openmobilealliance.groups/global/byGroupID/fire-1",
            "org.openmobilealliance.groups/global/byGroupID/sip%3Afire-1%4",
        ] {
            assert_eq!(selected_group(other), None, "{other}");
        }
        // An escape in the identity is escaped once more.
        assert_eq!(group_selector("sip:a%20b@c"), format!("{BY_GROUP_ID}sip%3Aa%2520b%40c"));
        assert_eq!(selected_group(&group_selector("sip:a%20b@c")), Some("sip:a%20b@c".into()));
    }

    #[test]
    fn mutations_never_panic_and_what_is_read_can_be_written() {
        let mut read = 0;
        fuzz(11, 10_000, &[TORN_DOWN.as_bytes()], |text| {
            if let Ok(diff) = XcapDiff::decode(text, &Limits::default()) {
                read += 1;
                assert_eq!(decode(&diff.encode()).unwrap(), diff);
                diff.documents.iter().for_each(|document| drop(selected_group(&document.selector)));
            }
        });
        assert!(read > 500, "the mutations must not all be refused: {read}");
    }
}
