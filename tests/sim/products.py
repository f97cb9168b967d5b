#!/usr/bin/env python3
"""Made-up products in the shape of Keepa's.

keepa.py serves them.  As a program it prints a stream of `keepa_product`
records, for benchmarks:

    products.py --count 2500 --size 60000 [--seed S] [--polls P] [--churn PERCENT]

The keys, their types and where nulls stand are those of real answers; every
value is invented, out of a random generator seeded by the ASIN.
"""

import argparse
import calendar
import json
import random
import signal
import sys
import time

EPOCH = 21564000            # minutes from 1970 to 2011, where Keepa's time begins
CSV_TYPES = 36              # as of 2026; a stub still has 34
TRIPLES = {7, *range(18, 30), 32}       # csv types of [time, price, shipping]
DAY = 24 * 60
DENSE = 700                 # this many points, two minutes apart, lie within days=1
PADDED = (1, 10, 11, 15, 17, 18, 34, 35)    # the csv types that `size` fills up

IMAGES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
WORDS = """quiet steady bright compact folding brushed ceramic bamboo glass steel linen
handle lid base spout filter tray brush cover stand clip strap bottle basket pouch kettle
keeps holds pours cleans fits stores dries lasts warms cools without mess in small kitchens
for daily use and travel with a gentle finish that café owners trust – rated by our own lab
made to be repaired at 20 °C or less""".split()

# What a real product says about itself and no test looks at.
PLAIN = {
    "null": """author binding coupon ebayListingIds edition format
        frequentlyBoughtTogether languages liveOffersOrder model productGroup upcList""",
    "false": """isAdultProduct isB2B isEligibleForTradeIn isHeatSensitive
        isRedirectASIN launchpad newPriceIsMAP offersSuccessful""",
    "true": "hasReviews isEligibleForSuperSaverShipping isSNS",
    "-1": "availabilityAmazon numberOfPages",
    "0": "lastEbayUpdate productType publicationDate releaseDate",
}

LOOKS = {
    "color": "Brushed Steel", "size": "1.2 L (Pack of 1)", "style": "Classic",
    "material": "Stainless Steel, Borosilicate Glass", "pattern": "Solid", "itemForm": "Piece",
    "itemTypeKeyword": "simulated-goods", "scent": "Unscented", "numberOfItems": 1,
    "unitCount": {"unitType": "Count", "unitValue": 1.01}, "productBenefit": "Durable",
    "targetAudienceKeyword": "Unisex Adult", "recommendedUsesForProduct": "Everyday",
    "specialFeatures": "Dishwasher safe", "itemHeight": 240, "itemLength": 210,
    "itemWeight": 880, "itemWidth": 150, "packageHeight": 260, "packageLength": 240,
    "packageQuantity": 1, "packageWeight": 1130, "packageWidth": 180,
    "safetyWarning": "Don\u2019t leave unattended. \"Hot\" surface \u2013 keep \\ away.",
}

# An ASIN that Keepa does not know, or never will, is answered with these.
STUB = {
    "null": """author binding brand buyBoxSellerIdHistory categories categoryTree color coupon
        description eanList ebayListingIds edition fbaFees features format
        frequentlyBoughtTogether imagesCSV languages liveOffersOrder manufacturer model
        parentAsin partNumber productGroup promotions salesRankReferenceHistory salesRanks size
        title type upcList variationCSV variations""",
    "false": """hasReviews isAdultProduct isB2B isEligibleForSuperSaverShipping
        isEligibleForTradeIn isRedirectASIN isSNS launchpad newPriceIsMAP offersSuccessful""",
    "-1": """availabilityAmazon itemHeight itemLength itemWeight itemWidth lastRatingUpdate
        numberOfItems numberOfPages packageHeight packageLength packageQuantity packageWeight
        packageWidth publicationDate releaseDate salesRankReference""",
    "0": "lastEbayUpdate listedSince rootCategory",
}

# What is left of a product when `size` asks for less than a usual one.
NEEDED = """asin domainId title brand parentAsin productType images categories categoryTree
    rootCategory salesRanks salesRankReference csv lastUpdate trackingSince monthlySold
    isAdultProduct websiteDisplayGroup availabilityAmazon features""".split()


def even(minute):
    """Keepa's times are even minutes."""
    return minute - minute % 2


def minutes(unix):
    return int(unix // 60) - EPOCH


def unix(minute):
    return (minute + EPOCH) * 60


def iso(minute):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix(minute)))


def moment(when, now):
    """Keepa's minute of `when`: so many minutes before now, or a UTC time as text."""
    if isinstance(when, str):
        return even(minutes(calendar.timegm(time.strptime(when, "%Y-%m-%dT%H:%M:%SZ"))))
    return even(int(now - when))


def append_point(points, minute, value):
    """Appends to a history as Keepa does: changes only, each later than the last.
    Returns the minute it got, or None if nothing changed."""
    if points and points[-1] == value:
        return None
    if points:
        minute = max(minute, points[-2] + 2)
    points += [minute, value]
    return minute


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def plain(groups):
    return {key: json.loads(value) for value, keys in groups.items() for key in keys.split()}


def words(rng, length):
    text = rng.choice(WORDS).capitalize()
    while len(text) < length:
        text += " " + rng.choice(WORDS)
    return text[:length].rstrip()


def history(rng, end, last, count, spread, gap=DAY, triple=False):
    """Points, changes only, that end in the value `last`; made from the end backwards."""
    points, minute, value = [], even(end), last
    for _ in range(count):
        points += [0, value, minute] if triple else [value, minute]
        step = rng.randint(1, spread)
        value += step if value <= step or rng.random() < 0.5 else -step
        minute -= 2 * rng.randint(1, gap // 2)
    points.reverse()
    return points


def csv(rng, spec, end, ranks, counts):
    """All of csv; `counts` says how many points a type has beyond the usual."""
    price = spec.get("price") or -1
    series = {          # type: (last value, points, largest step)
        1: (price, 30, 300), 4: (price * 5 // 4 if price > 0 else -1, 6, 400),
        7: (price, 12, 250), 8: (-1, 8, 300), 10: (price, 24, 200), 11: (5, 24, 2),
        15: (5, 40, 3), 16: (spec.get("rating", 43), 10, 1),
        17: (spec.get("reviews", 1200), 45, 4), 18: (price, 25, 250), 33: (-1, 4, 300),
        34: (3, 18, 2), 35: (2, 18, 2),
    }
    out = [None] * CSV_TYPES
    out[0] = [even(end - 400 * DAY), -1]
    out[2] = list(out[0])
    out[3] = ranks
    for kind, (last, count, spread) in series.items():
        gap = 2 if counts.get(kind) else DAY
        out[kind] = history(rng, end - 2, last, count + counts.get(kind, 0), spread, gap,
                            kind in TRIPLES)
    return out


def image(rng):
    return "71" + "".join(rng.choices(IMAGES, k=9)) + ".jpg"


def images(rng, first):
    if first is None:
        return None
    rest = [image(rng) for _ in range(6)]
    return [{"l": name, "lH": 1500, "lW": 1500, "m": image(rng), "mH": 500, "mW": 500}
            for name in [first] + rest] + [{"m": image(rng)}]


def facts(rng, spec):
    """The product as the catalogue describes it."""
    brand = spec.get("brand", "Nordhus")
    title = spec.get("title", "%s %s" % (brand, words(rng, 60)))
    slug = "".join(c if c.isalnum() and c.isascii() else "-" for c in (title or "")[:50])
    tree = [{"catId": int(number), "name": name} for number, name in spec.get("tree", [])]
    group = "simulated_display_on_website"
    return {
        **LOOKS,
        "asin": spec["asin"], "domainId": spec.get("domain", 1), "title": title, "brand": brand,
        "brandStoreName": brand, "brandStoreUrl": "/stores/%s/page/%032X" % (
            brand, rng.getrandbits(128)),
        "brandStoreUrlName": brand, "manufacturer": "%s GmbH & Co. \"KG\"" % brand,
        "parentAsin": spec.get("parent"), "images": images(rng, spec.get("image", image(rng))),
        "productType": spec.get("type", 0), "type": "SIMULATED_GOODS", "urlSlug": slug,
        "categoryTree": tree or None, "categories": [tree[-1]["catId"]] if tree else None,
        "rootCategory": tree[0]["catId"] if tree else 0,
        "websiteDisplayGroup": group, "websiteDisplayGroupName": "Simulated",
        "salesRankDisplayGroup": group, "partNumber": "SIM-%s" % spec["asin"][-4:],
        "eanList": ["%013d" % rng.randrange(10 ** 13)],
        "features": ["%s: %s" % (words(rng, 18).upper(), words(rng, 170)) for _ in range(5)],
        "description": words(rng, 900), "ingredients": words(rng, 260),
    }


def seller(rng):
    return "A" + "".join(rng.choices(IMAGES[:26] + IMAGES[52:], k=13))


def market(rng, spec, end):
    """The product as it is sold: offers, fees, and the histories outside csv."""
    sellers = [seller(rng) for _ in range(3)] + ["-2"]
    buy_box = history(rng, end, 0, 18, 3)
    price = spec.get("price") or -1
    sold = spec.get("monthlySold")
    out = {
        "buyBoxSellerIdHistory": [sellers[n // 2 % 4] if n % 2 else str(value)
                                  for n, value in enumerate(buy_box)],
        "buyBoxEligibleOfferCounts": [3, 2, 0, 0, 0, 0, 0, 0],
        "competitivePriceThreshold": price, "referralFeePercent": 15,
        "referralFeePercentage": 15.01, "fbaFees": {"lastUpdate": end - 900,
                                                    "pickAndPackFee": 409},
        "couponHistory": history(rng, end, -10, 8, 9, triple=True),
        "deals": [{"accessType": "ALL", "badge": "Limited time deal",
                   "dealType": "LIMITED_TIME_DEAL"}],
        "promotions": [{"amount": price, "discountPercent": 10, "sellerId": sellers[0],
                        "snsBulkDiscountPercent": None, "type": "SNS"}],
        "reviews": {"lastUpdate": end - 600, "ratingCount": history(rng, end, 53, 20, 3),
                    "reviewCount": history(rng, end, 40, 20, 3)},
        "monthlySoldHistory": history(rng, end, sold or 50, 36, 100),
        "parentAsinHistory": [str(end - 90 * DAY), "-1"] if spec.get("parent") else None,
        "variations": [{"asin": spec["asin"], "attributes": [
            {"dimension": "Color", "value": "Brushed Steel"}]}] if spec.get("parent") else None,
        "lastPriceChange": even(end - 700), "lastRatingUpdate": even(end - 60),
        "lastSoldUpdate": even(end - 1500), "lastUpdate": end, "primeDealEndTime": end - DAY,
        "listedSince": end - 500 * DAY, "trackingSince": end - 400 * DAY,
        "g": rng.randrange(10000),
    }
    if sold is not None:
        out["monthlySold"] = sold
    return out


def sales_ranks(spec, now):
    """Every category's points out of the spec, oldest first."""
    ranks = {}
    for category, points in (spec.get("ranks") or {}).items():
        ranks[category] = []
        for when, rank in points:
            append_point(ranks[category], moment(when, now), rank)
    return ranks


def reference(spec):
    """The category whose rank is the main one: the root, unless the spec names another."""
    tree = spec.get("tree") or [[-1, None]]
    return int(spec.get("reference", tree[0][0]))


def assemble(spec, now, counts):
    rng = random.Random("%s:%s" % (spec.get("domain", 1), spec["asin"]))
    ranks = sales_ranks(spec, now)
    end = moment(spec.get("lastUpdate_ago", 20), now)
    end = max([end] + [points[-2] for points in ranks.values() if points])
    main = reference(spec)
    product = plain(PLAIN)
    product.update(facts(rng, spec), **market(rng, spec, end))
    product["csv"] = csv(rng, spec, end, list(ranks.get(str(main), [])) or None, counts)
    product["salesRanks"] = ranks or None
    product["salesRankReference"] = main
    product["salesRankReferenceHistory"] = [even(end - 400 * DAY), main]
    return product


def build(spec, now):
    """The whole product of a spec, with all its history, as of Keepa's minute `now`."""
    if spec.get("type") == 4:
        return stub(spec["asin"], spec.get("domain", 1), now)
    product = assemble(spec, now, {})
    size = spec.get("size")
    if size and size < 6000:
        product = {key: product[key] for key in NEEDED if key in product}
        product["images"] = product["images"] and product["images"][:1]
        product["features"] = product["features"][:4]
        product["csv"] = [points and points[-3 if kind in TRIPLES else -2:]
                          for kind, points in enumerate(product["csv"])]
    elif size:
        product = pad(product, spec, now, size - len(compact(product).encode()))
    return product


def pad(product, spec, now, missing):
    """Fills up with points that days=1 keeps; what csv cannot take goes into `reviews`."""
    count = min(DENSE, max(0, missing) // (13 * len(PADDED)))
    padded = assemble(spec, now, dict.fromkeys(PADDED, count))
    rest = missing + len(compact(product).encode()) - len(compact(padded).encode())
    rng = random.Random(spec["asin"])
    padded["reviews"]["ratingCount"] += history(
        rng, product["lastUpdate"], 53, max(0, rest) // 12, 3, 2)
    return padded


def stub(asin, domain, now):
    """What Keepa answers for an ASIN that it does not know."""
    return dict(plain(STUB), asin=asin, domainId=domain, csv=[None] * 34, productType=4,
                g=int(asin, 36) % 10000, lastUpdate=even(now), lastPriceChange=even(now),
                trackingSince=even(now))


def stats(product):
    """The `stats` object.  Only `current` is true; the rest has the right shape."""
    points = product.get("csv") or [None] * 34
    at = [-2 if kind in TRIPLES else -1 for kind in range(len(points))]
    current = [p[at[kind]] if p else -1 for kind, p in enumerate(points)]
    extreme = [[p[0], p[1]] if p else None for p in points]
    out = dict.fromkeys("""buyBoxAvailabilityMessage buyBoxCondition buyBoxIsAmazon
        buyBoxIsBackorder buyBoxIsFBA buyBoxIsFreeShippingEligible buyBoxIsMAP buyBoxIsPreorder
        buyBoxIsPrimeEligible buyBoxIsPrimeExclusive buyBoxIsPrimePantry buyBoxIsShippable
        buyBoxIsUnqualified buyBoxMaxOrderQuantity buyBoxMinOrderQuantity isAddonItem
        buyBoxIsUsed buyBoxIsWarehouseDeal buyBoxSellerId buyBoxShippingCountry
        deltaPercent90_monthlySold lastBuyBoxUpdate lightningDealInfo outOfStockCountAmazon30
        outOfStockCountAmazon90 sellerIdsLowestFBA sellerIdsLowestFBM""".split())
    for name in "atIntervalStart avg avg30 avg90 avg180 avg365 current".split():
        out[name] = current
    for name in "max maxInInterval min minInInterval".split():
        out[name] = extreme
    for name in "30 90 180 365 InInterval".split():
        out["outOfStockPercentage" + name] = [0 if p else -1 for p in points]
    for name in "isLowest isLowest90".split():
        out[name] = [False] * len(points)
    for name in "30 90 180 365".split():
        out["salesRankDrops" + name] = 12 if any(points) else -1
    for name in """buyBoxPrice buyBoxShipping offerCountFBA offerCountFBM retrievedOfferCount
            tradeInPrice""".split():
        out[name] = -2
    out.update(totalOfferCount=5 if any(points) else 0, lastOffersUpdate=-1)
    return out


# The default world.  Ranks are [minutes before the start, rank].

HOME = [[1100001, "Home & Kitchen"], [1100011, "Kitchen & Dining"],
        [1100012, "Coffee, Tea & Espresso"], [202611200011, "Gooseneck Kettles"]]
BEAUTY = [[1100002, "Beauty & Personal Care"], [1100021, "Skin Care"],
          [1100022, "Face Serums"]]
PETS = [[1100003, "Pet Supplies"], [1100031, "Dogs"], [1100032, "Chew Toys"]]
CANADA = [[6100001, "Home"], [6100011, "Kitchen"], [6100012, "Teapots"]]
SHARED = {"1100003": [[20000, 9120], [3000, 8700], [130, 8655]], "1100031": [[2600, 512]],
          "1100032": [[9000, 3], [400, 2]]}       # variations share their parent's ranks

DEFAULT_WORLD = {
    "categories": {
        "1100091": {"name": "Gift Ideas in Kitchen", "parent": 1100001, "productCount": 12},
        "1100098": {"null": True},      # known to be, but without data
    },                                  # and 1100099, in ranks below, nobody knows
    "products": [
        {"asin": "B0SIM00001", "title": "Nordhus Gooseneck Kettle, 1.2 L, Brushed Steel",
         "tree": HOME, "price": 4999, "monthlySold": 2000, "rating": 47, "reviews": 8123,
         "ranks": {"1100001": [[90000, 2788], [1500, 2401], [200, 2345]],
                   "1100011": [[52000, 310], [700, 288]], "1100012": [[30000, 14], [900, 11]],
                   "202611200011": [[400000, 5], [288000, 1]]}},
        {"asin": "B0SIM00002", "tree": HOME[:3], "brand": "Evil & Sons", "price": 1999,
         "title": "<!channel> & \"quotes\" <https://evil.example|x> \u202egnp.exe *bold* `tick`",
         "ranks": {"1100001": [[4000, 15320], [95, 15011]], "1100012": [[5000, 2], [600, 1]]}},
        {"asin": "B0SIM00003", "tree": BEAUTY, "price": 2450,
         "title": ("Velvet Oak Serum with a name that says everything it does " * 70)[:4000],
         "ranks": {"1100002": [[9000, 70123], [180, 68990]], "1100022": [[8000, 41]]}},
        {"asin": "B0SIM00004", "tree": BEAUTY, "price": 1599, "brand": "Crème Études",
         "title": "Crème Études Sérum \U0001f9f4 Éclat"
                  " 30 ml – \u65e5\u672c \U0001f469\u200d\U0001f52c",
         "monthlySold": 300, "ranks": {"1100002": [[7000, 912], [240, 899]],
                                       "1100021": [[6000, 88]],
                                       "1100022": [[6000, 2], [3000, 1]]}},
        {"asin": "B0SIM00005", "tree": PETS[:2], "price": 899, "title": "Barkwell Rope Ring, Large",
         "ranks": {"1100003": [[8000, 30211], [300, 30050]],
                   "1100032": [[60000, 1], [44000, -1]]}},
        {"asin": "B0SIM00006", "tree": HOME[:2], "price": 2999, "title": "Nordhus Tea Sampler Tin",
         "ranks": {"1100001": [[6500, 5120], [110, 5099]], "1100091": [[4100, 4], [1300, 1]],
                   "1100099": [[2500, 7]]}},
        {"asin": "B0SIM00007", "tree": PETS, "parent": "B0SIMPAR01", "price": 1299,
         "title": "Barkwell Chew Toy, Small, Blue", "ranks": SHARED},
        {"asin": "B0SIM00008", "tree": PETS, "parent": "B0SIMPAR01", "price": 1399,
         "title": "Barkwell Chew Toy, Medium, Blue", "ranks": SHARED},
        {"asin": "B0SIM00009", "tree": PETS, "parent": "B0SIMPAR01", "price": 1499,
         "title": "Barkwell Chew Toy, Large, Red", "ranks": SHARED},
        {"asin": "B0SIM00010", "tree": HOME[:2], "price": None, "image": None,
         "title": "Nordhus Spare Lid (never ranked)"},
        {"asin": "B0SIM00011", "type": 4},
        {"asin": "B0SIM00012", "tree": HOME[:3], "price": 3499, "title": "Brewline Pour Over Set",
         "ranks": {"1100001": [[2000, 990], [500, 871], [60, 902]],
                   "1100012": [[3000, 2], [1200, 1], [1100, 2], [800, 1], [90, 2]],
                   "1100098": [[1000, 6]]}},
        {"domain": 6, "asin": "B0SIM00001", "tree": CANADA[:2], "price": 6499,
         "title": "Nordhus Gooseneck Kettle, 1.2 L, Brushed Steel",
         "ranks": {"6100001": [[3000, 7100], [150, 7012]], "6100011": [[2000, 3]]}},
        {"domain": 6, "asin": "B0SIMCA002", "tree": CANADA, "price": 3299,
         "title": "Théière en fonte « Érable » 0,8 L",
         "ranks": {"6100001": [[5000, 4000], [220, 3891]], "6100012": [[8000, 1]]}},
        {"domain": 6, "asin": "B0SIMCA003", "tree": CANADA, "price": 2199,
         "title": "Maple & Birch Tea Infuser",
         "ranks": {"6100001": [[4000, 21400], [400, 20988]], "6100012": [[8000, 2]]}},
    ],
}


# The stream for benchmarks: few templates, cut where a record differs, and joined again.

VARIED = ("asin", "title", "salesRanks", "lastUpdate")
TREE = [[1100001 + n, "Simulated Category %d" % n] for n in range(4)]


def points_of(size):
    """How many points a category's history has: as an hourly poll's, not a life's."""
    return 12 if size >= 6000 else 3


def templates(rng, size, now):
    """Texts of products, in several orders of keys, split at the fields that vary."""
    ranks = 12 * points_of(size) * len(TREE)        # bytes that come in later
    out = []
    for number in range(16):
        product = build({"asin": "B0BENCH%03d" % number, "tree": TREE, "price": 1999,
                         "monthlySold": 100, "size": size - ranks,
                         "ranks": {str(c): [[60, 5]] for c, _ in TREE}}, now)
        product.update({key: "@%s@" % key for key in VARIED})
        keys = list(product)
        rng.shuffle(keys)
        text = compact({key: product[key] for key in keys})
        for key in VARIED:
            text = text.replace('"@%s@"' % key, "\0%s\0" % key)
        out.append(text.split("\0"))        # odd elements are names of fields
    return out


def poll(rng, points, now, churn):
    """One hour later: some products' ranks have moved, and their oldest points fall out."""
    for ranks in points:
        if rng.random() * 100 < churn:
            for values in ranks.values():
                if append_point(values, even(now - rng.randrange(2, 58)), rng.randint(1, 9)):
                    del values[:2]


def records(args):
    rng = random.Random(args.seed)
    start = minutes(calendar.timegm((2026, 11, 20, 8, 0, 0)))
    texts = templates(rng, args.size, start)
    points = [{str(c): history(rng, start - 60, rng.randint(1, 9), points_of(args.size), 4, 120)
               for c, _ in TREE} for _ in range(args.count)]
    for number in range(args.polls):
        now = start + 60 * number
        if number:
            poll(rng, points, now, args.churn)
        head = '{"type":"keepa_product","marketplace":"US","asin":"%s","fetched_at":"%s",' \
               '"status":"ok","product":'
        for n, ranks in enumerate(points):
            asin = "B0%08d" % n
            values = dict(asin=compact(asin), salesRanks=compact(ranks),
                          lastUpdate=str(even(now - 10)),
                          title=compact("Simulated product %d – “bench” \\ ½ l" % n))
            text = texts[n % len(texts)]
            yield head % (asin, iso(now)) + "".join(
                values[part] if i % 2 else part for i, part in enumerate(text)) + "}\n"


def main():
    parser = argparse.ArgumentParser(description="Print a stream of keepa_product records.")
    parser.add_argument("--count", type=int, required=True, help="products in each poll")
    parser.add_argument("--size", type=int, default=60000, help="bytes of each, about")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--polls", type=int, default=1, help="polls, an hour apart")
    parser.add_argument("--churn", type=float, default=10,
                        help="percent of the products whose ranks move between two polls")
    args = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for record in records(args):
        sys.stdout.buffer.write(record.encode())
    sys.stdout.flush()


if __name__ == "__main__":
    main()
