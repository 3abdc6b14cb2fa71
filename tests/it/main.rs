//! The only test binary: one module per promise.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "tests do I/O, read clocks and stop at the first surprise"
)]

mod floors;
mod http_anything;
mod http_fixture;
mod http_judge;
mod http_requests;
mod http_rights;
mod http_waiting;
mod tidy;
mod webhook_guard;
mod webhook_receiver;
mod webhook_sender;
mod webhook_signature;
mod template_properties;
mod templates;
