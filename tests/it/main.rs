//! The only test binary: one module per promise.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::match_bool,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::match_wild_err_arm,
    reason = "tests do I/O, read clocks, build expected text by hand and stop at the first surprise"
)]
mod bad_input;
mod baseline_modes;
mod chart;
mod judge_absence;
mod judge_background;
mod judge_burn;
mod judge_cases;
mod judge_distribution;
mod judge_golden;
mod judge_groups;
mod judge_groups_rates;
mod judge_look;
mod judge_memory;
mod judge_null;
mod judge_objective_offset;
mod judge_others;
mod judge_plans;
mod judge_replicas;
mod judge_sequential;
mod judge_together;
mod late_metrics;
mod latencies;
mod library;
mod metric_judges;
mod native_histograms;
mod native_real;
mod report;
mod stats_bursts;
mod stats_evidence;
mod stats_order;
mod stats_ranks;
mod stats_small;
mod stats_state_space;
mod stats_vectors;

mod burn;
mod cases;
mod cli;
mod coordination;
mod coordination_http;
mod coordination_live;
mod counts_offset_rates;
mod deliveries;
mod deploy;
mod diagnostics;
mod docs;
mod engine_aftermath;
mod engine_cases;
mod engine_desk;
mod engine_history;
mod engine_moments;
mod engine_plans;
mod engine_recover;
mod engine_simulation;
mod engine_verdict;
mod evaluate;
mod extended;
mod floors;
mod http_anything;
mod http_fixture;
mod http_judge;
mod http_requests;
mod http_rights;
mod http_waiting;
mod import;
mod kayenta;
mod kayenta_faults;
mod kayenta_mode;
mod kill;
mod lint_live;
mod look_spending;
mod prometheus_decode;
mod prometheus_faults;
mod prometheus_manners;
mod prometheus_real;
mod recording;
mod replay;
mod replay_commands;
mod replay_pages;
mod sequential_counts;
mod sequential_counts_line;
mod sequential_counts_rates;
mod series;
mod serve;
mod serve_drain;
mod serve_history;
mod serve_source;
mod serve_store;
mod simulate;
mod simulate_real;
mod store;
mod store_crash;
mod store_writer;
mod support;
mod template_changes;
mod template_extends;
mod template_notify;
mod template_properties;
mod template_reload;
mod template_schema;
mod template_slo;
mod template_tests;
mod templates;
mod tidy;
mod tune;
mod tune_real;
mod webhook_cdevents;
mod webhook_guard;
mod webhook_page;
mod webhook_receiver;
mod webhook_sender;
mod webhook_signature;
mod webhook_subscription;
mod webhook_templates;
mod webhook_vectors;
mod windows;
mod windows_past;
mod wire_document;
mod wire_record;
mod wire_samples;
mod wire_submission;
