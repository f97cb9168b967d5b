"""What sales-flatten does with rows by ASIN, with Python's json."""

import json
import re
import sys

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
SALES = "unitsOrdered orderedProductSales totalOrderItems".split()
TRAFFIC = ("browserSessions mobileAppSessions sessions browserSessionPercentage mobileAppSessionPercentage "
           "sessionPercentage browserPageViews mobileAppPageViews pageViews browserPageViewsPercentage "
           "mobileAppPageViewsPercentage pageViewsPercentage buyBoxPercentage unitSessionPercentage").split()
AMOUNTS = {"orderedProductSales", "orderedProductSalesB2B"}


def columns(names):
    names = [name + twin for name in names for twin in ("", "B2B")]
    return [(name, re.sub("[A-Z]", lambda m: "_" + m[0].lower(), name.replace("B2B", "_b2b")) +
             ("_cents" if name in AMOUNTS else "")) for name in names]


SALES, TRAFFIC = columns(SALES), columns(TRAFFIC)


def flatten(r):
    data = r["data"]
    made = {"type": "sales_daily", "marketplace": r["marketplace"], "date": r["date"],
            "asin": data["childAsin"], "parent_asin": data["parentAsin"]}
    for part, fields in ((data["salesByAsin"], SALES), (data["trafficByAsin"], TRAFFIC)):
        for name, column in fields:
            if name in part:
                value = part[name]
                made[column] = round(value["amount"] * 100) if name in AMOUNTS else value
    made["currency"] = data["salesByAsin"]["orderedProductSales"]["currencyCode"]
    made["report_id"], made["fetched_at"] = r["report_id"], r["fetched_at"]
    return made


for line in sys.stdin:
    record = json.loads(line)
    if record["type"] != "sp_sales_by_asin":
        sys.stdout.write(line)
        continue
    print(encode(flatten(record)))
