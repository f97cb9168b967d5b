"""healthchecks.io's Pinging API, simulated: any check is there but "gone" and "unknown"."""

import re
import threading
import time
import uuid

BODY_MAX = 10000            # bytes of a body that are kept


class Healthchecks:
    FAULTS = set()
    COMPRESSES = False

    def __init__(self):
        self.lock, self.pings = threading.Lock(), []

    def handle(self, request):
        plain = {"Content-Type": "text/plain; charset=utf-8"}
        match = re.fullmatch("/([0-9a-z_-]+)(?:/(start|fail|log|[0-9]{1,3}))?", request.path)
        if not match or request.method not in ("GET", "POST"):
            return 404, plain, "not found"
        check, event = match[1], match[2] or "success"
        if check == "gone":
            return 404, plain, "not found"
        if check == "unknown":
            return 200, plain, "OK (not found)"
        rid = request.query.get("rid")
        try:
            if event.isdigit() and int(event) > 255 or rid and str(uuid.UUID(rid)) != rid:
                raise ValueError
            body = request.raw.decode("utf-8")
        except ValueError:
            return 400, plain, "invalid url format"
        with self.lock:
            self.pings.append({"received_at": time.time(), "check": check, "event": event,
                               "rid": rid, "body": body[:BODY_MAX]})
        return 200, plain, "OK"

    def control(self, method, what, _value):
        if what != "pings":
            raise LookupError("no such control")
        with self.lock:
            if method == "DELETE":
                self.pings.clear()
            return [dict(ping) for ping in self.pings]
