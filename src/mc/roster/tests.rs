//! The roster of a call that several servers have a part of.
