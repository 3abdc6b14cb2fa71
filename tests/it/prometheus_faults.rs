//! The client against servers that misbehave: every failure has a name, a count of attempts,
//! and says nothing it should not.
