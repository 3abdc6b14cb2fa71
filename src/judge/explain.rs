//! The sentence (A10): computed once from the evidence, the same in every door.

/// As what the sentence is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Not decided, time left.
    Pending,
    /// Promote.
    Promote,
    /// Roll back because a gate metric is shown worse (row 2).
    RollbackMetric,
    /// Roll back because an abort rung is proven (row 3).
    RollbackBurn,
    /// Both arms degrade alike (row 4).
    EnvironmentDegraded,
    /// The observed traffic contradicts the declared share (row 5).
    TrafficMismatch,
    /// An arm has no series (row 5).
    ArmAbsent,
    /// The source warned and nobody allowed that warning.
    DataSuspect,
    /// A hold rung is proven.
    BudgetBurning,
    /// Time is up, neither side is shown (rows 7, 9).
    Inconclusive,
}
