#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::test(crate = policy)]
#[test]
async fn name() {}

fn main() {}
