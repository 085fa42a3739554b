//! `application/vnd.3gpp.GMOP+xml`: group management operations, with this product's extension namespace where the
//! standard's content model is not public.

use super::DocumentError;
use super::group_document::{read, write};
use super::xml::{Element, Ns, Out, Xml};
use super::xsd;
use crate::config::Limits;
use crate::model::{GroupDocument, GroupId};

#[cfg(test)]
mod tests;

mod kind;
mod reason;

pub use kind::OperationKind;
pub use reason::{Reason, ReasonCode};

const DOCUMENT: &str = "GMOP";

/// The extension namespace.
pub const EXTENSION_NAMESPACE: &str = "urn:rollcall:gmop-ext:1.0";

/// A GMOP document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gmop {
    /// `<request>` with one operation.
    Request(Operation),
    /// `gx:response`.
    Response(Box<Response>),
}

/// One operation element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which one.
    pub kind: OperationKind,
    /// Attribute `group-id`: the temporary group or group concerned.
    pub group_id: Option<String>,
    /// Attribute `transaction-id`.
    pub transaction_id: Option<String>,
    /// Attribute `requestor`.
    pub requestor: Option<String>,
    /// The group inside, as far as an operation about a temporary group to be uses it. Operations that carry a whole
    /// document ([`OperationKind::carries_document`]) have it in [`Self::document`].
    pub group: Option<GroupProposal>,
    /// The group document inside, with its member list if it has one. `temporary.requestor` is empty.
    pub document: Option<Box<GroupDocument>>,
}

/// What a `ls:group` inside an operation says about a temporary group. URIs as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupProposal {
    /// `list-service@uri`; empty: the GMS chooses.
    pub uri: String,
    /// `display-name`.
    pub display_name: Option<String>,
    /// `on-network-temporary/constituent-MCPTT-group-IDs`, in order, `None` if the element is absent.
    pub constituents: Option<Vec<String>>,
    /// `on-network-group-priority`.
    pub priority: Option<u8>,
    /// `protect-media`.
    pub protect_media: Option<bool>,
    /// `protect-floor-control-signalling`.
    pub protect_floor_control: Option<bool>,
}

/// `gx:response`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// `operation`.
    pub operation: String,
    /// `group-id`.
    pub group_id: String,
    /// `transaction-id`.
    pub transaction_id: String,
    /// `gx:result` success, or failure with its reason.
    pub result: Result<(), Reason>,
    /// `gx:rejected-group`: constituents that caused a failure, each with its reason.
    pub rejected: Vec<(GroupId, ReasonCode)>,
    /// The resulting document, with its member list if it has one.
    pub document: Option<GroupDocument>,
}

impl Response {
    /// The answer that the operation succeeded.
    pub fn success(operation: &OperationKind, group_id: &str, transaction_id: &str) -> Self {
        Self {
            operation: operation.name().to_owned(),
            group_id: group_id.to_owned(),
            transaction_id: transaction_id.to_owned(),
            result: Ok(()),
            rejected: Vec::new(),
            document: None,
        }
    }

    /// The answer that it failed.
    pub fn failure(operation: &OperationKind, group_id: &str, transaction_id: &str, reason: Reason) -> Self {
        Self { result: Err(reason), ..Self::success(operation, group_id, transaction_id) }
    }
}

impl Gmop {
    /// Reads a document. The operation is known by its local name, in either namespace; an element of any other
    /// namespace is passed over.
    ///
    /// # Errors
    /// [`DocumentError`]; also if there is not exactly one operation or response.
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        let (mut xml, _) = Xml::open(body, DOCUMENT, (Ns::Gmop, "document"), limits)?;
        let mut found = None;
        while let Some(element) = xml.child()? {
            let read = if element.is(Ns::Gmop, "request") {
                Self::Request(request(&mut xml)?)
            } else if is_ours(&element) && element.name == "response" {
                Self::Response(Box::new(response(&mut xml, &element)?))
            } else {
                xml.skip()?;
                continue;
            };
            if found.replace(read).is_some() {
                return Err(xml.fault_in("document", "more than one request or response"));
            }
        }
        let found = found.ok_or_else(|| xml.fault_in("document", "neither request nor response"))?;
        xml.finish()?;
        Ok(found)
    }

    /// Writes a document.
    pub fn encode(&self) -> String {
        document(|out| match self {
            Self::Request(operation) => out.element(("", "request"), &[], |out| {
                let attributes = [
                    ("group-id", operation.group_id.as_deref()),
                    ("transaction-id", operation.transaction_id.as_deref()),
                    ("requestor", operation.requestor.as_deref()),
                ];
                let given: Vec<_> =
                    attributes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                out.element(operation.kind.qualified(), &given, |out| {
                    if let Some(document) = &operation.document {
                        write_document(out, document);
                    } else if let Some(group) = &operation.group {
                        group.write(out);
                    }
                });
            }),
            Self::Response(response) => response.write(out),
        })
    }
}

/// Writes a notification (`gx:group-regroup-notification` or `gx:group-regroup-teardown-notification`) with a whole
/// group document inside (member list left out).
pub fn notification(
    kind: OperationKind,
    document: &GroupDocument,
    transaction_id: &str,
    requestor: &str,
) -> String {
    self::document(|out| {
        out.element(("", "request"), &[], |out| {
            let attributes = [
                ("group-id", document.id.as_str()),
                ("transaction-id", transaction_id),
                ("requestor", requestor),
            ];
            out.element(kind.qualified(), &attributes, |out| {
                write::group(out, "ls:", document, false, None);
            });
        });
    })
}

fn document(content: impl FnOnce(&mut Out)) -> String {
    let mut out = Out::new();
    out.element(("", "document"), &[("xmlns", Ns::Gmop.text()), ("xmlns:gx", EXTENSION_NAMESPACE)], content);
    out.finish()
}

fn is_ours(element: &Element<'_>) -> bool {
    matches!(element.ns, Ns::Gmop | Ns::GmopExtension)
}

/// The content of an open `request`.
fn request(xml: &mut Xml<'_>) -> Result<Operation, DocumentError> {
    let mut found = None;
    while let Some(element) = xml.child()? {
        if !is_ours(&element) {
            xml.skip()?;
            continue;
        }
        let operation = operation(xml, &element)?;
        if found.replace(operation).is_some() {
            return Err(xml.fault_in("request", "more than one operation"));
        }
    }
    found.ok_or_else(|| xml.fault_in("request", "no operation"))
}

fn operation(xml: &mut Xml<'_>, element: &Element<'_>) -> Result<Operation, DocumentError> {
    let attribute = |name| element.attribute(name).map(|value| value.into_owned());
    let mut operation = Operation {
        kind: OperationKind::of(element.name),
        group_id: attribute("group-id"),
        transaction_id: attribute("transaction-id"),
        requestor: attribute("requestor"),
        group: None,
        document: None,
    };
    while let Some(element) = xml.child()? {
        if !element.is(Ns::ListService, "group") {
            xml.skip()?;
            continue;
        }
        let again = if operation.kind.carries_document() {
            let (document, _) = read::group(xml)?;
            operation.document.replace(Box::new(document)).is_some()
        } else {
            let group = GroupProposal::read(xml)?;
            operation.group.replace(group).is_some()
        };
        if again {
            return Err(xml.fault_in("group", TWICE));
        }
    }
    Ok(operation)
}

const TWICE: &str = "element that occurs twice";

impl GroupProposal {
    /// The content of an open `ls:group`.
    fn read(xml: &mut Xml<'_>) -> Result<Self, DocumentError> {
        let mut proposal = None;
        while let Some(element) = xml.child()? {
            if !element.is(Ns::ListService, "list-service") {
                xml.skip()?;
                continue;
            }
            let uri = element.attribute("uri").unwrap_or_default().into_owned();
            let read = Self::read_list_service(xml, uri)?;
            if proposal.replace(read).is_some() {
                return Err(xml.fault_in("list-service", TWICE));
            }
        }
        proposal.ok_or_else(|| xml.fault_in("list-service", "element missing"))
    }

    fn read_list_service(xml: &mut Xml<'_>, uri: String) -> Result<Self, DocumentError> {
        let mut proposal = Self { uri, ..Self::default() };
        let mut temporary = false;
        while let Some(element) = xml.child()? {
            let name = element.name;
            let again = match (element.ns, name) {
                (Ns::ListService, "display-name") => {
                    let text = xml.text()?.into_owned();
                    proposal.display_name.replace(text).is_some()
                }
                (Ns::GroupInfo, "on-network-temporary") => {
                    proposal.constituents = read::constituents(xml)?;
                    std::mem::replace(&mut temporary, true)
                }
                (Ns::GroupInfo, "on-network-group-priority") => {
                    let priority = xml.value(name, xsd::number)?;
                    proposal.priority.replace(priority).is_some()
                }
                (Ns::GroupInfo, "protect-media") => {
                    let protect = xml.value(name, xsd::boolean)?;
                    proposal.protect_media.replace(protect).is_some()
                }
                (Ns::GroupInfo, "protect-floor-control-signalling") => {
                    let protect = xml.value(name, xsd::boolean)?;
                    proposal.protect_floor_control.replace(protect).is_some()
                }
                _ => {
                    xml.skip()?;
                    false
                }
            };
            if again {
                return Err(xml.fault_in(name, TWICE));
            }
        }
        Ok(proposal)
    }

    fn write(&self, out: &mut Out) {
        write::list_service(out, "ls:", &self.uri, |out| {
            if let Some(name) = &self.display_name {
                out.leaf(("ls:", "display-name"), &[], name);
            }
            if let Some(constituents) = &self.constituents {
                write::on_network_temporary(out, constituents.iter().map(String::as_str));
            }
            write::priority(out, self.priority);
            write::protection(out, self.protect_media, self.protect_floor_control);
        });
    }
}

fn response(xml: &mut Xml<'_>, element: &Element<'_>) -> Result<Response, DocumentError> {
    let mut result = None;
    let mut reason = None;
    let mut response = Response {
        operation: xml.required(element, "operation")?.into_owned(),
        group_id: xml.required(element, "group-id")?.into_owned(),
        transaction_id: xml.required(element, "transaction-id")?.into_owned(),
        result: Ok(()),
        rejected: Vec::new(),
        document: None,
    };
    while let Some(element) = xml.child()? {
        let again = if element.is(Ns::ListService, "group") {
            let (document, _) = read::group(xml)?;
            response.document.replace(document).is_some()
        } else if !is_ours(&element) {
            xml.skip()?;
            false
        } else {
            match element.name {
                "result" => {
                    let success = |text: &str| match text {
                        "success" => Some(true),
                        "failure" => Some(false),
                        _ => None,
                    };
                    let success = xml.value("result", success)?;
                    result.replace(success).is_some()
                }
                "reason" => {
                    let code = ReasonCode::of(&xml.required(&element, "code")?);
                    let text = xml.text()?.into_owned();
                    reason.replace(Reason { code, text }).is_some()
                }
                "rejected-group" => {
                    let id = GroupId::new(read::attribute_identity(xml, &element, "id")?);
                    let code = ReasonCode::of(&xml.required(&element, "code")?);
                    response.rejected.push((id, code));
                    xml.skip()?;
                    false
                }
                _ => {
                    xml.skip()?;
                    false
                }
            }
        };
        if again {
            return Err(xml.fault_in(element.name, TWICE));
        }
    }
    response.result = match (result, reason) {
        (Some(true), _) => Ok(()),
        (Some(false), Some(reason)) => Err(reason),
        (Some(false), None) => return Err(xml.fault_in("reason", "element missing")),
        (None, _) => return Err(xml.fault_in("result", "element missing")),
    };
    Ok(response)
}

impl Response {
    fn write(&self, out: &mut Out) {
        let attributes = [
            ("operation", self.operation.as_str()),
            ("group-id", self.group_id.as_str()),
            ("transaction-id", self.transaction_id.as_str()),
        ];
        out.element(("gx:", "response"), &attributes, |out| {
            match &self.result {
                Ok(()) => out.leaf(("gx:", "result"), &[], "success"),
                Err(reason) => {
                    out.leaf(("gx:", "result"), &[], "failure");
                    out.leaf(("gx:", "reason"), &[("code", reason.code.text())], &reason.text);
                }
            }
            for (group, code) in &self.rejected {
                out.empty(("gx:", "rejected-group"), &[("id", group.as_str()), ("code", code.text())]);
            }
            if let Some(document) = &self.document {
                write_document(out, document);
            }
        });
    }
}

/// A group document inside. A list without members is left out, as in a document that is not to show its members.
fn write_document(out: &mut Out, document: &GroupDocument) {
    write::group(out, "ls:", document, !document.members.is_empty(), None);
}
