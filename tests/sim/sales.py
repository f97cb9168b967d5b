#!/usr/bin/env python3
"""Made-up Sales & Traffic reports.

amazon.py serves them.  As a program it prints a document, for benchmarks:

    sales.py --asins 100000 --date 2026-11-18 [--marketplace US] [--b2b] [--gzip]

The keys, their order and their types are those of Amazon's schema; every figure comes out of
a hash of marketplace, ASIN and day, so that it is the same whenever it is asked for.
"""

import argparse
import datetime
import gzip
import hashlib
import json
import math
import signal
import sys

TYPE = "GET_SALES_AND_TRAFFIC_REPORT"
IDS = {"US": "ATVPDKIKX0DER", "CA": "A2EUQ1WTGCTBG2", "MX": "A1AM78C64UM0Y8",
       "BR": "A2Q3Y263D00KWC"}
CURRENCIES = {"US": "USD", "CA": "CAD", "MX": "MXN", "BR": "BRL"}
ROWS = {"CA": 3}            # as many as products.py knows; elsewhere 12
VIEWS = ("browserSessions", "mobileAppSessions", "sessions",
         "browserPageViews", "mobileAppPageViews", "pageViews")
SHARES = ("browserSessionPercentage", "mobileAppSessionPercentage", "sessionPercentage",
          "browserPageViewsPercentage", "mobileAppPageViewsPercentage", "pageViewsPercentage")
# The figures of a row: units, cents, order items, then VIEWS.
UNITS, CENTS, ITEMS, SESSIONS, PAGES = 0, 1, 2, 5, 8
NONE = (0,) * 9
GAP = 250                   # by date there is so much more than by ASIN: one part in 250


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def days(start, end):
    first, last = (datetime.date.fromisoformat(day) for day in (start, end))
    return [(first + datetime.timedelta(n)).isoformat() for n in range((last - first).days + 1)]


def asin_of(marketplace, number):
    """The ASINs of products.py, and on from there."""
    if marketplace == "CA" and number > 1:
        return "B0SIMCA%03d" % number if number < 1000 else "B0SC%06d" % number
    return "B0SIM%05d" % number if number < 100000 else "B0SI%06d" % number


def parent_of(asin):
    """Three variations; all others stand alone, and are their own parents."""
    return "B0SIMPAR01" if asin in ("B0SIM00007", "B0SIM00008", "B0SIM00009") else asin


def hashed(*words):
    return hashlib.blake2b("/".join(words).encode(), digest_size=12).digest()


def figures(marketplace, asin, number, day, restate):
    """What everybody bought and looked at on a day, and what businesses did of that."""
    text = restate if isinstance(restate, str) else ""
    factor = restate if isinstance(restate, (int, float)) else 1
    always, today = hashed(marketplace, asin), hashed(marketplace, asin, day, text)
    price = 899 + 100 * (always[0] % 60)
    sessions = math.ceil((12 + always[1] * (75 + today[0] % 50) // 100) * factor)
    units = math.ceil(sessions * (always[2] % 14) * (60 + today[1] % 80) // 10000 * factor)
    if number % 1000 == 6:      # bought again from the list of orders, unseen: over 100 %
        sessions, units = math.ceil(2 * factor), math.ceil(6 * factor)
    browser, pages = sessions * (30 + today[2] % 40) // 100, sessions + today[3] * sessions // 300
    browser_pages = pages * (35 + today[4] % 30) // 100
    retail = (units, units * price - units * (today[5] % 3) * 10, units - units // 12,
              browser, sessions - browser + browser // 10, sessions,
              browser_pages, pages - browser_pages, pages)
    share = 5 + always[3] % 9
    b2b = tuple(figure // share for figure in retail)
    return retail, (b2b[UNITS], b2b[UNITS] * price, b2b[UNITS]) + b2b[ITEMS + 1:]


def added(a, b):
    return tuple(tuple(map(sum, zip(x, y))) for x, y in zip(a, b))


def amount(cents, currency):
    return {"amount": round(cents / 100, 2), "currencyCode": currency}


def ratio(part, whole, times=1):
    return round(times * part / whole, 2) if whole else 0.0


def percent(part, whole):
    return min(ratio(part, whole, 100), 100.0)


def twins(values):
    return {key + "B2B": value for key, value in values.items()}


def buy_box(asin, shown):
    return round(100 - hashed(asin)[4] / 20, 2) if shown else 0.0


def asin_sales(figure, currency):
    return {"unitsOrdered": figure[UNITS],
            "orderedProductSales": amount(figure[CENTS], currency),
            "totalOrderItems": figure[ITEMS]}


def asin_traffic(figure, total, asin):
    out = {}
    for keys, values in ((VIEWS[:3], figure[3:6]), (SHARES[:3], None),
                         (VIEWS[3:], figure[6:9]), (SHARES[3:], None)):
        offset = 3 if keys[0] in (VIEWS[0], SHARES[0]) else 6
        out.update(zip(keys, values or [percent(figure[offset + n], total[offset + n])
                                        for n in range(3)]))
    out["buyBoxPercentage"] = buy_box(asin, figure[PAGES])
    out["unitSessionPercentage"] = ratio(figure[UNITS], figure[SESSIONS], 100)
    return out


def date_sales(figure, currency):
    return {"orderedProductSales": amount(figure[CENTS], currency),
            "unitsOrdered": figure[UNITS], "totalOrderItems": figure[ITEMS],
            "averageSalesPerOrderItem": amount(ratio(figure[CENTS], figure[ITEMS]), currency),
            "averageUnitsPerOrderItem": ratio(figure[UNITS], figure[ITEMS]),
            "averageSellingPrice": amount(ratio(figure[CENTS], figure[UNITS]), currency)}


def date_after_sales(figure, currency):
    units, cents = figure[UNITS], figure[CENTS]
    return {"unitsRefunded": units // 15, "refundRate": percent(units // 15, units),
            "claimsGranted": units // 400, "claimsAmount": amount(units // 400 * 1999, currency),
            "shippedProductSales": amount(cents - cents // 9, currency),
            "unitsShipped": units - units // 9, "ordersShipped": figure[ITEMS] - units // 9}


def date_traffic(figure):
    views = dict(zip(VIEWS, figure[3:]))
    out = {key: views[key] for key in VIEWS[3:] + VIEWS[:3]}
    out["buyBoxPercentage"] = 97.25 if figure[PAGES] else 0.0
    out["orderItemSessionPercentage"] = percent(figure[ITEMS], figure[SESSIONS])
    out["unitSessionPercentage"] = ratio(figure[UNITS], figure[SESSIONS], 100)
    return out


def date_offers(figure, rows):
    feedback = figure[UNITS] // 30
    return {"averageOfferCount": rows, "averageParentItems": rows - rows // 6,
            "feedbackReceived": feedback, "negativeFeedbackReceived": feedback // 5,
            "receivedNegativeFeedbackRate": percent(feedback // 5, feedback)}


class Document:
    """A report: what it is of, and in which way it is not an ordinary one.

    wanted: the members of an outcome (see README.md): asins b2b restate duplicate spec
    spec_last document.
    """

    def __init__(self, marketplace, start, end=None, options=None, wanted=None):
        self.marketplace, self.days = marketplace, days(start, end or start)
        self.options = {"dateGranularity": "DAY", "asinGranularity": "CHILD"} \
            if options is None else options
        self.wanted = wanted or {}
        self.kind = self.wanted.get("document")
        self.currency = CURRENCIES.get(marketplace, "USD")
        self.b2b = self.wanted.get("b2b", False)

    def specification(self):
        """The member, as text; nothing if it is to be left out."""
        changed = self.wanted.get("spec", {})
        if changed is None:
            return ""
        spec = {"reportType": TYPE, "reportOptions": self.options,
                "dataStartTime": self.days[0], "dataEndTime": self.days[-1],
                "marketplaceIds": [IDS[self.marketplace]]}
        return '"reportSpecification":' + compact(dict(spec, **changed))

    def granularity(self):
        return self.options.get("asinGranularity", "PARENT")

    def figures(self):
        """For each day its sums; for each ASIN the figures of all days."""
        by_date, by_asin = [], {}
        restate = self.wanted.get("restate", 1)
        count = self.wanted.get("asins", ROWS.get(self.marketplace, 12))
        for day in self.days:
            sums = NONE, NONE
            for number in range(1, count + 1):
                asin = asin_of(self.marketplace, number)
                row = figures(self.marketplace, asin, number, day, restate)
                if self.kind == "traffic_zero":
                    row = tuple(f[:ITEMS + 1] + NONE[ITEMS + 1:] for f in row)
                sums = added(sums, row)
                key = parent_of(asin) if self.granularity() == "PARENT" else asin
                by_asin[key] = added(by_asin[key], row) if key in by_asin else row
            by_date.append(tuple(tuple(f + f // GAP for f in half) for half in sums))
        return by_date, by_asin

    def date_row(self, day, figure, rows):
        retail, b2b = figure
        sales, traffic = date_sales(retail, self.currency), date_traffic(retail)
        sales.update(date_after_sales(retail, self.currency))
        traffic.update(date_offers(retail, rows))
        if self.b2b:
            sales.update(twins(date_sales(b2b, self.currency)))
            traffic.update(twins(date_traffic(b2b)))
        return {"date": day, "salesByDate": sales, "trafficByDate": traffic}

    def asin_row(self, asin, figure, total, parent=None):
        retail, b2b = figure
        row = {"parentAsin": parent or parent_of(asin)}
        if self.granularity() != "PARENT":
            row["childAsin"] = asin
        if self.granularity() == "SKU":
            row["sku"] = "SKU-" + asin[-5:]
        row["salesByAsin"] = asin_sales(retail, self.currency)
        row["trafficByAsin"] = asin_traffic(retail, total[0], asin)
        if self.b2b:
            row["salesByAsin"].update(twins(asin_sales(b2b, self.currency)))
            row["trafficByAsin"].update(twins(asin_traffic(b2b, total[1], asin)))
        return row

    def date_rows(self, by_date, rows):
        for day, figure in zip(self.days, by_date):
            if self.kind == "zero":
                figure, rows = (NONE, NONE), 0
            if self.kind != "empty":
                yield self.date_row(day, figure, rows)

    def asin_rows(self, by_date, by_asin):
        if self.kind in ("empty", "delayed", "zero"):
            return
        total = NONE, NONE
        for figure in by_date:
            total = added(total, figure)
        for asin, figure in by_asin.items():
            if self.granularity() != "SKU" or figure[0][UNITS]:     # as Amazon drops them
                yield self.asin_row(asin, figure, total)
        if self.wanted.get("duplicate"):    # the first, which has got another parent
            asin, figure = next(iter(by_asin.items()))
            half = tuple(tuple(n // 2 for n in f) for f in figure)
            yield self.asin_row(asin, half, total, "B0SIMPAR99")

    @staticmethod
    def array(name, rows):
        yield '"%s":[' % name
        comma = ""
        for row in rows:
            yield comma + compact(row)
            comma = ","
        yield "]"

    def text(self):
        """The document, in pieces."""
        by_date, by_asin = self.figures()
        spec, last = self.specification(), self.wanted.get("spec_last")
        yield "{" + ("" if last or not spec else spec + ",")
        yield from self.array("salesAndTrafficByDate", self.date_rows(by_date, len(by_asin)))
        yield ","
        yield from self.array("salesAndTrafficByAsin", self.asin_rows(by_date, by_asin))
        yield ("," + spec if last and spec else "") + "}"


def arguments():
    parser = argparse.ArgumentParser(description="Print a Sales & Traffic report.")
    parser.add_argument("--asins", type=int, required=True, help="rows by ASIN")
    parser.add_argument("--date", required=True, help="the day")
    parser.add_argument("--marketplace", default="US", choices=sorted(IDS))
    parser.add_argument("--b2b", action="store_true", help="with the B2B twins")
    parser.add_argument("--gzip", action="store_true", help="as it is downloaded")
    return parser.parse_args()


def main():
    args = arguments()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    out = sys.stdout.buffer
    if args.gzip:
        out = gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6, mtime=0)
    for piece in Document(args.marketplace, args.date,
                          wanted={"asins": args.asins, "b2b": args.b2b}).text():
        out.write(piece.encode())
    if args.gzip:
        out.close()
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
