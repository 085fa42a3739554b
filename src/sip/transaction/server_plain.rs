//! Non-INVITE server transaction: RFC 3261 figure 8.
