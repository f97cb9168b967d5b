"""What `badge-diff -p FILE` does, with Python's json."""

import json
import sys

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
COPIED = """product_title brand parent_asin image_url price_cents currency monthly_sold rating
    review_count source_updated_at""".split()


def changes(old, new, points, names):
    for category in new["sales_ranks"]:
        before = old["sales_ranks"].get(category)
        rank, since = (before["rank"], before["since"]) if before else (None, "")
        after = "" if before else old.get("source_updated_at") or old["last_updated"]
        for point in points:
            if point["category_id"] != category or point["changed_at"] <= since:
                continue
            previous, rank, since = rank, point["rank"], point["changed_at"]
            if (previous == 1) != (rank == 1) and since > after:
                named = {"category": names[category]} if category in names else {}
                yield {"type": "bestseller_changes",
                       "change_id": ":".join((new["marketplace"], new["asin"], category, since)),
                       "marketplace": new["marketplace"], "asin": new["asin"],
                       "change_type": "gained" if rank == 1 else "lost",
                       "category_id": category, **named, "previous_rank": previous,
                       "new_rank": rank, "changed_at": since,
                       "detected_at": new["check_timestamp"]}


def current(old, new):
    ranks = {**old["sales_ranks"], **new["sales_ranks"]} if old else new["sales_ranks"]
    ranks = dict(sorted(ranks.items(), key=lambda item: int(item[0])))
    return {"type": "asin_current_state", "marketplace": new["marketplace"],
            "asin": new["asin"], "status": new["status"],
            "last_updated": new["check_timestamp"],
            **{name: new[name] for name in COPIED if name in new}, "sales_ranks": ranks,
            "bestseller_badges": [c for c, known in ranks.items() if known["rank"] == 1]}


states, held, names = {}, {}, {}
with open(sys.argv[1], encoding="utf-8") as file:
    for line in file:
        record = json.loads(line)
        states[record["marketplace"], record["asin"]] = record
for line in sys.stdin:
    sys.stdout.write(line)
    record = json.loads(line)
    key = record["marketplace"], record.get("asin")
    if record["type"] == "rank_history":
        held.setdefault(key, []).append(record)
    elif record["type"] == "categories":
        names[record["category_id"]] = record["name"]
    elif record["type"] == "asin_history" and record["status"] == "ok":
        old, points = states.get(key), held.pop(key, [])
        if old is None or record["check_timestamp"] > old["last_updated"]:
            if old:
                for change in sorted(changes(old, record, points, names), key=lambda c: (
                        c["changed_at"], int(c["category_id"]))):
                    print(encode(change))
            states[key] = current(old, record)
            print(encode(states[key]))
        names = {}
