#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

use policy::SmolPolicy;

#[policy::main(crate = policy, policy = SmolPolicy, name = "smol")]
async fn main() {}

#[policy::main(crate = policy, env = "EVENT_LOOP_POLICY", policy = SmolPolicy)]
async fn second() {}

#[policy::main(name = "smol", env = "EVENT_LOOP_POLICY", crate = policy)]
async fn third() {}
