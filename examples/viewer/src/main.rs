//! The viewer.

fn main() {}
