//! `rollcall check`, and the files that come with rollcall.

use rollcall::config::{self, Config};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn check(file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rollcall")).args(["check", "--config"]).arg(file).output().unwrap()
}

/// A file of its own for each test.
fn written(name: &str, text: &[u8]) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, text).unwrap();
    file
}

/// What has no mistake; tests add to it and change it.
const GOOD: &str = r#"[server]
domain = "one.example"
memory = true
listen = "udp:127.0.0.1:5060"
registrar = true
[functions]
participating = "sip:participating@one.example"
controlling = "sip:controlling@one.example"
gms = "sip:gms@one.example"
[media]
address = "127.0.0.1"
[[user]]
id = "sip:alice@one.example"
[[users]]
id = "sip:user{n}@one.example"
to = 9
[[group]]
id = "sip:fire@one.example"
members = "sip:alice@one.example"
"#;

fn read(text: &str) -> Result<Config, Vec<String>> {
    let mistakes = |mistakes: config::Mistakes| mistakes.to_string().lines().map(str::to_owned).collect();
    Config::read(Path::new("f"), text.as_bytes()).map_err(mistakes)
}

/// [`GOOD`] with `from` replaced by `to` has exactly these mistakes.
#[track_caller]
fn mistaken(from: &str, to: &str, mistakes: &[&str]) {
    assert!(from.is_empty() || GOOD.contains(from), "{from}");
    let text = if from.is_empty() { format!("{GOOD}{to}") } else { GOOD.replacen(from, to, 1) };
    match read(&text) {
        Ok(_) => panic!("no mistake in:\n{text}"),
        Err(found) => assert_eq!(found, mistakes, "{text}"),
    }
}

/// [`GOOD`] with `from` replaced by `to` has no mistake.
#[track_caller]
fn right(from: &str, to: &str) -> Config {
    let text = if from.is_empty() { format!("{GOOD}{to}") } else { GOOD.replacen(from, to, 1) };
    match read(&text) {
        Ok(config) => config,
        Err(mistakes) => panic!("{mistakes:#?}\n{text}"),
    }
}

#[test]
fn a_good_file_is_counted() {
    let file = written("good.toml", GOOD.as_bytes());
    let output = check(&file);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("{}: ok, 11 users, 1 groups\n", file.display())
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn every_mistake_is_printed_with_file_line_and_key() {
    let text = GOOD.replace("true", "7").replace("address = ", "adress = ").replace("to = 9", "to = -1");
    let file = written("mistakes.toml", text.as_bytes());
    let output = check(&file);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let file = file.display();
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        format!(
            "{file}:3: server.memory: expected `true` or `false`, found 7\n\
             {file}:5: server.registrar: expected `true` or `false`, found 7\n\
             {file}:10: media.address: missing; expected: IP address\n\
             {file}:11: media.adress: unknown key; did you mean `address`?\n\
             {file}:16: users.to: expected an integer from 0 to 99999999, found -1\n"
        )
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake() {
    let output = check(Path::new("no/such/file.toml"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.starts_with("no/such/file.toml:1: cannot be read: "), "{stderr}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn text_that_is_not_toml_is_named_by_line_and_the_rest_is_still_checked() {
    let text = GOOD.replace("memory = true", "memory == true").replace("udp:127", "dup:127");
    let mistakes = read(&text).unwrap_err();
    assert!(mistakes.iter().any(|mistake| mistake.starts_with("f:3: ")), "{mistakes:?}");
    assert!(mistakes.iter().any(|mistake| mistake.starts_with("f:4: server.listen: ")), "{mistakes:?}");
    let octets = [GOOD.as_bytes(), b"# \xff\n"].concat();
    let mistakes = Config::read(Path::new("f"), &octets).unwrap_err();
    assert_eq!(mistakes.to_string(), "f:20: expected UTF-8 text");
}

#[test]
fn a_key_that_is_given_twice_is_a_mistake() {
    let mistakes = read(&GOOD.replace("memory = true", "memory = true\nmemory = true")).unwrap_err();
    assert_eq!(mistakes, ["f:4: duplicate key"]);
}

#[test]
fn what_the_server_needs_must_be_there() {
    let mistakes = read("").unwrap_err();
    assert_eq!(
        mistakes,
        [
            "f:1: functions.controlling: missing; expected: URI",
            "f:1: functions.gms: missing; expected: URI, or a `[[peer]]` with the role \"gms\" and its PSI",
            "f:1: functions.participating: missing; expected: URI",
            "f:1: media.address: missing; expected: IP address",
            "f:1: server.core: missing; expected the SIP URI of the core, or `registrar = true`",
            "f:1: server.data: missing; expected a path, or `memory = true`",
            "f:1: server.domain: missing; expected: host name",
            "f:1: server.listen: missing; expected: transport, address and port such as `\"udp:127.0.0.1:5060\"`, or a table",
        ]
    );
}

#[test]
fn a_password_is_never_shown() {
    let wrong = "[[user]]\nid = \"sip:bob@one.example\"\npassword = 4711\n";
    mistaken("", wrong, &["f:22: user.password: expected a string: string, found something else"]);
}

#[test]
fn facts_are_kept_in_one_place() {
    mistaken(
        "memory = true",
        "memory = true\ndata = \"x\"",
        &["f:4: server.data: expected either `data` or `memory = true`, found both"],
    );
}

#[test]
fn listeners_are_unique_and_can_be_reached() {
    mistaken(
        "\"udp:127.0.0.1:5060\"",
        "[\n\"udp:127.0.0.1:5060\",\n\"udp:127.0.0.1:5060\",\n\"tcp:0.0.0.0:5060\"]",
        &[
            "f:6: server.listen: expected each listener once, found 127.0.0.1:5060 again",
            "f:7: server.listen: expected a table with `at` and `advertise`, since peers cannot reach this address, found \
             \"tcp:0.0.0.0:5060\"",
        ],
    );
    mistaken(
        "\"udp:127.0.0.1:5060\"",
        "[]",
        &[
            "f:4: server.listen: expected at least one: transport, address and port such as `\"udp:127.0.0.1:5060\"`, or a table, found an empty list",
        ],
    );
    let config = right(
        "\"udp:127.0.0.1:5060\"",
        "[\"tcp:[::1]:5060\", { at = \"udp:0.0.0.0:5060\", advertise = \"MC.one.example:5060\" }]",
    );
    let advertised: Vec<_> = config.server.listeners.iter().map(|one| one.advertised.as_str()).collect();
    assert_eq!(advertised, ["[::1]:5060", "mc.one.example:5060"]);
}

#[test]
fn media_ports_are_apart_from_listeners() {
    mistaken(
        "address = \"127.0.0.1\"",
        "address = \"127.0.0.1\"\nports = \"5000-5100\"",
        &["f:12: media.ports: expected a range without the port of the listener udp:127.0.0.1:5060"],
    );
    right("address = \"127.0.0.1\"", "address = \"127.0.0.2\"\nports = \"5000-5100\"");
}

#[test]
fn a_psi_names_one_function() {
    mistaken(
        "sip:gms@",
        "sip:controlling@",
        &["f:9: functions.gms: expected a PSI of its own, found sip:controlling@one.example of line 8 again"],
    );
}

#[test]
fn users_groups_and_psis_have_names_of_their_own() {
    let again = |what: &str, name: &str, line: u32| {
        format!("expected {what} of its own, found sip:{name}@one.example of line {line} again")
    };
    mistaken(
        "",
        "[[user]]\nid = \"sip:alice@one.example\"\n",
        &[
            &format!("f:21: user.id: {}", again("an identity", "alice", 13)),
            &format!("f:21: user.public_ids: {}", again("a public identity", "alice", 13)),
        ],
    );
    mistaken(
        "",
        "[[group]]\nid = \"sip:user7@one.example\"\n",
        &[&format!("f:21: group.id: {}", again("an identity", "user7", 15))],
    );
    mistaken(
        "",
        "[[group]]\nid = \"sip:gms@one.example\"\n",
        &[&format!("f:21: group.id: {}", again("an identity", "gms", 9))],
    );
    mistaken(
        "",
        "[[user]]\nid = \"sip:bob@one.example\"\npublic_ids = [\"tel:+1555\", \"sip:user3@one.example\"]\n\
         [[user]]\nid = \"sip:carol@one.example\"\npublic_ids = \"tel:+1-555\"\n",
        &[
            "f:25: user.public_ids: expected a public identity of its own, found tel:+1555 of line 22 again",
            "f:15: users.public_ids: expected public identities of their own, found sip:user3@one.example of line 22 again",
        ]
        .into_iter()
        .rev()
        .collect::<Vec<_>>(),
    );
    mistaken(
        "",
        "[[users]]\nid = \"sip:user{n:2}@one.example\"\nfrom = 5\nto = 10\npublic_ids = \"tel:+1{n:4}\"\n\
         [[users]]\nid = \"sip:user1{n}@one.example\"\nto = 0\n",
        &["f:26: users.id: expected identities of their own, found sip:user10@one.example of line 21 again"],
    );
}

#[test]
fn users_and_groups_are_in_our_domain() {
    mistaken(
        "alice@one.example\"\n[[users]]",
        "alice@two.example\"\n[[users]]",
        &[
            "f:13: user.id: expected a URI in our domain, one.example, found \"sip:alice@two.example\"",
            "f:19: group.members: expected a user of this system, or of another domain, found \"sip:alice@one.example\"",
        ],
    );
    mistaken(
        "sip:fire@one",
        "sip:fire@two",
        &["f:18: group.id: expected a URI in our domain, one.example, found \"sip:fire@two.example\""],
    );
    let config = right("members = \"sip:alice@one.example\"", "members = \"sip:zoe@two.example\"");
    assert!(config.groups[0].document.members.contains_key("sip:zoe@two.example"));
}

#[test]
fn members_are_known_and_listed_once() {
    mistaken(
        "members = \"sip:alice@one.example\"",
        "members = [\n\"sip:bob@one.example\",\n{ user = \"sip:alice@one.example\", priority = 256 },\n\
         \"sip:alice@one.example\" ]\nmember_range = { id = \"sip:user{n}@one.example\", from = 8, to = 10 }\n",
        &[
            "f:20: group.members: expected a user of this system, or of another domain, found \"sip:bob@one.example\"",
            "f:21: group.members.priority: expected an integer from 0 to 255, found 256",
            "f:22: group.members: expected each member once, found sip:alice@one.example again",
            "f:23: group.member_range: expected a user of this system, or of another domain, found \
             \"sip:user10@one.example\"",
        ],
    );
}

#[test]
fn a_prearranged_group_has_a_longest_call() {
    mistaken(
        "",
        "prearranged = true\n",
        &[
            "f:17: group.maximum_duration: missing; expected a duration, since the group is prearranged (TS 24.481 7.2.7)",
        ],
    );
    right("", "prearranged = true\nmaximum_duration = \"1h\"\n");
}

#[test]
fn required_members_fit_into_a_call() {
    let required = "members = [\"sip:alice@one.example\"]\nmax_participants = 1\n\
                    member_range = [{ id = \"sip:user{n}@one.example\", from = 1, to = 2, required = true }]";
    mistaken(
        "members = \"sip:alice@one.example\"",
        required,
        &["f:20: group.max_participants: expected at least the number of required members, 2, found 1"],
    );
    right(
        "members = \"sip:alice@one.example\"",
        &required.replace("max_participants = 1", "max_participants = 2"),
    );
}

#[test]
fn implicit_affiliations_name_groups_of_the_user() {
    let affiliated =
        |id: &str| format!("[[user]]\nid = \"sip:bob@one.example\"\nimplicit_affiliations = \"{id}\"\n");
    mistaken(
        "",
        &affiliated("sip:police@one.example"),
        &["f:22: user.implicit_affiliations: expected a group of this system, found sip:police@one.example"],
    );
    mistaken(
        "",
        &affiliated("sip:fire@one.example"),
        &[
            "f:22: user.implicit_affiliations: expected groups with this user as a member, found sip:fire@one.example \
           without sip:bob@one.example",
        ],
    );
    right(
        "id = \"sip:alice@one.example\"",
        "id = \"sip:alice@one.example\"\nimplicit_affiliations = \"sip:fire@one.example\"",
    );
}

#[test]
fn rules_are_a_word_or_users() {
    mistaken(
        "",
        "[group.rules]\ninitiate = [\"members\", \"sip:alice@one.example\"]\njoin = \"everybody\"\nregoup = \"members\"\n",
        &[
            "f:21: group.rules.initiate: expected one word or a list of users, found both",
            "f:22: group.rules.join: expected \"members\", \"anyone\", \"nobody\" or a list of users, found \"everybody\"",
            "f:23: group.rules.regoup: unknown key; did you mean `regroup`?",
        ],
    );
}

#[test]
fn peers_partners_and_routes_are_unique() {
    let twice = "[[peer]]\nname = \"core\"\naddresses = \"192.0.2.1\"\nroles = \"s-cscf\"\n\
                 [[peer]]\nname = \"core\"\naddresses = [\"192.0.2.300\"]\nroles = \"x-cscf\"\n\
                 [[partner]]\ndomain = \"one.example\"\naddresses = \"192.0.2.2\"\nmay = \"everything\"\n\
                 [[route]]\nhost = \"two.example\"\nto = \"udp:192.0.2.2:5060\"\n\
                 [[route]]\nhost = \"TWO.example\"\nto = []\n";
    mistaken(
        "",
        twice,
        &[
            "f:25: peer.name: expected a name of its own, found \"core\" again",
            "f:26: peer.addresses: expected an address, an address with port or a network such as \"192.0.2.7\", \
             \"192.0.2.7:5060\", \"[2001:db8::1]:5060\" or \"192.0.2.0/24\", found \"192.0.2.300\"",
            "f:27: peer.roles: expected \"s-cscf\", \"i-cscf\", \"participating\", \"controlling\" or \"gms\", found \
             \"x-cscf\"",
            "f:29: partner.domain: expected another domain than our own, one.example",
            "f:31: partner.may: expected \"regroup\", \"call\", \"affiliate\" or \"group-configuration\", found \
             \"everything\"",
            "f:36: route.host: expected each host once, found two.example again",
            "f:37: route.to: expected at least one: transport, address and port such as `\"udp:192.0.2.7:5060\"`, found an empty list",
        ],
    );
}

#[test]
fn a_gateway_that_hides_the_topology_is_whole() {
    let with = |keys: &str| {
        format!(
            "[[peer]]\nname = \"core\"\naddresses = \"192.0.2.7\"\nroles = \"s-cscf\"\n\
             [[partner]]\ndomain = \"two.example\"\naddresses = \"192.0.2.0/29\"\n{keys}"
        )
    };
    let gateway = "gms = \"sip:gms@one.example\"\n";
    let own = format!("{gateway}gateway = \"sip:gateway@one.example\"\n");
    mistaken(
        "",
        &with("gateway = \"both\"\nhide_topology = true\n"),
        &[
            "f:27: partner.gateway: expected `functions.gateway` as well, the PSI of our gateway server",
            "f:28: partner.hide_topology: expected `advertise` with it: host and port such as \"mc.one.example:5060\" or \
             \"[2001:db8::1]:5060\"",
            "f:28: partner.hide_topology: expected addresses that no `[[peer]]` has, found 192.0.2.0/29",
        ],
    );
    mistaken(
        "",
        &with("gateway = \"out\"\nhide_topology = false\nmedia_address = \"here\"\nwe_may = \"speak\"\n"),
        &[
            "f:27: partner.gateway: expected one of \"none\", \"exit\", \"entry\" or \"both\", found \"out\"",
            "f:29: partner.media_address: expected `hide_topology = true` with it",
            "f:29: partner.media_address: expected an IP address, found \"here\"",
            "f:30: partner.we_may: expected \"regroup\", \"call\", \"affiliate\" or \"group-configuration\", found \"speak\"",
        ],
    );
    let entry = with("gateway = \"entry\"\nhide_topology = true\nadvertise = \"gateway.one.example:5060\"\n");
    let text = GOOD.replacen(gateway, &own, 1) + &entry.replace("192.0.2.0/29", "192.0.2.8/29");
    let expected = "f:29: partner.hide_topology: expected `gateway = \"exit\"` or `\"both\"` with it";
    assert_eq!(read(&text).err(), Some(vec![expected.to_owned()]));
    let good = text.replace("\"entry\"", "\"both\"") + "gateways = \"sip:gateway@two.example\"\n";
    let config = read(&good).unwrap();
    let partner = &config.partners[0].gateway;
    assert!(partner.exit && partner.entry && partner.hidden.is_some());
    assert_eq!(config.partners[0].we_may.len(), 4, "everything, if nothing is said");
}

#[test]
fn timers_and_intervals_fit_each_other() {
    mistaken(
        "",
        "[timers]\nt1 = \"5s\"\n[session]\ninterval = 100\nminimum = 200\n[policy]\nregistration_minimum = 7200\n\
         owed_for = \"5\"\nregrouped_call = \"rejct\"\n",
        &[
            "f:20: timers.t2: expected at least `t1`, 5s, found 4s",
            "f:24: session.minimum: expected at most `interval`, 100, found 200",
            "f:25: policy.registration_maximum: expected at least `registration_minimum`, 7200, found 3600",
            "f:27: policy.owed_for: expected a duration such as \"500ms\", \"5s\", \"2m\", \"1h\" or \"7d\", from \"1s\" to \
             \"1d\", found \"5\"",
            "f:28: policy.regrouped_call: expected one of \"redirect\", \"follow\" or \"reject\", found \"rejct\"",
        ],
    );
}

#[test]
fn a_range_has_an_end_after_its_beginning_and_is_not_endless() {
    mistaken("to = 9", "from = 9\nto = 8", &["f:17: users.to: expected at least `from`, 9, found 8"]);
    mistaken(
        "to = 9",
        "to = 10_000_000",
        &["f:16: users.to: expected at most 10000000 numbers, found 10000001"],
    );
}

#[test]
fn a_range_makes_users_that_share_what_is_alike() {
    let config = right(
        "to = 9",
        "from = 8\nto = 9\npublic_ids = [\"tel:+1{n:3}\"]\npassword = \"pw{n}\"\nclient = \"urn:x:{n:2}\"\nallow_regroup = true",
    );
    let users: Vec<_> = config.users.iter().skip(1).collect();
    assert_eq!(config.users.len(), 3);
    assert_eq!(users[0].id.as_str(), "sip:user8@one.example");
    assert_eq!(users[1].public_ids[0].as_str(), "tel:+1009");
    assert_eq!(users[1].password.as_deref(), Some("pw9"));
    assert_eq!(users[1].default_client.as_ref().map(|client| client.as_str()), Some("urn:x:09"));
    assert!(std::sync::Arc::ptr_eq(&users[0].profile, &users[1].profile));
    assert!(users[0].profile.allow_regroup && !users[0].profile.allow_prearranged_call);
}

#[test]
fn a_million_users_are_checked() {
    let text = GOOD.replace("to = 9", "to = 999_999")
        + "member_range = { id = \"sip:user{n}@one.example\", to = 999_999 }\n\
           [[users]]\nid = \"sip:user{n:9}@one.example\"\nto = 999_999\n";
    let config = read(&text).unwrap();
    assert_eq!(config.users.len(), 2_000_001);
    assert_eq!(config.groups[0].document.members.len(), 1_000_001);
}

#[test]
fn identities_are_written_as_messages_are_read() {
    for uri in [
        "sip:Alice@One.Example",
        "SIP:alice@one.example:5060",
        "sip:alice@one.example:5070",
        "sips:alice@one.example:5061",
        "sip:%61li%63e%20%c3%bc@one.example",
        "sip:a%2fb%3bc%40d@one.example",
        "sip:a+b&c=d$e,f;g?h/i@one.example",
        "sip:one.example",
        "sip:a@[2001:DB8:0:0::1]:5060",
        "tel:+1-555.00(01)",
    ] {
        let text = GOOD.replace(
            "\"sip:alice@one.example\"\n[[users]]",
            &format!("\"sip:alice@one.example\"\npublic_ids = \"{uri}\"\n[[users]]"),
        );
        let config = read(&text).unwrap();
        let public = config.users.iter().next().unwrap().public_ids[0].clone();
        let read = rollcall::sip::message::Uri::parse(uri.as_bytes()).unwrap().identity();
        assert_eq!(public.as_str(), read, "{uri}");
    }
}

#[test]
fn the_files_that_come_with_rollcall_are_right() {
    let mut checked = 0;
    for entry in std::fs::read_dir(root().join("config")).unwrap() {
        Config::load(&entry.unwrap().path()).unwrap();
        checked += 1;
    }
    assert!(checked >= 2);
}

#[test]
fn no_text_breaks_the_reader() {
    let lab = std::fs::read_to_string(root().join("config/lab.toml")).unwrap();
    let pieces = [
        "[[",
        "]]",
        "=",
        "\"",
        "{n}",
        "{n:",
        "999999999999999999999",
        "-1",
        "\n",
        "'''",
        "é",
        "{",
        "[limits]\n",
    ];
    // A small generator of its own (xorshift64): the same texts in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let mut read_well = 0;
    for _ in 0..3_000 {
        let mut octets = lab.clone().into_bytes();
        for _ in 0..=next(4) {
            let at = next(octets.len());
            match next(3) {
                0 => drop(octets.splice(at..at, pieces[next(pieces.len())].bytes())),
                1 => drop(octets.drain(at..(at + next(40)).min(octets.len()))),
                _ => octets[at] = u8::try_from(next(256)).unwrap(),
            }
        }
        match Config::read(Path::new("f"), &octets) {
            Ok(_) => read_well += 1,
            Err(mistakes) => {
                let lines = octets.split(|octet| *octet == b'\n').count();
                assert!(!mistakes.list.is_empty());
                assert!(
                    mistakes.list.iter().all(|mistake| (1..=lines).contains(&mistake.line)),
                    "{mistakes}"
                );
            }
        }
    }
    assert!((1..3_000).contains(&read_well), "{read_well}");
}

#[test]
fn the_reference_says_what_the_code_reads() {
    let file = root().join("docs/configuration.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let marker = "<!-- From here on the text is made by `REWRITE=1 cargo test --test check`. -->\n";
    let (preface, found) = text.split_once(marker).unwrap();
    let reference = config::reference();
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(&file, format!("{preface}{marker}{reference}")).unwrap();
    } else {
        assert!(
            found == reference,
            "docs/configuration.md is not what the code reads: run this test with REWRITE=1"
        );
    }
}
