"""Both ends of a talk that shows who answers, in protocols that the other programs of the tests do not speak.

talk.py answer udp|sctp ADDRESS:PORT NAME    says "ready", then answers for ever: NAME
talk.py ask udp|sctp ADDRESS:PORT CALL ...   asks once for each CALL, all datagrams from one port
talk.py ask-anew udp ADDRESS:PORT CALL ...   the same, each from a port of its own

Who asks prints a line for each answer: CALL NAME ADDRESS, the last one being where the answer came from. Datagrams are
SIP (RFC 3261) with CALL as their Call-ID. An association of SCTP is accepted, told the name, and shut down.
"""

import socket
import sys

KINDS = {"udp": (socket.SOCK_DGRAM, 0), "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP)}


def opened(protocol):
    one = socket.socket(socket.AF_INET, *KINDS[protocol])
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return one


def answer(protocol, place, name):
    here = opened(protocol)
    here.bind(place)
    if protocol == "sctp":
        here.listen()
    print("ready", flush=True)
    while True:
        if protocol == "sctp":
            peer, _ = here.accept()
            with peer:
                peer.sendall(name.encode())
        else:
            data, peer = here.recvfrom(2000)
            lines = ["SIP/2.0 200 OK", f"Server: {name}", *data.decode().split("\r\n")[1:]]
            here.sendto("\r\n".join(lines).encode(), peer)


def ask_datagram(here, place, call):
    here.settimeout(10)
    lines = [
        "INVITE sip:service@example.org SIP/2.0",
        f"Via: SIP/2.0/UDP client.example.org;branch=z9hG4bK{call}",
        f"Call-ID: {call}@example.org",
        "CSeq: 1 INVITE",
        "Content-Length: 0",
    ]
    here.sendto("\r\n".join([*lines, "", ""]).encode(), place)
    data, peer = here.recvfrom(2000)
    said = data.decode().split("\r\n")
    assert f"Call-ID: {call}@example.org" in said, said
    name = next(line.removeprefix("Server: ") for line in said if line.startswith("Server: "))
    return name, peer[0]


def ask_association(place):
    with opened("sctp") as here:
        here.settimeout(10)
        here.connect(place)
        said = b""
        while part := here.recv(2000):
            said += part
        # The address that was asked: an association knows no other.
        return said.decode(), place[0]


def ask(protocol, place, calls, anew):
    # All stay open to the end: no port comes twice.
    sockets = []
    for call in calls:
        if protocol == "sctp":
            name, peer = ask_association(place)
        else:
            if anew or not sockets:
                sockets.append(opened(protocol))
            name, peer = ask_datagram(sockets[-1], place, call)
        print(call, name, peer, flush=True)


def main(role, protocol, place, *words):
    address, _, port = place.rpartition(":")
    if role == "answer":
        answer(protocol, (address, int(port)), *words)
    else:
        ask(protocol, (address, int(port)), words, role == "ask-anew")


main(*sys.argv[1:])
