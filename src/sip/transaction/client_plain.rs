//! Non-INVITE client transaction: RFC 3261 figure 6.
