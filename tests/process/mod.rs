//! The real binary as a child process, with a folder and a port of its own.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a test waits for what must come.
pub const SOON: Duration = Duration::from_secs(60);

/// Lines of the log that are shown when a test fails.
const SHOWN: usize = 60;

/// A directory that goes with its owner, unless the test fails.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rollcall-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes the configuration.
    pub fn config(&self, text: &str) -> PathBuf {
        let file = self.0.join("rollcall.toml");
        std::fs::write(&file, text).expect("configuration");
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept: {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// A port of the loopback address that is free for datagrams and streams by the time of asking, and that the system gives
/// to nobody who does not ask for it: while the server is down nobody takes it by chance.
pub fn free_port() -> SocketAddr {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Tests that run at the same time begin at different places.
    let first = 10_000 + u16::try_from(u64::from(std::process::id()) * 41 % 20_000).expect("small");
    std::iter::repeat_with(|| first + TAKEN.fetch_add(1, Ordering::Relaxed) % 2_000)
        .take(2_000)
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .find(|address| TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok())
        .expect("a free port")
}

/// A running server.
pub struct Process {
    child: Child,
    /// What it said on standard error and the test has not looked at.
    lines: Receiver<String>,
    last: Arc<Mutex<VecDeque<String>>>,
}

impl Process {
    /// Starts it; does not wait for `ready`.
    pub fn spawn(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rollcall"))
            .args(["serve", "--config"])
            .arg(config)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let (tell, lines) = channel();
        let last = Arc::new(Mutex::new(VecDeque::new()));
        let (errors, kept) = (child.stderr.take().expect("standard error"), last.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut kept = kept.lock().expect("lines");
                if kept.len() == SHOWN {
                    kept.pop_front();
                }
                kept.push_back(line.clone());
                let _ = tell.send(line);
            }
        });
        Self { child, lines, last }
    }

    /// Starts it and waits until it is ready.
    pub fn start(config: &Path) -> Self {
        let process = Self::spawn(config);
        process.says("ready");
        process
    }

    /// Waits for a line that contains this.
    pub fn says(&self, what: &str) -> String {
        loop {
            match self.lines.recv_timeout(SOON) {
                Ok(line) if line.contains(what) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("the server does not say {what:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the server ended and never said {what:?}"),
            }
        }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Sends a signal by its name, as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        for _ in 0..SOON.as_millis() / 5 {
            if let Some(status) = self.child.try_wait().expect("its status") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the server does not end");
    }

    /// Memory that it occupies, octets.
    pub fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let kilobytes: usize = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
        kilobytes << 10
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            // The last lines may still be on their way.
            std::thread::sleep(Duration::from_millis(100));
            for line in self.last.lock().expect("lines").iter() {
                eprintln!("server: {line}");
            }
        }
    }
}
