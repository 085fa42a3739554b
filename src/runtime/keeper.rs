//! The disk thread: commits batches in order, several at once if they piled up, and tells how it went.

use crate::node::{Batch, Kept};
use crate::store::Store;
use std::sync::mpsc as sync;
use tokio::sync::mpsc;

/// Changes in one commit at the most; what is beyond waits for the next.
const CHANGES: usize = 16_384;

/// Numbers of the last batch of each commit, with how it ended.
pub type Results = mpsc::UnboundedReceiver<(u64, Kept)>;

/// Starts the thread. Dropping the sender ends it once everything is committed.
pub fn start(mut store: Box<dyn Store>) -> std::io::Result<(sync::Sender<Batch>, Results)> {
    let (batches, waiting) = sync::channel::<Batch>();
    let (settled, results) = mpsc::unbounded_channel();
    std::thread::Builder::new().name("store".to_owned()).spawn(move || {
        while let Ok(first) = waiting.recv() {
            let Batch { mut number, mut changes } = first;
            while changes.len() < CHANGES
                && let Ok(mut next) = waiting.try_recv()
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
            if settled.send((number, kept)).is_err() || kept == Kept::No {
                return;
            }
        }
    })?;
    Ok((batches, results))
}
