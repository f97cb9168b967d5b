#!/usr/bin/env python3
"""streams.py SEED COUNT - records at random, to hold one database to another.

Few rows, so that they meet again and again: with other columns, older and newer,
updated, deleted, and now and then with something that the table refuses.
"""

import json
import random
import sys

seed, count = int(sys.argv[1]), int(sys.argv[2])
r = random.Random(seed)


def time(days=40):
    return "2026-%02d-%02dT%02d:00:00Z" % (
        r.choice((9, 10, 11)), r.randrange(1, min(days, 28)), r.randrange(0, 24, 6))


def text():
    return r.choice(("x", "", "Größe 5\" \\ /", "tab\there", "two\nlines", "🏆", "null", "\\N", "{}", "é", "\\."))


def maybe(make, nothing=0.15):
    return None if r.random() < nothing else make()


def ranks():
    return {str(c): {"rank": r.choice((1, 2, None)), "since": time()} for c in r.sample(range(5), r.randrange(4))}


def market():
    return r.choice(("US", "CA", "DE"))


def asin():
    return "B00TEST00%d" % r.randrange(4)


def number(top=9):
    return r.randrange(-1, top)


def part():
    return round(r.uniform(0, 120), r.choice((0, 1, 2, 5)))


seen = {
    "product_title": lambda: maybe(text), "brand": lambda: maybe(text), "parent_asin": lambda: maybe(asin),
    "sales_ranks": lambda: maybe(ranks), "bestseller_badges": lambda: maybe(lambda: [str(n) for n in range(r.randrange(3))]),
    "status": lambda: r.choice(("ok", "unknown", "missing", "ok", "ok", "nonsense" if r.random() < 0.05 else "ok")),
    "source_updated_at": lambda: maybe(time), "price_cents": lambda: maybe(number), "currency": lambda: maybe(text),
    "rating": lambda: maybe(part), "review_count": lambda: maybe(number),
}
sales = {
    "parent_asin": lambda: maybe(asin), "units_ordered": lambda: maybe(lambda: number(4)),
    "ordered_product_sales_cents": lambda: maybe(number), "sessions": lambda: maybe(lambda: number(4)),
    "buy_box_percentage": lambda: maybe(part), "unit_session_percentage": lambda: maybe(part),
    "currency": lambda: r.choice(("USD", "CAD", None)), "report_id": text,
}
day = lambda: "2026-11-%02d" % r.randrange(1, 9)
tables = {  # the key, what always comes, what may come, which ops there are
    "tracked_asins": ({"marketplace": market, "asin": asin}, {"added_at": time}, {
        "priority": lambda: r.choice((1, 5, 9, 0 if r.random() < 0.1 else 2)), "is_active": lambda: r.random() < 0.7,
        "role": lambda: r.choice(("own", "competitor")), "label": lambda: maybe(text)}),
    "asin_current_state": ({"marketplace": market, "asin": asin}, {}, {"last_updated": lambda: maybe(time, 0.05), **seen}),
    "asin_history": ({"marketplace": market, "asin": asin, "check_timestamp": time}, {}, {
        **seen, "raw_keepa_response": lambda: maybe(lambda: {"a": [1.10, text(), {"b": None}]})}),
    "rank_history": ({"marketplace": market, "asin": asin, "category_id": lambda: str(r.randrange(3)),
                      "changed_at": time}, {"rank": lambda: maybe(lambda: number(5))}, {}),
    "categories": ({"marketplace": market, "category_id": lambda: str(r.randrange(5))}, {}, {
        "name": lambda: maybe(text), "parent_id": lambda: maybe(text), "product_count": lambda: maybe(number),
        "fetched_at": lambda: maybe(time)}),
    "bestseller_changes": ({"change_id": lambda: str(r.randrange(9))}, {
        "marketplace": market, "asin": asin, "change_type": lambda: "lost", "category_id": lambda: "1", "changed_at": time,
        "detected_at": time}, {"category": lambda: maybe(text), "previous_rank": lambda: maybe(number),
                               "notification_sent": lambda: r.random() < 0.5, "notified_at": lambda: maybe(time)}),
    "notifications": ({"notification_id": lambda: str(r.randrange(5))}, {
        "sink": lambda: "slack", "state": lambda: r.choice(("sent", "failed"))}, {
        "error": lambda: maybe(text), "attempts": lambda: maybe(number), "sent_at": lambda: maybe(time)}),
    "sales_daily": ({"marketplace": market, "date": day, "asin": asin}, {"fetched_at": time}, sales),
    "sales_daily_totals": ({"marketplace": market, "date": day}, {"fetched_at": time}, {
        k: v for k, v in sales.items() if k != "parent_asin"}),
    "report_requests": ({"request_id": lambda: str(r.randrange(4))}, {
        "marketplace": market, "date": day, "status": lambda: r.choice(("planned", "DONE", "what" if r.random() < 0.1 else "ready")),
        "updated_at": time}, {"attempts": lambda: number(3), "error": lambda: maybe(text), "not_before": lambda: maybe(time)}),
    "health_checks": ({"service": text, "checked_at": time}, {"ok": lambda: r.random() < 0.8}, {"latency_ms": number}),
    "velocity_windows": ({"days": lambda: r.randrange(0, 4)}, {"weight": part}, {}),
}


def record():
    name = r.choice(list(tables))
    key, always, other = tables[name]
    rec = {"type": name}
    op = r.random()
    if op < 0.1:
        rec["op"] = "update"
    elif op < 0.14:
        rec["op"] = "delete"
    rec.update((k, make()) for k, make in key.items())
    if "op" not in rec or r.random() < 0.5:
        rec.update((k, make()) for k, make in always.items())
    shape = r.choice((0, 0.3, 0.7, 1, 1))  # mostly the same columns, as in real streams
    rec.update((k, make()) for k, make in other.items() if r.random() <= shape and (shape not in (0,)))
    if r.random() < 0.01:  # but for times, which a type of their own guards earlier than a CHECK
        name = r.choice(list(rec)[1:])
        if not name.endswith(("_at", "_updated", "_timestamp", "date", "before")):
            rec[name] = r.choice((None, "no such", 1.5, [], True, 10**30))
    return rec


for _ in range(count):
    print(json.dumps(record(), ensure_ascii=r.random() < 0.5))
