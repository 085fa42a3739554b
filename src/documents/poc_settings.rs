//! `application/poc-settings+xml` (RFC 4354) with the extension of TS 24.379 7.4.1.2: the settings that a client publishes
//! when its user begins to use the service (7.3.3) and later (7.3.4). Log-off (7.3.5) is a publication with `Expires: 0`
//! and without a body.

use super::xml::{Ns, Out, Xml};
use super::{DocumentError, xsd};
use crate::config::Limits;
use crate::model::AnswerMode;

const DOCUMENT: &str = "poc-settings";

/// The settings of one client (one `entity`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PocSettings {
    /// `entity@id`: the instance ID of the client.
    pub client: String,
    /// `isb-settings/incoming-session-barring@active`: the client takes no calls.
    pub barred: Option<bool>,
    /// `am-settings/answer-mode`. MCData clients have none.
    pub answer_mode: Option<AnswerMode>,
    /// `selected-user-profile-index/user-profile-index`.
    pub profile: Option<u8>,
    /// `multiplex-support`: media of several sessions over one port.
    pub multiplex: Option<bool>,
}

impl PocSettings {
    /// Reads all entities of a document; usually there is one.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Vec<Self>, DocumentError> {
        let (mut xml, _) = Xml::open(body, DOCUMENT, (Ns::PocSettings, "poc-settings"), limits)?;
        let mut entities = Vec::new();
        while let Some(element) = xml.child()? {
            if element.is(Ns::PocSettings, "entity") {
                let client = xml.required(&element, "id")?.into_owned();
                entities.push(Self::read(&mut xml, client)?);
            } else {
                xml.skip()?;
            }
        }
        xml.finish()?;
        Ok(entities)
    }

    /// The content of an open `entity`.
    fn read(xml: &mut Xml<'_>, client: String) -> Result<Self, DocumentError> {
        let mut settings = Self { client, ..Self::default() };
        while let Some(element) = xml.child()? {
            match (element.ns, element.name) {
                (Ns::PocSettings, "isb-settings") => {
                    while let Some(element) = xml.child()? {
                        if element.is(Ns::PocSettings, "incoming-session-barring") {
                            let active = xml.required(&element, "active")?;
                            let active = xsd::boolean(&active).ok_or_else(|| outside(xml, "active"))?;
                            once(xml, element.name, &mut settings.barred, active)?;
                        }
                        xml.skip()?;
                    }
                }
                (Ns::PocSettings, "am-settings") => {
                    while let Some(element) = xml.child()? {
                        if element.is(Ns::PocSettings, "answer-mode") {
                            let mode = xml.value(element.name, answer_mode)?;
                            once(xml, element.name, &mut settings.answer_mode, mode)?;
                        } else {
                            xml.skip()?;
                        }
                    }
                }
                (Ns::McsSettings, "selected-user-profile-index") => {
                    while let Some(element) = xml.child()? {
                        if element.is(Ns::McsSettings, "user-profile-index") {
                            let index = xml.value(element.name, xsd::number)?;
                            once(xml, element.name, &mut settings.profile, index)?;
                        } else {
                            xml.skip()?;
                        }
                    }
                }
                (Ns::McsSettings, "multiplex-support") => {
                    let multiplex = xml.value(element.name, xsd::boolean)?;
                    once(xml, element.name, &mut settings.multiplex, multiplex)?;
                }
                _ => xml.skip()?,
            }
        }
        Ok(settings)
    }

    /// Writes a document with these entities.
    pub fn encode(entities: &[Self]) -> String {
        const EXTENSION: &str = "mcs10Set:";
        let mut out = Out::new();
        let declarations = [("xmlns", Ns::PocSettings.text()), ("xmlns:mcs10Set", Ns::McsSettings.text())];
        out.element(("", "poc-settings"), &declarations, |out| {
            for settings in entities {
                out.element(("", "entity"), &[("id", settings.client.as_str())], |out| {
                    if let Some(barred) = settings.barred {
                        let active = [("active", xsd::boolean_text(barred))];
                        out.element(("", "isb-settings"), &[], |out| {
                            out.empty(("", "incoming-session-barring"), &active);
                        });
                    }
                    if let Some(mode) = settings.answer_mode {
                        out.element(("", "am-settings"), &[], |out| {
                            out.leaf(("", "answer-mode"), &[], answer_mode_text(mode));
                        });
                    }
                    if let Some(index) = settings.profile {
                        out.element((EXTENSION, "selected-user-profile-index"), &[], |out| {
                            out.leaf((EXTENSION, "user-profile-index"), &[], &index.to_string());
                        });
                    }
                    if let Some(multiplex) = settings.multiplex {
                        out.leaf((EXTENSION, "multiplex-support"), &[], xsd::boolean_text(multiplex));
                    }
                });
            }
        });
        out.finish()
    }
}

fn once<T>(xml: &Xml<'_>, place: &str, slot: &mut Option<T>, value: T) -> Result<(), DocumentError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(xml.fault_in(place, "element that occurs twice")),
    }
}

fn outside(xml: &Xml<'_>, place: &str) -> DocumentError {
    xml.fault_in(place, "value outside its type")
}

fn answer_mode(text: &str) -> Option<AnswerMode> {
    [AnswerMode::Automatic, AnswerMode::Manual].into_iter().find(|mode| answer_mode_text(*mode) == text)
}

fn answer_mode_text(mode: AnswerMode) -> &'static str {
    match mode {
        AnswerMode::Automatic => "automatic",
        AnswerMode::Manual => "manual",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::testing::{breaks, children, fuzz, passes};

    const PUBLISHED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<poc-settings xmlns="urn:oma:params:xml:ns:poc:poc-settings" xmlns:mcs10Set="urn:3gpp:mcsSettings:1.0">
  <entity id="urn:uuid:6f5d0b1e-0001-4000-8000-00000000000a">
    <mcs10Set:multiplex-support>false</mcs10Set:multiplex-support>
    <mcs10Set:selected-user-profile-index>
      <mcs10Set:user-profile-index>1</mcs10Set:user-profile-index>
    </mcs10Set:selected-user-profile-index>
    <ipab-settings><incoming-personal-alert-barring active="false"/></ipab-settings>
    <am-settings><answer-mode> manual </answer-mode></am-settings>
    <isb-settings><incoming-session-barring active="0"/></isb-settings>
  </entity>
</poc-settings>"#;

    fn decode(xml: &str) -> Result<Vec<PocSettings>, DocumentError> {
        PocSettings::decode(xml.as_bytes(), &Limits::default())
    }

    fn published() -> PocSettings {
        PocSettings {
            client: "urn:uuid:6f5d0b1e-0001-4000-8000-00000000000a".to_owned(),
            barred: Some(false),
            answer_mode: Some(AnswerMode::Manual),
            profile: Some(1),
            multiplex: Some(false),
        }
    }

    #[test]
    fn what_a_client_publishes_is_read() {
        assert_eq!(decode(PUBLISHED).unwrap(), [published()]);
        let mcdata =
            "<poc-settings xmlns='urn:oma:params:xml:ns:poc:poc-settings'><entity id='c'/></poc-settings>";
        assert_eq!(
            decode(mcdata).unwrap(),
            [PocSettings { client: "c".to_owned(), ..PocSettings::default() }]
        );
        assert_eq!(decode("<poc-settings xmlns='urn:oma:params:xml:ns:poc:poc-settings'/>").unwrap(), []);
    }

    #[test]
    fn what_is_written_is_read_in_the_order_of_the_schema() {
        let bare = PocSettings { client: "c".to_owned(), ..PocSettings::default() };
        let automatic =
            PocSettings { answer_mode: Some(AnswerMode::Automatic), barred: Some(true), ..published() };
        let all = [published(), bare, automatic];
        let xml = PocSettings::encode(&all);
        assert_eq!(decode(&xml).unwrap(), all);
        assert_eq!(
            children(&PocSettings::encode(&all[..1]), &["poc-settings", "entity"]),
            ["isb-settings", "am-settings", "selected-user-profile-index", "multiplex-support"]
        );
    }

    #[test]
    fn names_of_other_namespaces_are_not_ours() {
        let foreign = PUBLISHED.replace("urn:3gpp:mcsSettings:1.0", "urn:x");
        assert_eq!(
            decode(&foreign).unwrap(),
            [PocSettings { profile: None, multiplex: None, ..published() }]
        );
        let wrong = Err(DocumentError::WrongRoot { document: DOCUMENT, expected: "poc-settings" });
        assert_eq!(decode("<poc-settings/>"), wrong);
    }

    #[test]
    fn what_breaks_the_schema_is_refused() {
        for (from, to, problem) in [
            ("entity id=", "entity x=", "attribute missing"),
            ("active=\"0\"", "active=\"off\"", "value outside its type"),
            ("active=\"0\"", "x=\"0\"", "attribute missing"),
            ("manual", "both", "value outside its type"),
            (">1<", ">256<", "value outside its type"),
            (">false<", ">no<", "value outside its type"),
            (
                "</am-settings>",
                "<answer-mode>manual</answer-mode></am-settings>",
                "element that occurs twice",
            ),
            (
                "<am-settings>",
                "<am-settings><answer-mode>manual</answer-mode></am-settings><am-settings>",
                "element that occurs twice",
            ),
        ] {
            assert!(breaks(decode(&PUBLISHED.replace(from, to)), problem), "{to}");
        }
    }

    #[test]
    fn the_limit_on_elements_holds() {
        let limits = |xml_elements| Limits { xml_elements, ..Limits::default() };
        assert!(PocSettings::decode(PUBLISHED.as_bytes(), &limits(11)).is_ok());
        assert!(passes(PocSettings::decode(PUBLISHED.as_bytes(), &limits(10)), "elements", 10));
    }

    #[test]
    fn mutations_never_panic_and_what_is_read_can_be_written() {
        let mut read = 0;
        fuzz(12, 10_000, &[PUBLISHED.as_bytes()], |text| {
            if let Ok(entities) = PocSettings::decode(text, &Limits::default()) {
                read += 1;
                assert_eq!(decode(&PocSettings::encode(&entities)).unwrap(), entities);
            }
        });
        assert!(read > 300, "the mutations must not all be refused: {read}");
    }
}
