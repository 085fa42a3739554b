//! Lines to standard error, by a thread of their own: whoever reads them slowly, or makes us write many, slows nobody.

use std::collections::HashMap;
use std::hash::Hash;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Lines that wait to be written; beyond, the newest is left out.
const WAITING: usize = 4_096;

/// Lines from one place of the program in one second; beyond, they are left out.
const PER_SECOND: u32 = 100;

/// How often it is told that lines were left out.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// How long the end waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The log of the process. Dropping it writes what still waits.
#[derive(Debug)]
pub struct Log(Lines);

impl Log {
    /// Starts to log. `RUST_LOG` chooses what; what is chosen where it says nothing keeps the store quiet.
    ///
    /// # Errors
    /// The system refused a thread, or the process logs already.
    pub fn start() -> io::Result<Self> {
        let chosen = EnvFilter::try_from_default_env()
            .unwrap_or_else(|_| EnvFilter::new("info,fjall=warn,lsm_tree=warn"));
        let (lines, words) = Lines::new();
        let throttle = Throttle { left_out: lines.left_out.clone(), places: Mutex::default() };
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .with_writer(lines.clone())
            .with_filter(chosen.and(throttle));
        let writer = lines.clone();
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.keep_writing(&words, &mut io::stderr()))?;
        tracing_subscriber::registry().with(layer).try_init().map_err(io::Error::other)?;
        Ok(Self(lines))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let (done, wait) = channel();
        if self.0.words.send(Word::End(done)).is_ok() {
            // Nobody reads, perhaps: then the last lines are lost.
            let _ = wait.recv_timeout(LAST_LINES);
        }
    }
}

/// What the writing thread is told.
#[derive(Debug)]
enum Word {
    Line(Vec<u8>),
    /// Everything before has been written when this is dropped.
    End(#[allow(dead_code, reason = "dropping it is the answer")] Sender<()>),
}

/// The way to the writing thread.
#[derive(Clone, Debug)]
struct Lines {
    words: Sender<Word>,
    waiting: Arc<AtomicUsize>,
    left_out: Arc<AtomicU64>,
}

impl Lines {
    fn new() -> (Self, Receiver<Word>) {
        let (words, receiver) = channel();
        (Self { words, waiting: Arc::default(), left_out: Arc::default() }, receiver)
    }

    /// Writes what comes until it is told to end, and now and then that something was left out.
    #[allow(clippy::disallowed_methods, reason = "the log has no part in what the core decides")]
    fn keep_writing(&self, words: &Receiver<Word>, out: &mut dyn Write) {
        let mut told = Instant::now();
        loop {
            let word = words.recv_timeout(TOLD_EVERY);
            let end = match &word {
                Ok(Word::Line(line)) => {
                    // Nothing can be done about a standard error that is gone.
                    let _ = out.write_all(line);
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    false
                }
                Ok(Word::End(_)) | Err(RecvTimeoutError::Disconnected) => true,
                Err(RecvTimeoutError::Timeout) => false,
            };
            if end || told.elapsed() >= TOLD_EVERY {
                told = Instant::now();
                let count = self.left_out.swap(0, Ordering::Relaxed);
                if count > 0 {
                    let _ = writeln!(out, "{count} lines of the log were left out");
                }
            }
            if end {
                let _ = out.flush();
                return;
            }
        }
    }
}

/// A line is written at once, as a whole.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.left_out.fetch_add(1, Ordering::Relaxed);
        } else {
            let _ = self.words.send(Word::Line(line.to_vec()));
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Lets so many lines through from each place of the program in each second, before they cost anything.
#[derive(Debug)]
struct Throttle<P = Identifier> {
    left_out: Arc<AtomicU64>,
    /// The second that is counted, and the count.
    places: Mutex<HashMap<P, (Instant, u32)>>,
}

impl<P: Eq + Hash> Throttle<P> {
    fn passes(&self, place: P, now: Instant) -> bool {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = places.entry(place).or_insert((now, 0));
        if now.duration_since(*since) >= Duration::from_secs(1) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        let passes = *count <= PER_SECOND;
        if !passes {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        passes
    }
}

impl<S: Subscriber> Filter<S> for Throttle {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    #[allow(clippy::disallowed_methods, reason = "the log has no part in what the core decides")]
    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.passes(event.metadata().callsite(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_writes_is_left_out_and_counted() {
        let (mut lines, words) = Lines::new();
        for number in 0..WAITING + 3 {
            lines.write_all(format!("{number}\n").as_bytes()).expect("a line");
        }
        let (done, wait) = channel();
        lines.words.send(Word::End(done)).expect("the end");
        let mut out = Vec::new();
        lines.keep_writing(&words, &mut out);
        drop(words);
        assert!(wait.recv().is_err());
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text.lines().count(), WAITING + 1);
        assert!(text.starts_with("0\n1\n"), "in order");
        assert!(text.ends_with("\n3 lines of the log were left out\n"), "{}", &text[text.len() - 100..]);
        assert_eq!(lines.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "any moment will do")]
    fn one_place_does_not_fill_the_log() {
        let throttle = Throttle { left_out: Arc::default(), places: Mutex::default() };
        let mut now = Instant::now();
        for _ in 0..2 {
            for place in ["noisy", "noisy too"] {
                let passed = (0..250).filter(|_| throttle.passes(place, now)).count();
                assert_eq!(passed, PER_SECOND as usize);
            }
            now += Duration::from_secs(1);
        }
        assert_eq!(throttle.left_out.load(Ordering::Relaxed), 600);
    }
}
