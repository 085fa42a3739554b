//! Holds the walls of the house: `ARCHITECTURE.md` names the rooms from top to bottom and the crates that belong to
//! some of them only; this test reads both tables and every file of `src/`.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What asks the system for the time, for randomness or for a socket, and the rooms that may.
const SYSTEM: [(&[&str], &[&str]); 14] = [
    (&["Instant", "now"], &["runtime"]),
    (&["SystemTime", "now"], &["runtime"]),
    (&["thread", "sleep"], &["runtime"]),
    (&["time", "sleep"], &["runtime", "main"]),
    (&["time", "interval"], &["runtime", "main"]),
    (&["time", "timeout"], &["runtime", "main"]),
    (&["UdpSocket"], &["runtime"]),
    (&["TcpListener"], &["runtime"]),
    (&["TcpStream"], &["runtime"]),
    (&["rand", "rng"], &[]),
    (&["rand", "random"], &[]),
    (&["OsRng"], &[]),
    (&["from_os_rng"], &[]),
    (&["RandomState"], &[]),
];

/// Modules for tests that stand between the rooms of `sip`.
const FOR_TESTS: [&str; 2] = ["sip::figure", "sip::testing"];

/// The house as `ARCHITECTURE.md` draws it.
struct House {
    /// Top floor first.
    rooms: Vec<String>,
    /// Crates that belong to some rooms only.
    crates: Vec<(String, Vec<String>)>,
}

impl House {
    fn read() -> Self {
        let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
        let table = |heading: &str| -> Vec<Vec<String>> {
            let rows = text.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
            let rows = rows.take_while(|line| line.starts_with('|'));
            rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
        };
        let names = |cell: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(|name| name.replace('-', "_")).collect()
        };
        let rooms: Vec<String> = table("| room |").iter().flat_map(|row| names(&row[1])).collect();
        let crates: Vec<_> =
            table("| crate |").iter().map(|row| (names(&row[1]).remove(0), names(&row[2]))).collect();
        assert!(rooms.len() > 10 && crates.len() > 5, "the tables of ARCHITECTURE.md were not found");
        Self { rooms, crates }
    }

    /// The room that a module lies in.
    fn room(&self, module: &[String]) -> Option<&str> {
        let module = module.join("::");
        let inside = |room: &&String| module == **room || module.starts_with(&format!("{room}::"));
        self.rooms.iter().find(inside).map(String::as_str)
    }

    fn floor(&self, room: &str) -> usize {
        self.rooms.iter().position(|name| name == room).unwrap()
    }

    /// Whether code of one room may name what is in another.
    fn allows(&self, from: &str, to: &str) -> bool {
        let procedures = ["gms", "mc"];
        let apart = procedures.contains(&from) && (procedures.contains(&to) || to.starts_with("sip::"));
        from == to || (self.floor(from) < self.floor(to) && !apart)
    }
}

/// Everything a file names.
#[derive(Default)]
struct Names {
    /// Modules that `crate::`, `super::` and `self::` paths lead to, with the module they start from.
    local: Vec<(Vec<String>, Vec<String>)>,
    /// Paths that begin with something else: crates and what is in scope.
    other: BTreeSet<Vec<String>>,
}

/// Walks over the tokens of a module, those in macros included.
fn walk(tokens: TokenStream, module: &[String], names: &mut Names) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(word) if *word == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    let inner = [module, &[name.to_string()]].concat();
                    walk(body.stream(), &inner, names);
                    at += 2;
                }
            }
            TokenTree::Ident(_) => {
                let mut paths = Vec::new();
                at = path(&tokens, at, &[], &mut paths);
                for path in paths {
                    sort(path, module, names);
                }
                continue;
            }
            TokenTree::Group(group) => walk(group.stream(), module, names),
            _ => {}
        }
        at += 1;
    }
}

/// Reads the path that begins at a word, with all branches of a `{...}` at its end. Returns where it ends.
fn path(tokens: &[TokenTree], mut at: usize, before: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        path.push(word.to_string());
        at += 1;
        if !(colon(at) && colon(at + 1)) {
            break;
        }
        at += 2;
        if let Some(TokenTree::Group(group)) = tokens.get(at)
            && group.delimiter() == Delimiter::Brace
        {
            let inside: Vec<TokenTree> = group.stream().into_iter().collect();
            let mut start = 0;
            while start < inside.len() {
                start = match &inside[start] {
                    TokenTree::Ident(word) if *word == "as" => start + 2,
                    TokenTree::Ident(_) => self::path(&inside, start, &path, paths),
                    _ => start + 1,
                };
            }
            return at + 1;
        }
    }
    paths.push(path);
    at
}

/// Resolves `crate`, `self` and `super`.
fn sort(path: Vec<String>, module: &[String], names: &mut Names) {
    let mut base = match path[0].as_str() {
        "crate" => Vec::new(),
        "self" | "super" => module.to_vec(),
        _ => {
            names.other.insert(path);
            return;
        }
    };
    for word in &path {
        match word.as_str() {
            "crate" | "self" => {}
            "super" => {
                base.pop();
            }
            word => base.push(word.to_owned()),
        }
    }
    names.local.push((module.to_vec(), base));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
}

/// The module that a file of `src/` is: `sip/wire/mod.rs` is `sip::wire`.
fn module_of(file: &Path) -> Vec<String> {
    let path = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut module: Vec<String> = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

fn read(file: &Path) -> Names {
    let mut names = Names::default();
    let text = std::fs::read_to_string(file).unwrap();
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    walk(tokens, &module_of(file), &mut names);
    names
}

fn source() -> Vec<(PathBuf, Vec<String>, Names)> {
    let mut found = Vec::new();
    files(&root().join("src"), &mut found);
    assert!(found.len() > 50);
    found.into_iter().map(|file| (file.clone(), module_of(&file), read(&file))).collect()
}

/// A file for a message.
fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().display().to_string()
}

#[track_caller]
fn none(wrong: BTreeSet<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_module_lies_in_a_room_and_every_room_has_a_module() {
    let house = House::read();
    let mut wrong = BTreeSet::new();
    let mut inhabited = BTreeSet::new();
    for (file, module, _) in source() {
        match house.room(&module) {
            Some(room) => {
                inhabited.insert(room.to_owned());
            }
            // The root and `sip` only name the rooms below them.
            None if module.is_empty() || module == ["sip"] => {}
            None if FOR_TESTS.contains(&module.join("::").as_str()) => {}
            None => {
                wrong.insert(format!("{} is in no room of ARCHITECTURE.md", shown(&file)));
            }
        }
    }
    let sip = std::fs::read_to_string(root().join("src/sip/mod.rs")).unwrap();
    for name in FOR_TESTS {
        let name = name.rsplit("::").next().unwrap();
        if ![format!("mod {name};"), format!("pub mod {name};"), format!("pub(crate) mod {name};")]
            .iter()
            .any(|line| sip.contains(&format!("#[cfg(test)]\n{line}")))
        {
            wrong.insert(format!("sip::{name} is not for tests only"));
        }
    }
    for room in house.rooms {
        if !inhabited.contains(&room) {
            wrong.insert(format!("ARCHITECTURE.md has a room `{room}` and src/ has not"));
        }
    }
    none(wrong);
}

#[test]
fn paths_go_down_the_house_only() {
    let house = House::read();
    let mut wrong = BTreeSet::new();
    for (file, _, names) in source() {
        for (from, to) in &names.local {
            if let (Some(from), Some(room)) = (house.room(from), house.room(to))
                && !house.allows(from, room)
            {
                wrong.insert(format!("{}: `{from}` must not know `{}`", shown(&file), to.join("::")));
            }
        }
    }
    none(wrong);
}

#[test]
fn crates_stay_in_their_rooms() {
    let house = House::read();
    let mut wrong = BTreeSet::new();
    for (file, module, names) in source() {
        for path in &names.other {
            let Some((krate, rooms)) = house.crates.iter().find(|(krate, _)| *krate == path[0]) else {
                continue;
            };
            let single = path.len() == 1;
            let room = house.room(&module).unwrap_or_default();
            if !single && !rooms.iter().any(|allowed| allowed == room) {
                wrong.insert(format!("{}: `{}` is not for `{room}`", shown(&file), path.join("::")));
            }
            // `default()` of rsip's headers draws random tags and Call-IDs where nobody sees it.
            if krate == "rsip" && path.last().is_some_and(|last| last == "default") {
                wrong.insert(format!("{}: `{}` draws random values", shown(&file), path.join("::")));
            }
        }
    }
    none(wrong);
}

#[test]
fn time_randomness_and_sockets_come_in_as_values() {
    let house = House::read();
    let mut wrong = BTreeSet::new();
    for (file, module, names) in source() {
        let room = house.room(&module).unwrap_or_default();
        for path in &names.other {
            for (words, rooms) in SYSTEM {
                let named = path.windows(words.len()).any(|part| part == words);
                if named && !rooms.contains(&room) {
                    wrong.insert(format!("{}: `{}` asks the system", shown(&file), path.join("::")));
                }
            }
        }
    }
    none(wrong);
}

#[test]
fn a_path_is_found_wherever_it_stands() {
    let text = r#"
        //! crate::comment
        use crate::{model::{self, User}, env::Time as T};
        use super::super::wire;
        macro_rules! m { () => { $crate::node::Node } }
        mod tests { use super::*; fn f() { assert!(super::super::sibling::f("crate::text"), rsip::Method::Ack); } }
    "#;
    let mut names = Names::default();
    let module = ["sip", "dialog", "agent"].map(str::to_owned);
    walk(text.parse().unwrap(), &module, &mut names);
    let found: Vec<String> = names.local.iter().map(|(_, to)| to.join("::")).collect();
    assert_eq!(
        found,
        [
            "model",
            "model::User",
            "env::Time",
            "sip::wire",
            "node::Node",
            "sip::dialog::agent",
            "sip::dialog::sibling::f"
        ]
    );
    assert!(names.other.contains(["rsip", "Method", "Ack"].map(str::to_owned).as_slice()));
}

#[test]
fn a_wall_is_a_wall() {
    let house = House::read();
    for (from, to) in [
        ("model", "service"),
        ("sip::wire", "sip::message"),
        ("gms", "mc"),
        ("mc", "gms"),
        ("mc", "sip::message"),
        ("gms", "sip::wire"),
        ("config", "model"),
        ("env", "config"),
    ] {
        assert_eq!(house.allows(from, to), (from, to) == ("config", "model"), "{from} to {to}");
    }
    assert!(
        house.allows("service", "mc") && house.allows("mc", "documents") && house.allows("runtime", "node")
    );
}
