#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::main(crate = policy)]
async fn main() -> Result<(), String> {
    if std::env::args().count() > 9 {
        return Err(3);
    }
    "done"
}
