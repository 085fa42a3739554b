//! The SIP core: bytes, messages, transactions, dialogs, subscriptions. It knows nothing of Mission Critical services.

pub mod dialog;
#[cfg(test)]
pub(crate) mod figure;
pub mod message;
pub mod subscription;
#[cfg(test)]
pub(crate) mod testing;
pub mod transaction;
pub mod wire;
