//! Large requests of the real node change from UDP to TCP, and back where nobody listens (RFC 3261 18.1.1).

use crate::node::SOON;
use crate::peers::Stream;
use rollcall::config::Config;
use rollcall::env::Ids;
use rollcall::node::{Node, setup};
use rollcall::runtime::{self, Clock, Control, Handle, Settings};
use rollcall::store::{MemoryStore, Store};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

/// A laboratory that takes everything for large.
fn lab(port: u16) -> Config {
    let text = format!(
        r#"
        [server]
        domain = "one.example"
        memory = true
        listen = ["udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}"]
        registrar = true
        [functions]
        participating = "sip:mcptt@one.example"
        controlling = "sip:groups@one.example"
        gms = "sip:gms@one.example"
        [sip]
        udp_request_octets = 256
        [media]
        address = "127.0.0.1"
        ports = "1024-1123"
        [[user]]
        id = "sip:alice@one.example"
        client = "urn:uuid:alice"
        "#
    );
    Config::read(Path::new("lab.toml"), text.as_bytes()).expect("configuration")
}

/// A port that is free for datagrams and streams.
fn both() -> (UdpSocket, TcpListener) {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
        if let Ok(socket) = UdpSocket::bind(listener.local_addr().expect("address")) {
            socket.set_read_timeout(Some(SOON)).expect("timeout");
            return (socket, listener);
        }
    }
}

fn start() -> (Handle<Node>, SocketAddr) {
    let free = both().1.local_addr().expect("address");
    let config = lab(free.port());
    let settings = Settings {
        listeners: setup::listeners(&config),
        limits: config.limits.clone(),
        worker_threads: 1,
        patience: SOON,
        shutdown_grace: std::time::Duration::ZERO,
        seed: [1; 32],
    };
    let clock = Clock::start();
    let build = move || {
        let service = setup::service(&config, Ids::new([2; 32]));
        Ok((Node::start(service, clock.now()), Box::new(MemoryStore::new()) as Box<dyn Store>))
    };
    (runtime::start(settings, clock, build).expect("a server"), free)
}

/// Registers alice at this socket and subscribes to her affiliations; the answers are read.
fn subscribe(socket: &UdpSocket, server: SocketAddr) {
    let own = socket.local_addr().expect("address");
    let info = "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params><mcptt-request-uri type=\"Normal\">\
                <mcpttURI>sip:alice@one.example</mcpttURI></mcptt-request-uri></mcptt-Params></mcpttinfo>";
    let head = |method: &str, uri: &str| {
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method}\r\nMax-Forwards: 70\r\n\
             From: <sip:alice@one.example>;tag=1\r\nTo: <sip:alice@one.example>\r\nCall-ID: {method}\r\n\
             CSeq: 1 {method}\r\nContact: <sip:alice@{own}>\r\n"
        )
    };
    let register = head("REGISTER", "sip:one.example") + "Content-Length: 0\r\n\r\n";
    let subscribe = format!(
        "{}Event: presence\r\nP-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.mcptt\r\n\
         Content-Type: application/vnd.3gpp.mcptt-info+xml\r\nContent-Length: {}\r\n\r\n{info}",
        head("SUBSCRIBE", "sip:mcptt@one.example"),
        info.len()
    );
    for request in [register, subscribe] {
        socket.send_to(request.as_bytes(), server).expect("send");
        let answer = hear(socket);
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    }
}

fn hear(socket: &UdpSocket) -> String {
    let mut buffer = [0; 65_536];
    let (length, _) = socket.recv_from(&mut buffer).expect("the server is silent");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn via(message: &str) -> &str {
    message.lines().find_map(|line| line.strip_prefix("Via: ")).expect("Via")
}

#[test]
fn a_large_request_goes_over_tcp() {
    let (server, address) = start();
    let (socket, listener) = both();
    subscribe(&socket, address);
    let notify = Stream::accept(&listener).hear();
    assert!(notify.starts_with("NOTIFY ") && notify.len() > 256, "{notify}");
    assert!(via(&notify).starts_with("SIP/2.0/TCP "), "{notify}");
    server.order(Control::Stop);
    server.join().expect("a good end");
}

#[test]
fn a_large_request_goes_over_udp_where_nobody_listens_for_tcp() {
    let (server, address) = start();
    let (socket, listener) = both();
    drop(listener);
    subscribe(&socket, address);
    let notify = hear(&socket);
    assert!(notify.starts_with("NOTIFY ") && notify.len() > 256, "{notify}");
    assert!(via(&notify).starts_with("SIP/2.0/UDP "), "{notify}");
    server.order(Control::Stop);
    server.join().expect("a good end");
}
