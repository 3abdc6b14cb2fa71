//! The other side of every door, for tests: real servers where they can be had, and stand-ins
//! that misbehave on purpose. Traffic stays on loopback; every child ends with its owner.

pub(crate) mod daemon;
pub(crate) mod exporter;
pub(crate) mod github;
pub(crate) mod hook;
pub(crate) mod in_process;
pub(crate) mod openmetrics;
pub(crate) mod prometheus_server;
pub(crate) mod stand_in;
pub(crate) mod tap;
pub(crate) mod tls;
