"""A small MCPTT client in Python, for demonstrations and preparations; tests use SIPp. Standard library only."""

import itertools
import random
import re
import socket
import sys

DOMAIN = "one.example"
TAG = random.randrange(10**6)
NUMBERS = itertools.count()
ICSI = "urn:urn-7:3gpp-service.ims.icsi.mcptt"
ESCAPED = ICSI.replace(":", "%3A")
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 50000 RTP/AVP 99\r\n"
    "i=speech\r\na=rtpmap:99 AMR-WB/16000\r\nm=application 50002 udp MCPTT\r\na=fmtp:MCPTT mc_queueing\r\n"
)


def say(text):
    print(f"\n{text}")


def wrong(text):
    print(f"\nNot as it should be: {text}")
    sys.exit(1)


def header(message, name):
    found = re.search(rf"^{name}[ \t]*:[ \t]*(.*?)\r?$", message, re.I | re.M)
    return found.group(1) if found else ""


def info(params):
    return f'<mcpttinfo xmlns="urn:3gpp:ns:mcpttInfo:1.0"><mcptt-Params>{params}</mcptt-Params></mcpttinfo>'


def uri(element, value):
    return f'<{element} type="Normal"><mcpttURI>{value}</mcpttURI></{element}>'


def multipart(*parts):
    text = "".join(f"--b\r\nContent-Type: {kind}\r\n\r\n{body}\r\n" for kind, body in parts)
    return "multipart/mixed;boundary=b", text + "--b--\r\n"


class Client:
    """A client of one user: one socket, one dialog at a time. `headers` go into each of its requests."""

    def __init__(self, name, server, headers="", client_id=None, quiet=False):
        self.name, self.server = name, server
        self.headers, self.quiet = headers, quiet
        self.client_id = client_id or f"urn:uuid:{name}"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.port = self.socket.getsockname()[1]
        self.waiting = []
        self.dialog = None

    @property
    def identity(self):
        return f"sip:{self.name}@{DOMAIN}"

    def show(self, arrow):
        if not self.quiet:
            print(arrow)

    def send(self, message):
        self.show(f"  {self.name:>10} --> rollcall    {message.split(chr(13))[0]}")
        self.socket.sendto(message.encode(), self.server)

    def receive(self, wanted):
        """The next message whose first line matches; others wait for their turn."""
        for message in self.waiting:
            if re.match(wanted, message):
                self.waiting.remove(message)
                return message
        while True:
            try:
                message = self.socket.recv(65535).decode()
            except TimeoutError:
                wrong(f"{self.name} waited in vain for {wanted}")
            what = re.search(r"<req-type[^>]*><mcpttString>([^<]*)|<resp-type[^>]*><mcpttString>([^<]*)", message)
            what = next(filter(None, what.groups())) if what else header(message, "Warning")
            self.show(f"  {self.name:>10} <-- rollcall    {message.split(chr(13))[0]}   {what}")
            if re.match(wanted, message):
                return message
            if not message.startswith("SIP/2.0 1"):
                self.waiting.append(message)

    def request(self, method, to, headers="", body=None, call_id=None, cseq=1, tags=None, via=None):
        # Not by port: the system gives a port again, and the same branch would be the same transaction.
        number = f"{TAG}-{next(NUMBERS)}"
        kind, text = body or ("", "")
        own, remote = tags or (f"<{self.identity}>;tag={number}", f"<{to}>")
        lines = [
            f"{method} {to} SIP/2.0",
            f"Via: {via or f'SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{number}'}",
            "Max-Forwards: 70",
            f"From: {own}",
            f"To: {remote}",
            f"Call-ID: {call_id or number}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:{self.name}@127.0.0.1:{self.port}>;+g.3gpp.mcptt",
            f"P-Preferred-Service: {ICSI}",
        ]
        lines += [f"Content-Type: {kind}"] if kind else []
        message = "\r\n".join(lines) + f"\r\n{self.headers}{headers}Content-Length: {len(text)}\r\n\r\n{text}"
        self.send(message)
        return message

    def answer(self, request, status, body=None):
        copied = [
            line
            for line in request.split("\r\n\r\n")[0].split("\r\n")[1:]
            if line.split(":")[0].lower() in ("via", "from", "to", "call-id", "cseq", "record-route")
        ]
        copied = [
            line + f";tag={self.name}" if line.lower().startswith("to:") and "tag=" not in line else line
            for line in copied
        ]
        kind, text = body or ("", "")
        copied += [f"Content-Type: {kind}"] if kind else []
        copied += [f"Contact: <sip:{self.name}@127.0.0.1:{self.port}>;+g.3gpp.mcptt", f"Content-Length: {len(text)}"]
        self.send(f"SIP/2.0 {status}\r\n" + "\r\n".join(copied) + f"\r\n\r\n{text}")

    def expect(self, *statuses):
        message = self.receive(r"SIP/2.0 [2-6]")
        if int(message[8:11]) not in statuses:
            wrong(f"{self.name} expected {statuses}: {message.split(chr(13))[0]} {header(message, 'Warning')}")
        return message

    def register(self):
        self.request("REGISTER", f"sip:{DOMAIN}", "Expires: 600\r\n", tags=(f"<{self.identity}>;tag=r", f"<{self.identity}>"))
        self.expect(200)

    def affiliate(self, *groups):
        self.publish(*groups)
        self.expect(200)

    def publish(self, *groups):
        """Asks for the affiliation to these groups and no others (TS 24.379 9.2.1.2)."""
        entries = "".join(f'<p:affiliation group="sip:{group}@{DOMAIN}"/>' for group in groups)
        pidf = (
            '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:3gpp:ns:mcpttPresInfo:1.0" '
            f'entity="{self.identity}"><tuple id="{self.client_id}"><status>{entries}</status></tuple>'
            f"<p:p-id>{TAG}</p:p-id></presence>"
        )
        body = multipart(
            ("application/vnd.3gpp.mcptt-info+xml", info(uri("mcptt-request-uri", self.identity))),
            ("application/pidf+xml", pidf),
        )
        headers = f"Event: presence\r\nExpires: {4294967295 if groups else 0}\r\n"
        self.request("PUBLISH", f"sip:mcptt-participating@{DOMAIN}", headers, body)

    def operate(self, kind, group, operation, expected=(200,)):
        gmop = f'<document xmlns="urn:3gpp:ns:mcpttGMOP:1.0"><request>{operation}</request></document>'
        asked = f'<anyExt><req-type type="Normal"><mcpttString>{kind}</mcpttString></req-type></anyExt>'
        body = multipart(
            ("application/vnd.3gpp.mcptt-info+xml", info(uri("mcptt-request-uri", group) + asked)),
            ("application/vnd.3gpp.GMOP+xml", gmop),
        )
        self.request("MESSAGE", f"sip:gms@{DOMAIN}", body=body)
        self.expect(*expected)

    def form(self, temporary, constituents, transaction):
        """Asks for a temporary group (TS 23.280 10.2.4.1 step 1)."""
        listed = "".join(
            f"<g:constituent-MCPTT-group-ID>sip:{group}@{DOMAIN}</g:constituent-MCPTT-group-ID>" for group in constituents
        )
        self.operate(
            "group-regroup-request",
            temporary,
            f'<group-regroup-creation transaction-id="{transaction}"><ls:group xmlns:ls="urn:oma:xml:poc:list-service" '
            f'xmlns:g="urn:3gpp:ns:mcpttGroupInfo:1.0"><ls:list-service uri="{temporary}"><ls:display-name>Harbour'
            f"</ls:display-name><g:on-network-temporary><g:constituent-MCPTT-group-IDs>{listed}"
            "</g:constituent-MCPTT-group-IDs></g:on-network-temporary></ls:list-service></ls:group></group-regroup-creation>",
        )

    def tear_down(self, temporary, transaction, expected=(200,)):
        """Asks for its teardown (TS 23.280 10.2.4.2a step 1)."""
        self.operate(
            "group-regroup-teardown-request",
            temporary,
            f'<gx:group-regroup-teardown xmlns:gx="urn:rollcall:gmop-ext:1.0" group-id="{temporary}" '
            f'transaction-id="{transaction}"/>',
            expected,
        )

    def call(self, group):
        params = (
            "<session-type>prearranged</session-type>"
            + uri("mcptt-request-uri", group)
            + f'<mcptt-client-id type="Normal"><mcpttString>{self.client_id}</mcpttString></mcptt-client-id>'
        )
        body = multipart(("application/sdp", SDP), ("application/vnd.3gpp.mcptt-info+xml", info(params)))
        headers = (
            "Accept-Contact: *;+g.3gpp.mcptt;require;explicit\r\n"
            f'Accept-Contact: *;+g.3gpp.icsi-ref="{ESCAPED}";require;explicit\r\nSupported: timer\r\n'
        )
        return self.request("INVITE", f"sip:mcptt-participating@{DOMAIN}", headers, body)

    def acknowledge(self, invite, final):
        own, remote, call_id = (header(final, name) for name in ("From", "To", "Call-ID"))
        if final.startswith("SIP/2.0 2"):
            target = re.search(r"<([^>]*)>", header(final, "Contact")).group(1)
            self.dialog = [target, (own, remote), call_id, 1]
            self.request("ACK", target, call_id=call_id, tags=(own, remote))
        else:
            self.request("ACK", invite.split(" ")[1], call_id=call_id, tags=(own, remote), via=header(invite, "Via"))

    def take_call(self):
        invite = self.receive("INVITE ")
        self.answer(invite, "200 OK", ("application/sdp", SDP))
        target = re.search(r"<([^>]*)>", header(invite, "Contact")).group(1)
        tags = (header(invite, "To") + f";tag={self.name}", header(invite, "From"))
        self.dialog = [target, tags, header(invite, "Call-ID"), 0]
        self.receive("ACK ")

    def leave(self):
        target, tags, call_id, cseq = self.dialog
        self.request("BYE", target, call_id=call_id, cseq=cseq + 1, tags=tags)
        self.expect(200)
