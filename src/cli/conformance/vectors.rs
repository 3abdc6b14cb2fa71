//! The vectors that are part of the program: every file of `tests/conformance/`.

/// Each file with its text, in the order of the tables.
pub const FILES: &[(&str, &str)] = &[
    (
        "argo-web.yaml",
        include_str!("../../../tests/conformance/argo-web.yaml"),
    ),
    (
        "flagger-hooks.yaml",
        include_str!("../../../tests/conformance/flagger-hooks.yaml"),
    ),
    (
        "flagger-gates.yaml",
        include_str!("../../../tests/conformance/flagger-gates.yaml"),
    ),
    (
        "spinnaker-webhook.yaml",
        include_str!("../../../tests/conformance/spinnaker-webhook.yaml"),
    ),
    (
        "spinnaker-monitor.yaml",
        include_str!("../../../tests/conformance/spinnaker-monitor.yaml"),
    ),
    (
        "argo-prometheus.yaml",
        include_str!("../../../tests/conformance/argo-prometheus.yaml"),
    ),
    (
        "flagger-metrics.yaml",
        include_str!("../../../tests/conformance/flagger-metrics.yaml"),
    ),
    (
        "kargo-http.yaml",
        include_str!("../../../tests/conformance/kargo-http.yaml"),
    ),
];
