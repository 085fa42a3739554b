//! A server that is killed while it commits: every batch that was acknowledged is there after the restart, whole, and
//! no batch is there in part. The victim is this test binary itself, started again with an environment variable.

use rollcall::env::Time;
use rollcall::model::{CallRef, Change, Fact, Leg, LegId, LegLink, LegOwner, Notice, Owed, OwedRef};
use rollcall::store::{DiskStore, Store, StoreError};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const DIRECTORY: &str = "ROLLCALL_TEST_STORE";

/// Records that every batch writes anew; a torn batch would leave them different.
const SLOTS: u64 = 6;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rollcall-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Batch `number`: one new record, one old one removed, and all slots changed, in sizes that vary.
fn batch(number: u64) -> Vec<Change> {
    let leg = |number| Leg {
        id: LegId(number),
        owner: LegOwner::Call(CallRef(number)),
        link: LegLink::Memory(LegId(0)),
        service: rollcall::model::Service::Mcptt,
        ending: false,
    };
    let slot = |slot| Owed {
        id: OwedRef(slot),
        to: "sip:alice@one.example".into(),
        clients: Vec::new(),
        service: rollcall::model::Service::Mcptt,
        notice: Notice::TornDown {
            temporary: "sip:temporary@one.example".into(),
            constituents: Vec::new(),
            transaction_id: "x".repeat(usize::try_from(number * 37 % 5_000).unwrap()),
            requestor: "sip:alice@one.example".into(),
        },
        until: Time::from_millis(number),
    };
    let mut changes = vec![Change::Put(Fact::Leg(leg(number)))];
    changes.extend((0..SLOTS).map(|number| Change::Put(Fact::Owed(slot(number)))));
    if number.is_multiple_of(3) {
        changes.push(Change::Remove(Fact::Leg(leg(number - 1)).key()));
    }
    changes
}

/// The number of the last batch that is there. Panics if any batch up to it is not there as a whole.
fn last_whole_batch(store: &mut dyn Store) -> u64 {
    let (mut legs, mut slots) = (Vec::new(), Vec::new());
    store
        .replay(&mut |fact| match fact {
            Fact::Leg(leg) => legs.push(leg.id.0),
            Fact::Owed(owed) => slots.push(owed.until.as_millis()),
            other => panic!("a stranger: {other:?}"),
        })
        .unwrap();
    let Some(last) = slots.first().copied() else {
        assert_eq!(legs, [0_u64; 0]);
        return 0;
    };
    assert_eq!(slots, vec![last; usize::try_from(SLOTS).unwrap()]);
    legs.sort_unstable();
    let expected: Vec<u64> = (1..=last).filter(|number| number % 3 != 2 || *number == last).collect();
    assert_eq!(legs, expected);
    last
}

/// Starts `role` of this binary on a directory.
fn start(role: &str, folder: &Path, shell: Option<&str>) -> Child {
    let binary = std::env::current_exe().unwrap();
    let mut command = match shell {
        None => Command::new(&binary),
        Some(before) => {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("{before}; exec \"$@\""), "sh"]).arg(&binary);
            command
        }
    };
    command
        .args([role, "--exact", "--nocapture", "--test-threads", "1"])
        .env(DIRECTORY, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The directory, in a process that plays a role.
fn directory() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY).map(PathBuf::from)
}

/// Numbers of the batches that the child acknowledges, until it ends.
fn acknowledged(child: &mut Child) -> impl Iterator<Item = u64> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("kept ")?.parse().ok())
}

fn say(number: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nkept {number}").and_then(|()| out.flush()).unwrap();
}

/// Role: commits until it is killed.
#[test]
fn role_commits_for_ever() {
    let Some(path) = directory() else { return };
    let mut store = DiskStore::open(&path).unwrap();
    let first = last_whole_batch(&mut store) + 1;
    for number in first.. {
        store.commit(&batch(number)).unwrap();
        say(number);
    }
}

#[test]
fn a_killed_store_has_every_acknowledged_batch_whole() {
    if directory().is_some() {
        return;
    }
    let folder = Folder::new("killed");
    let mut kept = 0;
    // Each round dies a different number of commits after its start, somewhere within a commit.
    for round in 0..12_u64 {
        let mut child = start("role_commits_for_ever", &folder.0, None);
        let mut numbers = acknowledged(&mut child);
        let deadline = kept + 1 + round * round;
        let mut told = numbers.by_ref().find(|number| *number >= deadline).expect("the child commits");
        child.kill().unwrap();
        told = numbers.last().unwrap_or(told);
        child.wait().unwrap();

        let mut store = DiskStore::open(&folder.0).unwrap();
        kept = last_whole_batch(&mut store);
        assert!(kept == told || kept == told + 1, "told {told}, kept {kept}");
    }
}

/// Role: commits until the disk refuses, then checks that the store refuses for good.
#[test]
fn role_commits_until_the_disk_refuses() {
    let Some(path) = directory() else { return };
    let mut store = DiskStore::open(&path).unwrap();
    let first = last_whole_batch(&mut store) + 1;
    for number in first..1_000_000 {
        match store.commit(&batch(number)) {
            Ok(()) => say(number),
            Err(error) => {
                assert!(matches!(error, StoreError::Engine(_)), "{error}");
                assert!(matches!(store.commit(&[]), Err(StoreError::Poisoned(_))));
                assert!(matches!(store.commit(&batch(number)), Err(StoreError::Poisoned(_))));
                assert!(matches!(store.replay(&mut |_| ()), Err(StoreError::Poisoned(_))));
                return;
            }
        }
    }
    panic!("the disk never refused");
}

#[test]
fn a_full_disk_fails_the_commit_and_the_store_and_keeps_what_was_acknowledged() {
    if directory().is_some() {
        return;
    }
    let folder = Folder::new("full");
    drop(DiskStore::open(&folder.0).unwrap());
    // No file may grow over a few hundred blocks; the signal that would come with it is ignored.
    let mut child =
        start("role_commits_until_the_disk_refuses", &folder.0, Some("ulimit -f 400; trap '' XFSZ"));
    let told = acknowledged(&mut child).last().expect("the first commits fit");
    assert!(child.wait().unwrap().success(), "the store refused nothing, or not for good");
    let mut store = DiskStore::open(&folder.0).unwrap();
    let kept = last_whole_batch(&mut store);
    assert!(kept == told || kept == told + 1, "told {told}, kept {kept}");
    store.commit(&batch(kept + 1)).unwrap();
    assert_eq!(last_whole_batch(&mut store), kept + 1);
}
