//! The configuration of a figure: `tests/figures/system.toml`, changed by the first lines of the figure.

/// The configuration that every figure starts from.
const SYSTEM: &str = include_str!("../figures/system.toml");

/// A configuration as text.
#[derive(Clone, Debug)]
pub struct System {
    text: String,
}

impl System {
    pub fn new() -> Self {
        Self { text: SYSTEM.to_owned() }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Changes the configuration if the line is about it: `policy regrouped_call=follow`, `server registrar=false`,
    /// `user bob answer_mode=automatic`, `group rescue-1 minimum_to_start=2`, `rules fire-1 join=nobody`.
    pub fn change(&mut self, words: &[&str]) -> bool {
        let (from, settings) = match words {
            [section @ ("policy" | "policy.resource_priority" | "server" | "session"), settings @ ..] => {
                (format!("[{section}]"), settings)
            }
            [table @ ("user" | "group"), id, settings @ ..] => {
                (format!("[[{table}]]\nid = \"sip:{id}@one.example\""), settings)
            }
            ["rules", id, settings @ ..] => (format!("[[group]]\nid = \"sip:{id}@one.example\""), settings),
            _ => return false,
        };
        let mut start = self.text.find(&from).unwrap_or_else(|| panic!("system.toml has no {from}"));
        start += from.len();
        if words[0] == "rules" {
            let rules = "[group.rules]";
            start += self.text[start..].find(rules).expect("the group has rules") + rules.len();
        }
        for setting in settings {
            let (key, value) = setting.split_once('=').unwrap_or_else(|| panic!("no setting: {setting}"));
            self.set(start, key, value);
        }
        true
    }

    /// Replaces a key of the table whose lines begin at `start`, or adds it.
    fn set(&mut self, start: usize, key: &str, value: &str) {
        let end = self.text[start..].find("\n[").map_or(self.text.len(), |end| start + end);
        let (before, table, after) = (&self.text[..start], &self.text[start..end], &self.text[end..]);
        let kept: String = table
            .lines()
            .filter(|line| line.split(" = ").next() != Some(key))
            .flat_map(|line| [line, "\n"])
            .collect();
        self.text = format!("{before}\n{key} = {}{kept}{after}", literal(value));
    }
}

/// A TOML value: numbers and truth values are bare, `a,b` is a list of users, anything else is a string.
fn literal(value: &str) -> String {
    if value.parse::<u32>().is_ok() || value == "true" || value == "false" {
        value.to_owned()
    } else if value.contains(',') {
        let users: Vec<String> = value
            .split(',')
            .filter(|user| !user.is_empty())
            .map(|user| format!("\"sip:{user}@one.example\""))
            .collect();
        format!("[{}]", users.join(", "))
    } else {
        format!("\"{value}\"")
    }
}
