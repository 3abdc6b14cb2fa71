//! Text to scenario: what the YAML reader cannot know is checked here, each fault with its line.

use crate::diagnostic::{Diagnostic, Place, closest};
use crate::simulate::scenario::{Incident, Scenario, Service};
use crate::wire::scope_text;
use serde_saphyr::{Location, Spanned};

/// The longest scenario in bytes; a longer one is refused unread.
pub const SCENARIO_BYTES_MAX: usize = 256 * 1024;

/// Replicas of each arm of a service; a scenario with more is refused: every query makes all their
/// samples anew.
pub const REPLICAS_MAX: u32 = 100;

/// Services, metrics, incidents, gaps, restarts, faults, events and rollouts, each; a scenario with
/// more of one is refused.
pub const ENTRIES_MAX: usize = 100;

/// Strongest correlation between neighbours; a stronger one is refused, because a value remembers
/// no more than 128 shocks.
pub(super) const CORRELATION_MAX: f64 = 0.95;

/// Reads a scenario.
///
/// # Errors
/// Everything that is wrong with it; text that is no YAML or has an unknown key, a missing one or
/// an unfit value ends the reading at the first such fault.
pub fn read(text: &str) -> Result<Scenario, Vec<Diagnostic>> {
    if text.len() > SCENARIO_BYTES_MAX {
        let found = text.len();
        let message = format!("the scenario has {found} bytes, the limit is {SCENARIO_BYTES_MAX}");
        let said = Diagnostic::error("S001", message);
        return Err(vec![said.help("split it into several scenarios")]);
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 32, max_nodes: 50_000 },
        with_snippet: false,
    };
    let scenario: Scenario = serde_saphyr::from_str_with_options(text, options)
        .map_err(|fault| vec![unreadable(&fault)])?;
    let mut found = Vec::new();
    check_head(&scenario, &mut found);
    check_sizes(&scenario, &mut found);
    for service in &scenario.spec.services {
        check_service(service, &mut found);
    }
    check_incidents(&scenario, &mut found);
    check_places(&scenario, &mut found);
    if found.is_empty() {
        Ok(scenario)
    } else {
        found.sort_by_key(|diagnostic| diagnostic.place);
        Err(found)
    }
}

fn unreadable(fault: &serde_saphyr::Error) -> Diagnostic {
    let rendered = fault.without_snippet().render();
    let line = rendered.lines().next().unwrap_or("unreadable");
    // The place is shown by us; what the reader appends of it would be said twice.
    let said = line.split(" at line ").next().unwrap_or(line);
    let said = said.trim_start_matches("error: ").to_owned();
    let said = Diagnostic::error("S001", said).at(fault.location().map(place));
    said.help("compare it with docs/simulations.md")
}

fn place(location: Location) -> Place {
    let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
    Place {
        line: index(location.line()),
        column: index(location.column()),
        len: 1,
    }
}

fn at(said: Diagnostic, text: &Spanned<String>) -> Diagnostic {
    let place = Place {
        len: text.value.chars().count().max(1),
        ..place(text.referenced)
    };
    said.at(Some(place))
}

fn fault(message: String, help: &str) -> Diagnostic {
    Diagnostic::error("S002", message).help(help)
}

fn check_head(scenario: &Scenario, found: &mut Vec<Diagnostic>) {
    for (key, written, wanted) in [
        ("apiVersion", &scenario.api_version, "haldane/v1"),
        ("kind", &scenario.kind, "Scenario"),
    ] {
        if written.value != wanted {
            let message = format!("{key} `{}` is not known", written.value);
            found.push(at(
                fault(message, &format!("write `{key}: {wanted}`")),
                written,
            ));
        }
    }
}

fn check_sizes(scenario: &Scenario, found: &mut Vec<Diagnostic>) {
    let spec = &scenario.spec;
    for (key, count) in [
        ("services", spec.services.len()),
        ("incidents", spec.incidents.len()),
        ("gaps", spec.gaps.len()),
        ("restarts", spec.restarts.len()),
        ("faults", spec.faults.len()),
        ("events", spec.events.len()),
        ("rollouts", spec.rollouts.len()),
    ] {
        if count > ENTRIES_MAX {
            let message = format!("{count} {key}, the limit is {ENTRIES_MAX}");
            found.push(fault(message, "split the scenario"));
        }
    }
    if spec.services.is_empty() {
        found.push(fault(
            "no service has traffic".to_owned(),
            "write at least one under `services`",
        ));
    }
}

fn check_service(service: &Service, found: &mut Vec<Diagnostic>) {
    let name = &service.name;
    let mut say = |message: String, help: &str| found.push(fault(message, help));
    for (key, replicas) in [
        ("replicas", service.replicas),
        ("canaryReplicas", service.canary_replicas.unwrap_or(1)),
    ] {
        if replicas == 0 || replicas > REPLICAS_MAX {
            let message = format!("service `{name}`: {key} {replicas} is not 1 to {REPLICAS_MAX}");
            say(message, "change it");
        }
    }
    if service.gauges.len().max(service.requests.len()) > ENTRIES_MAX {
        let message = format!("service `{name}` has more than {ENTRIES_MAX} metrics of one kind");
        say(message, "split the scenario");
    }
    let mut number = |metric: &str, key: &str, value: f64, above: bool| {
        let legal = value.is_finite() && (value > 0.0 || (!above && value >= 0.0));
        if !legal {
            let least = if above { "above 0" } else { "of 0 or more" };
            let message = format!("metric `{metric}`: {key} {value} is no number {least}");
            say(message, "change it");
        }
    };
    for gauge in &service.gauges {
        number(&gauge.metric, "level", gauge.level, false);
        number(&gauge.metric, "canaryFactor", gauge.canary_factor, false);
        number(&gauge.metric, "offset", gauge.offset, false);
    }
    for requests in &service.requests {
        number(&requests.metric, "perSecond", requests.per_second, false);
        if let Some(latency) = &requests.latency {
            number(&latency.metric, "median", latency.median, true);
            number(&latency.metric, "sigma", latency.sigma, true);
            number(&latency.metric, "canaryFactor", latency.canary_factor, true);
            let bounds = &latency.bounds;
            let rising = bounds.windows(2).all(|pair| pair.first() < pair.last());
            if bounds.is_empty() || !rising || bounds.iter().any(|b| !b.is_finite() || *b <= 0.0) {
                let message = format!(
                    "metric `{}`: bounds do not rise from above 0",
                    latency.metric
                );
                found.push(fault(message, "write them as `[0.1, 0.25, 1]`"));
                break;
            }
        }
    }
    check_correlations(service, found);
}

fn check_correlations(service: &Service, found: &mut Vec<Diagnostic>) {
    let correlations = service
        .gauges
        .iter()
        .map(|g| (&g.metric, g.autocorrelation));
    let loads = service
        .requests
        .iter()
        .map(|r| (&r.metric, r.autocorrelation));
    for (metric, correlation) in correlations.chain(loads) {
        if correlation.0 > CORRELATION_MAX {
            let value = correlation.0;
            let message =
                format!("metric `{metric}`: autocorrelation {value} is above {CORRELATION_MAX}");
            found.push(fault(message, "lower it"));
        }
    }
}

/// What kind of metric a name is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gauge,
    Counter,
    Histogram,
}

fn metrics(scenario: &Scenario) -> Vec<(&str, Kind)> {
    let mut out = Vec::new();
    for service in &scenario.spec.services {
        out.extend(
            service
                .gauges
                .iter()
                .map(|g| (g.metric.as_str(), Kind::Gauge)),
        );
        for requests in &service.requests {
            out.push((requests.metric.as_str(), Kind::Counter));
            let latency = requests.latency.as_ref();
            out.extend(latency.map(|l| (l.metric.as_str(), Kind::Histogram)));
        }
    }
    out
}

fn check_incidents(scenario: &Scenario, found: &mut Vec<Diagnostic>) {
    let known = metrics(scenario);
    for incident in &scenario.spec.incidents {
        let name = &incident.metric.value;
        let Some((_, kind)) = known.iter().find(|(metric, _)| metric == name) else {
            let help = match closest(name, known.iter().map(|(metric, _)| *metric)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name a metric of one of the services".to_owned(),
            };
            let message = format!("incident: no service has a metric `{name}`");
            found.push(at(fault(message, &help), &incident.metric));
            continue;
        };
        if let Some((message, help)) = misfit(incident, *kind) {
            found.push(at(fault(message, help), &incident.metric));
        }
        let numbers = [incident.factor, incident.add, incident.traffic];
        let positive = [incident.factor, incident.traffic];
        if numbers.iter().flatten().any(|n| !n.is_finite())
            || positive.iter().flatten().any(|n| *n < 0.0)
        {
            let message = format!("incident of `{name}`: a multiple is no number of 0 or more");
            found.push(at(fault(message, "change it"), &incident.metric));
        }
        if let (Some(every), lasts) = (incident.every, incident.lasts)
            && lasts.is_none_or(|lasts| lasts.0 > every.0)
        {
            let message = format!(
                "incident of `{name}`: `every` {} needs a shorter `lasts`",
                every.0
            );
            found.push(at(fault(message, "shorten `lasts`"), &incident.metric));
        }
    }
}

/// A key that does nothing to such a metric, or none that does anything.
fn misfit(incident: &Incident, kind: Kind) -> Option<(String, &'static str)> {
    let name = &incident.metric.value;
    let given = [
        ("factor", incident.factor.is_some()),
        ("add", incident.add.is_some()),
        ("errorRatio", incident.error_ratio.is_some()),
        ("traffic", incident.traffic.is_some()),
    ];
    let (what, legal, help): (_, &[&str], _) = match kind {
        Kind::Gauge => ("a gauge", &["factor", "add"], "write `factor` or `add`"),
        Kind::Counter => (
            "a counter of requests",
            &["errorRatio", "traffic"],
            "write `errorRatio` or `traffic`",
        ),
        Kind::Histogram => ("a histogram", &["factor"], "write `factor`"),
    };
    if let Some((key, _)) = given.iter().find(|(key, on)| *on && !legal.contains(key)) {
        let message = format!("incident: `{key}` does nothing to `{name}`, {what}");
        return Some((message, help));
    }
    let message = || format!("incident: nothing happens to `{name}`");
    (!given.iter().any(|(_, on)| *on)).then(|| (message(), help))
}

/// Every name of a service exists, and every scope can be read.
fn check_places(scenario: &Scenario, found: &mut Vec<Diagnostic>) {
    let spec = &scenario.spec;
    let names = || spec.services.iter().map(|service| service.name.as_str());
    let incidents = spec.incidents.iter().filter_map(|i| i.service.as_ref());
    let gaps = spec.gaps.iter().filter_map(|g| g.service.as_ref());
    let restarts = spec.restarts.iter().filter_map(|r| r.service.as_ref());
    let rollouts = spec.rollouts.iter().map(|r| &r.service);
    for written in incidents.chain(gaps).chain(restarts).chain(rollouts) {
        if !names().any(|name| name == written.value) {
            let help = match closest(&written.value, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of {}", names().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("there is no service `{}`", written.value);
            found.push(at(fault(message, &help), written));
        }
    }
    for rollout in &spec.rollouts {
        if let Some(scope) = &rollout.scope
            && let Err(why) = scope_text::parse(&scope.value)
        {
            let message = format!("scope `{}`: {why}", scope.value);
            found.push(at(fault(message, "write it as `region=\"eu\"`"), scope));
        }
        let expect = &rollout.expect;
        if let Some(early) = expect.not_before
            && early.0 > expect.by.0
        {
            let message = format!("notBefore {} is later than by {}", early.0, expect.by.0);
            found.push(at(fault(message, "swap them"), &rollout.service));
        }
    }
    for event in &spec.events {
        use crate::simulate::scenario::Deed;
        if (event.what == Deed::Override) != event.verdict.is_some() {
            let message = "`verdict` belongs to `what: override` and to nothing else".to_owned();
            found.push(fault(message, "add or remove it"));
        }
        if (event.what == Deed::Step) != event.share.is_some() {
            let message = "`share` belongs to `what: step` and to nothing else".to_owned();
            found.push(fault(message, "add or remove it"));
        }
        if event.what != Deed::Freeze && (event.service.is_some() || event.lasts.is_some()) {
            let message = "`service` and `lasts` belong to `what: freeze`".to_owned();
            found.push(fault(message, "remove them"));
        }
    }
}
