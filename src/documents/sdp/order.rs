//! The order of lines in a session description (RFC 8866 5) and the shape of those this server relies on.

/// Where a line belongs in the order of RFC 8866 5, session level.
fn session_rank(kind: u8) -> Option<u8> {
    let rank = match kind {
        b'v' => 0,
        b'o' => 1,
        b's' => 2,
        b'i' => 3,
        b'u' => 4,
        // RFC 4566 had both, in this order; RFC 2327 senders mix them.
        b'e' | b'p' => 5,
        b'c' => 6,
        b'b' => 7,
        b't' | b'r' | b'z' => 8,
        b'k' => 9,
        b'a' => 10,
        _ => return None,
    };
    Some(rank)
}

/// Checks lines as they come.
#[derive(Default)]
pub(super) struct Order {
    /// Rank of the last session line, plus one.
    rank: u8,
    times: bool,
    media: bool,
    session_address: bool,
    /// The media description at hand has what it needs: an address, or port 0.
    complete: bool,
}

impl Order {
    /// Takes the next line, without its line end.
    pub(super) fn take(&mut self, line: &str) -> Result<(), &'static str> {
        let (kind, value) = match line.as_bytes() {
            [kind, b'=', ..] => (*kind, line.get(2..).unwrap_or_default()),
            _ => return Err("not a line of the form x=value"),
        };
        if value.bytes().any(|b| b == 0 || b == b'\r') {
            return Err("NUL or lone CR");
        }
        if kind == b'm' {
            return self.medium(value);
        }
        if self.media {
            return match kind {
                b'c' => {
                    self.complete = true;
                    check_address(value)
                }
                b'i' | b'b' | b'k' | b'a' => Ok(()),
                _ => Err("line that does not belong into a media description"),
            };
        }
        let rank = session_rank(kind).ok_or("unknown kind of line")?;
        let single = !matches!(kind, b'e' | b'p' | b'b' | b't' | b'r' | b'z' | b'a');
        if rank + 1 < self.rank || (single && rank + 1 == self.rank) {
            return Err("line out of order");
        }
        // v=, o= and s= are mandatory and come first, then t=.
        if rank > self.rank && self.rank < 3 || rank > 8 && !self.times {
            return Err("mandatory line missing before this one");
        }
        self.rank = rank + 1;
        match kind {
            b'v' if value != "0" => Err("version other than 0"),
            b'o' => check_origin(value),
            b'c' => {
                self.session_address = true;
                check_address(value)
            }
            b't' => {
                self.times = true;
                match fields::<2>(value) {
                    Some(times) if times.iter().all(|time| is_number(time)) => Ok(()),
                    _ => Err("not a time"),
                }
            }
            b'r' | b'z' if !self.times => Err("line out of order"),
            _ => Ok(()),
        }
    }

    fn medium(&mut self, value: &str) -> Result<(), &'static str> {
        if !self.times {
            return Err("mandatory line missing before this one");
        }
        self.medium_ends()?;
        self.media = true;
        let mut fields = value.split(' ');
        let kind = fields.next().unwrap_or_default();
        let port = fields.next().unwrap_or_default();
        let protocol = fields.next().unwrap_or_default();
        let (port, count) = port.split_once('/').unwrap_or((port, "1"));
        let formats = fields.by_ref().take_while(|format| !format.is_empty()).count();
        let broken = kind.is_empty() || protocol.is_empty() || formats == 0 || fields.next().is_some();
        match port.parse::<u16>() {
            Ok(port) if is_number(count) && !broken => {
                self.complete = self.session_address || port == 0;
                Ok(())
            }
            _ => Err("not a media description"),
        }
    }

    fn medium_ends(&self) -> Result<(), &'static str> {
        if self.media && !self.complete { Err("no connection address for a medium") } else { Ok(()) }
    }

    /// Ends the description.
    pub(super) fn finish(&self) -> Result<(), &'static str> {
        if !self.times {
            return Err("mandatory line missing");
        }
        self.medium_ends()
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Exactly `N` fields, parted by one space each.
fn fields<const N: usize>(text: &str) -> Option<[&str; N]> {
    let mut all = [""; N];
    let mut given = text.split(' ');
    for field in &mut all {
        *field = given.next().filter(|field| !field.is_empty())?;
    }
    given.next().is_none().then_some(all)
}

fn check_origin(value: &str) -> Result<(), &'static str> {
    match fields::<6>(value) {
        Some([_, session, version, ..]) if is_number(session) && is_number(version) => Ok(()),
        _ => Err("not an origin"),
    }
}

fn check_address(value: &str) -> Result<(), &'static str> {
    fields::<3>(value).map(|_| ()).ok_or("not a connection address")
}
