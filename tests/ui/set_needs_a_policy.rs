fn main() {
    policy::set_event_loop_policy("tokio");
}
