//! The load generator. Run through `make bench`.

fn main() {}
