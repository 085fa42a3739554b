//! Builds a node again, on a thread of its own, so that the driver can go on refusing while a large store is replayed.

use super::driver::Built;
use crate::store::StoreError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc as sync;
use std::time::Duration;
use std::{io, thread};
use tokio::sync::mpsc;

/// First and longest pause before an attempt to open the store again.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A node that lasted so long did not fail at once: the next one is tried after the shortest pause.
const LASTING: Duration = Duration::from_secs(60);

/// Asks for nodes, one at a time.
pub struct Builder<C> {
    requests: sync::Sender<Duration>,
    built: mpsc::UnboundedReceiver<Built<C>>,
    pause: Duration,
}

impl<C: Send + 'static> Builder<C> {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system refused a thread.
    pub fn start(build: impl FnMut() -> Result<Built<C>, StoreError> + Send + 'static) -> io::Result<Self> {
        let (requests, asked) = sync::channel();
        let (done, built) = mpsc::unbounded_channel();
        thread::Builder::new().name("builder".to_owned()).spawn(move || run(build, &asked, &done))?;
        Ok(Self { requests, built, pause: Duration::ZERO })
    }

    /// Asks for the next node after one that lasted so long. If that was short, the pause before the first attempt
    /// grows from time to time, and it grows with each attempt that fails.
    pub fn ask(&mut self, lasted: Duration) {
        self.pause = if lasted < LASTING { (self.pause * 2).clamp(PAUSE.0, PAUSE.1) } else { PAUSE.0 };
        // The thread ends with this value.
        let _ = self.requests.send(self.pause);
    }

    /// The node that was asked for, if it is there.
    pub fn try_built(&mut self) -> Option<Built<C>> {
        self.built.try_recv().ok()
    }

    /// Waits for the node that was asked for. Nothing is lost if the wait is given up.
    pub async fn built(&mut self) -> Built<C> {
        match self.built.recv().await {
            Some(built) => built,
            None => std::future::pending().await,
        }
    }
}

fn run<C>(
    mut build: impl FnMut() -> Result<Built<C>, StoreError>,
    asked: &sync::Receiver<Duration>,
    done: &mpsc::UnboundedSender<Built<C>>,
) {
    while let Ok(mut pause) = asked.recv() {
        loop {
            // A wait that ends with the one who asked.
            if asked.recv_timeout(pause) == Err(sync::RecvTimeoutError::Disconnected) {
                return;
            }
            let built = catch_unwind(AssertUnwindSafe(&mut build))
                .unwrap_or_else(|_| Err(StoreError::Engine("panic while the node was built".to_owned())));
            match built {
                Ok(built) => {
                    // Nobody waits for it if the driver has ended.
                    let _ = done.send(built);
                    break;
                }
                Err(error) => {
                    pause = (pause * 2).min(PAUSE.1);
                    tracing::error!("{error}; next attempt in {} s", pause.as_secs_f32());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn attempts_are_repeated_until_one_succeeds_even_after_a_panic() {
        let (requests, asked) = sync::channel();
        let (done, mut built) = mpsc::unbounded_channel();
        let mut attempt = 0;
        let build = move || {
            attempt += 1;
            match attempt {
                1 => Err(StoreError::Engine("asked".to_owned())),
                2 => panic!("asked"),
                _ => Ok((attempt, Box::new(MemoryStore::new()) as Box<_>)),
            }
        };
        let thread = thread::spawn(move || run(build, &asked, &done));
        for expected in [3, 4] {
            requests.send(Duration::from_millis(1)).unwrap();
            assert_eq!(built.blocking_recv().map(|(number, _)| number), Some(expected));
        }
        drop(requests);
        thread.join().unwrap();
    }

    #[test]
    fn a_long_pause_ends_with_the_one_who_asked() {
        let (requests, asked) = sync::channel();
        let (done, _built) = mpsc::unbounded_channel::<Built<()>>();
        requests.send(Duration::from_secs(1_000_000)).unwrap();
        drop(requests);
        run(|| unreachable!("nobody waits for it"), &asked, &done);
    }

    #[test]
    fn pauses_grow_while_nodes_fail_at_once() {
        let (requests, asked) = sync::channel();
        let (_done, built) = mpsc::unbounded_channel::<Built<()>>();
        let mut builder = Builder { requests, built, pause: Duration::ZERO };
        for lasted in [99, 1, 1, 1, 1, 1, 1, 60, 59] {
            builder.ask(Duration::from_secs(lasted));
        }
        drop(builder);
        let seconds: Vec<u64> = asked.iter().map(|pause| pause.as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30, 1, 2]);
    }
}
