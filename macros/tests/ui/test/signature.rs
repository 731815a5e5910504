#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::test(crate = policy)]
async fn argument(port: u16) {
    let _ = port;
}

#[policy::test(crate = policy, policies(policy::SmolPolicy))]
async fn generic<T: Default>() {
    T::default();
}

fn main() {}
