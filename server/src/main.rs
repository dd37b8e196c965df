//! The program `hq-server`; see the library for everything it does.

fn main() {}
