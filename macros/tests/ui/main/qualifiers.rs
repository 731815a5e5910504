#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::main(crate = policy)]
async unsafe fn uncertain() {}

#[policy::main(crate = policy)]
async extern "C" fn foreign() {}

fn main() {}
