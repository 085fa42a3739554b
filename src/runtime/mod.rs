//! Sockets, clock, disk, signals: the only room that touches the system.
