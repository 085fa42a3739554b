//! The server as it is installed: a process of its own, UDP on loopback, facts on disk.

use crate::core::affiliation;
use crate::messages::{configuration, publish};
use crate::{argument, kept_of};
use rollcall::model::Change;
use rollcall::store::{DiskStore, Store};
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Users that change their affiliation by turns.
const USERS: u64 = 100_000;

/// Affiliations that are stored at once to make the data of a start.
const BATCH: u64 = 10_000;

/// Ticks of the accounting of processor time, per second.
const TICKS: u64 = 100;

/// A server on core 0 whose data lie in a folder that goes with it.
struct Server {
    process: Child,
    took: Duration,
}

impl Server {
    #[allow(clippy::disallowed_methods, reason = "a measurement")]
    fn start(binary: &str, folder: &Path) -> Self {
        let began = Instant::now();
        let mut process = Command::new("taskset")
            .args(["-c", "0", binary, "serve", "--config"])
            .arg(folder.join("system.toml"))
            .env("RUST_LOG", "warn")
            .stderr(Stdio::piped())
            .spawn()
            .expect("taskset");
        let mut lines = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        let ready = lines.by_ref().map_while(Result::ok).find(|line| line == "ready");
        let took = began.elapsed();
        assert!(ready.is_some(), "the server did not become ready");
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        Self { process, took }
    }

    /// Processor time so far: in user mode and in the kernel.
    fn worked(&self) -> (Duration, Duration) {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("stat");
        let rest = stat.rsplit(") ").next().expect("fields");
        let field = |at| rest.split(' ').nth(at).and_then(|text| text.parse::<u64>().ok()).expect("ticks");
        let time = |ticks| Duration::from_millis(ticks * 1_000 / TICKS);
        (time(field(11)), time(field(12)))
    }

    /// Octets given to the disk so far.
    fn written(&self) -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.process.id())).expect("io");
        let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        line.and_then(|number| number.parse().ok()).expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn folder(text: &dyn Fn(&str) -> String) -> PathBuf {
    let folder = PathBuf::from(format!("target/measure-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let folder = folder.canonicalize().expect("a path");
    let storage = format!("data = {:?}", folder.join("data").display().to_string());
    std::fs::write(folder.join("system.toml"), text(&storage)).expect("a file");
    folder
}

/// With 1, 16 and 64 requests open: each PUBLISH changes the group of another user, and its 200 comes after the commit.
pub fn durable(arguments: &[String]) {
    let binary = arguments.first().expect("the server's binary");
    let lasts = Duration::from_secs(argument(arguments, 1, 4));
    for open in [1, 16, 64] {
        let folder = folder(&|storage| configuration(USERS, 0, storage));
        let server = Server::start(binary, &folder);
        load(&server, open, lasts);
        drop(server);
        std::fs::remove_dir_all(&folder).expect("the folder goes");
    }
}

#[allow(clippy::disallowed_methods, reason = "a measurement")]
fn load(server: &Server, open: u64, lasts: Duration) {
    let socket = UdpSocket::bind("127.0.0.2:7001").expect("the address of the proxy");
    socket.connect("127.0.0.1:5060").expect("the server");
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let mut sent = 0;
    let mut times = vec![Instant::now()];
    let mut send = |times: &mut Vec<Instant>| {
        let group = if (sent / USERS).is_multiple_of(2) { "fire" } else { "sea" };
        socket.send(&publish(sent % USERS, sent, &[group])).expect("sent");
        sent += 1;
        times.push(Instant::now());
    };
    (0..open).for_each(|_| send(&mut times));
    let (began, worked, written) = (Instant::now(), server.worked(), server.written());
    let mut waits = Vec::new();
    let mut octets = [0; 65_536];
    while began.elapsed() < lasts {
        let length = socket.recv(&mut octets).expect("an answer within two seconds");
        let answer = String::from_utf8_lossy(&octets[..length]);
        if answer.starts_with("SIP/2.0 100") {
            continue;
        }
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        let serial = answer.lines().find_map(|line| line.strip_prefix("Call-ID: p")).expect("a Call-ID");
        waits.push(times[serial.parse::<usize>().expect("a number") + 1].elapsed());
        send(&mut times);
    }
    let took = began.elapsed();
    let count = waits.len() as u32;
    waits.sort();
    let (user, kernel) = server.worked();
    println!(
        "{open} open: {:.0} affiliations per second; p50 {:.2} ms, p99 {:.2} ms; processor time of each {:.1} us and \
         {:.1} us in the kernel; {} octets to the disk for each",
        f64::from(count) / took.as_secs_f64(),
        waits[waits.len() / 2].as_secs_f64() * 1e3,
        waits[waits.len() * 99 / 100].as_secs_f64() * 1e3,
        ((user - worked.0) / count).as_secs_f64() * 1e6,
        ((kernel - worked.1) / count).as_secs_f64() * 1e6,
        (server.written() - written) / u64::from(count),
    );
}

/// Three starts with a store of so many affiliations; a thousand users share a group.
pub fn starting(arguments: &[String]) {
    let binary = arguments.first().expect("the server's binary");
    let users = argument(arguments, 1, 1_000_000);
    let parts = users.div_ceil(1_000);
    let folder = folder(&|storage| configuration(users, parts, storage));
    let empty = Server::start(binary, &folder);
    println!("{users} users, nobody affiliated: ready after {} ms", empty.took.as_millis());
    drop(empty);
    let mut store = DiskStore::open(&folder.join("data")).expect("a store");
    for first in (0..users).step_by(BATCH as usize) {
        let fact = |user| Change::Put(affiliation(user, &format!("part{}", user * parts / users)));
        let batch: Vec<Change> = (first..users.min(first + BATCH)).map(fact).collect();
        store.commit(&batch).expect("a commit");
    }
    drop(store);
    for _ in 0..3 {
        let server = Server::start(binary, &folder);
        let process = server.process.id().to_string();
        println!(
            "{users} affiliations on disk: ready after {} ms, {} MB of memory, at most {} MB",
            server.took.as_millis(),
            kept_of(&process, "VmRSS:") >> 20,
            kept_of(&process, "VmHWM:") >> 20,
        );
    }
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}
