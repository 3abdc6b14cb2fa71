//! One promise of a file, whatever its format: what all readers make, and what they make it with.

use super::split::{Counted, Reduced, Selector, Window, reduced};
use crate::diagnostic::{Diagnostic, Place};
use crate::slo::objective::{Rung, RungAction};
use crate::template::document::{Node, Value};
use crate::template::extends::{entry, text_of};
use crate::template::fields::{inside, shorten};
use crate::template::promql::Fault;
use crate::time::Span;

/// A promise as its file makes it. Nodes have their places in the bundle.
pub(super) struct Promise {
    /// The promised share, a number or `99.9%`.
    pub(super) target: Node,
    /// The period, when the file has one.
    pub(super) period: Option<Node>,
    /// The rungs; those of the SRE workbook without.
    pub(super) rungs: Policy,
    /// What is counted, or why that cannot be had: an error only if the template does not say it.
    pub(super) counted: Result<Indicator, Diagnostic>,
}

/// Which rungs a promise has.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Policy {
    /// Those of the workbook for the period; pages and tickets may be left out.
    Workbook {
        /// Whether there are those that page.
        pages: bool,
        /// Whether there are those that open a ticket.
        tickets: bool,
    },
    /// These.
    Own(Vec<Rung>),
}

/// What is counted, as fields of a metric.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Indicator {
    /// Two counters.
    Events {
        /// Selector of bad events.
        bad: String,
        /// Selector of all events.
        total: String,
        /// Where they stand.
        place: Place,
    },
    /// A histogram and the bound beyond which an observation is bad.
    Distribution {
        /// Selector of the buckets.
        buckets: String,
        /// The bound.
        threshold: f64,
        /// Where they stand.
        place: Place,
    },
}

/// What the files say, and what was found wrong with them.
pub(super) struct Reading<'t> {
    /// The bundle.
    pub(super) text: &'t str,
    /// What refuses the template.
    pub(super) errors: Vec<Diagnostic>,
    /// What is not read (C038).
    pub(super) notes: Vec<Diagnostic>,
}

/// Where a node is pointed at: the key of a map or list.
pub(super) fn at(node: &Node) -> Place {
    match node.value {
        Value::Map(_) | Value::List(_) => node.key.unwrap_or(node.place),
        _ => node.place,
    }
}

/// The node at the end of a path of fields.
pub(super) fn deep<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, name| entry(node, name))
}

/// The items of a list.
pub(super) fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

/// The text at the end of a path.
pub(super) fn words<'n>(node: &'n Node, path: &[&str]) -> Option<&'n str> {
    deep(node, path).and_then(text_of)
}

/// C027: something in a file is not as its format says.
pub(super) fn broken(place: Place, message: String, help: &str) -> Diagnostic {
    Diagnostic::error("C027", message)
        .at(Some(place))
        .help(help)
}

impl Reading<'_> {
    /// Says what is wrong and goes on.
    pub(super) fn fails(&mut self, place: Place, message: String, help: &str) {
        self.errors.push(broken(place, message, help));
    }

    /// C038: a part that changes nothing here.
    pub(super) fn ignores(&mut self, place: Place, message: String, help: &str) {
        let said = Diagnostic::warning("C038", message)
            .at(Some(place))
            .help(help);
        if !self.notes.contains(&said) {
            self.notes.push(said);
        }
    }

    /// Names every field of a map that nobody reads.
    pub(super) fn rest(&mut self, node: &Node, what: &str, known: &[&str]) {
        let Value::Map(entries) = &node.value else {
            return;
        };
        for (name, place, _) in entries {
            if !known.contains(&name.as_str()) {
                let message = format!("`{}` of {what} is not read", shorten(name));
                self.ignores(*place, message, "it changes nothing of an analysis");
            }
        }
    }

    /// A field that must be there.
    pub(super) fn needs<'n>(&mut self, node: &'n Node, path: &[&str]) -> Option<&'n Node> {
        let found = deep(node, path);
        if found.is_none() {
            let message = format!("the file lacks `{}`", path.join("."));
            self.fails(at(node), message, "its format asks for it");
        }
        found
    }

    /// A percentage as its file writes it (`99.9`), as a share of a template (`99.9%`).
    pub(super) fn percent(&mut self, node: &Node) -> Option<Node> {
        let number = match &node.value {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.trim().trim_end_matches('%').parse().ok(),
            _ => None,
        };
        match number {
            Some(number) if number > 0.0 && number < 100.0 => Some(Node {
                value: Value::Text(format!("{number}%")),
                ..node.clone()
            }),
            _ => {
                let message = "the objective is no percentage above 0 and below 100".to_owned();
                let help = "100 % leaves no error budget; write 99.9 for 99.9 %";
                self.fails(node.place, message, help);
                None
            }
        }
    }

    /// A length of time.
    pub(super) fn span(&mut self, node: &Node) -> Option<Span> {
        let found = text_of(node).and_then(Span::parse);
        let found = found.filter(|span| *span > Span::ZERO);
        if found.is_none() {
            let message = "no length of time above zero".to_owned();
            self.fails(node.place, message, "write it as 5m, 6h or 30d");
        }
        found
    }

    /// A query reduced to what it counts; groups are not kept apart, which is noted.
    fn reduce(&mut self, node: &Node, window: Window) -> Result<Counted, Diagnostic> {
        let Some(query) = text_of(node) else {
            let said = Diagnostic::error("C028", "the query is no text");
            return Err(said.at(Some(at(node))).help("put quotes around it"));
        };
        let Reduced {
            counted,
            grouped_by,
        } = reduced(query, window).map_err(|fault| self.placed(node, query, &fault))?;
        if !grouped_by.is_empty() {
            let labels = grouped_by.join("`, `");
            let message = format!("groups by `{labels}` are not kept apart");
            self.ignores(
                node.place,
                message,
                "all of them are counted together, per arm",
            );
        }
        Ok(counted)
    }

    fn placed(&self, node: &Node, query: &str, fault: &Fault) -> Diagnostic {
        let place = inside(self.text, node, query, fault.at, fault.len);
        let said = Diagnostic::error("C028", fault.message.clone());
        said.at(Some(place)).help(fault.help.clone())
    }

    /// Bad events and all events, each a query.
    pub(super) fn bad_of_total(
        &mut self,
        (bad, total): (&Node, &Node),
        window: Window,
    ) -> Result<Indicator, Diagnostic> {
        let all = self.one(total, window)?;
        match self.reduce(bad, window)? {
            Counted::Of(bad_ones) if bad_ones == all => Err(refused(
                bad,
                "bad events and all events are counted by the same query",
            )),
            Counted::Of(bad_ones) => Ok(Indicator::Events {
                bad: bad_ones.limited(),
                total: all.limited(),
                place: bad.place,
            }),
            Counted::Less(first, good) if first == all => rest(&all, &good, bad),
            Counted::Less(..) => Err(refused(
                bad,
                "what the good events are taken from is not what counts all events",
            )),
        }
    }

    /// Good events and all events, each a query.
    pub(super) fn good_of_total(
        &mut self,
        (good, total): (&Node, &Node),
        window: Window,
    ) -> Result<Indicator, Diagnostic> {
        let all = self.one(total, window)?;
        let good_ones = self.one(good, window)?;
        rest(&all, &good_ones, good)
    }

    fn one(&mut self, node: &Node, window: Window) -> Result<Selector, Diagnostic> {
        match self.reduce(node, window)? {
            Counted::Of(selector) => Ok(selector),
            Counted::Less(..) => Err(refused(node, "a difference counts no events by itself")),
        }
    }
}

/// All events that are not good ones.
fn rest(all: &Selector, good: &Selector, node: &Node) -> Result<Indicator, Diagnostic> {
    let place = node.place;
    if let Some((buckets, threshold)) = all.as_buckets(good) {
        return Ok(Indicator::Distribution {
            buckets: buckets.limited(),
            threshold,
            place,
        });
    }
    match all.without_good(good) {
        Some(bad) => Ok(Indicator::Events {
            bad: bad.limited(),
            total: all.limited(),
            place,
        }),
        None => Err(refused(
            node,
            "bad events are those that are not good ones, and no one selector counts these: good \
             and all events must differ by one matcher, or be a bucket and the count of one \
             histogram",
        )),
    }
}

/// C028 about a whole query.
pub(super) fn refused(node: &Node, why: &str) -> Diagnostic {
    let help = "write the counters yourself: a metric of that name in the template with \
                `events: { bad: …, total: … }`; target, period and rungs are still read";
    Diagnostic::error(
        "C028",
        format!("the objective cannot be split into arms: {why}"),
    )
    .at(Some(at(node)))
    .help(help)
}

/// The word of an action in a template.
pub(super) fn action_word(action: RungAction) -> &'static str {
    match action {
        RungAction::Rollback => "rollback",
        RungAction::Hold => "hold",
    }
}
