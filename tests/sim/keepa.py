"""Keepa, simulated: /product, /category and /token, with tokens that are spent and refill."""

import collections
import random
import re
import threading
import time

import products

DOMAINS = {1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12}
PARAMETERS = {
    "/product": {"key", "domain", "asin", "history", "days", "stats", "update"},
    "/category": {"key", "domain", "category", "parents"},
    "/token": {"key"},
}
# What history=0 takes away; salesRanks stays, with one pair a category.
WITHOUT_HISTORY = """csv salesRankReferenceHistory monthlySoldHistory parentAsinHistory
    couponHistory buyBoxSellerIdHistory buyBoxUsedHistory""".split()


class Refused(Exception):
    def __init__(self, status, kind=None, message=None):
        super().__init__(message)
        self.status = status
        self.error = kind and {"type": kind, "message": message, "details": None}


class Tokens:
    """The bucket: `rate` tokens a minute, at most an hour's; may be overdrawn."""

    def __init__(self):
        self.rate, self.left, self.minute = 20, 1200, 60.0
        self.next = time.monotonic() + self.minute

    def set(self, left=None, rate=None, per_minute_ms=None):
        self.refill()
        self.left = self.left if left is None else left
        self.rate = self.rate if rate is None else rate
        self.minute = self.minute if per_minute_ms is None else per_minute_ms / 1000
        self.next = time.monotonic() + self.minute

    def refill(self):
        periods = int((time.monotonic() - self.next) // self.minute) + 1
        if periods > 0:
            self.next += periods * self.minute
            self.left = max(self.left, min(60 * self.rate, self.left + periods * self.rate))

    def fields(self):
        return {"tokensLeft": self.left, "refillRate": self.rate, "tokenFlowReduction": 0.0,
                "refillIn": max(0, int((self.next - time.monotonic()) * 1000))}


class Item:
    """A product of the world: its spec, and what Keepa knows of it."""

    def __init__(self, spec, now):
        self.spec = spec
        self.product = products.build(spec, now)

    def refresh(self, update, now):
        """As `update` asks; tokens beyond the base.  A spec that fixes lastUpdate is never
        refreshed: that is how a test gets stale data."""
        age = now - self.product["lastUpdate"]
        if update < 0 or age <= update * 60 and update > 0:
            return 0
        if "lastUpdate_ago" not in self.spec:
            self.product["lastUpdate"] = max(products.even(now), self.product["lastUpdate"])
        return 1 if update == 0 and age < 60 else 0

    def append_rank(self, category, minute, rank):
        """The minute at which the change was recorded; None if there was no change."""
        product = self.product
        product["salesRanks"] = product["salesRanks"] or {}
        added = products.append_point(product["salesRanks"].setdefault(category, []),
                                      minute, rank)
        if added is not None:
            product["lastUpdate"] = max(product["lastUpdate"], added)
            if category == str(product["salesRankReference"]):
                product["csv"][3] = list(product["salesRanks"][category])
        return added


def cut(points, since, width=2):
    """The points from `since` on, and the one before them, which was still in force then."""
    if points is None or since is None:
        return points and list(points)
    first = len(points) - width
    while first > 0 and int(points[first]) > since:
        first -= width
    return points[max(first, 0):]


def integer(query, name, default):
    value = query.get(name, default)
    if value is not default and not re.fullmatch(r"-?[0-9]{1,9}", str(value)):
        raise Refused(400, "invalidParameter", "Parameter %s is not a number." % name)
    return value if value is None else int(value)


class Keepa:
    FAULTS = {"429", "400", "402", "500", "null_products", "no_salesranks", "null_salesranks",
              "missing", "drop_nulls"}

    def __init__(self, world, key):
        self.key, self.lock, self.tokens = key, threading.Lock(), Tokens()
        self.offset, self.answers = 0, 0
        self.items, self.categories = {}, {}
        self.children = collections.defaultdict(list)
        for number, category in world.get("categories", {}).items():
            self.add_category(int(number), category)
        for spec in world["products"]:
            self.add_product(spec)

    def now(self):
        return products.minutes(time.time() + self.offset)

    def add_category(self, number, category):
        if number not in self.categories:
            self.categories[number] = category
            self.children[category.get("parent", 0)].append(number)

    def add_product(self, spec):
        if not isinstance(spec.get("asin"), str):
            raise ValueError("a product's spec has an asin")
        self.items[spec.get("domain", 1), spec["asin"]] = Item(spec, self.now())
        parent = 0
        for number, name in spec.get("tree", []):
            self.add_category(int(number), {"name": name, "parent": parent})
            parent = int(number)

    # requests

    def handle(self, request):
        with self.lock:
            self.answers += 1
            self.tokens.refill()
            status, cost, content = 200, 0, {}
            try:
                self.check(request)
                cost, content = self.route(request)
            except Refused as refused:
                status = refused.status
                content = {"error": refused.error} if refused.error else {}
            self.tokens.left -= cost
            fault = request.fault if request.fault["fault"] == "429" else None
            return status, {}, self.envelope(cost, content, fault and {"tokensLeft": 0, **fault})

    def envelope(self, cost, content, fault):
        """Keys in another order each time, the content before the rest or after it."""
        fields = {"timestamp": int((time.time() + self.offset) * 1000), "tokensConsumed": cost,
                  "processingTimeInMs": 3 * cost, **self.tokens.fields()}
        if fault:
            fields.update((key, fault[key]) for key in fields if key in fault)
        order = list(fields)
        random.Random(self.answers).shuffle(order)
        rest = {key: fields[key] for key in order}
        return {**content, **rest} if self.answers % 2 else {**rest, **content}

    def check(self, request):
        """What is refused before anything is looked up."""
        key, fault = request.query.get("key"), request.fault
        name = fault["fault"]
        if name == "429":
            raise Refused(429, "notEnoughToken" if fault.get("error_object") else None,
                          "Not enough tokens.")
        if name in ("400", "402", "500"):
            raise Refused(int(name), fault.get("type", "simulated"),
                          fault.get("message", "A fault was asked for."))
        if key == "lapsed":
            raise Refused(402, "paymentRequired", "The subscription of this key has ended.")
        if key != self.key:
            # The key is named so that a client that shows messages as they come is found out.
            raise Refused(400, "invalidKey", "The API key '%s' is not valid." % key)
        if request.path not in PARAMETERS:
            raise Refused(404, "notFound", "No endpoint %s." % request.path)
        if request.method != "GET":
            raise Refused(405, "methodNotAllowed", "Only GET is allowed.")
        if self.tokens.left <= 0 and request.path != "/token":
            raise Refused(429)
        for name in request.query:
            if name not in PARAMETERS[request.path]:
                raise Refused(400, "invalidParameter", "Parameter %s is not known." % name)

    def route(self, request):
        if request.path == "/token":
            return 0, {}
        domain = integer(request.query, "domain", None)
        if domain not in DOMAINS:
            raise Refused(400, "invalidParameter", "The domain is missing or not supported.")
        if request.path == "/category":
            return self.category(request.query, domain)
        return self.product(request, domain)

    # products

    def product(self, request, domain):
        asked = self.asked(request.query, domain)
        cost, found = 0, []
        update = integer(request.query, "update", 1)
        for asin in asked:
            item = self.items.get((domain, asin))
            if item and item.spec.get("absent") or not item and update < 0:
                continue
            cost += 1
            if item and item.spec.get("null"):
                found.append(None)
            elif item:
                cost += item.refresh(update, self.now())
                found.append(self.view(item.product, item.spec, request.query))
            else:
                found.append(self.view(products.stub(asin, domain, self.now()), {},
                                       request.query))
        random.Random(self.answers).shuffle(found)
        if [p and p["asin"] for p in found] == asked:
            found.reverse()
        return cost, {"products": self.spoil(found, request.fault)}

    def asked(self, query, domain):
        """The ASINs, each once; one bad one spoils them all, and the message does not tell."""
        asins = str(query.get("asin", "")).split(",")
        if len(asins) > 100:
            raise Refused(400, "invalidParameter", "At most 100 ASINs can be requested.")
        for asin in asins:
            item = self.items.get((domain, asin))
            if not re.fullmatch("[0-9A-Z]{10}", asin) or item and item.spec.get("bad"):
                raise Refused(400, "invalidParameter", "At least one ASIN is not valid.")
        return list(dict.fromkeys(asins))

    def view(self, whole, spec, query):
        """A product as this request wants it.  Its lists are copies: ranks may be appended
        while the answer is being written."""
        out = dict(whole)
        days = integer(query, "days", None)
        since = None if days is None else self.now() - days * products.DAY
        if integer(query, "history", 1) == 0:
            ranks = whole["salesRanks"]
            out["salesRanks"] = ranks and {c: p[-2:] for c, p in ranks.items()}
            out.update((name, None) for name in WITHOUT_HISTORY if name in whole)
        else:
            out["csv"] = [cut(points, since, 3 if kind in products.TRIPLES else 2)
                          for kind, points in enumerate(whole["csv"])]
            ranks = whole["salesRanks"]
            out["salesRanks"] = ranks and {c: cut(p, since) for c, p in ranks.items()}
            for name in ("salesRankReferenceHistory", "buyBoxSellerIdHistory"):
                if name in whole:
                    out[name] = cut(whole[name], since)
        if "stats" in query:
            out["stats"] = products.stats(out)
        out.update(spec.get("raw", {}))
        order = [key for key in out if key not in spec.get("drop", ())]
        random.Random(self.answers + len(order)).shuffle(order)
        return {key: out[key] for key in order}

    @staticmethod
    def spoil(found, fault):
        name = fault["fault"]
        if name == "null_products":
            return None
        if name == "missing":
            return [p for p in found if not p or p["asin"] not in fault.get("asins", ())]
        for product in filter(None, found):
            if name == "no_salesranks":
                product.pop("salesRanks", None)
            elif name == "null_salesranks":
                product["salesRanks"] = None
            elif name == "drop_nulls":
                for key in [key for key in product if product[key] is None]:
                    del product[key]
        return found

    # categories

    def category(self, query, domain):
        numbers = str(query.get("category", "")).split(",")
        if len(numbers) > 10 or not all(re.fullmatch("[0-9]{1,15}", n) for n in numbers):
            raise Refused(400, "invalidParameter", "From 1 to 10 category ids are needed.")
        wanted = list(map(int, numbers))
        if wanted == [0]:
            wanted = [n for n in self.children[0] if not self.categories[n].get("null")]
        known = [n for n in wanted if n in self.categories]
        content = {"categories": {str(n): self.category_object(n, domain) for n in known}}
        if integer(query, "parents", 0):
            content["categoryParents"] = {
                str(n): self.category_object(n, domain)
                for one in known for n in self.ancestors(one)}
        return 1, content

    def ancestors(self, number):
        parent = self.categories.get(number, {}).get("parent", 0)
        while parent in self.categories:
            yield parent
            parent = self.categories[parent].get("parent", 0)

    def category_object(self, number, domain):
        category = self.categories[number]
        if category.get("null"):
            return None
        parent = category.get("parent", 0)
        return {
            "domainId": domain, "catId": number, "name": category["name"],
            "contextFreeName": category["name"], "children": self.children.get(number),
            "parent": parent, "highestRank": 1500000, "lowestRank": 1,
            "productCount": category.get("productCount", 120 if parent else 90000),
            "isBrowseNode": True, "websiteDisplayGroup": "simulated_display_on_website",
            "avgBuyBox": 2999, "avgRating": 44, "avgReviewCount": 812.5, "matched": False,
        }

    # control

    def control(self, method, what, value):
        actions = {"product": self.set_products, "rank": self.append_ranks,
                   "tokens": self.set_tokens, "clock": self.set_clock}
        if method != "POST" or what not in actions:
            raise LookupError("no such control")
        with self.lock:
            return actions[what](value)

    def set_products(self, value):
        specs = value if isinstance(value, list) else [value]
        for spec in specs:
            self.add_product(spec)
        return {"products": len(specs)}

    def append_ranks(self, value):
        return [self.append_rank(point)
                for point in (value if isinstance(value, list) else [value])]

    def append_rank(self, point):
        item = self.items.get((point.get("domain", 1), point["asin"]))
        if item is None or item.spec.get("type") == 4:
            raise ValueError("no product %s" % point["asin"])
        now = self.now()
        minute = products.moment(point.get("at", point.get("ago", 0)), now)
        added = item.append_rank(str(point["category"]), minute, point["rank"])
        return dict(point, time=added, at=added and products.iso(added))

    def set_tokens(self, value):
        self.tokens.set(**value)
        return self.tokens.fields()

    def set_clock(self, value):
        self.offset = value["offset_seconds"]
        return {"minute": self.now()}
