//! Subscriptions (RFC 6665): the notifier's side now, the subscriber's when another system is watched.

mod notifier;
mod subscriber;

pub use notifier::{Notifier, NotifierEvent};
