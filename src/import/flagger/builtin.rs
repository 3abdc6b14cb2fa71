//! What Flagger's built-in checks `request-success-rate` and `request-duration` ask of each mesh
//! and ingress: names of metrics and labels as their exporters have them. Source: Flagger's
//! documentation, "Metrics Analysis", and what its controller sends (v1.44).

/// The two checks of one provider.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checks {
    /// What a canary's `provider` begins with.
    pub(super) provider: &'static str,
    /// The counter of requests.
    counter: &'static str,
    /// Matchers that select the service.
    service: &'static str,
    /// The matcher that selects the canary.
    arm: &'static str,
    /// The matcher that leaves out failures.
    good: &'static str,
    latency: Latency,
}

/// How long requests take.
#[derive(Clone, Copy, Debug)]
enum Latency {
    /// A histogram in milliseconds.
    Milliseconds(&'static str),
    /// A histogram in seconds.
    Seconds(&'static str),
    /// `…_sum` and `…_count` in seconds.
    Mean(&'static str),
}

use Latency::{Mean, Milliseconds, Seconds};

const ENVOY: &str = "envoy_cluster_upstream_rq";
const ENVOY_GOOD: &str = "envoy_response_code!~\"5.*\"";
const ENVOY_TIME: &str = "envoy_cluster_upstream_rq_time";
const POD: &str = "kubernetes_pod_name=~\"${target}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)\"";

const ALL: [Checks; 11] = [
    Checks {
        provider: "istio",
        counter: "istio_requests_total",
        service: "reporter=\"destination\",destination_workload_namespace=\"${namespace}\"",
        arm: "destination_workload=~\"${target}\"",
        good: "response_code!~\"5.*\"",
        latency: Milliseconds("istio_request_duration_milliseconds"),
    },
    Checks {
        provider: "linkerd",
        counter: "response_total",
        service: "namespace=\"${namespace}\",direction=\"inbound\"",
        arm: "deployment=~\"${target}\"",
        good: "classification!=\"failure\"",
        latency: Milliseconds("response_latency_ms"),
    },
    Checks {
        provider: "nginx",
        counter: "nginx_ingress_controller_requests",
        service: "namespace=\"${namespace}\",ingress=\"${ingress}\"",
        arm: "canary!=\"\"",
        good: "status!~\"5.*\"",
        latency: Mean("nginx_ingress_controller_ingress_upstream_latency_seconds"),
    },
    Checks {
        provider: "contour",
        counter: ENVOY,
        service: "",
        arm: "envoy_cluster_name=~\"${namespace}_${target}-canary_[0-9a-zA-Z-]+\"",
        good: ENVOY_GOOD,
        latency: Milliseconds(ENVOY_TIME),
    },
    Checks {
        provider: "gloo",
        counter: ENVOY,
        service: "",
        arm: "envoy_cluster_name=~\"${namespace}-${target}-canary-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+\"",
        good: ENVOY_GOOD,
        latency: Milliseconds(ENVOY_TIME),
    },
    Checks {
        provider: "appmesh",
        counter: ENVOY,
        service: "kubernetes_namespace=\"${namespace}\"",
        arm: POD,
        good: ENVOY_GOOD,
        latency: Milliseconds(ENVOY_TIME),
    },
    Checks {
        provider: "kuma",
        counter: ENVOY,
        service: "",
        arm: "service=~\"${target}-canary_${namespace}_svc_[0-9a-zA-Z-]+\"",
        good: ENVOY_GOOD,
        latency: Milliseconds(ENVOY_TIME),
    },
    Checks {
        provider: "traefik",
        counter: "traefik_service_request_duration_seconds_bucket",
        service: "le=\"+Inf\"",
        arm: "service=~\"${namespace}-${target}-canary-[0-9a-zA-Z-]+@kubernetescrd\"",
        good: "code!~\"5..\"",
        latency: Seconds("traefik_service_request_duration_seconds"),
    },
    Checks {
        provider: "apisix",
        counter: "apisix_http_status",
        service: "",
        arm: "route=~\"${namespace}_${route}-${target}-canary_.+\"",
        good: "code!~\"5..\"",
        latency: Milliseconds("apisix_http_latency"),
    },
    Checks {
        provider: "skipper",
        counter: "skipper_response_duration_seconds_bucket",
        service: "le=\"+Inf\"",
        arm: "route=~\"kube(ew)?_${namespace}__${ingress}_canary__.*__${service}_canary(_[0-9]+)?\"",
        good: "code!~\"5..\"",
        latency: Mean("skipper_serve_route_duration_seconds"),
    },
    Checks {
        provider: "kubernetes",
        counter: "http_request_duration_seconds_count",
        service: "kubernetes_namespace=\"${namespace}\"",
        arm: POD,
        good: "status!~\"5.*\"",
        latency: Seconds("http_request_duration_seconds"),
    },
];

/// The checks of a provider such as `istio` or `gloo:v1`.
pub(super) fn of(provider: &str) -> Option<Checks> {
    let (name, _) = provider.split_once(':').unwrap_or((provider, ""));
    ALL.into_iter().find(|checks| checks.provider == name)
}

/// The names of all providers.
pub(super) fn names() -> Vec<&'static str> {
    ALL.iter().map(|checks| checks.provider).collect()
}

impl Checks {
    /// The percentage of requests that did not fail.
    pub(super) fn success_rate(self) -> String {
        let all = joined(&[self.service, self.arm]);
        let good = joined(&[self.service, self.arm, self.good]);
        let name = self.counter;
        format!("sum(rate({name}{{{good}}}[1m])) / sum(rate({name}{{{all}}}[1m])) * 100")
    }

    /// Milliseconds: the 99th percentile, or the mean where there is no histogram.
    pub(super) fn duration(self) -> String {
        let le = "le=\"+Inf\"";
        let service = if self.service == le { "" } else { self.service };
        let kind = if self.provider == "apisix" {
            "type=~\"request\""
        } else {
            ""
        };
        let all = joined(&[kind, service, self.arm]);
        let quantile = |name: &str| {
            format!("histogram_quantile(0.99, sum by (le) (rate({name}_bucket{{{all}}}[1m])))")
        };
        match self.latency {
            Milliseconds(name) => quantile(name),
            Seconds(name) => format!("{} * 1000", quantile(name)),
            Mean(name) => format!(
                "sum(rate({name}_sum{{{all}}}[1m])) / sum(rate({name}_count{{{all}}}[1m])) * 1000"
            ),
        }
    }
}

fn joined(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(",")
}
