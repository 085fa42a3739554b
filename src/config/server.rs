//! The sections about this server itself: sockets, storage, the way to the SIP core, the media function.

use super::identity::{host, identity};
use super::network::{ADVERTISED, ENDPOINT, Listener, advertised, endpoint, ports};
use super::reader::{HOUR, Section, without_lines};
use crate::model::Transport;
use std::cell::Cell;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Host in Warning headers.
    pub name: String,
    /// Domain of this MC system, lower case.
    pub domain: String,
    /// Where facts are kept.
    pub storage: Storage,
    /// Sockets, at least one.
    pub listeners: Vec<Listener>,
    /// Clients may REGISTER here.
    pub registrar: bool,
    /// Where requests to users go that are not registered here.
    pub core: Option<Core>,
    /// `Server` and `User-Agent` of our messages; `None`: neither.
    pub product: Option<String>,
    /// How long a stop may take to finish what is open.
    pub shutdown_grace: Duration,
    /// Threads of the runtime; `None`: one per core.
    pub worker_threads: Option<u16>,
}

/// Where facts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In this directory.
    Directory(PathBuf),
    /// Nowhere: they go with the process.
    Memory,
}

/// The entry to the SIP core: an I-CSCF or S-CSCF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// Its URI, as it stands in Route: `sip:icscf.one.example:4060;lr`.
    pub uri: String,
}

impl Server {
    pub(super) fn walk(root: &Section<'_>) -> Option<Self> {
        let server = root.table("server", "This server.");
        let domain = server
            .key(
                "domain",
                "Domain of this MC system. Users, groups and temporary groups of this system are in it.",
            )
            .text("host name", host)
            .required();
        let name = server
            .key("name", "Host in Warning headers (RFC 3261 20.43).")
            .text("host name", host)
            .optional("the domain");
        let line = Cell::new(0);
        let data = server
            .key("data", "Directory for the facts that survive a restart; made if it is missing. A relative path starts at the working directory.")
            .text("path", |text| {
                if text.is_empty() { Err("a path".to_owned()) } else { Ok(PathBuf::from(text)) }
            })
            .at(&line)
            .optional("none: `memory` must be true");
        let memory = server
            .key("memory", "Keep facts in memory only: they go with the process. Excludes `data`.")
            .boolean()
            .optional("`false`");
        let storage = match (data, memory) {
            (Some(directory), None | Some(false)) => Some(Storage::Directory(directory)),
            (None, Some(true)) => Some(Storage::Memory),
            (Some(_), Some(true)) => {
                server.mistake(line.get(), "data", "expected either `data` or `memory = true`, found both");
                None
            }
            (None, memory) => {
                if !server.has("data") && (memory.is_some() || !server.has("memory")) {
                    server.mistake(line.get(), "data", "missing; expected a path, or `memory = true`");
                }
                None
            }
        };
        let listeners = listeners(&server);
        let registrar = server
            .key("registrar", "Clients REGISTER here. Without it third-party REGISTER from a peer with the role `s-cscf` tells who is there.")
            .boolean()
            .optional("`false`");
        let core = server
            .key("core", "I-CSCF or S-CSCF for requests to users, as a Route value. Its host is an address or has a `[[route]]`.")
            .text("SIP URI such as \"sip:icscf.one.example:4060;lr\"", core)
            .at(&line)
            .optional("none: `registrar` must be true");
        let registrar_is_wrong = registrar.is_none() && server.has("registrar");
        let registrar = registrar.unwrap_or(false);
        if !server.has("core") && !registrar && !registrar_is_wrong {
            server.mistake(
                line.get(),
                "core",
                "missing; expected the SIP URI of the core, or `registrar = true`",
            );
        }
        let product = server
            .key("product", "`Server` of responses and `User-Agent` of requests; an empty string for none.")
            .text("product token", product)
            .or("rollcall".to_owned());
        let shutdown_grace = server
            .key("shutdown_grace", "How long a stop may take to finish what is open.")
            .duration(Duration::ZERO..=HOUR)
            .or(Duration::from_secs(10));
        let worker_threads = server
            .key("worker_threads", "Threads for sockets and disk.")
            .integer(1..=1024)
            .optional("one per core");
        let domain = domain?;
        Some(Self {
            name: name.unwrap_or_else(|| domain.clone()),
            domain,
            storage: storage?,
            listeners,
            registrar,
            core,
            product: Some(product).filter(|product| !product.is_empty()),
            shutdown_grace,
            worker_threads,
        })
    }
}

fn listeners(server: &Section<'_>) -> Vec<Listener> {
    let kind = "list: transport, address and port such as `\"udp:127.0.0.1:5060\"`, or a table";
    let found = server
        .key("listen", "Sockets. Each is a string, or a table where peers reach it by another name.")
        .at_least_one()
        .items(kind, |item| {
            let line = item.line;
            let Some(table) = item.table("A listener that peers reach by another name.") else {
                let (transport, bind) = item.text(ENDPOINT, endpoint)?;
                if bind.ip().is_unspecified() {
                    item.wrong("a table with `at` and `advertise`, since peers cannot reach this address");
                    return None;
                }
                return Some((line, Listener { transport, bind, advertised: bind.to_string() }));
            };
            let at =
                table.key("at", "Protocol, address and port to bind.").text(ENDPOINT, endpoint).required();
            let advertised = table
                .key("advertise", "Host and port for Via and Contact.")
                .text(ADVERTISED, advertised)
                .required();
            let (transport, bind) = at?;
            Some((line, Listener { transport, bind, advertised: advertised? }))
        })
        .required()
        .unwrap_or_default();
    let mut listeners: Vec<Listener> = Vec::new();
    for (line, listener) in found {
        let same = |other: &Listener| (other.transport, other.bind) == (listener.transport, listener.bind);
        if listeners.iter().any(same) {
            server.mistake(
                line,
                "listen",
                format!("expected each listener once, found {} again", listener.bind),
            );
        } else {
            listeners.push(listener);
        }
    }
    listeners
}

/// A URI for Route, with `lr`.
pub(super) fn core(text: &str) -> Result<Core, String> {
    let (uri, parameters) = text.split_once(';').unwrap_or((text, ""));
    let plain = identity(uri)?;
    if !plain.starts_with("sip:") {
        return Err("a SIP URI such as \"sip:icscf.one.example:4060;lr\"".to_owned());
    }
    let loose = parameters.split(';').any(|one| one.eq_ignore_ascii_case("lr"));
    let end = if loose { "" } else { ";lr" };
    let good = parameters.bytes().all(|octet| octet.is_ascii_graphic() && !b"<>\",?".contains(&octet));
    if good { Ok(Core { uri: format!("{text}{end}") }) } else { Err("URI parameters after `;`".to_owned()) }
}

/// RFC 3261 25.1: `product = token [SLASH product-version]`.
fn product(text: &str) -> Result<String, String> {
    let token = |octet: u8| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~/ ".contains(&octet);
    let tidy = text.trim() == text;
    if text.len() <= 80 && tidy && text.bytes().all(token) {
        Ok(text.to_owned())
    } else {
        Err("product tokens such as \"rollcall/1\"".to_owned())
    }
}

/// `[media]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Address of the media function, for SDP answers.
    pub address: IpAddr,
    /// First and last port.
    pub ports: (u16, u16),
    /// Codecs by rtpmap name, for offers to members where the caller's offer has none.
    pub encodings: Vec<String>,
}

impl Media {
    /// With the line of its ports.
    pub(super) fn walk(root: &Section<'_>) -> Option<(Self, usize)> {
        let media =
            root.table("media", "The media function that SDP answers name. It is not part of this server.");
        let line = Cell::new(0);
        let address = media
            .key("address", "Its address.")
            .text("IP address", |text| {
                let address = text.parse::<IpAddr>().ok().filter(|address| !address.is_unspecified());
                address.ok_or_else(|| "an IP address that clients can reach".to_owned())
            })
            .required();
        let ports = media
            .key("ports", "Its ports: a pair per leg, speech on the even one, floor control on the next.")
            .text("range such as `\"40000-49999\"`", ports)
            .at(&line)
            .or_else((40_000, 49_999), "`\"40000-49999\"`");
        let encodings = media
            .key("encodings", "Codecs offered to members where the caller's offer has none, by rtpmap name.")
            .texts("name such as `\"AMR-WB\"`", encoding)
            .or_else(vec![(0, "AMR-WB".to_owned())], "`[\"AMR-WB\"]`");
        Some((Self { address: address?, ports, encodings: without_lines(encodings) }, line.get()))
    }
}

/// Reads the name of a codec (RFC 4855).
pub(super) fn encoding(text: &str) -> Result<String, String> {
    let token = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.+".contains(&octet);
    if (1..=64).contains(&text.len()) && text.bytes().all(token) {
        Ok(text.to_owned())
    } else {
        Err("a codec by rtpmap name such as \"AMR-WB\"".to_owned())
    }
}

/// Media ports must not be the ports of a UDP listener on the same address.
pub(super) fn ports_apart(root: &Section<'_>, server: &Server, media: &Media, line: usize) {
    for listener in &server.listeners {
        let bind = listener.bind;
        let same_host = bind.ip() == media.address || bind.ip().is_unspecified();
        if listener.transport == Transport::Udp
            && same_host
            && (media.ports.0..=media.ports.1).contains(&bind.port())
        {
            let message = format!("expected a range without the port of the listener udp:{bind}");
            root.mistake(line, "media.ports", message);
        }
    }
}
