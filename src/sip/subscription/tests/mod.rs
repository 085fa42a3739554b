//! Subscriptions through the agent and the real transaction layer: octets in, octets out.

mod notifier;
mod subscriber;

use super::*;
use crate::sip::dialog::AgentEvent;
use crate::sip::testing::*;
use crate::sip::wire::Name;
