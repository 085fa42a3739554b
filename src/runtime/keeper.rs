//! The disk thread: commits batches in order, several at once if they piled up, and tells how it went.

use crate::node::{Batch, Kept};
use crate::store::Store;
use std::io;
use std::sync::mpsc as sync;
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// A commit that has so many changes takes no further batch in; what piled up beyond waits for the next.
const CHANGES: usize = 16_384;

/// A commit that ended: the number of its last batch, and how.
pub type Settled = (u64, Kept);

/// The disk thread of one store.
pub struct Keeper {
    batches: sync::Sender<Batch>,
    settled: mpsc::UnboundedReceiver<Settled>,
    thread: JoinHandle<()>,
    /// Number of the last batch given to the thread, and of the last one that is settled.
    last: u64,
    done: u64,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system refused a thread.
    pub fn start(store: Box<dyn Store>) -> io::Result<Self> {
        // Unbounded here: the node refuses work while too much waits.
        let (batches, waiting) = sync::channel();
        let (tell, settled) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || keep(store, &waiting, &tell))?;
        Ok(Self { batches, settled, thread, last: 0, done: 0 })
    }

    /// Hands over a batch to be committed.
    pub fn commit(&mut self, batch: Batch) {
        self.last = batch.number;
        // The thread ends only after a failure, which is told below.
        let _ = self.batches.send(batch);
    }

    /// Whether every batch is settled.
    pub fn is_idle(&self) -> bool {
        self.last == self.done
    }

    /// The next commit that ended, if one did.
    pub fn try_settled(&mut self) -> Option<Settled> {
        match self.settled.try_recv() {
            Ok(settled) => Some(self.note(settled)),
            Err(mpsc::error::TryRecvError::Empty) => None,
            Err(mpsc::error::TryRecvError::Disconnected) => self.abandoned(),
        }
    }

    /// Waits for the next commit that ends, as long as it takes. Nothing is lost if the wait is given up.
    pub async fn settled(&mut self) -> Settled {
        match self.settled.recv().await {
            Some(settled) => self.note(settled),
            None => match self.abandoned() {
                Some(settled) => settled,
                None => std::future::pending().await,
            },
        }
    }

    /// Waits until everything is committed, or the store has failed, and the store is closed.
    pub async fn end(self) {
        let Self { batches, mut settled, thread, .. } = self;
        drop(batches);
        while settled.recv().await.is_some() {}
        // It has nothing left to do but to close the store.
        let _ = thread.join();
    }

    fn note(&mut self, settled: Settled) -> Settled {
        self.done = settled.0;
        settled
    }

    /// The thread is gone without a word: it panicked.
    fn abandoned(&mut self) -> Option<Settled> {
        if self.is_idle() {
            return None;
        }
        tracing::error!("the disk thread is gone");
        self.done = self.last;
        Some((self.last, Kept::No))
    }
}

fn keep(mut store: Box<dyn Store>, batches: &sync::Receiver<Batch>, tell: &mpsc::UnboundedSender<Settled>) {
    while let Ok(first) = batches.recv() {
        let Batch { mut number, mut changes } = first;
        while changes.len() < CHANGES
            && let Ok(mut next) = batches.try_recv()
        {
            number = next.number;
            changes.append(&mut next.changes);
        }
        let kept = match store.commit(&changes) {
            Ok(()) => Kept::Yes,
            Err(error) => {
                tracing::error!("{error}");
                Kept::No
            }
        };
        if tell.send((number, kept)).is_err() || kept == Kept::No {
            return;
        }
    }
}
