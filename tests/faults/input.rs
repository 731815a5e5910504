//! Input: whatever bytes go in come out, and nothing else happens.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use policy::process::quote;
use proptest::collection::{btree_map, vec};
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::causes::Scratch;
use crate::helpers::helper;
use crate::inside::Place;
use crate::table::{AUTO, DEFAULT_LOOP, Outcome, Row, TWO_LOOPS};

const REPEATS: &str = "it repeats what it does by itself";

pub const ROWS: &[Row] = &[
    Row::new(
        "I6",
        "300 random arguments, environments and folders (full: 10,000) are echoed",
        &[(DEFAULT_LOOP, AUTO)],
        i6,
    )
    .once(REPEATS),
    Row::new("I7", "10,000 random strings through `quote` and a shell", &[(TWO_LOOPS, AUTO)], i7)
        .once(REPEATS),
];

/// What a file name, an argument or a variable can hold: any bytes but NUL.
///
/// A string is drawn as a whole. One strategy for each of its bytes took 10 s of CPU for
/// 300 cases, most of a row's time on a busy machine.
fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    const SPECIAL: &[u8] = b"\n'\"\\$=  ";

    let length = prop_oneof![8 => 0..40usize, 1 => 0..longest];
    (length, any::<u64>()).prop_map(|(length, seed)| {
        let mut state = seed | 1;
        let mut next = || {
            // xorshift64*
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as usize
        };
        let byte = |_| match next() {
            drawn if drawn % 5 == 0 => SPECIAL[drawn / 5 % SPECIAL.len()],
            drawn => (drawn / 5 % 255 + 1) as u8,
        };
        (0..length).map(byte).collect()
    })
}

fn i6(place: &Place) -> Outcome {
    let folder = Scratch::folder();
    let arguments = vec(bytes(4000), 0..8);
    let key = bytes(100).prop_map(|key| {
        let key: Vec<u8> = key.into_iter().filter(|&byte| byte != b'=').collect();
        // Empty is none; one of ours can't be mistaken for the loader's.
        [b"P".as_slice(), &key].concat()
    });
    let variables = btree_map(key, bytes(4000), 0..8);
    let name = bytes(100).prop_map(|name| -> Vec<u8> {
        let name = name.into_iter().filter(|&byte| byte != b'/').take(200);
        std::iter::once(b'd').chain(name).collect()
    });
    let cases = u32::try_from(place.count(300, 10_000)).unwrap();
    let runner = || {
        // A case that fails is told before the row's time is over.
        let config = Config {
            cases,
            failure_persistence: None,
            max_shrink_time: 10_000,
            ..Config::default()
        };
        TestRunner::new(config)
    };
    // One that is as long as may be, which takes no random numbers.
    let long = vec![vec![b'x'; 128 * 1024 - 1], vec![0xff; 100 * 1024]];
    echoed(place, &folder, b"long", &long, &BTreeMap::new()).unwrap();
    runner()
        .run(&(name, arguments, variables), |(name, arguments, variables)| {
            echoed(place, &folder, &name, &arguments, &variables)
        })
        .unwrap();
    Ok(())
}

fn echoed(
    place: &Place,
    folder: &Scratch,
    name: &[u8],
    arguments: &[Vec<u8>],
    variables: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> Result<(), TestCaseError> {
    let folder = folder.0.join(OsStr::from_bytes(name));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = helper("echo");
    command.args(arguments.iter().map(|argument| OsStr::from_bytes(argument)));
    command.env_clear().current_dir(&folder);
    for (key, value) in variables {
        command.env(OsStr::from_bytes(key), OsStr::from_bytes(value));
    }
    let output = place.run(command.output()).unwrap();
    std::fs::remove_dir(&folder).unwrap();
    let mut expected = Vec::new();
    let mut say = |bytes: &[u8]| {
        expected.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
        expected.extend_from_slice(bytes);
    };
    say(folder.as_os_str().as_bytes());
    say(&u32::try_from(arguments.len()).unwrap().to_le_bytes());
    arguments.iter().for_each(|argument| say(argument));
    for (key, value) in variables {
        say(&[key.as_slice(), b"=", value].concat());
    }
    if output.stdout == expected && output.status.success() {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("{:?}", String::from_utf8_lossy(&output.stdout))))
}

fn i7(place: &Place) -> Outcome {
    let folder = Scratch::folder();
    let canary = folder.0.join("canary");
    let touch = format!("touch {}", canary.display());
    let meant: Vec<Vec<u8>> = [
        format!("$({touch})"),
        format!("`{touch}`"),
        format!("'; {touch}; '"),
        format!("\"; {touch}; \""),
        format!("\\'; {touch} #"),
        format!("\n{touch}\n"),
        format!("& {touch} &"),
        format!("| {touch}"),
        "$HOME ~ * ? [a-z] {a,b} !! %s \\ \\\\ -n -- =x".to_owned(),
        String::new(),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect();
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&vec(bytes(400), 100), |words| {
            let words = [words, meant.clone()].concat();
            let mut line = OsString::from("printf '%s\\0' ");
            for word in &words {
                line.push(quote(OsStr::from_bytes(word)));
                line.push(" ");
            }
            let output = place.run(crate::tools::sh_os(&line).output()).unwrap();
            let expected: Vec<u8> =
                words.iter().flat_map(|word| word.iter().copied().chain([0])).collect();
            if canary.exists() {
                return Err(TestCaseError::fail("something was executed"));
            }
            if output.stdout != expected || !output.stderr.is_empty() {
                let said = OsString::from_vec(output.stdout);
                return Err(TestCaseError::fail(format!("{said:?}")));
            }
            Ok(())
        })
        .unwrap();
    Ok(())
}
