//! What an end gets, as a line.

use crate::documents::McInfo;
use crate::procedure::*;

/// Lines whose order means nothing: that of random leg identities.
pub(in crate::mc) fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// `sip:fire@one.example` as `fire`.
pub(in crate::mc) fn short(uri: &str) -> String {
    uri.trim_start_matches("sip:").trim_end_matches("@one.example").to_owned()
}

/// `INVITE fire by alice`, with what differs from an ordinary invitation.
pub(super) fn invitation_written(invitation: &Invitation) -> String {
    let info = &invitation.info;
    let group = info.calling_group.as_deref().or(info.request_uri.as_deref());
    let mut line = format!("INVITE {}", short(group.unwrap_or("?")));
    if let Some(user) = &info.calling_user {
        line.push_str(&format!(" by {}", short(user)));
    }
    line.push_str(&indications(info));
    line
}

/// `200 111 122`, `re-INVITE emergency`, `BYE`, ...
pub(super) fn written(event: &LegEvent) -> String {
    let warned = |status: u16, warnings: &[Warning]| {
        let codes: String =
            warnings.iter().filter_map(|warning| warning.code).map(|code| format!(" {code}")).collect();
        format!("{status}{codes}")
    };
    let shown = |info: &Option<McInfo>| info.as_ref().map(indications).unwrap_or_default();
    match event {
        LegEvent::Progress(progress) => {
            let unconfirmed = if progress.unconfirmed { " unconfirmed" } else { "" };
            format!("{}{unconfirmed}", progress.status)
        }
        LegEvent::Accepted(acceptance) => {
            let unconfirmed = if acceptance.unconfirmed { " unconfirmed" } else { "" };
            format!("{}{unconfirmed}{}", warned(200, &acceptance.warnings), shown(&acceptance.info))
        }
        LegEvent::Refused(rejection) => {
            format!("{}{}", warned(rejection.status, &rejection.warnings), shown(&rejection.info))
        }
        LegEvent::Cancelled => "CANCEL".to_owned(),
        LegEvent::GivenUp { status } => format!("given up, {status}"),
        LegEvent::Confirmed => "ACK".to_owned(),
        LegEvent::Released { .. } => "BYE".to_owned(),
        LegEvent::Lost { .. } => "lost".to_owned(),
        LegEvent::Offered { info, .. } => {
            format!("re-INVITE{}", info.as_deref().map(indications).unwrap_or_default())
        }
        LegEvent::OfferAnswered(Ok(acceptance)) => {
            format!("re {}{}", warned(200, &acceptance.warnings), shown(&acceptance.info))
        }
        LegEvent::OfferAnswered(Err(rejection)) => {
            format!("re {}{}", warned(rejection.status, &rejection.warnings), shown(&rejection.info))
        }
    }
}

fn indications(info: &McInfo) -> String {
    let mut line = String::new();
    for (name, value) in [
        ("emergency", info.emergency),
        ("alert", info.alert),
        ("imminent-peril", info.imminent_peril),
        ("broadcast", info.broadcast),
    ] {
        match value {
            Some(true) => line.push_str(&format!(" {name}")),
            Some(false) => line.push_str(&format!(" no-{name}")),
            None => {}
        }
    }
    line
}
