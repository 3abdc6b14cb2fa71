//! Everything else: a series, canary against baseline.

use super::{Counted, SERIES_EFFECT, Work, direction};
use crate::import::draft::{Above, Kind, Measure, plain};
use crate::import::promql::{Aggregate, Expr, Grouping};
use crate::import::rewrite::{cover_both_arms, fit_windows};
use crate::time::Span;
use crate::units::Harm;

impl Work<'_> {
    /// The query as it is, but for what both arms need and what is certainly better.
    pub(super) fn series(&mut self, mut expr: Expr) -> Counted {
        let asked = self.asked;
        self.say_limits();
        self.average_a_sum(&mut expr);
        if !asked.faithful {
            self.rate_counters(&mut expr);
        }
        self.fit(&mut expr);
        if let Some((Grouping::By, labels)) = grouping(&expr) {
            let text = format!("series by {} are averaged in each arm", labels.join(", "));
            self.say(Kind::Changed, text);
        }
        cover_both_arms(&mut expr);
        let query = expr.to_string();
        self.keep_quantile(&query);
        if self.zero_gaps {
            self.say(
                Kind::Better,
                "`or vector(…)` is gone: it made a typo look like a healthy value; where there is \
                 no value it is 0 by `gaps: zero`, and an arm without any data is still no data",
            );
        }
        let harm = direction(asked).unwrap_or(Harm::Either);
        let effect = self.given_effect();
        let measure = Measure::Series {
            query,
            zero_gaps: self.zero_gaps,
        };
        let min_effect = effect.map_or((SERIES_EFFECT, false), |effect| (effect, true));
        (measure, harm, min_effect)
    }

    /// Limits that nothing stands for.
    fn say_limits(&mut self) {
        if self.how.is_some() {
            return;
        }
        for limit in self.asked.limits {
            let side = if limit.above { "above" } else { "below" };
            self.say(
                Kind::Changed,
                format!(
                    "{side} {} it was bad whatever the baseline did; a series has no absolute \
                     limit here, so the canary is compared with the baseline (counters of bad \
                     and of all events could carry an objective)",
                    plain(limit.value)
                ),
            );
        }
    }

    fn average_a_sum(&mut self, expr: &mut Expr) {
        let Expr::Aggregate(top) = expr.bare() else {
            return;
        };
        let whole = top
            .grouping
            .as_ref()
            .is_none_or(|(_, labels)| labels.is_empty());
        if top.op != "sum" || !whole || self.asked.equal_arms || self.asked.faithful {
            return;
        }
        *expr = Expr::Aggregate(Aggregate {
            op: "avg".to_owned(),
            ..top.clone()
        });
        self.say(
            Kind::Better,
            "was a sum, which grows with the share of traffic and the number of pods; now the \
             mean of an arm's series. Divide by the requests if a canary pod gets less traffic",
        );
    }

    fn keep_quantile(&mut self, query: &str) {
        if !query.contains("histogram_quantile") {
            return;
        }
        if self.asked.faithful {
            let reason = "kept as the source has it".to_owned();
            self.silenced.push((Above::Query, "C045", reason));
            return;
        }
        let reason = "imported; judge the buckets with `distribution` instead".to_owned();
        self.silenced.push((Above::Query, "C045", reason));
        self.say(
            Kind::Kept,
            "stays an interpolated quantile; a `distribution` of its buckets would use every \
             request",
        );
    }

    /// A counter without a rate is rated: what it has reached depends on when its process began.
    fn rate_counters(&mut self, expr: &mut Expr) {
        let any_range = expr.selectors().iter().any(|s| s.range.is_some());
        let mut found = None;
        if !any_range {
            rate(expr, self.asked.step, &mut found);
        }
        if let Some(name) = found {
            self.say(
                Kind::Better,
                format!(
                    "`{name}` is a counter, and was compared by what it had reached, which depends \
                     on when its process began; now by its rate"
                ),
            );
        }
    }

    fn fit(&mut self, expr: &mut Expr) {
        let asked = self.asked;
        let done = fit_windows(expr, asked.step, asked.faithful);
        if let Some(range) = done.shortened {
            self.say(
                Kind::Better,
                format!(
                    "the window [{range}] is [{}] now, as long as the step: neighbouring values of \
                     longer windows share samples and look steadier than they are",
                    asked.step
                ),
            );
        }
        if !done.longer.is_empty() {
            let reason = if asked.faithful {
                "kept as the source has it"
            } else {
                "the window is part of what the query means"
            };
            self.silenced
                .push((Above::Query, "C012", reason.to_owned()));
        }
    }
}

fn grouping(expr: &Expr) -> Option<(Grouping, Vec<String>)> {
    let mut aggregates = Vec::new();
    gather(expr, &mut aggregates);
    aggregates.into_iter().next()
}

/// Labels, besides `le`, by which a result has several series.
fn gather(expr: &Expr, out: &mut Vec<(Grouping, Vec<String>)>) {
    if let Expr::Aggregate(aggregate) = expr {
        if let Some((grouping, labels)) = &aggregate.grouping {
            let kept = labels.iter().filter(|label| *label != "le");
            let kept: Vec<String> = kept.cloned().collect();
            if !kept.is_empty() {
                out.push((*grouping, kept));
            }
        }
        return;
    }
    for child in expr.children() {
        gather(child, out);
    }
}

fn rate(expr: &mut Expr, step: Span, found: &mut Option<String>) {
    const SUFFIXES: [&str; 4] = ["_total", "_count", "_sum", "_bucket"];
    if let Expr::Selector(selector) = expr {
        if SUFFIXES
            .iter()
            .any(|suffix| selector.name.ends_with(suffix))
        {
            found.get_or_insert_with(|| selector.name.clone());
            selector.range = Some(step.to_string());
            let args = vec![expr.clone()];
            *expr = Expr::Call {
                name: "rate".to_owned(),
                args,
            };
        }
        return;
    }
    for child in expr.children_mut() {
        rate(child, step, found);
    }
}
