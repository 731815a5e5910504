//! The pages for those who come from elsewhere: a name that a table promises is in the code
//! below it, which the documentation tests compile.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails panics")]

use std::fs;
use std::path::Path;

/// The names between backticks.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_row_of_a_table_of_names_is_in_code_that_is_compiled() {
    for page in ["coming-from-tokio.md", "coming-from-asyncio.md", "coming-from-async-std.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide").join(page);
        let text = fs::read_to_string(path).unwrap();
        let code: String = text.split("```").skip(1).step_by(2).collect();
        let table = text.split("## Names").nth(1).unwrap().split("```").next().unwrap();
        let rows: Vec<Vec<&str>> = table
            .lines()
            .filter(|line| line.starts_with("| `") || line.starts_with("| \u{60}"))
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        assert!(rows.len() > 20, "{page} has its table");
        for row in rows {
            // Crates that are only named are no names of ours.
            for name in
                names(row[2]).filter(|name| !name.contains('-') && !name.starts_with("tokio"))
            {
                let last = name.rsplit([':', '.']).next().unwrap().trim_matches(['#', '[', ']']);
                assert!(code.contains(last), "{page}: nothing compiles {name}");
            }
        }
    }
}
