//! The `haldane` command.

fn main() {}
