//! Chores of the repository that are more than one line.
fn main() {}
