"""ClickUp's API v2, simulated: comments of a task, and the user of a token."""

import json
import re
import threading
import time

PAGE = 25
LIMIT = 100                 # requests a minute; announced, not enforced
TEAM = "123"                # the workspace in which custom ids such as DEV-123 are tasks

# What an ECODE comes with.  The words are recorded ones where any are known.
ERRORS = {
    "OAUTH_017": (401, "Authorization header required"),
    "OAUTH_019": (401, "Oauth token not found"),
    "OAUTH_023": (401, "Team not authorized"),
    "OAUTH_025": (401, "Token invalid"),
    "OAUTH_026": (401, "Team not authorized"),
    "OAUTH_027": (401, "Team not authorized"),
    "ACCESS_083": (403, "You do not have access to this task"),
    "ITEM_013": (404, "Task not found, deleted"),
    "COMMENT_001": (400, "Comment text invalid"),
    "INPUT_003": (400, "notify_all is not a boolean"),
    "INPUT_004": (400, "assignee is not an integer"),
    "INPUT_005": (400, "group_assignee is not a string"),
    "INPUT_006": (400, "custom_task_ids is not a boolean"),
    "JSON_001": (400, "Unexpected token in JSON"),
    "APP_001": (404, "Route not found"),
    "APP_002": (429, "Rate limit reached"),
}

# Tasks that are not what they should be; every other one is there.
TASKS = {"86gone": "ITEM_013", "86foreign": "OAUTH_027", "86closed": "ACCESS_083"}

USER = {"id": 183, "username": "Simulated", "initials": "S", "email": "sim@example.com",
        "color": "#827718", "profilePicture": None}


class Error(Exception):
    """An answer that is no 200."""

    def __init__(self, code, status=None, words=None):
        super().__init__(code)
        known = ERRORS.get(code, (400, "Simulated"))
        self.status = status or known[0]
        self.answer = {"err": words or known[1], "ECODE": code}


class ClickUp:
    FAULTS = {"error", "429", "parts_only"}

    def __init__(self, token="pk_test", oauth="oauth-test"):
        self.tokens = {token, "Bearer " + oauth}    # never "Bearer pk_..."
        self.lock = threading.Lock()
        self.comments, self.last, self.numbers = [], 90110000000000, False

    # requests

    def handle(self, request):
        fault = request.fault
        headers = {"X-RateLimit-Limit": str(LIMIT), "X-RateLimit-Remaining": str(LIMIT - 1),
                   "X-RateLimit-Reset": str(int(time.time()) + 60)}
        try:
            if fault["fault"] == "429":
                headers = self.limited(fault)
                raise Error("APP_002")
            if fault["fault"] == "error":
                raise Error(fault["error"], fault.get("code"), fault.get("err"))
            self.authorize(request)
            with self.lock:
                return 200, headers, self.route(request)
        except Error as error:
            return error.status, headers, error.answer

    @staticmethod
    def limited(fault):
        """`reset` as it is, or `reset_in` seconds from now; without either, no headers."""
        reset = fault.get("reset")
        if "reset_in" in fault:
            reset = int(time.time() + fault["reset_in"])
        return {} if reset is None else {"X-RateLimit-Limit": str(LIMIT),
                                         "X-RateLimit-Remaining": "0",
                                         "X-RateLimit-Reset": str(reset)}

    def authorize(self, request):
        token = request.headers.get("authorization", "")
        if not token:
            raise Error("OAUTH_017")
        if token not in self.tokens:
            raise Error("OAUTH_019" if token.startswith("Bearer ") else "OAUTH_025")

    def route(self, request):
        if (request.method, request.path) == ("GET", "/user"):
            return {"user": USER}
        match = re.fullmatch("/task/([^/]+)/comment", request.path)
        methods = {"POST": self.post, "GET": self.get}
        if not match or request.method not in methods:
            raise Error("APP_001")
        return methods[request.method](self.task(match[1], request.query), request)

    @staticmethod
    def task(task, query):
        custom = query.get("custom_task_ids", "false")
        if custom not in ("true", "false"):
            raise Error("INPUT_006")
        if ("-" in task) != (custom == "true"):     # an id of the other kind
            raise Error("ITEM_013")
        if custom == "true" and query.get("team_id") != TEAM:
            raise Error("OAUTH_027")
        if task in TASKS:
            raise Error(TASKS[task])
        return task

    @staticmethod
    def checked(request):
        """The body, by the API's description of it."""
        try:
            body = json.loads(request.raw)
        except ValueError:
            raise Error("JSON_001") from None
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/json" or not isinstance(body, dict):
            raise Error("JSON_001")
        text = body.get("comment_text")
        if not isinstance(text, str) or not text.strip():
            raise Error("COMMENT_001")
        if not isinstance(body.get("notify_all"), bool):
            raise Error("INPUT_003")
        if type(body.get("assignee", 0)) is not int:
            raise Error("INPUT_004")
        if not isinstance(body.get("group_assignee", ""), str):
            raise Error("INPUT_005")
        return body

    def post(self, task, request):
        body = self.checked(request)
        self.last += 1
        comment = {"received_at": time.time(), "task_id": task, "id": str(self.last),
                   "date": int(time.time() * 1000), "comment_text": body["comment_text"],
                   "notify_all": body["notify_all"], "body": body}
        self.comments.append(comment)
        return {"id": self.last if self.numbers else comment["id"],
                "hist_id": "hist-%d" % self.last, "date": comment["date"]}

    def get(self, task, request):
        """The newest, or those before `start` and `start_id`."""
        found = [c for c in reversed(self.comments) if c["task_id"] == task]
        if "start_id" in request.query:
            ids = [c["id"] for c in found]
            if request.query["start_id"] in ids:
                found = found[ids.index(request.query["start_id"]) + 1:]
        elif "start" in request.query:
            found = [c for c in found if c["date"] < int(request.query["start"])]
        shown = [self.shown(c) for c in found[:PAGE]]
        if request.fault["fault"] == "parts_only":
            for comment in shown:
                del comment["comment_text"]
        return {"comments": shown}

    def shown(self, comment):
        """A comment as a list of them has it: its text once more, in parts."""
        text = comment["comment_text"]
        number = int(comment["id"])
        return {"id": number if self.numbers else comment["id"],
                "comment": [{"text": part, "attributes": {}}
                            for part in re.findall("[^:\n]+|[:\n]", text)],
                "comment_text": text, "user": USER, "resolved": False, "assignee": None,
                "assigned_by": None, "reactions": [], "date": str(comment["date"]),
                "reply_count": "0"}

    # control

    def control(self, method, what, value):
        with self.lock:
            if what == "ids":
                self.numbers = value["numbers"]
                return {"numbers": self.numbers}
            if what != "comments":
                raise LookupError("no such control")
            if method == "DELETE":
                self.comments.clear()
            return [dict(comment) for comment in self.comments]
