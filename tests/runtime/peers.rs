//! What stands at the other end of a socket.

use crate::node::SOON;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// A request; `via` is host and port of sent-by, `body` any text.
pub fn request(method: &str, number: usize, transport: &str, via: SocketAddr, body: &str) -> String {
    format!(
        "{method} sip:server@one.example SIP/2.0\r\nVia: SIP/2.0/{transport} {via};branch=z9hG4bK{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@one.example>;tag=1\r\nTo: <sip:server@one.example>\r\n\
         Call-ID: {number}\r\nCSeq: 1 {method}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The status and the Call-ID of a response.
pub fn told(response: &str) -> (u16, usize) {
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
    let call = response.lines().find_map(|line| line.strip_prefix("Call-ID: "));
    let call = call.and_then(|call| call.trim().parse().ok());
    (status.unwrap_or_else(|| panic!("{response}")), call.unwrap_or_else(|| panic!("{response}")))
}

/// A peer with a datagram socket.
pub struct Datagrams {
    pub socket: UdpSocket,
    server: SocketAddr,
}

impl Datagrams {
    pub fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).expect("socket");
        socket.set_read_timeout(Some(SOON)).expect("timeout");
        Self { socket, server }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("address")
    }

    pub fn ask(&self, method: &str, number: usize) {
        let request = request(method, number, "UDP", self.address(), "");
        self.socket.send_to(request.as_bytes(), self.server).expect("send");
    }

    pub fn hear(&self) -> String {
        let mut buffer = vec![0; 65_536];
        let (length, from) = self.socket.recv_from(&mut buffer).expect("the server is silent");
        assert_eq!(from, self.server);
        String::from_utf8(buffer[..length].to_vec()).expect("text")
    }

    /// The status of the answer to this request, which is the next one to come.
    pub fn answer(&self, number: usize) -> u16 {
        let (status, call) = told(&self.hear());
        assert_eq!(call, number);
        status
    }

    pub fn asks(&self, method: &str, number: usize) -> u16 {
        self.ask(method, number);
        self.answer(number)
    }
}

/// A peer with a stream.
pub struct Stream {
    pub socket: TcpStream,
    read: Vec<u8>,
}

impl Stream {
    pub fn connect(server: SocketAddr) -> Self {
        Self::of(TcpStream::connect(server).expect("connection"))
    }

    /// The connection that the server opens.
    pub fn accept(listener: &TcpListener) -> Self {
        Self::of(listener.accept().expect("connection").0)
    }

    fn of(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(SOON)).expect("timeout");
        socket.set_write_timeout(Some(SOON)).expect("timeout");
        socket.set_nodelay(true).expect("option");
        Self { socket, read: Vec::new() }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("address")
    }

    pub fn write(&mut self, octets: &[u8]) {
        self.socket.write_all(octets).expect("write");
    }

    pub fn ask(&mut self, method: &str, number: usize) {
        let request = request(method, number, "TCP", self.address(), "");
        self.write(request.as_bytes());
    }

    /// The next message.
    pub fn hear(&mut self) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            if let Some((head, rest)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
                let length = length.map_or(0, |length| length.trim().parse().expect("length"));
                if rest.len() >= length {
                    let whole = head.len() + 4 + length;
                    return String::from_utf8(self.read.drain(..whole).collect()).expect("text");
                }
            }
            let more = self.some();
            assert!(!more.is_empty(), "closed by the server");
            self.read.extend_from_slice(&more);
        }
    }

    pub fn asks(&mut self, method: &str, number: usize) -> u16 {
        self.ask(method, number);
        let (status, call) = told(&self.hear());
        assert_eq!(call, number);
        status
    }

    /// Octets as they come; none: the server closed the connection.
    pub fn some(&mut self) -> Vec<u8> {
        let mut buffer = [0; 8_192];
        match self.socket.read(&mut buffer) {
            Ok(length) => buffer[..length].to_vec(),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until the server closes the connection.
    pub fn is_closed(&mut self) {
        while !self.some().is_empty() {}
    }
}

/// Waits until something is so.
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..SOON.as_millis() / 5 {
        if is() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never: {what}");
}
