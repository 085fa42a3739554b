//! Subscriptions (RFC 6665): the notifier's side, and the subscriber's for when another system is watched. One dialog
//! per subscription (4.5.2).

mod notifier;
mod subscriber;

pub use notifier::{Notifier, NotifierEvent};
pub use subscriber::{End, Subscriber, SubscriberEvent, SubscriberId};

/// Whether this answer to a NOTIFY, or to a SUBSCRIBE that refreshes, ends the subscription (RFC 6665 4.2.2, 4.1.2.2).
/// No answer at all (408) and no way there (503) end it too: who is not there is told nothing more, and subscribes
/// again when it is back.
fn ends_subscription(status: u16) -> bool {
    matches!(status, 404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 503 | 604)
}

#[cfg(test)]
mod tests;
