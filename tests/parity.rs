//! `docs/parity.md`, compared with the sources: it has all that both languages have.
#![cfg(not(target_family = "wasm"))]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

const PAGE: &str = include_str!("../docs/parity.md");

/// The cells of one language in the section `title`.
fn column(title: &str, language: &str) -> String {
    let section = PAGE
        .split("\n## ")
        .find(|section| section.starts_with(title));
    let section = section.unwrap_or_else(|| panic!("there is no section {title}"));
    let mut rows = section.lines().filter(|line| line.starts_with('|'));
    let cells = |row: &'static str| row.split('|').map(str::trim).collect::<Vec<_>>();
    let heads = cells(rows.next().expect("a table"));
    let place = heads.iter().position(|head| *head == language);
    let place = place.expect("one column a language");
    let column = rows.map(|row| cells(row)[place]);
    column.collect::<Vec<_>>().join("\n")
}

/// The words in the code of a text, such as `lock` in `` `lock(key)` ``.
fn words(text: &str) -> BTreeSet<&str> {
    let code = text.split('`').skip(1).step_by(2);
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.flat_map(|code| code.split(move |c| !is_part(c)))
        .collect()
}

fn assert_all(title: &str, language: &str, names: &[String], least: usize) {
    assert!(names.len() >= least, "too few were found: {names:?}");
    let column = column(title, language);
    let words = words(&column);
    for name in names {
        assert!(
            words.contains(name.as_str()),
            "{title}, {language}: {name} is missing"
        );
    }
}

/// What stands behind `prefix` in the listing of the public API, up to what is no name.
fn in_api(prefix: &str) -> Vec<String> {
    let api = include_str!("../docs/api/native.txt");
    let names = api.lines().filter_map(|line| {
        let (_, rest) = line.split_once(prefix)?;
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        Some(rest[..end.unwrap_or(rest.len())].to_owned())
    });
    let names: BTreeSet<String> = names.filter(|name| !name.is_empty()).collect();
    names.into_iter().collect()
}

#[test]
fn all_of_the_rust_contract_is_there() {
    assert_all(
        "Requests",
        "Rust",
        &in_api("pub fn crosslock::LockManager::"),
        8,
    );
    assert_all(
        "Guards",
        "Rust",
        &in_api("pub fn crosslock::LockGuard::"),
        6,
    );
}

#[test]
fn all_rust_errors_and_scopes_are_there() {
    let variants = |name: &str| {
        let all = in_api(&format!("crosslock::{name}::")).into_iter();
        let is_variant = |name: &String| name.starts_with(|c: char| c.is_ascii_uppercase());
        all.filter(is_variant).collect::<Vec<_>>()
    };
    assert_all("Errors", "Rust", &variants("LockError"), 8);
    assert_all("Errors", "Rust", &variants("PidLockError"), 3);
    assert_all("Scopes", "Rust", &variants("LockScope"), 4);
}

/// What a TypeScript class offers: lines such as `  async tryLock(` and `  get lost()`.
fn methods(file: &str, class: &str) -> Vec<String> {
    let source = fs::read_to_string(file).expect("the sources of the npm package");
    let (_, class) = source.split_once(class).expect("the class");
    let (class, _) = class.split_once("\n}\n").expect("its end");
    let names = class.lines().filter_map(|line| {
        let line = line.strip_prefix("  ")?;
        let line = line
            .strip_prefix("async ")
            .or(line.strip_prefix("get "))
            .unwrap_or(line);
        let (name, _) = line.split_once(['(', '<'])?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
        let is_method = is_name && line.ends_with('{') && name != "constructor";
        is_method.then(|| name.to_owned())
    });
    names.collect()
}

#[test]
fn all_of_the_typescript_contract_is_there() {
    let manager = methods("js/src/manager.ts", "abstract class LockManager");
    assert_all("Requests", "TypeScript", &manager, 5);
    let guard = methods("js/src/guard.ts", "class LockGuard");
    assert_all("Guards", "TypeScript", &guard, 2);
}

/// Both ways: the codes that TypeScript throws, and no others.
/// Those of the npm package, and of the addon, which gives some of its codes.
fn sources() -> Vec<String> {
    let folders = ["js/src", "js/src/node", "node/src"];
    let entries = folders.map(|folder| fs::read_dir(folder).expect("the sources"));
    let paths = entries.into_iter().flatten();
    let paths = paths.map(|entry| entry.expect("an entry").path());
    // The names in that one are the system's.
    let is_ours = |path: &PathBuf| path.is_file() && !path.ends_with("system-error.ts");
    let files = paths.filter(is_ours);
    files
        .map(|path| fs::read_to_string(path).expect("a source"))
        .collect()
}

#[test]
fn the_codes_are_those_that_occur() {
    let declared = fs::read_to_string("js/src/errors.ts").expect("the codes");
    let is_upper = |text: &str| text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    // The addon quotes other names of that shape.
    let is_name = |text: &str| text.starts_with("CARGO_") || text.starts_with("CROSSLOCK_");
    let is_code = |text: &&str| text.len() > 1 && is_upper(text) && !is_name(text);
    let mut thrown = BTreeSet::new();
    for source in sources() {
        // Without the lines that declare them.
        let is_used = |line: &&str| !line.trim_start().starts_with('|');
        for line in source.lines().filter(is_used) {
            let quoted = line.split(['\'', '"']).skip(1).step_by(2).filter(is_code);
            thrown.extend(quoted.map(str::to_owned));
        }
    }
    let column = column("Errors", "TypeScript");
    let named: BTreeSet<String> = words(&column)
        .into_iter()
        .filter(is_code)
        .map(str::to_owned)
        .collect();
    assert_eq!(named, thrown);
    for code in &named {
        assert!(
            declared.contains(&format!("'{code}'")),
            "{code} is not declared"
        );
    }
}

#[test]
fn the_scopes_are_declared() {
    let declared = fs::read_to_string("js/src/manager.ts").expect("the scopes");
    let column = column("Scopes", "TypeScript");
    let scopes = column.split('`').skip(1).step_by(2);
    for scope in scopes {
        assert!(declared.contains(scope), "{scope} is not declared");
    }
}
