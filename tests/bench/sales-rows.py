#!/usr/bin/env python3
"""Rows of one made-up report, as sp-fetch writes them, for run.sh.

    sales-rows.py COUNT [b2b]

With b2b each row has its twins for business customers, and is twice as long.
"""

import random
import sys

COUNTS = "browserSessions mobileAppSessions sessions".split()
SHARES = [name[:-1] + "Percentage" for name in COUNTS]
VIEWS = "browserPageViews mobileAppPageViews pageViews".split()
VIEW_SHARES = [name + "Percentage" for name in VIEWS]


def section(order, b2b):
    """The members of salesByAsin, or of trafficByAsin; twins come last."""
    return ",".join('"%s%s":%s' % (name, twin, value())
                    for twin in ([""] + ["B2B"] * b2b) for name, value in order)


def main():
    b2b, rng = "b2b" in sys.argv[2:], random.Random(1)

    def count():
        return int(rng.expovariate(1 / 120))

    def share():
        return round(rng.random() * 100, 2)

    def amount():
        return '{"amount":%s,"currencyCode":"USD"}' % round(rng.expovariate(1 / 200), 2)

    sales = [("unitsOrdered", count), ("orderedProductSales", amount), ("totalOrderItems", count)]
    traffic = [(name, count) for name in COUNTS] + [(name, share) for name in SHARES] + \
        [(name, count) for name in VIEWS] + [(name, share) for name in VIEW_SHARES] + \
        [("buyBoxPercentage", share), ("unitSessionPercentage", share)]
    for n in range(int(sys.argv[1])):
        print('{"type":"sp_sales_by_asin","marketplace":"US","date":"2026-11-18","report_id":"50015018",'
              '"fetched_at":"2026-11-21T12:00:00Z","data":{"parentAsin":"B0%08d","childAsin":"B0%08d",'
              '"salesByAsin":{%s},"trafficByAsin":{%s}}}'
              % (n // 4 * 4, n, section(sales, b2b), section(traffic, b2b)))


main()
