use std::rc::Rc;

fn main() {
    let shared = Rc::new(1);
    drop(policy::spawn(async move {
        policy::task::yield_now().await;
        *shared
    }));
}
