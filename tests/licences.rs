//! Every crate that the build needs may be used under a licence that this project accepts. `deny.toml` says the same to
//! cargo-deny.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Licences that let a work under MIT or Apache-2.0 be built on them.
const ACCEPTED: [&str; 10] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Crates whose manifest names a file only, and what that file says.
const BY_FILE: [(&str, &str); 2] = [("rsip", "MIT"), ("rsip-derives", "MIT")];

/// Whether an SPDX expression can be met with accepted licences. `/` is an old way to write OR.
fn accepts(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = either(&words, &mut at);
    met && at == words.len()
}

fn either(words: &[&str], at: &mut usize) -> bool {
    let mut met = both(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= both(words, at);
    }
    met
}

fn both(words: &[&str], at: &mut usize) -> bool {
    let mut met = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at);
    }
    met
}

fn one(words: &[&str], at: &mut usize) -> bool {
    *at += 1;
    let Some(word) = words.get(*at - 1) else { return false };
    if *word == "(" {
        let met = either(words, at);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return met && closed;
    }
    match (words.get(*at), words.get(*at + 1)) {
        (Some(&"WITH"), Some(exception)) => {
            *at += 2;
            ACCEPTED.contains(&format!("{word} WITH {exception}").as_str())
        }
        _ => ACCEPTED.contains(word),
    }
}

/// What a package's licence file grants, if it is one of [`BY_FILE`] and still says so.
fn by_file(name: &str, package: &Value) -> bool {
    let Some((_, licence)) = BY_FILE.iter().find(|(known, _)| *known == name) else { return false };
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let Some(file) = package["license_file"].as_str() else { return false };
    let text = std::fs::read_to_string(manifest.with_file_name(file)).unwrap_or_default();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let grant = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and \
                 associated documentation files (the \"Software\"), to deal in the Software without restriction";
    *licence == "MIT" && text.contains(grant)
}

#[test]
fn every_dependency_has_an_accepted_licence() {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50);
    let mut refused = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str();
        if !licence.is_some_and(accepts) && !by_file(name, package) {
            refused.push(format!("{name} {}: {}", package["version"], licence.unwrap_or("no expression")));
        }
    }
    assert!(refused.is_empty(), "\n{}\n", refused.join("\n"));
}

#[test]
fn an_expression_is_met_by_accepted_licences() {
    for met in [
        "MIT",
        "MIT OR Apache-2.0",
        "MIT/Apache-2.0",
        "GPL-3.0-only OR MIT",
        "(MIT OR GPL-3.0-only) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
        "MIT AND (GPL-3.0-only OR ISC)",
    ] {
        assert!(accepts(met), "{met}");
    }
    for unmet in [
        "",
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "MIT WITH GPL-3.0-only",
        "(MIT",
        "MIT MIT",
        "MIT OR",
        "AND MIT",
    ] {
        assert!(!accepts(unmet), "{unmet}");
    }
}
