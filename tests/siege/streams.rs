//! Streams that are opened to hurt.

use crate::host::{Host, options};
use crate::process::SOON;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Connections of the siege, if this process may have so many.
const MANY: usize = 10_000;

/// How many connections this process may open; it asks for as many as the system allows.
fn possible() -> usize {
    let own = std::process::id().to_string();
    let limit = || -> Option<(u64, u64)> {
        let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
        let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
        let mut words = line.split_whitespace().skip(3).map(|word| word.parse().unwrap_or(1 << 20));
        Some((words.next()?, words.next()?))
    };
    let (_, most) = limit().expect("limits");
    let raised = format!("--nofile={most}:{most}");
    let _ = std::process::Command::new("prlimit").args(["--pid", &own, &raised]).status();
    let (allowed, _) = limit().expect("limits");
    MANY.min(usize::try_from(allowed).expect("a number").saturating_sub(500))
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("connection");
    stream.set_read_timeout(Some(SOON)).expect("timeout");
    stream.set_write_timeout(Some(SOON)).expect("timeout");
    stream
}

/// Asks over a stream; true if it is answered.
fn is_answered(stream: &mut TcpStream, n: u64) -> bool {
    let own = stream.local_addr().expect("address");
    if stream.write_all(options(own, "TCP", n).as_bytes()).is_err() {
        return false;
    }
    let mut answer = Vec::new();
    let mut buffer = [0; 2_048];
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return false,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
        }
    }
    answer.starts_with(b"SIP/2.0 200 ")
}

/// Waits until the server closes a connection.
fn is_closed(mut stream: TcpStream) {
    let mut buffer = [0; 8_192];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn thousands_of_connections_that_say_nothing_or_half_a_message() {
    let count = possible();
    let host = Host::start("siege-connections", &format!("[limits]\nconnections = {}\n", count + 100));
    let before = host.process.memory();
    let half = &options(host.address, "TCP", 1).into_bytes()[..100];
    let mut open = Vec::new();
    let fill = |open: &mut Vec<TcpStream>| {
        for number in 0..count {
            let mut stream = connect(host.address);
            if number % 2 == 0 {
                stream.write_all(half).expect("write");
            }
            open.push(stream);
        }
        // Whoever behaves is served.
        let mut good = connect(host.address);
        for n in 0..100 {
            assert!(is_answered(&mut good, n), "with {} connections", open.len());
        }
        host.is_well();
    };
    fill(&mut open);
    let full = host.process.memory();
    let each = full.saturating_sub(before) / count;
    println!("{count} connections, {each} octets each");
    assert!(each < 32 << 10, "a connection holds {each} octets");
    // They go, and others come: nothing stays behind.
    for _ in 0..2 {
        open.clear();
        fill(&mut open);
    }
    let after = host.process.memory();
    assert!(after < full + (32 << 20), "memory grew from {full} to {after}");
}

#[test]
fn messages_that_come_octet_by_octet_hold_up_nobody() {
    let host = Host::start("siege-slow", "");
    let mut slow: Vec<TcpStream> = (0..200).map(|_| connect(host.address)).collect();
    let mut good = connect(host.address);
    let message = options(host.address, "TCP", 7).into_bytes();
    for (n, octet) in message.iter().enumerate() {
        for stream in &mut slow {
            stream.write_all(&[*octet]).expect("write");
        }
        assert!(is_answered(&mut good, 1_000 + n as u64));
    }
    // They are messages all the same, and one of the 200 a new one.
    let mut buffer = [0; 2_048];
    for stream in &mut slow {
        assert!(stream.read(&mut buffer).expect("an answer") > 0);
    }
    host.is_well();
}

#[test]
fn messages_that_are_too_large_end_the_connection() {
    let host = Host::start("siege-large", "");
    let head = options(host.address, "TCP", 1).replace("Content-Length: 0\r\n\r\n", "");
    let attacks: Vec<Vec<u8>> = vec![
        format!("{head}Content-Length: 65536\r\n\r\n").into_bytes(),
        format!("{head}Content-Length: 99999999999999999999\r\n\r\n").into_bytes(),
        format!("{head}X: {}", "x".repeat(200_000)).into_bytes(),
        vec![b'x'; 200_000],
        [b"\r\n".repeat(50_000), b"\0".to_vec()].concat(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
    ];
    // Each of 140 connections holds what a message may have until it is closed.
    host.withstands_but(64 << 20, || {
        let streams = attacks.iter().cycle().take(20 * attacks.len()).map(|attack| {
            let mut stream = connect(host.address);
            // It may be closed before all of it is written.
            let _ = stream.write_all(attack);
            stream
        });
        streams.collect::<Vec<_>>().into_iter().for_each(is_closed);
    });
}

#[test]
fn connections_that_come_and_go() {
    let host = Host::start("siege-churn", "");
    host.withstands(|| {
        for n in 0..2_000 {
            let mut stream = connect(host.address);
            match n % 4 {
                0 => assert!(is_answered(&mut stream, n)),
                1 => stream.write_all(options(host.address, "TCP", n).as_bytes()).expect("write"),
                2 => stream.shutdown(Shutdown::Write).expect("shutdown"),
                _ => {}
            }
        }
    });
}

#[test]
fn peers_that_ask_and_do_not_read() {
    let host = Host::start("siege-deaf", "[limits]\nconnection_queue_octets = 65536\n");
    host.withstands(|| {
        let mut deaf: Vec<TcpStream> = (0..20).map(|_| connect(host.address)).collect();
        for stream in &deaf {
            stream.set_write_timeout(Some(Duration::from_millis(50))).expect("timeout");
        }
        let asks = options(host.address, "TCP", 5).repeat(100).into_bytes();
        for _ in 0..100 {
            deaf.retain_mut(|stream| stream.write_all(&asks).is_ok());
        }
        host.is_well();
    });
}
