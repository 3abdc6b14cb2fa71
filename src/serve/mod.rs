//! The daemon: the engine run live. System clock in, Prometheus in, verdicts out.
#![allow(
    clippy::disallowed_methods,
    reason = "driver: owns the clock, chance, tasks and the file system"
)]

mod bindings;
pub mod clock;
pub mod config;
mod coordination;
mod event_loop;
mod github;
mod hook_templates;
mod keys;
pub mod letters;
pub mod one_shot;
mod outbox;
mod perform;
pub mod source;
pub mod sources;
pub mod start;
pub mod template_files;
pub mod templates;
