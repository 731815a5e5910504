use std::rc::Rc;

fn main() {
    policy::run(async {
        let task = policy::spawn_local(async { Rc::new(1) });
        policy::spawn(async move { drop(task.await) }).await.unwrap();
    });
}
