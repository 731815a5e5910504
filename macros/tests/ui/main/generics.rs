#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::main(crate = policy)]
async fn main<T: Default>() -> Result<T, String> {
    Ok(T::default())
}

#[policy::main(crate = policy)]
async fn bounded() where String: Clone {}
