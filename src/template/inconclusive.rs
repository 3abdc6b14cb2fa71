//! Reads `spec.on_inconclusive`: one word for every inconclusive verdict, or a word by reason. "Not
//! shown either way after two hours" asks for another answer than "nobody could read a sample".

use crate::template::OnInconclusive;
use crate::template::document::{Node, Value};
use crate::template::fields::{Fields, Reader};
use crate::template::parse::POLICIES;
use crate::template::schema::written;
use std::collections::BTreeMap;

/// Why a verdict is inconclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// There were data, and they show neither harm nor its absence.
    Undecided,
    /// A gate metric, an objective or a whole arm had no data.
    NoData,
    /// The source could not be read.
    SourceFault,
    /// Both arms degrade alike.
    EnvironmentDegraded,
    /// The canary did not get the traffic that was declared.
    TrafficMismatch,
    /// The source warned that its data may be partial.
    DataSuspect,
    /// Nothing is worse than the baseline, but an objective burns its error budget.
    BudgetBurning,
    /// Something outside the evidence held it back. Templates have no word on it: it is never
    /// taken for harm.
    Coordination,
}

impl Reason {
    /// Every reason a template may tell apart, in the order of the reference.
    pub const ALL: [Self; 7] = [
        Self::Undecided,
        Self::NoData,
        Self::SourceFault,
        Self::EnvironmentDegraded,
        Self::TrafficMismatch,
        Self::DataSuspect,
        Self::BudgetBurning,
    ];

    /// The word in templates and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::NoData => "no_data",
            Self::SourceFault => "source_fault",
            Self::EnvironmentDegraded => "environment_degraded",
            Self::TrafficMismatch => "traffic_mismatch",
            Self::DataSuspect => "data_suspect",
            Self::BudgetBurning => "budget_burning",
            Self::Coordination => "coordination",
        }
    }
}

/// What the controller is told for some reasons, instead of the usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceptions(BTreeMap<Reason, OnInconclusive>);

impl Exceptions {
    /// The word for this reason, when there is one of its own.
    pub fn get(&self, reason: Reason) -> Option<OnInconclusive> {
        self.0.get(&reason).copied()
    }

    /// All of them, in the order of the reasons.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, OnInconclusive)> + '_ {
        self.0.iter().map(|(reason, policy)| (*reason, *policy))
    }

    /// There are none: one word holds for every reason.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What the controller is told, and the exceptions; `None` after a complaint.
pub(super) fn read(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
) -> Option<(OnInconclusive, Exceptions)> {
    let Some(node) = fields.get("on_inconclusive") else {
        return Some((OnInconclusive::Hold, Exceptions::default()));
    };
    if !matches!(node.value, Value::Map(_)) {
        return Some((policy(reader, node)?, Exceptions::default()));
    }
    let fields = reader.map(node, "`on_inconclusive`", written::ByReason::FIELDS)?;
    let mut sound = true;
    let mut read = |reader: &mut Reader<'_>, name: &str| {
        let read = policy(reader, fields.get(name)?);
        sound &= read.is_some();
        read
    };
    let otherwise = read(reader, "otherwise");
    let each = Reason::ALL.map(|reason| Some((reason, read(reader, reason.word())?)));
    sound.then(|| {
        let usual = otherwise.unwrap_or(OnInconclusive::Hold);
        let exceptions = each.into_iter().flatten();
        let exceptions = exceptions.filter(|(_, policy)| *policy != usual);
        (usual, Exceptions(exceptions.collect()))
    })
}

fn policy(reader: &mut Reader<'_>, node: &Node) -> Option<OnInconclusive> {
    if matches!(&node.value, Value::Text(text) if text == "promote") {
        let message = "`on_inconclusive: promote` would promote without evidence".to_owned();
        let help = "use `hold` or `rollback`; to promote on \"no harm found\", set \
                    `judge.accept_no_harm`";
        reader.error("C015", node.place, message, help);
        return None;
    }
    reader.word(node, "`on_inconclusive`", &POLICIES)
}
