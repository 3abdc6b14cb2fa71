//! Haldane judges a canary against its baseline and says promote or rollback, and why.
//!
//! The modules stand in floors; each imports only from floors below its own (A2, enforced by
//! `tests/it/floors.rs`). Read them in this order:
//!
//! | floor | modules | what |
//! |---|---|---|
//! | 0 words | [`units`] [`time`] [`ids`] [`digest`] [`diagnostic`] [`secret`] | valid values |
//! | 1 numbers | [`stats`] [`series`] | statistics over slices; grids, counts from counters |
//! | 2 objectives | [`slo`] | objectives, error budgets, burn rates |
//! | 3 templates | [`template`] | YAML to template, with diagnostics |
//! | 4 plans | [`plan`] | template × rollout: every query concrete |
//! | 4 import | [`import`] | templates from what other tools have |
//! | 5 judgement | [`judge`] | windows in, judgement out |
//! | 6 engine | [`engine`] | events in, effects out; the verdict table |
//! | 7 wire | [`wire`] [`chart`] | the JSON shapes of the above; series as pictures |
//! | 7 wire | [`dialect`] | what callers are told in each state of an analysis |
//! | 8 doors | [`prometheus`] [`store`] [`webhook`] [`http`] [`telemetry`] [`recording`] | I/O |
//! | 8 pages | [`report`] | what an analysis said, for people; pure |
//! | 9 drivers | [`serve`] [`simulate`] | the engine run live, and traffic with known truth |
//! | 10 proof | [`evaluate`] [`replay`] | judges over simulated pairs and over recordings |
//! | 10 proof | [`rehearse`] | unit tests of templates |
//! | 11 tuning | [`tune`] | placebo pairs, and a template that is better on them |
//! | 12 entry | [`cli`] | the command line |
//!
//! Floors 0 to 6 do no I/O, read no clock, draw no random number, start no task and log nothing
//! (A1). The invariants `A1` to `A12` are listed in `docs/architecture.md`.

pub mod chart;
pub mod cli;
pub mod diagnostic;
pub mod dialect;
pub mod digest;
pub mod engine;
pub mod evaluate;
pub mod http;
pub mod ids;
pub mod import;
pub mod judge;
pub mod plan;
pub mod prometheus;
pub mod recording;
pub mod rehearse;
pub mod replay;
pub mod report;
pub mod secret;
pub mod series;
pub mod serve;
pub mod simulate;
pub mod slo;
pub mod stats;
pub mod store;
pub mod telemetry;
pub mod template;
pub mod time;
pub mod tune;
pub mod units;
pub mod webhook;
pub mod wire;
