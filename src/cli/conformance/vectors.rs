//! The vectors that are part of the program: every file of `tests/conformance/`, and the template
//! of the analyses they are about.

/// A template whose analyses only a person decides: it asks for series that nobody has and goes on
/// for a day, so that nothing but an override ends them.
pub const TEMPLATE: &str = "\
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: conformance, description: decided by hand }
spec:
  schedule: { step: 1m, look_every: 1h, warmup: 0s, bake: 12h, deadline: 1d, lag: 1m }
  metrics:
    - name: nothing
      harm: increase
      min_effect: { relative: 10% }
      series:
        query: 'sum by (${arm_labels}) (haldane_conformance_nothing{${selector}})'
";

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
    (
        "argo-kayenta.yaml",
        include_str!("../../../tests/conformance/argo-kayenta.yaml"),
    ),
    (
        "spinnaker-canary.yaml",
        include_str!("../../../tests/conformance/spinnaker-canary.yaml"),
    ),
    (
        "github.yaml",
        include_str!("../../../tests/conformance/github.yaml"),
    ),
];
