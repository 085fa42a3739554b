//! System calls without a safe wrapper in the crates we have: `recvmmsg` and `sendmmsg`, which take many datagrams at
//! once, and the limit of open descriptors.
#![allow(
    unsafe_code,
    reason = "the system calls below have no safe wrapper; each block tells why it is sound"
)]

use bytes::Bytes;
use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Datagrams of one system call.
pub const BATCH: usize = 64;

/// Largest datagram that is taken whole.
const DATAGRAM: usize = 65_536;

/// Buffers for one batch of received datagrams, reused from call to call.
pub struct Receiver {
    slab: Box<[u8]>,
    names: Box<[libc::sockaddr_storage; BATCH]>,
}

impl Receiver {
    /// Fresh buffers (4 MiB).
    pub fn new() -> Self {
        // SAFETY: `sockaddr_storage` is plain data; all zeroes are a valid value of it.
        let names = Box::new(unsafe { zeroed() });
        Self { slab: vec![0; BATCH * DATAGRAM].into_boxed_slice(), names }
    }

    /// Takes what waits, without blocking, at most [`BATCH`] datagrams. `Err(WouldBlock)`: nothing waits.
    pub fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        mut each: impl FnMut(SocketAddr, Bytes),
    ) -> io::Result<usize> {
        // SAFETY: `mmsghdr` and `iovec` are plain data; all zeroes are a valid value of them.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
        // SAFETY: as above.
        let mut vectors: [libc::iovec; BATCH] = unsafe { zeroed() };
        let chunks = self.slab.chunks_exact_mut(DATAGRAM);
        for (((header, vector), chunk), name) in
            headers.iter_mut().zip(&mut vectors).zip(chunks).zip(self.names.iter_mut())
        {
            vector.iov_base = chunk.as_mut_ptr().cast();
            vector.iov_len = DATAGRAM;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = std::ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        }
        // SAFETY: `headers` holds BATCH entries whose pointers lead to `vectors`, `self.slab` and `self.names`, all of
        // which live until the call returns; the lengths are those of the buffers.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let Ok(got) = usize::try_from(got) else { return Err(io::Error::last_os_error()) };
        for ((header, chunk), name) in
            headers.iter().zip(self.slab.chunks_exact(DATAGRAM)).zip(self.names.iter()).take(got)
        {
            let length = (header.msg_len as usize).min(DATAGRAM);
            if let (Some(peer), Some(octets)) = (address(name), chunk.get(..length)) {
                each(peer, Bytes::copy_from_slice(octets));
            }
        }
        Ok(got)
    }
}

/// Sends datagrams in order without blocking, at most [`BATCH`]. Returns how many left; an error concerns the first.
pub fn send(socket: BorrowedFd<'_>, datagrams: &[(SocketAddr, Bytes)]) -> io::Result<usize> {
    let count = datagrams.len().min(BATCH);
    // SAFETY: plain data; all zeroes are valid values.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
    // SAFETY: as above.
    let mut vectors: [libc::iovec; BATCH] = unsafe { zeroed() };
    let mut names: [MaybeUninit<Name>; BATCH] = [const { MaybeUninit::uninit() }; BATCH];
    for (((header, vector), name), (peer, octets)) in
        headers.iter_mut().zip(&mut vectors).zip(&mut names).zip(datagrams)
    {
        let name = name.write(Name::of(*peer));
        vector.iov_base = octets.as_ptr().cast_mut().cast();
        vector.iov_len = octets.len();
        header.msg_hdr.msg_iov = vector;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_namelen = name.length();
        header.msg_hdr.msg_name = std::ptr::from_mut(name).cast();
    }
    // SAFETY: the first `count` headers point to vectors, names and octets that live until the call returns; the kernel
    // only reads through them, so the cast away from const in `iov_base` is never written through.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT as _,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Lets this process have so many descriptors open, as far as the system allows. Returns how many it may have.
pub fn allow_descriptors(wanted: usize) -> io::Result<usize> {
    let wanted = libc::rlim_t::try_from(wanted).unwrap_or(libc::rlim_t::MAX);
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer leads to a `rlimit` that lives until the call returns.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur < wanted {
        let raised = libc::rlimit { rlim_cur: wanted.min(limit.rlim_max), rlim_max: limit.rlim_max };
        // SAFETY: as above; the kernel only reads.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } != 0 {
            return Err(io::Error::last_os_error());
        }
        limit = raised;
    }
    Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

/// Asks for a kernel buffer for received datagrams beyond what the system allows everyone (`net.core.rmem_max`); only a
/// privileged process gets it.
///
/// # Errors
/// What the kernel says.
pub fn force_receive_buffer(socket: BorrowedFd<'_>, octets: usize) -> io::Result<()> {
    let octets = libc::c_int::try_from(octets).unwrap_or(libc::c_int::MAX);
    // SAFETY: the value of this option is one `c_int`, which lives until the call returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            std::ptr::from_ref(&octets).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A socket address in the kernel's form. The C union's members overlap, so the larger one reserves the space.
#[repr(C)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Name {
    fn of(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Self {
                v4: libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
                    sin_zero: [0; 8],
                },
            },
            SocketAddr::V6(address) => Self {
                v6: libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: address.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                    sin6_scope_id: address.scope_id(),
                },
            },
        }
    }

    fn length(&self) -> libc::socklen_t {
        // SAFETY: the family stands first in both members, so it may be read through either.
        let family = unsafe { self.v4.sin_family };
        let length = if i32::from(family) == libc::AF_INET {
            size_of::<libc::sockaddr_in>()
        } else {
            size_of::<libc::sockaddr_in6>()
        };
        length as libc::socklen_t
    }
}

/// The address that the kernel wrote; `None` for a family that no socket of ours has.
fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the kernel says that this storage holds a `sockaddr_in`, which is no larger and no stricter in
            // its alignment than `sockaddr_storage`.
            let v4 = unsafe { &*std::ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for `sockaddr_in6`.
            let v6 = unsafe { &*std::ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    fn loops_back(address: &str) {
        let one = UdpSocket::bind(address).expect("bind");
        let other = UdpSocket::bind(address).expect("bind");
        let to = other.local_addr().expect("address");
        let datagrams: Vec<_> = (0..100u8).map(|n| (to, Bytes::from(vec![n; 1 + usize::from(n)]))).collect();
        assert_eq!(send(one.as_fd(), &datagrams).expect("send"), BATCH);
        assert_eq!(send(one.as_fd(), &datagrams[BATCH..]).expect("send"), 100 - BATCH);
        let mut receiver = Receiver::new();
        let mut got = Vec::new();
        while got.len() < 100 {
            let from = one.local_addr().expect("address");
            receiver
                .receive(other.as_fd(), |peer, octets| {
                    assert_eq!(peer, from);
                    got.push(octets);
                })
                .expect("receive");
        }
        assert!(got.iter().zip(&datagrams).all(|(got, (_, sent))| got == sent));
        let nothing = receiver.receive(other.as_fd(), |_, _| {}).expect_err("nothing waits");
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn the_limit_of_descriptors_is_raised_as_far_as_it_goes() {
        let before = allow_descriptors(0).expect("limit");
        assert!(before > 0);
        let raised = allow_descriptors(before + 1).expect("limit");
        assert!(raised == before || raised == before + 1, "{before} {raised}");
        assert_eq!(allow_descriptors(0).expect("limit"), raised);
    }

    #[test]
    fn batches_arrive_in_order_with_their_sender_over_ipv4_and_ipv6() {
        loops_back("127.0.0.1:0");
        loops_back("[::1]:0");
    }
}
