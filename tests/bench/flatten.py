"""What `keepa-flatten --no-raw` does, with Python's json."""

import json
import sys
import time

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
IMAGES = "https://m.media-amazon.com/images/I/"


def iso(minutes):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((minutes + 21564000) * 60))


def rank(n):
    return None if n == -1 else n


def last(points, n=-1):
    return points[n] if points else -1


def price(csv):
    if last(csv[18], -2) > 0:
        return csv[18][-2] + max(csv[18][-1], 0)
    return next((last(csv[n]) for n in (0, 1) if last(csv[n]) > 0), None)


def image(p):
    if p.get("images"):
        return IMAGES + (p["images"][0].get("l") or p["images"][0]["m"])
    return IMAGES + p["imagesCSV"].split(",")[0] if p.get("imagesCSV") else None


def flatten(r):
    p, csv, key = r["product"], r["product"]["csv"], {"marketplace": r["marketplace"]}
    ranks = p["salesRanks"]
    for category, points in ranks.items():
        for when, n in zip(points[::2], points[1::2]):
            yield {"type": "rank_history", **key, "asin": r["asin"], "category_id": category,
                   "changed_at": iso(when), "rank": rank(n)}
    parent = None
    for node in p["categoryTree"]:
        yield {"type": "categories", **key, "category_id": str(node["catId"]),
               "name": node["name"], "parent_id": parent}
        parent = str(node["catId"])
    rating, reviews = last(csv[16]), last(csv[17])
    yield {"type": "asin_history", **key, "asin": r["asin"], "check_timestamp": r["fetched_at"],
           "status": "ok", "product_title": p["title"], "brand": p["brand"],
           "parent_asin": p.get("parentAsin"), "image_url": image(p),
           "sales_ranks": {category: {"rank": rank(points[-1]), "since": iso(points[-2])}
                           for category, points in ranks.items()},
           "bestseller_badges": [c for c, points in ranks.items() if points[-1] == 1],
           "source_updated_at": iso(p["lastUpdate"]), "price_cents": price(csv),
           "currency": "USD", "monthly_sold": p.get("monthlySold"),
           "rating": None if rating < 0 else rating / 10,
           "review_count": None if reviews < 0 else reviews}


for line in sys.stdin:
    record = json.loads(line)
    if record["type"] != "keepa_product":
        sys.stdout.write(line)
        continue
    for made in flatten(record):
        print(encode(made))
