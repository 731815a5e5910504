#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

const NAME: &str = "tokio";

#[policy::main(crate = policy, name = NAME)]
async fn main() {}

#[policy::main(crate = policy, env = 3)]
async fn second() {}

#[policy::main(crate = policy, name = concat!("tokio", ":4"))]
async fn third() {
    let _ = NAME;
}
