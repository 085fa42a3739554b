//! Timers as values: the owner asks for what is due, nothing fires by itself.
