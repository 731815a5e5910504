#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::main(crate = policy)]
struct Server;

#[policy::main(crate = policy)]
const PORT: u16 = 8080;

fn main() {
    let _ = (Server, PORT);
}
