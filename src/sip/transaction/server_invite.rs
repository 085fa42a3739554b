//! INVITE server transaction: RFC 3261 figure 7, with the Accepted state of RFC 6026 7.1.
