"""Amazon, simulated: Login with Amazon, the Selling Partner API's Reports 2021-06-30 and
sellers/v1/marketplaceParticipations, and the host that documents are downloaded from."""

import hashlib
import json
import re
import secrets
import threading
import time
import uuid
from datetime import date, datetime, timedelta, timezone
from urllib.parse import parse_qsl

import gzips
import sales

CLIENT = {"client_id": "amzn1.application-oa2-client.test",
          "client_secret": "amzn1.oa2-cs.v1.test"}
REFRESH_TOKEN = "Atzr|test"
FIRST_REPORT = 50015018
RETAINED = 90 * 86400       # seconds that reports are kept
FATAL = "Error in report request: The report could not be created because of an internal error."


def seconds(text):
    """The time that an ISO 8601 date-time says."""
    if not isinstance(text, str) or not re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)", text, re.ASCII):
        raise ValueError("not a date-time: %s" % text)
    zone = text[19:].lstrip(".0123456789").replace("Z", "+0000").replace(":", "")
    return datetime.strptime(text[:19] + zone, "%Y-%m-%dT%H:%M:%S%z").timestamp()


def known(value, names, what):
    """For the control: a name that is not known is a mistake of the test."""
    wrong = sorted(set(value) - set(names))
    if wrong:
        raise ValueError("%s has no %s" % (what, ", ".join(wrong)))
    return value


# Login with Amazon

class Denied(Exception):
    TEXTS = {
        "invalid_client": (401, "Client authentication failed"),
        "invalid_grant": (400, "The request has an invalid grant parameter : refresh_token. "
                               "User may have revoked or didn't grant the permission."),
        "invalid_request": (400, "The request is missing a required parameter : %s"),
        "unsupported_grant_type": (400, "The authorization grant type is not supported by the "
                                        "authorization server"),
        "unauthorized_client": (400, "Not authorized for requested operation"),
        "server_error": (500, "The authorization server encountered an unexpected condition"),
        "temporarily_unavailable": (503, "Service is temporarily unavailable"),
    }

    def __init__(self, error, detail="", status=None):
        super().__init__(error)
        default, text = self.TEXTS.get(error, (400, "Simulated"))
        text = text % detail if "%s" in text else text
        self.answer = (status or default, {}, {"error": error, "error_description": text})


class Lwa:
    FAULTS = {"error", "429"}

    def __init__(self):
        self.lock, self.tokens, self.lifetime = threading.Lock(), {}, 3600

    def handle(self, request):
        fault = request.fault
        try:
            if fault["fault"] == "429":
                after = fault.get("retry_after")
                return (429, {} if after is None else {"Retry-After": str(after)},
                        {"error": "slow_down", "error_description": "Too many requests"})
            if fault["fault"] == "error":
                raise Denied(fault["error"], "simulated", fault.get("code"))
            if (request.method, request.path) != ("POST", "/auth/o2/token"):
                return 404, {}, {"error": "no such page"}
            self.check(self.arguments(request))
            return 200, {"Cache-Control": "no-store", "Pragma": "no-cache"}, self.issue()
        except Denied as denied:
            return denied.answer

    @staticmethod
    def arguments(request):
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            if kind == "application/json":
                return dict(json.loads(request.raw))
            if kind == "application/x-www-form-urlencoded":
                pairs = parse_qsl(request.body, keep_blank_values=True, strict_parsing=True)
                return {} if len(dict(pairs)) < len(pairs) else dict(pairs)
        except (ValueError, TypeError):
            pass
        return {}

    @staticmethod
    def check(arguments):
        for name in ("grant_type", "client_id", "client_secret"):
            if not arguments.get(name):
                raise Denied("invalid_request", name)
        if any(arguments[name] != CLIENT[name] for name in CLIENT):
            raise Denied("invalid_client")
        if arguments["grant_type"] != "refresh_token":
            raise Denied("unsupported_grant_type")
        if not arguments.get("refresh_token"):
            raise Denied("invalid_request", "refresh_token")
        if arguments["refresh_token"] != REFRESH_TOKEN:
            raise Denied("invalid_grant")

    def issue(self):
        token, now = "Atza|" + secrets.token_urlsafe(180), time.time()
        with self.lock:
            self.tokens[token] = {"access_token": token, "issued_at": now, "uses": 0,
                                  "expires_at": now + self.lifetime}
        return {"access_token": token, "refresh_token": REFRESH_TOKEN,
                "token_type": "bearer", "expires_in": self.lifetime}

    def state(self, token):
        """Whether a token may be used: "live", "expired" or "unknown"."""
        with self.lock:
            entry = self.tokens.get(token)
            if not entry:
                return "unknown"
            entry["uses"] += 1
            return "live" if time.time() < entry["expires_at"] else "expired"

    def control(self, method, what, value):
        with self.lock:
            if (method, what) == ("POST", "expire"):
                for entry in self.tokens.values():
                    entry["expires_at"] = 0
            elif (method, what) == ("POST", "lifetime"):
                self.lifetime = value["seconds"]
            elif (method, what) != ("GET", "tokens"):
                raise LookupError("no such control")
            return [dict(entry) for entry in self.tokens.values()]


# Documents

class Documents:
    """The host of documents, as S3: knows nothing but signed URLs."""

    FAULTS = {"403", "503"}
    COMPRESSES = False          # whatever the client offers

    def __init__(self):
        self.lock, self.seconds = threading.Lock(), 300
        self.documents, self.urls = {}, {}

    def put(self, key, outcome, build):
        """Keeps a document; build() gives its bytes when they are first asked for."""
        with self.lock:
            self.documents.setdefault(key, {"outcome": outcome, "build": build, "data": None,
                                            "urls": 0, "downloads": 0})

    def packing(self, key):
        """How the next download will be compressed."""
        with self.lock:
            document = self.documents[key]
            return packing(document["outcome"], document["downloads"] + 1)

    def sign(self, key, host, encoding):
        """A URL that leads to a document for a while."""
        with self.lock:
            document, signature = self.documents[key], secrets.token_hex(32)
            document["urls"] += 1
            dead = document["urls"] <= document["outcome"].get("expired_times", 0)
            self.urls[signature] = {"key": key, "encoding": encoding,
                                    "until": 0 if dead else time.time() + self.seconds}
        return "http://%s/documents/%s?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=%d" \
            "&X-Amz-Signature=%s" % (host, key, self.seconds, signature)

    def handle(self, request):
        name = request.fault["fault"]
        if name == "403":
            return self.error(403, "AccessDenied", "Request has expired")
        if name == "503":
            return self.error(503, "SlowDown", "Please reduce your request rate.")
        if {"x-amz-access-token", "authorization"} & set(request.headers):
            return self.error(400, "InvalidArgument", "Only one auth mechanism allowed")
        if request.method != "GET":
            return self.error(405, "MethodNotAllowed", "The specified method is not allowed")
        key = request.path[1:]
        with self.lock:
            url = self.urls.get(request.query.get("X-Amz-Signature"))
            if not url or url["key"] != key:
                return self.error(403, "SignatureDoesNotMatch", "The signature does not match")
            if time.time() >= url["until"]:
                return self.error(403, "AccessDenied", "Request has expired")
            return self.download(self.documents[key], url["encoding"])

    @staticmethod
    def error(status, code, message):
        return status, {"Content-Type": "application/xml"}, (
            '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s</Message>'
            '<RequestId>SIM</RequestId><HostId>SIM</HostId></Error>' % (code, message))

    def download(self, document, encoding):
        if document["data"] is None:
            document["data"] = document["build"]()
        document["downloads"] += 1
        how = packing(document["outcome"], document["downloads"])
        headers = {"Content-Type": "application/octet-stream"}
        if encoding or how == "content_encoding":
            headers["Content-Encoding"] = "gzip"
        return 200, headers, packed(document["data"], how)

    def control(self, method, what, value):
        if (method, what) != ("POST", "expires"):
            raise LookupError("no such control")
        self.seconds = value["seconds"]
        return {"seconds": self.seconds}


PACKINGS = {"gzip": gzips.pack, "gzip_unflagged": gzips.pack, "content_encoding": gzips.pack,
            "plain": bytes, "plain_flagged": bytes, "truncated": gzips.truncated,
            "corrupt": gzips.corrupt, "bad_crc": gzips.bad_crc,
            "two_members": gzips.two_members, "trailing_garbage": gzips.trailing_garbage}
UNFLAGGED = ("plain", "gzip_unflagged", "content_encoding")


def packing(outcome, download):
    """How a document is compressed at its n-th download."""
    how = outcome.get("compression", "gzip")
    return how if download <= outcome.get("compression_times", download) else "gzip"


def packed(data, how):
    return gzips.bomb(how["bomb"], data) if isinstance(how, dict) else PACKINGS[how](data)


# Reports

class Refused(Exception):
    """An answer with errors."""

    def __init__(self, status, code, message, details=""):
        super().__init__(message)
        self.status, self.code = status, code
        self.errors = {"errors": [{"code": code, "message": message, "details": details}]}


def invalid(message, *values):
    return Refused(400, "InvalidInput", message % values if values else message)


def denied(details=""):
    return Refused(403, "Unauthorized", "Access to requested resource is denied.", details)


def quota():
    return Refused(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")


def not_found(what):
    return Refused(404, "NotFound", "The requested %s does not exist." % what)


STATUSES = ("IN_QUEUE", "IN_PROGRESS", "DONE", "CANCELLED", "FATAL")
OUTCOME = {"statuses", "document", "asins", "b2b", "restate", "duplicate", "spec", "spec_last",
           "compression", "compression_times", "expired_times", "url", "fatal"}
DOCUMENTS = (True, False, None, "empty", "delayed", "zero", "traffic_zero")


def check_outcome(outcome):
    known(outcome, OUTCOME, "an outcome")
    how, document = outcome.get("compression", "gzip"), outcome.get("document")
    if isinstance(how, dict):
        known(how, {"bomb"}, "compression")
    elif how not in PACKINGS:
        raise ValueError("no such compression: %s" % how)
    if isinstance(document, dict):
        known(document, {"body"}, "document")
    elif document not in DOCUMENTS:
        raise ValueError("no such document: %s" % document)
    if outcome.get("statuses") == []:
        raise ValueError("statuses are empty")
    return outcome


class Report:
    """A report somebody has asked for, and what becomes of it."""

    def __init__(self, number, ask, created, outcome, foreign=False):
        self.id, self.number = str(number), number
        self.ask, self.created, self.outcome = ask, created, outcome
        self.polls, self.cancelled, self.foreign = 0, False, foreign
        self.document = "amzn1.spdoc.1.4.na.%s.T%08X.44900" % (
            uuid.UUID(hashlib.md5(self.id.encode()).hexdigest()), number)

    def status(self):
        statuses = self.outcome.get("statuses", ["IN_QUEUE", "IN_PROGRESS", "DONE"])
        return "CANCELLED" if self.cancelled \
            else statuses[min(max(self.polls - 1, 0), len(statuses) - 1)]

    def has_document(self):
        return self.status() in ("DONE", "FATAL") and self.outcome.get("document") is not False

    def stamp(self, time_):
        """Amazon writes times in three ways."""
        text = datetime.fromtimestamp(time_, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        return text + ("+00:00", "Z", ".%03dZ" % (time_ % 1 * 1000))[self.number % 3]

    def shown(self):
        """As getReport gives it, in one of two orders."""
        status = self.status()
        out = {"reportType": self.ask["reportType"], "processingStatus": status,
               "marketplaceIds": self.ask["marketplaceIds"], "reportId": self.id,
               "dataStartTime": self.stamp(self.ask["start"]),
               "dataEndTime": self.stamp(self.ask["end"]), "createdTime": self.stamp(self.created)}
        if status != "IN_QUEUE" and not self.cancelled:
            out["processingStartTime"] = self.stamp(self.created + 0.02)
        if status in ("DONE", "FATAL", "CANCELLED"):
            out["processingEndTime"] = self.stamp(self.created + 0.04)
        if self.has_document():
            out["reportDocumentId"] = self.document
        return out if self.number % 2 else dict(reversed(list(out.items())))

    def listed(self):
        """As the control gives it."""
        return {"reportId": self.id, "marketplace": country(self.ask["marketplaceIds"][0]),
                "date": self.ask["days"][0], "end": self.ask["days"][1],
                "options": self.ask["options"], "created": self.created,
                "status": self.status(), "polls": self.polls, "type": self.ask["reportType"],
                "foreign": self.foreign, "reportDocumentId": self.document}

    def body(self):
        """The document's bytes."""
        kind = self.outcome.get("document")
        if isinstance(kind, dict):
            body = kind["body"]
            text = body if isinstance(body, str) else sales.compact(body)
        elif self.status() == "FATAL":
            text = sales.compact({"errorDetails": self.outcome.get("fatal", FATAL)})
        else:
            text = "".join(sales.Document(country(self.ask["marketplaceIds"][0]),
                                          *self.ask["days"], self.ask["options"],
                                          self.outcome).text())
        return text.encode("utf-8", "sim-surrogates")


def country(marketplace_id):
    return next((c for c, known_id in sales.IDS.items() if known_id == marketplace_id), None)


class Bucket:
    """What an operation allows: by default anything, whatever it says."""

    DEFAULTS = {"createReport": "0.0167", "getReport": "2.0", "getReports": "0.0222",
                "getReportDocument": "0.0167", "cancelReport": "0.0222",
                "getMarketplaceParticipations": "0.016"}

    def __init__(self, operation):
        self.advertised, self.rate, self.burst = self.DEFAULTS[operation], None, 0
        self.left, self.last = 0, 0

    def set(self, value):
        if "advertise" in value:
            self.advertised = str(value["advertise"])
        if "rate" in value:
            self.rate, self.burst = value["rate"], value.get("burst", 1)
            self.left, self.last = self.burst, time.monotonic()

    def take(self):
        if self.rate is None:
            return
        now = time.monotonic()
        self.left = min(self.burst, self.left + (now - self.last) * self.rate)
        self.last = now
        if self.left < 1:
            raise quota()
        self.left -= 1


# AppId/AppVersion (Language=C/11; Platform=Linux/x86_64), with \ before what would mislead
ATTRIBUTE = r"\s*((?:[^=;)\\]|\\.)+)=((?:[^;)\\]|\\.)+)"
AGENT = re.compile(r"(?:[^/\\]|\\.)+/(?:[^(\\]|\\.)+\((%s(?:;%s)*)\)" % (ATTRIBUTE, ATTRIBUTE))


def check_agent(agent):
    match = AGENT.fullmatch(agent)
    names = {name for name, _ in re.findall(ATTRIBUTE, match.group(1))} if match else ()
    if len(agent) > 500 or "Language" not in names:
        raise invalid("The user-agent header is missing or invalid.")


def check_members(given, names, required=()):
    for name in given:
        if name not in names:
            raise invalid("Unknown parameter: %s", name)
    for name in required:
        if name not in given:
            raise invalid("Missing required parameter: %s", name)


def check_strings(values, name, limit):
    if not isinstance(values, list) or not 1 <= len(values) <= limit \
            or not all(isinstance(value, str) and value for value in values):
        raise invalid("Invalid value for %s", name)
    return values


def moment(values, name, default):
    try:
        return seconds(values[name]) if name in values else default
    except ValueError:
        raise invalid("Invalid date-time for %s", name) from None


OPTIONS = {"dateGranularity": ("DAY", "WEEK", "MONTH"),
           "asinGranularity": ("PARENT", "CHILD", "SKU")}
FILTERS = {"reportTypes": 10, "processingStatuses": 10, "marketplaceIds": 10}


def check_options(options):
    if not isinstance(options, dict):
        raise invalid("Invalid value for reportOptions")
    check_members(options, OPTIONS)
    for name, value in options.items():
        if value not in OPTIONS[name]:
            raise invalid("Invalid value for reportOptions.%s", name)
    return options


class Reports:
    FAULTS = {"400", "403", "404", "429", "500", "503", "expired"}
    BASE = "/reports/2021-06-30/"

    def __init__(self, lwa, documents):
        self.lwa, self.documents = lwa, documents
        self.lock, self.offset = threading.RLock(), 0
        self.reports, self.script, self.pages = [], [], {}
        self.buckets = {name: Bucket(name) for name in Bucket.DEFAULTS}
        self.participating = {"US", "CA"}

    def now(self):
        return time.time() + self.offset

    # requests

    def handle(self, request):
        headers = {"x-amzn-RequestId": str(uuid.uuid4())}
        operation = None
        try:
            self.strike(request.fault)
            operation, call, argument = self.route(request)
            self.admit(request, operation)
            with self.lock:
                status, answer = call(request, argument)
        except Refused as refused:
            status, answer = refused.status, refused.errors
            headers["x-amzn-ErrorType"] = refused.code + "Exception"
            if status == 429 and request.fault.get("retry_after") is not None:
                headers["Retry-After"] = str(request.fault["retry_after"])
        if operation and (status < 300 or status in (400, 404)):
            headers["x-amzn-RateLimit-Limit"] = self.buckets[operation].advertised
        return status, headers, answer

    @staticmethod
    def strike(fault):
        """A fault that is an answer of Amazon's."""
        errors = {"400": invalid("Simulated"), "403": denied(), "404": not_found("resource"),
                  "429": quota(),
                  "500": Refused(500, "InternalFailure", "We encountered an internal error. "
                                 "Please try again.", "Please try again."),
                  "503": Refused(503, "ServiceUnavailable", "Service is temporarily unavailable."),
                  "expired": denied("The access token you provided has expired.")}
        if fault["fault"] not in errors:
            return
        error = errors[fault["fault"]]
        error.errors["errors"][0].update(
            {name: fault[name] for name in ("code", "message", "details") if name in fault})
        raise error

    def route(self, request):
        """The operation, what does it, and the id in the path."""
        routes = {("POST", "reports"): ("createReport", self.create),
                  ("GET", "reports"): ("getReports", self.list),
                  ("GET", "reports/"): ("getReport", self.get),
                  ("DELETE", "reports/"): ("cancelReport", self.cancel),
                  ("GET", "documents/"): ("getReportDocument", self.get_document)}
        if (request.method, request.path) == ("GET", "/sellers/v1/marketplaceParticipations"):
            return "getMarketplaceParticipations", self.participations, ""
        if request.path.startswith(self.BASE):
            folder, slash, name = request.path[len(self.BASE):].partition("/")
            found = routes.get((request.method, folder + slash))
            if found and "/" not in name and bool(name) == bool(slash):
                return (*found, name)
        raise Refused(403, "MissingAuthenticationToken", "Missing Authentication Token")

    def admit(self, request, operation):
        """All that is checked whatever the operation."""
        token = request.headers.get("x-amz-access-token")
        if not token:
            raise denied("Access token is missing in the request header.")
        state = self.lwa.state(token)
        if state == "expired":
            raise denied("The access token you provided has expired.")
        if state != "live":
            raise denied("The access token you provided is revoked, malformed or invalid.")
        with self.lock:
            self.buckets[operation].take()
        check_agent(request.headers.get("user-agent", ""))
        for name, value in request.query.items():
            if isinstance(value, list):
                raise invalid("Duplicate parameter: %s", name)

    def create(self, request, _):
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(415, "UnsupportedMediaType", "Invalid content-type")
        check_members(request.query, ())
        try:
            body = json.loads(request.raw)
        except ValueError:
            raise invalid("Could not parse the request body") from None
        if not isinstance(body, dict):
            raise invalid("Could not parse the request body")
        return 202, {"reportId": self.add(self.asked(body), self.now()).id}

    def asked(self, body):
        """What a createReport asks for, if it may."""
        check_members(body, ("reportType", "marketplaceIds", "dataStartTime", "dataEndTime",
                             "reportOptions"), ("reportType", "marketplaceIds"))
        if body["reportType"] != sales.TYPE:
            raise invalid("Invalid reportType")
        ids = check_strings(body["marketplaceIds"], "marketplaceIds", 25)
        if len(ids) > 1:
            raise invalid("Report rejected for this client. Multiple marketplaces were provided "
                          "for this report type.")
        now = self.now()
        start, end = (moment(body, name, now) for name in ("dataStartTime", "dataEndTime"))
        if start > now or end > now:
            raise invalid("The date range may not end or begin in the future")
        if end < start:
            raise invalid("dataStartTime must not be after dataEndTime")
        options = check_options(body.get("reportOptions", {}))
        if country(ids[0]) is None:
            raise invalid("Invalid marketplace: %s", ids[0])
        if country(ids[0]) not in self.participating:
            raise denied()
        today = datetime.fromtimestamp(now, timezone.utc).date().isoformat()
        days = [body.get(name, today)[:10] for name in ("dataStartTime", "dataEndTime")]
        return {"reportType": sales.TYPE, "marketplaceIds": ids, "options": options,
                "start": start, "end": end, "days": days}

    def add(self, ask, created, outcome=None, foreign=False):
        if outcome is None:
            outcome = self.outcome(ask)
        report = Report(FIRST_REPORT + len(self.reports), ask, created, outcome, foreign)
        self.reports.append(report)
        return report

    def outcome(self, ask):
        """The next one that is meant for this marketplace and day."""
        now = datetime.fromtimestamp(self.now(), timezone.utc).date()
        if date.fromisoformat(ask["days"][0]) < now - timedelta(730):
            return {"statuses": ["IN_QUEUE", "CANCELLED"]}
        place = country(ask["marketplaceIds"][0])
        for entry in self.script:
            if entry.get("marketplace", place) == place \
                    and entry.get("date", ask["days"][0]) == ask["days"][0]:
                outcomes = entry["outcomes"]
                return outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        return {}

    def find(self, report_id):
        if not re.fullmatch("[0-9]{1,20}", report_id):
            raise invalid("Invalid reportId: %s", report_id)
        for report in self.reports:
            if report.id == report_id:
                return report
        raise not_found("report")

    def get(self, request, report_id):
        check_members(request.query, ())
        report = self.find(report_id)
        report.polls += 1
        return 200, report.shown()

    def cancel(self, request, report_id):
        check_members(request.query, ())
        report = self.find(report_id)
        if report.status() != "IN_QUEUE":
            raise invalid("The report cannot be cancelled: it is %s", report.status())
        report.cancelled = True
        return 200, ""

    def list(self, request, _):
        query = request.query
        check_members(query, (*FILTERS, "pageSize", "createdSince", "createdUntil", "nextToken"))
        if "nextToken" in query:
            if len(query) > 1:
                raise invalid("nextToken must be the only parameter")
            if query["nextToken"] not in self.pages:
                raise invalid("Invalid nextToken")
            return 200, self.page(*self.pages[query["nextToken"]])
        if "reportTypes" not in query:
            raise invalid("Either reportTypes or nextToken is required")
        if not re.fullmatch("[1-9][0-9]?|100", query.get("pageSize", "10")):
            raise invalid("Invalid value for pageSize")
        return 200, self.page(self.selected(query), int(query.get("pageSize", "10")))

    def selected(self, query):
        filters = {name: check_strings(query[name].split(","), name, limit)
                   for name, limit in FILTERS.items() if name in query}
        if set(filters.get("processingStatuses", ())) - set(STATUSES):
            raise invalid("Invalid value for processingStatuses")
        now = self.now()
        since = moment(query, "createdSince", now - RETAINED)
        until = moment(query, "createdUntil", now)
        if since < now - RETAINED - 60:
            raise invalid("createdSince must not be more than 90 days ago")
        found = [report for report in self.reports if since <= report.created <= until
                 and report.ask["reportType"] in filters["reportTypes"]
                 and report.status() in filters.get("processingStatuses", [report.status()])
                 and set(report.ask["marketplaceIds"]) & set(
                     filters.get("marketplaceIds", report.ask["marketplaceIds"]))]
        return sorted(found, key=lambda report: (report.created, report.number), reverse=True)

    def page(self, reports, size):
        answer = {"reports": [report.shown() for report in reports[:size]]}
        if len(reports) > size:
            answer["nextToken"] = secrets.token_urlsafe(30) + "=="
            self.pages[answer["nextToken"]] = reports[size:], size
        return answer

    def get_document(self, request, document_id):
        query = request.query
        check_members(query, ("enableContentEncodingUrlHeader",))
        encoding = query.get("enableContentEncodingUrlHeader", "false")
        if encoding not in ("true", "false"):
            raise invalid("Invalid value for enableContentEncodingUrlHeader")
        report = next((r for r in self.reports if r.document == document_id), None)
        if not report or not report.has_document():
            raise not_found("report document")
        self.documents.put(document_id, report.outcome, report.body)
        url = self.documents.sign(document_id, request.headers["host"], encoding == "true")
        answer = {"reportDocumentId": document_id, "url": report.outcome.get("url", url)}
        if self.documents.packing(document_id) not in UNFLAGGED:
            answer["compressionAlgorithm"] = "GZIP"
        return 200, answer

    def participations(self, request, _):
        check_members(request.query, ())
        places = [("US", "ATVPDKIKX0DER", "Amazon.com", "USD", "en_US", "www.amazon.com"),
                  ("CA", "A2EUQ1WTGCTBG2", "Amazon.ca", "CAD", "en_CA", "www.amazon.ca"),
                  ("MX", "A1AM78C64UM0Y8", "Amazon.com.mx", "MXN", "es_MX", "www.amazon.com.mx"),
                  ("US", "A2ZV50J4W1RKNI", "Non-Amazon", "USD", "en_US", "sim1.stores.amazon.com")]
        names = ("countryCode", "id", "name", "defaultCurrencyCode", "defaultLanguageCode",
                 "domainName")
        return 200, {"payload": [
            {"marketplace": dict(zip(names, place)), "storeName": "Simulated",
             "participation": {"isParticipating": place[0] in self.participating,
                               "hasSuspendedListings": False}} for place in places]}

    # control

    def control(self, method, what, value):
        controls = {("GET", "reports"): lambda _: [r.listed() for r in self.reports],
                    ("POST", "reports"): self.add_foreign, ("POST", "script"): self.add_script,
                    ("GET", "script"): lambda _: self.script,
                    ("DELETE", "script"): lambda _: self.script.clear() or [],
                    ("POST", "participation"): self.set_participation,
                    ("POST", "quota"): self.set_quota, ("POST", "clock"): self.set_clock}
        if (method, what) not in controls:
            raise LookupError("no such control")
        with self.lock:
            return controls[method, what](value)

    def add_script(self, entries):
        """Before those there are: what was said last holds."""
        for entry in entries:
            known(entry, {"marketplace", "date", "outcomes"}, "a script's entry")
            known({entry.get("marketplace", "US")}, sales.IDS, "the simulator")
            date.fromisoformat(entry.get("date", "2026-11-18"))
            for outcome in entry["outcomes"]:
                check_outcome(outcome)
            if not entry["outcomes"]:
                raise ValueError("outcomes are empty")
        self.script[:0] = entries
        return self.script

    def add_foreign(self, value):
        known(value, OUTCOME | {"marketplace", "date", "options", "created_ago", "type"},
              "a report")
        day = value["date"]
        start, end = (seconds(day + "T" + clock) for clock in ("00:00:00Z", "23:59:59Z"))
        ask = {"reportType": value.get("type", sales.TYPE), "start": start, "end": end,
               "marketplaceIds": [sales.IDS[value["marketplace"]]], "days": [day, day],
               "options": value.get("options", {})}
        outcome = check_outcome({key: value[key] for key in OUTCOME & set(value)})
        return self.add(ask, self.now() - value.get("created_ago", 0), outcome, True).listed()

    def set_participation(self, value):
        self.participating = set(known(value["marketplaces"], sales.IDS, "the simulator"))
        return sorted(self.participating)

    def set_quota(self, value):
        known(value, {"operation", "rate", "burst", "advertise"}, "a quota")
        self.buckets[value["operation"]].set(value)
        return value

    def set_clock(self, value):
        known(value, {"now", "offset_seconds"}, "the clock")
        self.offset = seconds(value["now"]) - time.time() if "now" in value \
            else value["offset_seconds"]
        return {"offset_seconds": self.offset}
