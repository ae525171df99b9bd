"""A mail server whose behaviour the file FOLDER/mode decides, for every connection anew.

    accept           everything is taken
    put-off          no mail is taken for now (451)
    refuse ADDRESS   this recipient is unknown (550)
    hang             nothing is ever said
    drip             a byte now and then, and never a line

postman.py FOLDER ADDRESS PORT none|starttls|tls [CERTIFICATE KEY [USER PASSWORD]]

Every mail that was taken is FOLDER/NUMBER.json.
"""

import asyncio
import itertools
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

folder, address, port, encryption = sys.argv[1:5]
certificate, key = sys.argv[5:7] if len(sys.argv) > 5 else (None, None)
login = [word.encode() for word in sys.argv[7:9]]
numbers = itertools.count()


def mode():
    with open(os.path.join(folder, "mode")) as file:
        return file.read().split() or ["accept"]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if mode()[0] == "refuse" and address == mode()[1]:
            return "550 nobody of this name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if mode()[0] == "put-off":
            return "451 come back later"
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "text": envelope.content.decode(),
            "helo": session.host_name,
            "encrypted": session.ssl is not None or encryption == "tls",
            "user": session.auth_data.login.decode() if session.authenticated else None,
        }
        path = os.path.join(folder, "%d.json" % next(numbers))
        with open(path + ".new", "w") as file:
            json.dump(mail, file)
        os.rename(path + ".new", path)
        return "250 taken"


class Silent(asyncio.Protocol):
    pass


class Dripping(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.drip()

    def drip(self):
        if not self.transport.is_closing():
            self.transport.write(b"2")
            asyncio.get_running_loop().call_later(0.2, self.drip)


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and [data.login, data.password] == login
    return AuthResult(success=good, handled=good, auth_data=data)


context = None
if certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)


def protocol():
    if mode()[0] == "hang":
        return Silent()
    if mode()[0] == "drip":
        return Dripping()
    options = {"hostname": "mail.example.org", "loop": asyncio.get_running_loop()}
    if encryption == "starttls":
        options.update(tls_context=context, require_starttls=True)
    if login:
        options.update(authenticator=authenticate, auth_required=True)
        # Its own idea of encryption knows STARTTLS only.
        options.update(auth_require_tls=encryption == "starttls")
    return SMTP(Handler(), **options)


async def main():
    outer = context if encryption == "tls" else None
    server = await asyncio.get_running_loop().create_server(protocol, address, int(port), ssl=outer)
    print("listening", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
