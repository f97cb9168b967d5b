"""Slack's Web API, simulated: chat.postMessage, conversations.history, auth.test, api.test."""

import json
import threading
import time
from decimal import Decimal
from urllib.parse import parse_qsl

BLOCKS = 50
BLOCK_TEXT = 13200          # undocumented, but enforced: all text of all blocks together
TEXT = 40000
METADATA = 8000


class Error(Exception):
    """An answer with ok:false."""

    def __init__(self, code, messages=()):
        super().__init__(code)
        self.answer = {"ok": False, "error": code}
        if messages:
            self.answer["errors"] = list(messages)
            self.answer["response_metadata"] = {
                "messages": ["[ERROR] %s" % message for message in messages]}


class Blocks:
    """Checks Block Kit's limits, and collects what is wrong in Slack's words."""

    def __init__(self, blocks):
        self.wrong, self.characters = [], 0
        if not isinstance(blocks, list):
            raise Error("invalid_blocks_format")
        if len(blocks) > BLOCKS:
            self.complain("no more than %d items allowed" % BLOCKS, "/blocks")
        ids = set()
        for number, block in enumerate(blocks):
            self.block(block, "/blocks/%d" % number, ids)
        if self.wrong:
            raise Error("invalid_blocks", self.wrong)
        if self.characters > BLOCK_TEXT:
            raise Error("msg_blocks_too_long")

    def complain(self, message, where):
        self.wrong.append("%s [json-pointer:%s]" % (message, where))

    def block(self, block, where, ids):
        kinds = {"header": self.header, "section": self.section, "context": self.context,
                 "actions": self.actions, "image": self.image, "divider": lambda *_: None}
        kind = block.get("type") if isinstance(block, dict) else None
        if kind not in kinds:
            return self.complain("unsupported type: %s" % kind, where + "/type")
        if "block_id" in block:
            self.string(block, "block_id", 255, where)
            if block["block_id"] in ids:
                self.complain("block_id already exists: %s" % block["block_id"], where)
            ids.add(block["block_id"])
        return kinds[kind](block, where)

    def string(self, holder, key, limit, where, required=True):
        value = holder.get(key)
        where += "/" + key
        if value is None and not required:
            return
        if not isinstance(value, str):
            self.complain("missing required field: %s" % key, where)
        elif not value:
            self.complain("must be more than 0 characters", where)
        elif len(value) > limit:
            self.complain("must be less than %d characters" % (limit + 1), where)

    def text(self, text, limit, where, kinds=("plain_text", "mrkdwn")):
        if not isinstance(text, dict):
            self.complain("missing required field: %s" % where.rsplit("/", 1)[1], where)
        elif text.get("type") not in kinds:
            self.complain("unsupported type: %s" % text.get("type"), where + "/type")
        else:
            self.string(text, "text", limit, where)
            self.characters += len(str(text.get("text")))

    def items(self, block, key, limit, where):
        items = block.get(key)
        where += "/" + key
        if not isinstance(items, list) or not items:
            self.complain("missing required field: %s" % key, where)
            return
        if len(items) > limit:
            self.complain("no more than %d items allowed" % limit, where)
        for number, item in enumerate(items):
            yield item, "%s/%d" % (where, number)

    def header(self, block, where):
        self.text(block.get("text"), 150, where + "/text", ("plain_text",))

    def section(self, block, where):
        if "text" in block or "fields" not in block:
            self.text(block.get("text"), 3000, where + "/text")
        if "fields" in block:
            for field, place in self.items(block, "fields", 10, where):
                self.text(field, 2000, place)
        if "accessory" in block:
            self.element(block["accessory"], where + "/accessory", ("button", "image"))

    def context(self, block, where):
        for element, place in self.items(block, "elements", 10, where):
            if isinstance(element, dict) and element.get("type") == "image":
                self.image(element, place)
            else:
                self.text(element, 3000, place)

    def actions(self, block, where):
        for element, place in self.items(block, "elements", 25, where):
            self.element(element, place, ("button",))

    def element(self, element, where, kinds):
        kind = element.get("type") if isinstance(element, dict) else None
        if kind not in kinds:
            self.complain("unsupported type: %s" % kind, where + "/type")
        elif kind == "image":
            self.image(element, where)
        else:
            self.text(element.get("text"), 75, where + "/text", ("plain_text",))
            limits = {"url": 3000, "value": 2000, "action_id": 255, "accessibility_label": 75}
            for key, limit in limits.items():
                self.string(element, key, limit, where, required=False)
            if element.get("style") not in (None, "primary", "danger"):
                self.complain("invalid style", where + "/style")
            self.link(element.get("url"), where + "/url")

    def image(self, block, where):
        self.string(block, "image_url", 3000, where)
        self.string(block, "alt_text", 2000, where)
        self.link(block.get("image_url"), where + "/image_url")
        if "title" in block:
            self.text(block["title"], 2000, where + "/title", ("plain_text",))

    def link(self, url, where):
        if isinstance(url, str) and not url.startswith(("https://", "http://")):
            self.complain("invalid url", where)


def check_metadata(metadata):
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_type"), str) \
            or not isinstance(metadata.get("event_payload"), dict):
        raise Error("invalid_metadata_format")
    if len(json.dumps(metadata)) > METADATA:
        raise Error("metadata_too_large")


def truth(value):
    return str(value).lower() in ("1", "true")


class Slack:
    FAULTS = {"error", "429"}
    BOT = {"team": "Simulated", "user": "sellerpipe", "team_id": "T0SIM", "user_id": "U0SIM",
           "bot_id": "B0SIM"}

    def __init__(self, token="xoxb-test"):
        self.token, self.lock = token, threading.Lock()
        self.messages, self.last = [], 0

    # requests

    def handle(self, request):
        methods = {"/chat.postMessage": self.post_message, "/auth.test": self.auth_test,
                   "/conversations.history": self.conversations_history}
        fault = request.fault
        if fault["fault"] == "429":
            after = fault.get("retry_after")
            return (429, {} if after is None else {"Retry-After": str(after)},
                    {"ok": False, "error": "ratelimited"})
        try:
            if fault["fault"] == "error":
                detail = "simulated [json-pointer:/blocks/0]"
                raise Error(fault["error"], [detail] if fault["error"] == "invalid_blocks" else ())
            arguments = self.arguments(request)
            if request.path == "/api.test":
                return 200, {}, self.api_test(arguments)
            if request.path not in methods:
                raise Error("unknown_method")
            self.authorize(request, arguments)
            with self.lock:
                return 200, {}, methods[request.path](arguments)
        except Error as error:
            return 200, {}, error.answer

    @staticmethod
    def arguments(request):
        """The arguments as JSON would give them, however they came."""
        kind, _, charset = request.headers.get("content-type", "").lower().partition(";")
        out = dict(request.query)
        charset = charset.replace("charset=", "").strip(' "')
        if charset not in ("", "utf-8", "iso-8859-1"):
            raise Error("invalid_charset")
        if kind.strip() == "application/json":
            try:
                value = json.loads(request.raw or b"{}")
            except ValueError:
                raise Error("invalid_json") from None
            if not isinstance(value, dict):
                raise Error("json_not_object")
            return dict(out, **value, _charset=bool(charset))
        out.update(parse_qsl(request.body, keep_blank_values=True))
        try:                            # in a form, what is nested is JSON in a string
            for key in {"blocks", "metadata"} & set(out):
                out[key] = json.loads(out[key])
        except ValueError:
            raise Error("invalid_%s_format" % key) from None
        return out

    def authorize(self, request, arguments):
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        token = token if kind.lower() == "bearer" else arguments.get("token", "")
        if not token:
            raise Error("not_authed")
        if token != self.token:
            raise Error("invalid_auth")

    @staticmethod
    def channel(arguments):
        channel = arguments.get("channel")
        if not isinstance(channel, str) or channel[:1] not in ("C", "G", "D"):
            raise Error("channel_not_found")
        return channel

    @staticmethod
    def api_test(arguments):
        arguments.pop("_charset", None)
        if "error" in arguments:
            return {"ok": False, "error": arguments["error"], "args": arguments}
        return {"ok": True, "args": arguments}

    def auth_test(self, _):
        return dict(self.BOT, ok=True, url="https://simulated.slack.com/")

    def post_message(self, arguments):
        channel = self.channel(arguments)
        text, blocks = arguments.get("text") or "", arguments.get("blocks")
        metadata = arguments.get("metadata")
        if not isinstance(text, str):
            raise Error("invalid_arguments")
        if not text and not blocks and not arguments.get("attachments"):
            raise Error("no_text")
        if blocks is not None:
            Blocks(blocks)
        if metadata is not None:
            check_metadata(metadata)
        warnings = []
        if len(text) > TEXT:
            text = text[:TEXT]
            warnings.append("message_truncated")
        if arguments.pop("_charset", None) is False:
            warnings.append("missing_charset")
        message = {"received_at": time.time(), "channel": channel, "ts": self.stamp(),
                   "text": text, "blocks": blocks, "metadata": metadata, "body": arguments}
        self.messages.append(message)
        answer = {"ok": True, "channel": channel, "ts": message["ts"],
                  "message": self.shown(message, False)}
        if warnings:
            answer.update(warning=",".join(warnings), response_metadata={"warnings": warnings})
        return answer

    def stamp(self):
        self.last = max(int(time.time() * 1000000), self.last + 1)
        return "%d.%06d" % divmod(self.last, 1000000)

    def shown(self, message, metadata):
        """A message as conversations.history gives it."""
        out = {"type": "message", "subtype": "bot_message", "text": message["text"],
               "ts": message["ts"], "user": self.BOT["user_id"],
               "bot_id": self.BOT["bot_id"], "team": self.BOT["team_id"]}
        if message["blocks"]:
            out["blocks"] = message["blocks"]
        if metadata and message["metadata"]:
            out["metadata"] = message["metadata"]
        return out

    def conversations_history(self, arguments):
        channel = self.channel(arguments)
        try:
            oldest = Decimal(str(arguments.get("oldest") or 0))
            latest = Decimal(str(arguments.get("cursor") or arguments.get("latest") or "inf"))
            limit = min(int(arguments.get("limit") or 100), 999)
        except (ArithmeticError, ValueError):
            raise Error("invalid_arguments") from None
        inclusive = truth(arguments.get("inclusive"))
        found = [m for m in reversed(self.messages) if m["channel"] == channel and (
            oldest < Decimal(m["ts"]) < latest
            or inclusive and Decimal(m["ts"]) in (oldest, latest))]
        metadata = truth(arguments.get("include_all_metadata"))
        more = len(found) > limit
        answer = {"ok": True, "messages": [self.shown(m, metadata) for m in found[:limit]],
                  "has_more": more, "pin_count": 0}
        if more:
            answer["response_metadata"] = {"next_cursor": found[limit - 1]["ts"]}
        return answer

    # control

    def control(self, method, what, _):
        if what != "messages":
            raise LookupError("no such control")
        with self.lock:
            if method == "DELETE":
                self.messages.clear()
            return [dict(message) for message in self.messages]
