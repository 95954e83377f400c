"""smpp_client at one message centre."""

import hat.gateway.devices.smpp.client as hat_client

from patience import WAIT_S
from smsc import SUBMIT, Smsc, message

STATUS = "gateway/status"
LETTERS = "abc 019äöžćđ€\n\"'@£Ω漢字🙂[]{}\\~^|"


def client(rng, side):
    smsc = Smsc()
    conf = {
        "name": "sms", "remote_address": {"host": "127.0.0.1", "port": smsc.port}, "ssl": False,
        "system_id": rng.choice(("sys", "a", "x" * 15)), "password": rng.choice(("pw", "", "y" * 8)),
        "enquire_link_delay": None, "enquire_link_timeout": WAIT_S, "connect_timeout": WAIT_S, "reconnect_delay": 0.1,
        "short_message": rng.random() < .7, "priority": rng.choice(("BULK", "NORMAL", "URGENT", "VERY_URGENT")),
        "data_coding": "UCS2", "message_encoding": rng.choice(("utf-16-be", "utf-16", "utf-8", "utf-16-le", "utf-32")),
        "message_timeout": WAIT_S}
    d = side("smpp", "smpp_client", hat_client.info, conf)
    octets = []
    try:
        s = smsc.bound()
        d.wait(lambda: [e.payload for e in d.events if e.type == STATUS][-1:] == ["CONNECTED"])
        for _ in range(rng.randrange(1, 12)):
            address = rng.choice(("1", "123456789", "+4917012345678", "0" * 20))
            # One message of the centre each: longer ones are sent in parts by us, and not at all by the reference.
            size = 50 if conf["short_message"] else rng.choice((1, 50, 300))
            text = "".join(rng.choice(LETTERS) for _ in range(rng.randrange(1, size + 1)))
            if len(text.encode(conf["message_encoding"])) > 130 and conf["short_message"]:
                text = text[:20]
            d.send("system/message", {"address": address, "message": text})
            p = s.expect(SUBMIT)
            octets.append(p)
            s.accept(message(p))
        s.close()
    finally:
        d.stop()
        smsc.close()
    return {"octets": octets}


SCENARIOS = {"smpp_client": client}
