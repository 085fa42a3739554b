//! From message to procedure and back.

#[cfg(test)]
mod regrouping;
