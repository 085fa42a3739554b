//! Compares the arrows of a state machine with its drawing under `docs/figures/`. With `REWRITE=1` the drawing is
//! written instead: read that diff like code.

use std::fmt::Debug;
use std::fmt::Write as _;

/// Walks every state and event through `next` and holds the arrows against `docs/figures/<name>.dot`.
#[track_caller]
pub(crate) fn check<S: Copy + Debug, E: Copy + Debug, A: Debug + 'static>(
    name: &str,
    states: &[S],
    events: &[E],
    next: impl Fn(S, E) -> Option<(S, &'static [A])>,
) {
    let mut drawn = format!("digraph \"{name}\" {{\n");
    for &state in states {
        for &event in events {
            if let Some((to, actions)) = next(state, event) {
                let actions: Vec<String> = actions.iter().map(|action| format!("{action:?}")).collect();
                let label =
                    if actions.is_empty() { String::new() } else { format!(": {}", actions.join(", ")) };
                let _ = writeln!(drawn, "    \"{state:?}\" -> \"{to:?}\" [label=\"{event:?}{label}\"];");
            }
        }
    }
    drawn.push_str("}\n");
    let path = format!("{}/docs/figures/{name}.dot", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(&path, &drawn).expect("the figure can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == drawn, "the arrows differ from {path}; REWRITE=1 writes them:\n{drawn}");
}
