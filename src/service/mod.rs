//! From message to procedure and back.
