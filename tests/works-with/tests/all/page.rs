//! The page docs/guide/works-with.md says what these tests ran, and in which versions.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page() -> String {
    read("../../docs/guide/works-with.md")
}

/// The libraries of the table, with their versions.
fn rows() -> Vec<(String, String)> {
    let page = page();
    let cells = page.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
    });
    cells.collect()
}

#[test]
fn each_library_has_its_tests_and_each_test_its_row() {
    let sources = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all")).unwrap();
    let mut tested: BTreeSet<String> = sources
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(".rs")?.replace('_', "-")))
        .collect();
    for ours in ["main", "page", "support"] {
        assert!(tested.remove(ours), "{ours}");
    }
    let listed: BTreeSet<String> = rows().into_iter().map(|(library, _)| library).collect();
    assert_eq!(listed, tested);
    let main = read("tests/all/main.rs");
    for library in listed {
        let source = library.replace('-', "_");
        assert!(main.contains(&format!("mod {source};")), "{library} is no part of the program");
        let source = read(&format!("tests/all/{source}.rs"));
        assert!(source.contains("test]") || source.contains("test("), "{library} has no test");
    }
}

#[test]
fn the_versions_of_the_table_are_those_that_were_run() {
    let lock = read("../../Cargo.lock");
    let ours = lock
        .split("[[package]]")
        .find(|package| package.contains("\"event-loop-policy-works-with\""))
        .unwrap();
    for (library, version) in rows() {
        // `async-channel`, or `async-channel 2.5.0` where the file has several.
        let taken = ours.lines().map(|line| line.trim().trim_matches([',', '"']));
        let taken: Vec<_> =
            taken.filter(|line| line.split(' ').next() == Some(library.as_str())).collect();
        assert_eq!(taken.len(), 1, "{library} is a dependency of these tests");
        let run = match taken[0].split_once(' ') {
            Some((_, version)) => version.to_owned(),
            None => {
                let head = format!("\nname = \"{library}\"\nversion = \"");
                let (_, rest) = lock.split_once(&head).unwrap();
                rest.split('"').next().unwrap().to_owned()
            }
        };
        assert!(run.starts_with(&format!("{version}.")), "{library}: {version}, and {run} was run");
    }
}

#[test]
fn the_code_of_the_page_is_taken_from_tests_that_run() {
    let page = page();
    let blocks: Vec<_> = page.split("```").skip(1).step_by(2).collect();
    assert!(blocks.len() > 5);
    let mut sources = Vec::new();
    for (library, _) in rows() {
        sources.push(flat(&read(&format!("tests/all/{}.rs", library.replace('-', "_")))));
    }
    for block in blocks {
        let code = block.strip_prefix("rust,ignore\n").expect("each block says how it is compiled");
        let flat = flat(code);
        assert!(sources.iter().any(|source| source.contains(&flat)), "no test has this:\n{code}");
    }
}

/// Code without its indentation.
fn flat(code: &str) -> String {
    code.lines().map(|line| line.trim().to_owned() + "\n").collect::<String>().trim().to_owned()
}
