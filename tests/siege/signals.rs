//! Signals and the command line.

use crate::host::{Phone, config};
use crate::process::{Folder, Process, free_port};
use crate::sip;

#[test]
fn sigterm_and_sigint_end_it_well_and_ready_was_said_before() {
    for signal in ["TERM", "INT"] {
        let (folder, address) = (Folder::new("signals-end"), free_port());
        let file = folder.config(&config(address, ""));
        let mut process = Process::spawn(&file);
        process.says(&format!("listening udp {address}"));
        process.says(&format!("listening tcp {address}"));
        process.says("ready");
        Phone::new(address).is_answered();
        process.signal(signal);
        assert_eq!(process.wait().code(), Some(0));
        // The address is free again.
        std::net::UdpSocket::bind(address).expect("bind");
    }
}

#[test]
fn after_sigterm_new_work_is_refused_and_what_is_open_is_finished() {
    let (folder, address) = (Folder::new("signals-work"), free_port());
    let group = |name: &str| {
        format!(
            "[[group]]\nid = \"sip:{name}@one.example\"\nprearranged = true\nmaximum_duration = \"1h\"\n\
             members = [\"sip:alice@one.example\"]\nprotect_media = false\nprotect_floor_control = false\n\
             rules = {{ regroup = \"members\" }}\n"
        )
    };
    // With slower timers, so that who does not answer is waited for.
    let text = config(address, &(group("x") + &group("y")));
    let file = folder.config(&text.replace("\"10ms\"", "\"1s\"").replace("\"20ms\"", "\"4s\""));
    let mut process = Process::start(&file);
    let mut phone = Phone::new(address);
    phone.register();
    let (x, y) = ("x".to_owned(), "y".to_owned());
    let publish = phone.write.publish("alice", [&x]);
    assert_eq!(sip::status(&phone.ask(&publish)), 200);
    let form = phone.write.form("alice", "temporary", &[x, y], "t1");
    assert_eq!(sip::status(&phone.ask(&form)), 200);
    // Alice is told of it twice, as a member and as the one who asked, and says nothing yet.
    process.signal("TERM");
    let publish = phone.write.publish("alice", []);
    let mut answer = phone.ask(&publish);
    while sip::status(&answer) == 200 {
        // The signal was not seen yet.
        let publish = phone.write.publish("alice", []);
        answer = phone.ask(&publish);
    }
    assert_eq!(sip::status(&answer), 503, "{answer}");
    phone.is_answered();
    for _ in 0..2 {
        let asked = phone.is_asked("MESSAGE");
        phone.send(phone.write.answer("alice", &asked, 200));
    }
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn sighup_reloads_what_can_be_and_says_what_cannot() {
    let (folder, address) = (Folder::new("signals-reload"), free_port());
    let file = folder.config(&config(address, ""));
    let process = Process::start(&file);
    process.signal("HUP");
    process.says("configuration reloaded: [functions], [policy], [[peer]]");
    // A user more, and another policy.
    folder.config(&config(address, "[[user]]\nid = \"sip:bob@one.example\"\n[policy]\nowed_for = \"5s\"\n"));
    process.signal("HUP");
    process.says("[[user]] and [[users]] changed: takes effect at the next start");
    process.says("configuration reloaded");
    // What cannot be read changes nothing.
    folder.config("[server]\nnonsense = true\n");
    process.signal("HUP");
    process.says("configuration not reloaded");
    let mut phone = Phone::new(address);
    phone.is_answered();
    phone.register();
}

#[test]
fn who_comes_too_late_is_told_why() {
    let (folder, address) = (Folder::new("signals-late"), free_port());
    let data = folder.path().join("data");
    let on_disk = |address| config(address, "").replace("memory = true", &format!("data = {data:?}"));
    let file = folder.config(&on_disk(address));
    let process = Process::start(&file);
    // The same address.
    let mut second = Process::spawn(&file);
    second.says(&format!("cannot listen on Udp {address}"));
    assert_eq!(second.wait().code(), Some(1));
    // Another address, but the same data.
    folder.config(&on_disk(free_port()));
    let mut third = Process::spawn(&file);
    third.says("is in use by process");
    assert_eq!(third.wait().code(), Some(1));
    Phone::new(address).is_answered();
    drop(process);
}
