//! The subscriber: subscribes, refreshes, takes NOTIFY, notices silence.
