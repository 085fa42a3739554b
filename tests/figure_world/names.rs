//! Short names of a figure: `fire-1` is sip:fire-1@one.example, a group of its first system; `fire-2@two` is one of the
//! system that the figure calls `two`.

/// Names and domains of the systems of a figure.
#[derive(Clone, Debug)]
pub struct Names(Vec<(String, String)>);

impl Names {
    pub fn new(systems: impl Iterator<Item = (String, String)>) -> Self {
        Self(systems.collect())
    }

    /// The identity that a short name stands for: `fire-1`, `fire-2@two`, `fire-9@elsewhere.example`.
    pub fn full(&self, name: &str) -> String {
        let (local, place) = name.split_once('@').unwrap_or((name, ""));
        match self.0.iter().position(|(system, _)| system == place) {
            Some(system) => format!("sip:{local}@{}", self.0[system].1),
            None if place.is_empty() => format!("sip:{local}@{}", self.0[0].1),
            None => format!("sip:{name}"),
        }
    }

    /// The short name of an identity.
    pub fn short(&self, identity: &str) -> String {
        let name = identity.trim_start_matches("sip:");
        let found = self.0.iter().enumerate().find_map(|(place, (system, domain))| {
            let local = name.strip_suffix(domain.as_str())?.strip_suffix('@')?;
            Some(if place == 0 { local.to_owned() } else { format!("{local}@{system}") })
        });
        found.unwrap_or_else(|| name.to_owned())
    }

    /// The system in whose domain a name is: its place.
    pub fn home(&self, name: &str) -> usize {
        let place = name.split_once('@').map(|(_, place)| place);
        self.0.iter().position(|(system, _)| Some(system.as_str()) == place).unwrap_or(0)
    }
}
