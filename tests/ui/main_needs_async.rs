#[policy::main]
fn main() {}
