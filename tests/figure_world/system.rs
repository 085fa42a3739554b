//! The configuration of a system: a file in `tests/figures/`, changed by lines of the figure.

use std::path::Path;

/// A configuration as text.
#[derive(Clone, Debug)]
pub struct System {
    text: String,
}

impl System {
    /// Starts from `tests/figures/NAME.toml`.
    pub fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/figures");
        let path = folder.join(format!("{name}.toml"));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { text }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The domain that `[server]` names.
    pub fn domain(&self) -> &str {
        let domain = self.text.lines().find_map(|line| line.strip_prefix("domain = \""));
        domain.and_then(|rest| rest.strip_suffix('"')).expect("the configuration names a domain")
    }

    /// Changes the configuration if the line is about it: `policy regrouped_call=follow`, `server registrar=false`,
    /// `user bob answer_mode=automatic`, `group rescue-1 minimum_to_start=2`, `rules fire-1 join=nobody`,
    /// `partner two.example may=call,affiliate`, `without partner two.example`, `without group chat-1`.
    pub fn change(&mut self, words: &[&str]) -> bool {
        let domain = self.domain().to_owned();
        let (from, settings) = match words {
            [
                section @ ("policy" | "policy.resource_priority" | "server" | "session" | "sip" | "limits"),
                settings @ ..,
            ] => (format!("[{section}]"), settings),
            [table @ ("user" | "group"), id, settings @ ..] => {
                (format!("[[{table}]]\nid = \"sip:{id}@{domain}\""), settings)
            }
            ["rules", id, settings @ ..] => (format!("[[group]]\nid = \"sip:{id}@{domain}\""), settings),
            ["partner", partner, settings @ ..] => (format!("[[partner]]\ndomain = \"{partner}\""), settings),
            ["without", "partner", partner] => {
                self.remove(&format!("[[partner]]\ndomain = \"{partner}\""));
                return true;
            }
            ["without", "group", group] => {
                self.remove(&format!("[[group]]\nid = \"sip:{group}@{domain}\""));
                return true;
            }
            _ => return false,
        };
        let mut start = self.find(&from) + from.len();
        if words[0] == "rules" {
            let rules = "[group.rules]";
            start += self.text[start..].find(rules).expect("the group has rules") + rules.len();
        }
        for setting in settings {
            let (key, value) = setting.split_once('=').unwrap_or_else(|| panic!("no setting: {setting}"));
            self.set(start, key, &literal(key, value, &domain));
        }
        true
    }

    /// Puts the system behind a gateway server that hides it from each of these partners, and from which it is hidden alike.
    /// What the gateway shows is `gateway.DOMAIN`, and another address of the media function.
    pub fn hide(&mut self, partners: &[(String, Vec<String>)]) {
        let domain = self.domain().to_owned();
        let set = |system: &mut Self, table: &str, key: &str, value: &str| {
            let start = system.find(table) + table.len();
            system.set(start, key, value);
        };
        set(self, "[server]", "name", &format!("\"node-7.inside.{domain}\""));
        set(self, "[server]", "product", "\"rollcall/node-7\"");
        set(self, "[functions]", "gateway", &format!("\"sip:gateway@{domain}\""));
        for (partner, places) in partners {
            let table = format!("[[partner]]\ndomain = \"{partner}\"");
            if !self.text.contains(&table) {
                continue;
            }
            for key in ["participating", "controlling", "gms"] {
                set(self, &table, key, "[]");
            }
            set(self, &table, "gateway", "\"both\"");
            set(self, &table, "hide_topology", "true");
            set(self, &table, "advertise", &format!("\"gateway.{domain}:5060\""));
            set(self, &table, "media_address", "\"203.0.113.7\"");
            set(self, &table, "gateways", &format!("[\"sip:gateway@{partner}\"]"));
            let places: Vec<String> = places.iter().map(|place| format!("{place:?}")).collect();
            let route = format!("\n[[route]]\nhost = \"gateway.{partner}\"\nto = [{}]\n", places.join(", "));
            self.text.push_str(&route);
        }
    }

    /// Listeners, as a route names them.
    pub fn places(&self) -> Vec<String> {
        let list = self.text.lines().find_map(|line| line.strip_prefix("listen = ["));
        let list = list.and_then(|rest| rest.strip_suffix(']')).expect("the configuration has listeners");
        list.split(", ").map(|one| one.trim_matches('"').to_owned()).collect()
    }

    fn find(&self, table: &str) -> usize {
        self.text.find(table).unwrap_or_else(|| panic!("the configuration has no {table}"))
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
        self.text = format!("{before}\n{key} = {value}{kept}{after}");
    }

    /// Removes the table that begins so, with the tables inside.
    fn remove(&mut self, table: &str) {
        let start = self.find(table);
        let next =
            |start: usize| self.text[start..].find("\n[").map_or(self.text.len(), |end| start + end + 1);
        let mut end = next(start);
        while self.text[end..].starts_with("[group.") {
            end = next(end);
        }
        self.text.replace_range(start..end, "");
    }
}

/// A TOML value: numbers and truth values are bare, `a,b` is a list of users, anything else is a string. What a partner
/// may do is a list of words, which may be empty.
fn literal(key: &str, value: &str, domain: &str) -> String {
    let list = |word: &dyn Fn(&str) -> String| {
        let words: Vec<String> = value.split(',').filter(|one| !one.is_empty()).map(word).collect();
        format!("[{}]", words.join(", "))
    };
    if key == "may" || key == "we_may" {
        list(&|word| format!("\"{word}\""))
    } else if value.parse::<u32>().is_ok() || value == "true" || value == "false" {
        value.to_owned()
    } else if value.contains(',') {
        let whole = |user: &str| user.starts_with("sip:");
        list(&|user| if whole(user) { format!("\"{user}\"") } else { format!("\"sip:{user}@{domain}\"") })
    } else {
        format!("\"{value}\"")
    }
}
