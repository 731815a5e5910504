//! The page for who comes from asyncio leaves out no method of `AbstractEventLoop`, and
//! names none that does not exist here.
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use std::fs;
use std::path::Path;

/// Of CPython 3.11.
const METHODS: &str = "run_forever run_until_complete stop is_running is_closed close \
    shutdown_asyncgens shutdown_default_executor call_soon call_later call_at time \
    create_future create_task call_soon_threadsafe run_in_executor set_default_executor \
    getaddrinfo getnameinfo create_connection create_server sendfile start_tls \
    create_unix_connection create_unix_server connect_accepted_socket \
    create_datagram_endpoint connect_read_pipe connect_write_pipe subprocess_shell \
    subprocess_exec add_reader remove_reader add_writer remove_writer sock_recv \
    sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall sock_sendto sock_connect \
    sock_accept sock_sendfile add_signal_handler remove_signal_handler set_task_factory \
    get_task_factory get_exception_handler set_exception_handler \
    default_exception_handler call_exception_handler get_debug set_debug";

#[test]
fn each_method_of_asyncios_loop_has_its_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("src/event_loop.rs")).unwrap();
    let first_cells: String = page
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .filter_map(|row| row.split(" | ").next())
        .collect();
    let missing: Vec<_> = METHODS
        .split_whitespace()
        .filter(|method| !first_cells.contains(&format!("`{method}`")))
        .collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}

#[test]
fn what_is_said_to_be_the_same_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = fs::read_to_string(root.join("src/on/mod.rs")).unwrap();
    for folder in ["core/src/heart/calls", "core/src/io", "core/src/io/proactor", "core/src/signal"]
    {
        let files = fs::read_dir(root.join(folder)).unwrap().map(|file| file.unwrap().path());
        for file in files.filter(|path| path.is_file()) {
            code += &fs::read_to_string(file).unwrap();
        }
    }
    let page = fs::read_to_string(root.join("src/event_loop.rs")).unwrap();
    let mut rows = 0;
    for row in page.lines().filter(|line| line.contains("| the same")) {
        let names = row.trim_start_matches("//! | ").split(" | ").next().unwrap();
        for name in names.split(", ").map(|name| name.trim_matches('`')) {
            assert!(code.contains(&format!("fn {name}")), "there is no {name}");
            rows += 1;
        }
    }
    assert!(rows >= 10, "{rows} names");
}
