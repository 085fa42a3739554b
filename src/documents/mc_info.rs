//! `application/vnd.3gpp.mcptt-info+xml` (TS 24.379 F.1) and its MCVideo and MCData twins.

use super::DocumentError;
use super::names::{self, Names};
use super::xml::{Element, Name, Node, Ns, Out, Xml, append, trim};
use super::xsd::{boolean, boolean_text};
use crate::config::Limits;
use crate::model::Service;
use std::borrow::Cow;

#[cfg(test)]
mod tests;

/// The parameters document. Fields stand in the order of the schema; URIs are kept as the text of the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct McInfo {
    /// `mcptt-access-token`.
    pub access_token: Option<String>,
    /// `session-type`; MCData has `request-type` in its place (TS 24.282 D.1).
    pub session_type: Option<String>,
    /// `mcptt-request-uri`: the group or user addressed.
    pub request_uri: Option<String>,
    /// `mcptt-calling-user-id`.
    pub calling_user: Option<String>,
    /// `mcptt-called-party-id`.
    pub called_party: Option<String>,
    /// `mcptt-calling-group-id`.
    pub calling_group: Option<String>,
    /// `required`.
    pub required: Option<bool>,
    /// `emergency-ind`.
    pub emergency: Option<bool>,
    /// `alert-ind`.
    pub alert: Option<bool>,
    /// `imminentperil-ind`.
    pub imminent_peril: Option<bool>,
    /// `broadcast-ind`.
    pub broadcast: Option<bool>,
    /// `mc-org`.
    pub organisation: Option<String>,
    /// `floor-state`.
    pub floor_state: Option<String>,
    /// `associated-group-id`.
    pub associated_group: Option<String>,
    /// `originated-by`.
    pub originated_by: Option<String>,
    /// `mcptt-client-id`.
    pub client_id: Option<String>,
    /// `alert-ind-rcvd`.
    pub alert_received: Option<bool>,
    /// `gw-mcptt-usage`.
    pub gateway_usage: Option<bool>,
    /// `anyExt/req-type` (or the older `request-type`). Written as the element that the value belongs to.
    pub req_type: Option<String>,
    /// `anyExt/resp-type` (or the older `response-type`). Written as the element that the value belongs to.
    pub resp_type: Option<String>,
    /// `anyExt/functional-alias-URI`: the functional alias that the sender speaks as.
    pub functional_alias: Option<String>,
    /// `anyExt/non-acknowledged-user`: required members who did not answer (TS 24.379 6.3.3.3).
    pub non_acknowledged: Vec<String>,
    /// Everything else of `mcptt-Params` that must survive (MKFC-GKTPs, foreign elements, the rest of `anyExt`): raw,
    /// self-contained XML (namespace declarations included), in the order received, split by where it belongs.
    pub kept: Kept,
    /// An element carried `type="Encrypted"`: its value was not read (Warning 140).
    pub encrypted: bool,
}

/// `floor-state`: a call of the constituent group is running, and nobody speaks.
pub const FLOOR_IDLE: &str = "floor-idle";
/// `floor-state`: a call of the constituent group is running, and somebody speaks.
pub const FLOOR_TAKEN: &str = "floor-taken";

/// Raw XML that passes through unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The `MKFC-GKTPs` element.
    pub keys: Option<String>,
    /// Elements of other namespaces after `gw-mcptt-usage`.
    pub foreign: Vec<String>,
    /// Children of `anyExt` that have no field of their own.
    pub any_ext: Vec<String>,
    /// What stands beside `mcptt-Params`: elements of other namespaces, and `anyExt`.
    pub beside: Vec<String>,
}

impl McInfo {
    /// Reads the document of `service`.
    ///
    /// # Errors
    /// [`DocumentError`] if it is not well-formed, of another namespace or root, over a limit, or a value is outside
    /// its type.
    pub fn decode(body: &[u8], service: Service, limits: &Limits) -> Result<Self, DocumentError> {
        let shape = shape(service);
        let (mut xml, _) = Xml::open(body, shape.document, (shape.ns, shape.root), limits)?;
        let mut reader = Reader { shape, budget: limits.xml_octets, info: Self::default(), seen: 0 };
        let mut params = false;
        while let Some(element) = xml.child()? {
            if element.is(shape.ns, shape.params) {
                if std::mem::replace(&mut params, true) {
                    return Err(xml.fault_in(shape.params, TWICE));
                }
                reader.params(&mut xml)?;
            } else if element.ns != shape.ns || element.name == "anyExt" {
                let kept = xml.raw(&element, &mut reader.budget)?;
                reader.info.kept.beside.push(kept);
            } else {
                xml.skip()?;
            }
        }
        xml.finish()?;
        Ok(reader.info)
    }

    /// Writes the document for `service`, elements in schema order.
    pub fn encode(&self, service: Service) -> String {
        let shape = shape(service);
        let mut out = Out::new();
        out.element(("", shape.root), &[("xmlns", shape.ns.text())], |out| {
            out.element(("", shape.params), &[], |out| self.encode_params(shape, out));
            self.kept.beside.iter().for_each(|kept| out.raw(kept));
        });
        out.finish()
    }

    fn encode_params(&self, shape: &Shape, out: &mut Out) {
        for row in ROWS {
            let value = match row.slot {
                Slot::Text(get, _) => get(self).as_deref(),
                Slot::Flag(get, _) => get(self).map(boolean_text),
                Slot::Keys => {
                    self.kept.keys.iter().for_each(|kept| out.raw(kept));
                    continue;
                }
            };
            if let Some(value) = value {
                shape.write(out, shape.name(row.name), row.form, value);
            }
        }
        self.kept.foreign.iter().for_each(|kept| out.raw(kept));
        // An empty `anyExt` is not written.
        let kinds = self.req_type.is_some() || self.resp_type.is_some();
        let users = self.functional_alias.is_some() || !self.non_acknowledged.is_empty();
        if !kinds && !users && self.kept.any_ext.is_empty() {
            return;
        }
        out.element(("", "anyExt"), &[], |out| {
            for (value, [newer, older], closed) in [
                (&self.req_type, REQUEST_KIND, REQUEST_TYPES),
                (&self.resp_type, RESPONSE_KIND, RESPONSE_TYPES),
            ] {
                let Some(value) = value else { continue };
                if closed.contains(&value.as_str()) {
                    shape.write(out, ("", older), Form::Plain, value);
                } else {
                    shape.write(out, ("", newer), Form::Content("String"), value);
                }
            }
            if let Some(alias) = &self.functional_alias {
                shape.write(out, ("", FUNCTIONAL_ALIAS), Form::Content("URI"), alias);
            }
            for user in &self.non_acknowledged {
                shape.write(out, ("", NON_ACKNOWLEDGED), Form::Content("URI"), user);
            }
            self.kept.any_ext.iter().for_each(|kept| out.raw(kept));
        });
    }
}

const TWICE: &str = "element that occurs twice";
const REQUEST_KIND: [&str; 2] = ["req-type", "request-type"];
const RESPONSE_KIND: [&str; 2] = ["resp-type", "response-type"];
const FUNCTIONAL_ALIAS: &str = "functional-alias-URI";
const NON_ACKNOWLEDGED: &str = "non-acknowledged-user";

/// Values of the closed enumeration `request-type`; any other goes into `req-type` (TS 24.379 F.1.2).
const REQUEST_TYPES: &[&str] = &[
    "private-call-call-back-request",
    "private-call-call-back-cancel-request",
    "group-selection-change-request",
    "remotely-initiated-group-call-request",
    "remotely-initiated-private-call-request",
    "transfer-private-call-request",
    "functional-alias-status-determination",
    "forward-private-call-request",
    "forward-private-call-settings-request",
    "forward-private-call-settings-response",
    "fa-group-binding-req",
];

/// Values of the closed enumeration `response-type`; any other goes into `resp-type` (TS 24.379 F.1.2).
const RESPONSE_TYPES: &[&str] = &[
    "private-call-call-back-response",
    "private-call-call-back-cancel-response",
    "group-selection-change-response",
    "remotely-initiated-group-call-response",
    "remotely-initiated-private-call-response",
    "transfer-private-call-response",
    "forward-private-call-response",
];

/// What the document of one service is called.
struct Shape {
    document: &'static str,
    ns: Ns,
    root: &'static str,
    params: &'static str,
    session: &'static str,
    gateway: &'static str,
    names: &'static Names,
}

static MCPTT: Shape = Shape {
    document: "mcptt-info",
    ns: Ns::McpttInfo,
    root: "mcpttinfo",
    params: "mcptt-Params",
    session: "session-type",
    gateway: "gw-mcptt-usage",
    names: &names::MCPTT,
};

static MCVIDEO: Shape = Shape {
    document: "mcvideo-info",
    ns: Ns::McVideoInfo,
    root: "mcvideoinfo",
    params: "mcvideo-Params",
    session: "session-type",
    gateway: "gw-mcvideo-usage",
    names: &names::MCVIDEO,
};

static MCDATA: Shape = Shape {
    document: "mcdata-info",
    ns: Ns::McDataInfo,
    root: "mcdatainfo",
    params: "mcdata-Params",
    session: "request-type",
    gateway: "gw-mcdata-usage",
    names: &names::MCDATA,
};

fn shape(service: Service) -> &'static Shape {
    match service {
        Service::Mcptt => &MCPTT,
        Service::McVideo => &MCVIDEO,
        Service::McData => &MCDATA,
    }
}

/// How an element's name is made.
#[derive(Clone, Copy)]
enum Named {
    /// The same in all services.
    Common(&'static str),
    /// The service's prefix goes before.
    Own(&'static str),
    /// `session-type` or what stands for it.
    Session,
    /// `gw-mcptt-usage` and its twins.
    Gateway,
}

/// How an element carries its value.
#[derive(Clone, Copy)]
enum Form {
    /// As its text.
    Plain,
    /// `contentType`: in a child whose name is the service's prefix and this.
    Content(&'static str),
}

/// Where a value belongs.
#[derive(Clone, Copy)]
enum Slot {
    Text(fn(&McInfo) -> &Option<String>, fn(&mut McInfo) -> &mut Option<String>),
    Flag(fn(&McInfo) -> &Option<bool>, fn(&mut McInfo) -> &mut Option<bool>),
    Keys,
}

struct Row {
    name: Named,
    form: Form,
    slot: Slot,
}

macro_rules! row {
    ($name:expr, $form:expr, $kind:ident $field:ident) => {
        Row { name: $name, form: $form, slot: Slot::$kind(|info| &info.$field, |info| &mut info.$field) }
    };
}

/// `mcptt-ParamsType`, in the order of the schema (TS 24.379 F.1.2).
static ROWS: &[Row] = {
    use Form::{Content, Plain};
    use Named::{Common, Gateway, Own, Session};
    &[
        row!(Own("-access-token"), Content("String"), Text access_token),
        row!(Session, Plain, Text session_type),
        row!(Own("-request-uri"), Content("URI"), Text request_uri),
        row!(Own("-calling-user-id"), Content("URI"), Text calling_user),
        row!(Own("-called-party-id"), Content("URI"), Text called_party),
        row!(Own("-calling-group-id"), Content("URI"), Text calling_group),
        row!(Common("required"), Content("Boolean"), Flag required),
        row!(Common("emergency-ind"), Content("Boolean"), Flag emergency),
        row!(Common("alert-ind"), Content("Boolean"), Flag alert),
        row!(Common("imminentperil-ind"), Content("Boolean"), Flag imminent_peril),
        row!(Common("broadcast-ind"), Plain, Flag broadcast),
        row!(Common("mc-org"), Plain, Text organisation),
        row!(Common("floor-state"), Plain, Text floor_state),
        row!(Common("associated-group-id"), Content("URI"), Text associated_group),
        row!(Common("originated-by"), Content("URI"), Text originated_by),
        Row { name: Common("MKFC-GKTPs"), form: Plain, slot: Slot::Keys },
        row!(Own("-client-id"), Content("String"), Text client_id),
        row!(Common("alert-ind-rcvd"), Content("Boolean"), Flag alert_received),
        row!(Gateway, Plain, Flag gateway_usage),
    ]
};

impl Shape {
    fn name(&self, name: Named) -> Name<'static> {
        match name {
            Named::Common(name) => ("", name),
            Named::Own(rest) => (self.names.prefix, rest),
            Named::Session => ("", self.session),
            Named::Gateway => ("", self.gateway),
        }
    }

    fn write(&self, out: &mut Out, name: Name<'_>, form: Form, value: &str) {
        match form {
            Form::Plain => out.leaf(name, &[], value),
            Form::Content(kind) => {
                out.element(name, &[("type", "Normal")], |out| {
                    out.leaf((self.names.prefix, kind), &[], value)
                });
            }
        }
    }
}

struct Reader {
    shape: &'static Shape,
    /// Octets that may still be kept raw.
    budget: usize,
    info: McInfo,
    /// Rows that have occurred; two more bits for what `anyExt` holds.
    seen: u32,
}

impl Reader {
    fn params(&mut self, xml: &mut Xml<'_>) -> Result<(), DocumentError> {
        let mut extended = false;
        while let Some(element) = xml.child()? {
            if element.ns != self.shape.ns {
                let kept = xml.raw(&element, &mut self.budget)?;
                self.info.kept.foreign.push(kept);
            } else if element.name == "anyExt" {
                if std::mem::replace(&mut extended, true) {
                    return Err(xml.fault_in("anyExt", TWICE));
                }
                self.any_ext(xml)?;
            } else {
                self.param(xml, &element)?;
            }
        }
        Ok(())
    }

    fn param(&mut self, xml: &mut Xml<'_>, element: &Element<'_>) -> Result<(), DocumentError> {
        let (shape, name) = (self.shape, element.name);
        let own = name.strip_prefix(shape.names.prefix);
        let found = ROWS.iter().enumerate().find(|(_, row)| match row.name {
            Named::Common(known) => name == known,
            Named::Own(rest) => own == Some(rest),
            Named::Session => name == shape.session,
            Named::Gateway => name == shape.gateway,
        });
        let Some((number, row)) = found else { return xml.skip() };
        let bit = 1 << number;
        if self.seen & bit != 0 {
            return Err(xml.fault_in(element.name, TWICE));
        }
        self.seen |= bit;
        if let Slot::Keys = row.slot {
            self.info.kept.keys = Some(xml.raw(element, &mut self.budget)?);
            return Ok(());
        }
        let value = match row.form {
            Form::Plain => Some(xml.text()?),
            Form::Content(_) => self.content(xml, element)?,
        };
        let Some(value) = value else { return Ok(()) };
        match row.slot {
            Slot::Text(_, set) => *set(&mut self.info) = Some(value.into_owned()),
            Slot::Flag(_, set) => match boolean(&value) {
                Some(flag) => *set(&mut self.info) = Some(flag),
                None => return Err(xml.fault_in(element.name, "not a boolean")),
            },
            Slot::Keys => {}
        }
        Ok(())
    }

    fn any_ext(&mut self, xml: &mut Xml<'_>) -> Result<(), DocumentError> {
        // The newer element wins over the older one, wherever it stands.
        let mut older = [None, None];
        while let Some(element) = xml.child()? {
            if element.is(self.shape.ns, FUNCTIONAL_ALIAS) {
                let alias = self.content(xml, &element)?.map(Cow::into_owned);
                if self.info.functional_alias.is_some() {
                    return Err(xml.fault_in(FUNCTIONAL_ALIAS, TWICE));
                }
                self.info.functional_alias = alias;
                continue;
            }
            if element.is(self.shape.ns, NON_ACKNOWLEDGED) {
                let user = self.content(xml, &element)?.map(Cow::into_owned);
                self.info.non_acknowledged.extend(user);
                continue;
            }
            let number = [REQUEST_KIND, RESPONSE_KIND]
                .iter()
                .position(|kind| element.ns == self.shape.ns && kind.contains(&element.name));
            let Some(number) = number else {
                let kept = xml.raw(&element, &mut self.budget)?;
                self.info.kept.any_ext.push(kept);
                continue;
            };
            let value = self.content(xml, &element)?.map(Cow::into_owned);
            let slot = match (element.name, number) {
                ("req-type", _) => &mut self.info.req_type,
                ("resp-type", _) => &mut self.info.resp_type,
                (_, 0) => &mut older[0],
                _ => &mut older[1],
            };
            if slot.is_some() {
                return Err(xml.fault_in(element.name, TWICE));
            }
            *slot = value;
        }
        let [request, response] = older;
        self.info.req_type = self.info.req_type.take().or(request);
        self.info.resp_type = self.info.resp_type.take().or(response);
        Ok(())
    }

    /// The value of a `contentType`: of its child, or, as deployed clients send it, the bare text. `None` if there is
    /// neither, or if it is encrypted.
    fn content<'i>(
        &mut self,
        xml: &mut Xml<'i>,
        element: &Element<'_>,
    ) -> Result<Option<Cow<'i, str>>, DocumentError> {
        match element.attribute("type").as_deref() {
            None | Some("Normal") => {}
            Some("Encrypted") => {
                self.info.encrypted = true;
                xml.skip()?;
                return Ok(None);
            }
            Some(_) => return Err(xml.fault_in(element.name, "type is neither Normal nor Encrypted")),
        }
        let mut value = None;
        let mut bare = Cow::Borrowed("");
        loop {
            match xml.node()? {
                Node::Open(child) => {
                    let kind = child.name.strip_prefix(self.shape.names.prefix);
                    if child.ns == self.shape.ns && matches!(kind, Some("URI" | "String" | "Boolean")) {
                        if value.is_some() {
                            return Err(xml.fault_in(element.name, "more than one value"));
                        }
                        value = Some(xml.text()?);
                    } else {
                        self.info.encrypted |= child.is(Ns::Encryption, "EncryptedData");
                        xml.skip()?;
                    }
                }
                Node::Text(text) => append(&mut bare, text),
                Node::Close => break,
            }
        }
        let bare = trim(bare);
        Ok(value.or((!bare.is_empty()).then_some(bare)))
    }
}
