//! A server under attack, and whoever looks whether it still answers.

use crate::process::{Folder, Process, SOON, free_port};
use crate::sip::{self, Writer};
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};

/// What floods may leave behind beyond the first: memory that the allocator keeps.
const LEFT: usize = 8 << 20;

pub struct Host {
    pub process: Process,
    pub address: SocketAddr,
    _folder: Folder,
}

impl Host {
    /// A server with one user, `alice`. `more` are further lines of its configuration.
    pub fn start(name: &str, more: &str) -> Self {
        let (folder, address) = (Folder::new(name), free_port());
        let config = folder.config(&config(address, more));
        Self { process: Process::start(&config), address, _folder: folder }
    }

    /// Runs the same flood a few times. What the first one leaves behind is the working size; the others must not add to
    /// it without end.
    pub fn withstands(&self, flood: impl FnMut()) {
        self.withstands_but(LEFT, flood);
    }

    /// As [`Self::withstands`], with so many octets that may be left behind.
    pub fn withstands_but(&self, left: usize, mut flood: impl FnMut()) {
        flood();
        self.is_well();
        let before = self.process.memory();
        for _ in 0..3 {
            flood();
            self.is_well();
        }
        let after = self.process.memory();
        assert!(after < before + left, "memory grew from {before} to {after}");
    }

    /// A valid request is answered.
    pub fn is_well(&self) {
        Phone::new(self.address).is_answered();
    }
}

/// The configuration of a server whose transactions are soon forgotten.
pub fn config(address: SocketAddr, more: &str) -> String {
    format!(
        "[server]\ndomain = \"one.example\"\nmemory = true\nlisten = [\"udp:{address}\", \"tcp:{address}\"]\n\
         registrar = true\n[functions]\nparticipating = \"sip:mcptt@one.example\"\n\
         controlling = \"sip:groups@one.example\"\ngms = \"sip:gms@one.example\"\n[media]\naddress = \"127.0.0.9\"\n\
         [timers]\nt1 = \"10ms\"\nt2 = \"20ms\"\nt4 = \"20ms\"\n[[user]]\nid = \"sip:alice@one.example\"\n\
         client = \"urn:uuid:alice\"\nallow_prearranged_call = true\nallow_regroup = true\n{more}"
    )
}

/// A client with a socket of its own.
pub struct Phone {
    socket: UdpSocket,
    pub write: Writer,
    server: SocketAddr,
    /// Requests of the server that were heard.
    heard: BTreeSet<String>,
}

impl Phone {
    pub fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
        socket.set_read_timeout(Some(std::time::Duration::from_millis(200))).expect("timeout");
        let own = socket.local_addr().expect("address");
        // No two phones have a transaction in common.
        let count = u64::from(own.port()) << 32;
        Self { socket, write: Writer { own, count }, server, heard: BTreeSet::new() }
    }

    pub fn send(&self, octets: impl AsRef<[u8]>) {
        // A datagram that the system refuses to carry is no attack.
        let _ = self.socket.send_to(octets.as_ref(), self.server);
    }

    /// The final answer to a request, which is sent again while there is none: a flood fills the buffers of the kernel.
    pub fn ask(&self, request: &str) -> String {
        let branch = sip::branch(request);
        let mut buffer = [0; 65_536];
        for _ in 0..SOON.as_millis() / 200 {
            self.send(request);
            while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if sip::status(&text) >= 200 && sip::branch(&text) == branch {
                    return text;
                }
            }
        }
        panic!("no answer to\n{request}");
    }

    pub fn is_answered(&mut self) {
        let (own, n) = (self.write.own, self.write.next());
        let request = options(own, "UDP", n);
        let answer = self.ask(&request);
        assert_eq!(sip::status(&answer), 200, "{answer}");
    }

    /// The next request of this method that the server sends, and sends again until it is answered.
    pub fn is_asked(&mut self, method: &str) -> String {
        let mut buffer = [0; 65_536];
        for _ in 0..SOON.as_millis() / 200 {
            while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if text.starts_with(method) && self.heard.insert(sip::branch(&text)) {
                    return text;
                }
            }
        }
        panic!("the server never asks {method}");
    }

    /// Registers alice at this socket.
    pub fn register(&mut self) {
        let contact = [format!("<sip:alice@{}>;expires=3600", self.write.own)];
        let cseq = self.write.next() & 0x7fff_ffff;
        let register = self.write.register("alice", cseq, &contact);
        let register =
            register.replace("register-alice", &format!("register-alice-{}", self.write.own.port()));
        let answer = self.ask(&register);
        assert_eq!(sip::status(&answer), 200, "{answer}");
    }
}

/// A valid request.
pub fn options(own: SocketAddr, transport: &str, n: u64) -> String {
    format!(
        "OPTIONS sip:one.example SIP/2.0\r\nVia: SIP/2.0/{transport} {own};branch=z9hG4bKo{n};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@one.example>;tag={n}\r\nTo: <sip:one.example>\r\nCall-ID: o{n}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}
