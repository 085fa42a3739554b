//! What it costs to read a message and to answer it: allocations in every run, time when asked
//! (`cargo test --release --test message_cost -- --ignored --nocapture`).

use bytes::Bytes;
use rollcall::config::Limits;
use rollcall::sip::message::{Reply, Request};
use rollcall::sip::wire;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;

/// Counts what the running thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands every call on to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATIONS.with(Cell::get);
    let result = work();
    (ALLOCATIONS.with(Cell::get) - before, result)
}

/// An INVITE of a participating function to a controlling function, as an IMS core hands it over.
fn invite() -> Bytes {
    let body = "--mcbound\nContent-Type: application/sdp\n\nv=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\n\
                c=IN IP4 192.0.2.1\nt=0 0\nm=audio 40000 RTP/AVP 99\na=rtpmap:99 AMR-WB/16000\n\
                m=application 40002 udp MCPTT\na=fmtp:MCPTT mc_queueing;mc_priority=5;mc_granted\n\n\
                --mcbound\nContent-Type: application/vnd.3gpp.mcptt-info+xml\n\n\
                <?xml version=\"1.0\"?><mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params>\
                <session-type>prearranged</session-type></mcptt-Params></mcpttinfo>\n--mcbound--\n"
        .replace('\n', "\r\n");
    let head = "INVITE sip:mcptt-controlling@one.example SIP/2.0\n\
                Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK-524287-1-0\n\
                Max-Forwards: 70\n\
                Route: <sip:192.0.2.2:5060;lr>\n\
                From: <sip:mcptt-participating@one.example>;tag=1-524287\n\
                To: <sip:mcptt-controlling@one.example>\n\
                Call-ID: 1-524287@192.0.2.1\n\
                CSeq: 1 INVITE\n\
                Contact: <sip:mcptt-participating@192.0.2.1:5070>;+g.3gpp.mcptt;\
                +g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt\"\n\
                Accept-Contact: *;+g.3gpp.mcptt;require;explicit\n\
                Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt\";require;explicit\n\
                P-Asserted-Identity: <sip:mcptt-participating@one.example>\n\
                P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mcptt\n\
                Allow: INVITE, ACK, CANCEL, BYE, MESSAGE, SUBSCRIBE, NOTIFY, PUBLISH, UPDATE, PRACK, OPTIONS\n\
                Supported: timer, norefersub\n\
                Session-Expires: 1800;refresher=uac\n\
                Content-Type: multipart/mixed;boundary=mcbound\n"
        .replace('\n', "\r\n");
    Bytes::from(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
}

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5070))
}

#[test]
fn scanning_an_invite_allocates_nothing() {
    let (octets, limits) = (invite(), Limits::default());
    // The first clone of the octets makes their shared counter.
    let copy = octets.clone();
    let (count, message) = allocations(|| wire::datagram(copy, &limits));
    assert!(message.is_ok_and(|message| message.is_some()));
    assert_eq!(count, 0);
}

#[test]
fn reading_and_answering_an_invite_allocates_a_handful_of_times() {
    let limits = Limits::default();
    let message = wire::datagram(invite().clone(), &limits).expect("read").expect("a message");
    // Request-URI, Via host, Via branch, and the one place that everybody who holds the request shares.
    let (count, request) = allocations(|| Request::read(message));
    let request = request.expect("a request");
    assert_eq!(count, 4);
    assert_eq!(allocations(|| request.clone()).0, 0);
    // The octets of the answer and their shared counter.
    let reply = Reply::new(302);
    let (count, _) = allocations(|| reply.to_wire(&request, Some("tag"), peer()));
    assert!(count <= 2, "{count}");
}

#[test]
#[ignore = "measures; says nothing in a debug build"]
#[allow(clippy::disallowed_methods, reason = "this is the clock of a measurement")]
fn time_per_message() {
    const ROUNDS: u32 = 1_000_000;
    let measure = |what: &str, work: &mut dyn FnMut()| {
        (0..ROUNDS / 10).for_each(|_| work());
        let start = std::time::Instant::now();
        (0..ROUNDS).for_each(|_| work());
        println!("{what}: {} ns", start.elapsed().as_nanos() / u128::from(ROUNDS));
    };
    let (octets, limits) = (invite(), Limits::default());
    let scan = || wire::datagram(octets.clone(), &limits).expect("read").expect("a message");
    let request = Request::read(scan()).expect("a request");
    let reply = Reply::new(302).header(wire::Name::Contact, "<sip:temporary@one.example>");
    println!("{} octets", octets.len());
    measure("scan", &mut || drop(std::hint::black_box(scan())));
    measure("scan and read", &mut || drop(std::hint::black_box(Request::read(scan()))));
    measure("answer", &mut || drop(std::hint::black_box(reply.to_wire(&request, Some("tag"), peer()))));
}

/// Datagrams of the largest size, made to cost as much as they can.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    const SIZE: usize = 60_000;
    let head = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=f\r\n\
                To: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE";
    let with = |line: &dyn Fn(usize) -> String| {
        let mut text = head.to_owned();
        let mut at = 0;
        while text.len() < SIZE {
            text.push_str(&line(at));
            at += 1;
        }
        text.push_str("\r\n\r\n");
        text.into_bytes()
    };
    vec![
        ("short headers", with(&|_| "\r\na:b".to_owned())),
        ("known headers", with(&|_| "\r\nv:x".to_owned())),
        (
            "many lines just below the limit",
            with(&|at| if at < 240 { "\r\nX-Header: y".into() } else { "z".into() }),
        ),
        ("folds", with(&|_| "\r\n ".to_owned())),
        (
            "folds of few octets",
            with(&|at| if at % 2000 == 0 { "\r\nSubject: x".into() } else { "\r\n ".into() }),
        ),
        ("no line end", with(&|_| "x".to_owned())),
        ("bare CR", with(&|_| "\r".to_owned())),
        ("bare LF", with(&|_| "\n".to_owned())),
        ("blank lines first", [&b"\r\n"[..].repeat(SIZE / 2), head.as_bytes()].concat()),
        (
            "long lists",
            with(&|at| if at % 300 == 0 { "\r\nRoute: <sip:a>".into() } else { ",<sip:a;lr>".into() }),
        ),
        ("open quotes", with(&|at| if at % 3000 == 0 { "\r\nContact: x".into() } else { ",\"".into() })),
        ("open brackets", with(&|at| if at % 3000 == 0 { "\r\nContact: x".into() } else { ",<".into() })),
        ("parameters", with(&|at| if at % 2500 == 0 { "\r\nContact: sip:a".into() } else { ";a".into() })),
        (
            "uri parameters",
            with(&|at| if at % 2500 == 0 { "\r\nContact: <sip:a".into() } else { ";a".into() }),
        ),
        ("escapes", with(&|at| if at % 2500 == 0 { "\r\nContact: sip:a".into() } else { "%41".into() })),
        (
            "random octets",
            (0..SIZE as u64).map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect(),
        ),
    ]
}

/// Takes a datagram and reads all of it that a service may read.
fn take_all(octets: Bytes, limits: &Limits) {
    let Ok(Some(message)) = wire::datagram(octets, limits) else { return };
    let Ok(request) = Request::read(message) else { return };
    let _ = (request.contacts(), request.vias(), request.addresses(wire::Name::Route));
    for name in wire::Name::ALL {
        let _ = (request.tokens(*name), request.text(*name), request.number(*name));
    }
    let _ = reply_to(&request);
}

fn reply_to(request: &Request) -> Bytes {
    Reply::new(200).to_wire(request, Some("tag"), peer())
}

#[test]
fn hostile_datagrams_allocate_little() {
    for (what, octets) in hostile() {
        let octets = Bytes::from(octets);
        let (count, _) = allocations(|| wire::datagram(octets.clone(), &Limits::default()));
        // The header table grows by doubling up to the limit.
        assert!(count <= 8, "{what}: {count}");
    }
}

#[test]
#[ignore = "measures; says nothing in a debug build"]
#[allow(clippy::disallowed_methods, reason = "this is the clock of a measurement")]
fn time_of_hostile_datagrams() {
    let limits = Limits::default();
    for (what, octets) in hostile() {
        let octets = Bytes::from(octets);
        let mut times: Vec<_> = (0..1000)
            .map(|_| {
                let start = std::time::Instant::now();
                let _ = std::hint::black_box(wire::datagram(octets.clone(), &limits));
                let scanned = start.elapsed();
                take_all(octets.clone(), &limits);
                (scanned, start.elapsed())
            })
            .collect();
        times.sort();
        for (part, (scan, all)) in [("median", times[500]), ("p99", times[990])] {
            println!(
                "{what}: {part} of the scan {} us, with all readers {} us",
                scan.as_micros(),
                all.as_micros()
            );
        }
    }
}
