//! The operations, and what they are called: the element of the document, and the kinds of request and result that the
//! info document names when an operation travels as SIP MESSAGE (`req-type`, `resp-type`). None of these names but the
//! first two elements is the standard's: they stand here and nowhere else.

/// Operations, by local name in either namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the elements")]
pub enum OperationKind {
    GetExcludingMemberlist,
    GroupRegroupCreation,
    GroupRegroupCheck,
    GroupRegroupNotification,
    GroupRegroupCancel,
    GroupRegroupTeardown,
    GroupRegroupTeardownNotification,
    GroupInformationProvision,
    GroupInformationRequest,
    DeleteGroup,
    /// A name this server does not know: 501.
    Unknown(String),
}

/// What one operation is called.
pub(super) struct Row {
    pub kind: OperationKind,
    /// Prefix of its element: that of the standard's namespace, or of the extension.
    pub prefix: &'static str,
    pub element: &'static str,
    request: &'static str,
    response: &'static str,
}

macro_rules! row {
    ($kind:ident, $prefix:literal, $element:literal, $request:literal, $response:literal) => {
        Row {
            kind: OperationKind::$kind,
            prefix: $prefix,
            element: $element,
            request: $request,
            response: $response,
        }
    };
}

#[rustfmt::skip]
pub(super) static ROWS: [Row; 10] = [
    row!(GetExcludingMemberlist, "", "get-excluding-memberlist", "get-group-configuration-request", "get-group-configuration-response"),
    row!(GroupRegroupCreation, "", "group-regroup-creation", "group-regroup-request", "group-regroup-response"),
    row!(GroupRegroupCheck, "gx:", "group-regroup-check", "group-regroup-check-request", "group-regroup-check-response"),
    row!(GroupRegroupNotification, "gx:", "group-regroup-notification", "group-regroup-notification", "group-regroup-notification-response"),
    row!(GroupRegroupCancel, "gx:", "group-regroup-cancel", "group-regroup-cancel-request", "group-regroup-cancel-response"),
    row!(GroupRegroupTeardown, "gx:", "group-regroup-teardown", "group-regroup-teardown-request", "group-regroup-teardown-response"),
    row!(GroupRegroupTeardownNotification, "gx:", "group-regroup-teardown-notification", "group-regroup-teardown-notification", "group-regroup-teardown-notification-response"),
    row!(GroupInformationProvision, "gx:", "group-information-provision", "group-information-provision-request", "group-information-provision-response"),
    row!(GroupInformationRequest, "gx:", "group-information-request", "group-information-request", "group-information-response"),
    row!(DeleteGroup, "gx:", "delete-group", "delete-group-request", "delete-group-response"),
];

impl OperationKind {
    /// The operation whose element has this local name.
    pub fn of(name: &str) -> Self {
        let known = ROWS.iter().find(|row| row.element == name);
        known.map_or_else(|| Self::Unknown(name.to_owned()), |row| row.kind.clone())
    }

    /// The operation that this `req-type` asks for; `None`: the kind is not one of group management.
    pub fn of_request_type(kind: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.request == kind).map(|row| row.kind.clone())
    }

    /// The operation whose result this `resp-type` brings; `None`: the kind is not one of group management.
    pub fn of_response_type(kind: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.response == kind).map(|row| row.kind.clone())
    }

    /// Local name of the element; also the `operation` of a [`super::Response`].
    pub fn name(&self) -> &str {
        self.qualified().1
    }

    /// `req-type` of the MESSAGE that asks for it; empty for an unknown operation.
    pub fn request_type(&self) -> &'static str {
        self.row().map_or("", |row| row.request)
    }

    /// `resp-type` of the MESSAGE that brings its result; empty for an unknown operation.
    pub fn response_type(&self) -> &'static str {
        self.row().map_or("", |row| row.response)
    }

    /// Whether the group inside is a whole document, and not only what a temporary group is to be.
    pub fn carries_document(&self) -> bool {
        matches!(self, Self::GroupRegroupNotification | Self::GroupInformationProvision)
    }

    /// Prefix and local name of the element.
    pub(super) fn qualified(&self) -> (&'static str, &str) {
        match self {
            Self::Unknown(name) => ("gx:", name),
            known => known.row().map_or(("", ""), |row| (row.prefix, row.element)),
        }
    }

    fn row(&self) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.kind == *self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_belongs_to_one_operation() {
        for row in &ROWS {
            assert_eq!(OperationKind::of(row.element), row.kind);
            assert_eq!(OperationKind::of_request_type(row.request).as_ref(), Some(&row.kind));
            assert_eq!(OperationKind::of_response_type(row.response).as_ref(), Some(&row.kind));
            assert_eq!(row.kind.name(), row.element);
            assert_eq!((row.kind.request_type(), row.kind.response_type()), (row.request, row.response));
        }
        let unknown = OperationKind::of("group-split");
        assert_eq!(unknown, OperationKind::Unknown("group-split".to_owned()));
        assert_eq!(
            (unknown.name(), unknown.request_type(), unknown.response_type()),
            ("group-split", "", "")
        );
        assert_eq!(OperationKind::of_request_type(""), None);
        assert_eq!(OperationKind::of_response_type("group-selection-change-response"), None);
    }
}
