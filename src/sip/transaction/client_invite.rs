//! INVITE client transaction: RFC 3261 figure 5, with the Accepted state of RFC 6026 8.4.
