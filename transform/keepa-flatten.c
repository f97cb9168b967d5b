/*
 * keepa-flatten - what Keepa's products say, as records of our own
 *
 * Each keepa_product becomes a rank_history for each point of its sales ranks,
 * a categories for each name it gives, and then one asin_history, the
 * observation itself.  Everything else is passed on as it came.
 *
 * It concludes nothing.  What Keepa does not say is unknown: no product, a stub
 * (productType 4) or no salesRanks at all give an observation without ranks,
 * which says neither that a rank was lost nor that there was none.
 *
 * Facts about Keepa's products are from its documentation and its Java client:
 * KeepaTime.java (minutes since 2011), Product.java (salesRanks, csv, images).
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <err.h>

#include "lib/keepa.h"
#include "lib/market.h"
#include "lib/ndjson.h"
#include "lib/when.h"

#define RANK_MAX 2000000000LL
#define ID_MAX 32 /* bytes of a marketplace or an ASIN, quotes included */
#define LINE_SIZE 256 /* holds any rank_history */
#define PRICE_MAX 1000000000000LL
#define IMAGES "https://m.media-amazon.com/images/I/"
#define NAME_CHARS \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+%_.-"

/* Lists of Product.csv, by CsvType.java. */
enum {
	CSV_AMAZON = 0,
	CSV_NEW = 1,
	CSV_RATING = 16,
	CSV_REVIEWS = 17,
	CSV_BUY_BOX = 18, /* time, price, shipping */
	CSV_WANTED
};

enum {
	PRODUCT_TYPE,
	TITLE,
	BRAND,
	PARENT,
	IMAGE_LIST,
	IMAGES_CSV,
	CATEGORY_TREE,
	ROOT,
	SALES_RANKS,
	CSV,
	LAST_UPDATE,
	MONTHLY_SOLD
};

static struct json_field product[] = {JSON_FIELD("productType"),
    JSON_FIELD("title"), JSON_FIELD("brand"), JSON_FIELD("parentAsin"),
    JSON_FIELD("images"), JSON_FIELD("imagesCSV"), JSON_FIELD("categoryTree"),
    JSON_FIELD("rootCategory"), JSON_FIELD("salesRanks"), JSON_FIELD("csv"),
    JSON_FIELD("lastUpdate"), JSON_FIELD("monthlySold"), JSON_END};

enum { TYPE, MARKETPLACE, ASIN, FETCHED_AT, STATUS, PRODUCT };

static struct json_field record[] = {JSON_FIELD("type"),
    JSON_FIELD("marketplace"), JSON_FIELD("asin"), JSON_FIELD("fetched_at"),
    JSON_FIELD("status"), JSON_SUB("product", product), JSON_END};

struct point {
	int64_t at; /* seconds since 1970 */
	long long rank; /* -1: none any more */
};

struct category {
	struct json_slice id;
	struct point last;
};

/* Those of the product at hand; both grow as needed. */
static struct point *points;
static size_t n_points, points_cap;
static struct category *ranked;
static size_t n_ranked, ranked_cap;

static const char usage[] =
    "usage: keepa-flatten [--no-raw] <keepa_product records\n"
    "\n"
    "Writes, for each keepa_product, a rank_history for each point of its\n"
    "sales ranks, a categories for each category named, and one asin_history;\n"
    "passes all other records on as they are.\n"
    "\n"
    "      --no-raw   leave raw_keepa_response out of asin_history\n"
    "      --help, --version\n"
    "\n"
    "example: zcat spool/*.gz | keepa-flatten --no-raw | jq -c .\n";

static void *
grown(void *list, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return list;
	*cap = *cap == 0 ? 64 : 2 * *cap;
	if ((list = realloc(list, *cap * size)) == NULL)
		err(EX_TEMPFAIL, "cannot hold a product");
	return list;
}

/* Begin a record of this type about a marketplace. */
static void
begin(const char *type)
{
	nd_puts("{\"type\":\"");
	nd_puts(type);
	nd_puts("\"");
	nd_field("marketplace", record[MARKETPLACE].val);
}

static void
put_key(const char *name, struct json_slice key)
{
	nd_puts(",\"");
	nd_puts(name);
	nd_puts("\":\"");
	nd_put(key);
	nd_puts("\"");
}

static void
field_time(const char *name, int64_t t)
{
	char text[WHEN_SIZE];

	nd_field_str(name, when_text(t, text));
}

static void
field_text(const char *name, struct json_slice val)
{
	static const struct json_slice null = {NULL, 0};

	nd_field(name, json_kind(val) == JSON_STRING ? val : null);
}

static void
field_count(const char *name, struct json_slice val)
{
	long long n;

	if (json_int(val, 0, PRICE_MAX, &n))
		nd_field_int(name, n);
	else
		nd_field_str(name, NULL);
}

static void
put_rank(long long rank)
{
	if (rank == -1)
		nd_puts("null");
	else
		nd_put_int(rank);
}

/* A category's list of times and ranks as points; false if it is none. */
static bool
read_points(struct json_slice list)
{
	struct json_iter it = json_walk(list);
	long long minutes, rank;

	n_points = 0;
	while (json_next(&it)) {
		if (!json_int(it.val, 0, KEEPA_MINUTES_MAX, &minutes) ||
		    !json_next(&it) || !json_int(it.val, -1, RANK_MAX, &rank) ||
		    rank == 0)
			return false;
		points = grown(points, n_points, &points_cap, sizeof(*points));
		points[n_points].at = keepa_time(minutes);
		points[n_points++].rank = rank;
	}
	return n_points > 0;
}

static bool
is_id(struct json_slice val)
{
	return json_kind(val) == JSON_STRING && val.len <= ID_MAX;
}

static bool
is_category_id(struct json_slice key)
{
	size_t i = 0;

	while (i < key.len && key.s[i] >= '0' && key.s[i] <= '9')
		i++;
	return i > 0 && i == key.len && i <= 20;
}

static char *
append(char *p, struct json_slice s)
{
	memcpy(p, s.s, s.len);
	return p + s.len;
}

/* The records of a category's points, all alike but for their ends. */
static void
put_points(struct json_slice category)
{
	char line[LINE_SIZE], number[ND_INT_SIZE], *at, *p = line;
	struct json_slice out = {line, 0};

	p = stpcpy(p, "{\"type\":\"rank_history\",\"marketplace\":");
	p = append(p, record[MARKETPLACE].val);
	p = append(stpcpy(p, ",\"asin\":"), record[ASIN].val);
	p = append(stpcpy(p, ",\"category_id\":\""), category);
	at = stpcpy(p, "\",\"changed_at\":\"");

	for (size_t i = 0; i < n_points; i++) {
		p = when_text(points[i].at, at) + WHEN_SIZE - 1;
		p = stpcpy(p, "\",\"rank\":");
		p = stpcpy(p,
		    points[i].rank == -1 ? "null"
					 : nd_int_text(points[i].rank, number));
		p = stpcpy(p, "}\n");
		out.len = (size_t)(p - line);
		nd_put(out);
	}
}

/* Every point of every category; ranked then holds the last of each. */
static void
put_history(struct nd_in *in)
{
	struct json_iter it = json_walk(product[SALES_RANKS].val);

	n_ranked = 0;
	while (json_next(&it)) {
		if (!is_category_id(it.key) || !read_points(it.val)) {
			nd_bad(in,
			    "salesRanks \"%.*s\" is no list of times and "
			    "ranks, and is left out",
			    it.key.len > 40 ? 40 : (int)it.key.len, it.key.s);
			continue;
		}
		put_points(it.key);
		ranked = grown(ranked, n_ranked, &ranked_cap, sizeof(*ranked));
		ranked[n_ranked].id = it.key;
		ranked[n_ranked++].last = points[n_points - 1];
	}
}

static void
put_name(struct json_slice id, struct json_slice name, struct json_slice parent)
{
	struct json_slice root = product[ROOT].val;

	begin("categories");
	put_key("category_id", id);
	nd_field("name", name);
	if (parent.s != NULL)
		put_key("parent_id", parent);
	else if (id.len == root.len && memcmp(id.s, root.s, id.len) == 0)
		nd_field_str("parent_id", NULL);
	nd_puts("}\n");
}

/* categoryTree goes down one path, from the root or from somewhere below it. */
static void
put_names(void)
{
	struct json_field node[] = {
	    JSON_FIELD("catId"), JSON_FIELD("name"), JSON_END};
	struct json_iter it = json_walk(product[CATEGORY_TREE].val);
	struct json_slice parent = {NULL, 0};
	struct json_error e;
	long long id;

	while (json_next(&it)) {
		if (!json_scan(it.val, node, &e) ||
		    !json_int(node[0].val, 1, INT64_MAX, &id)) {
			parent.s = NULL;
			continue;
		}
		if (json_kind(node[1].val) == JSON_STRING)
			put_name(node[0].val, node[1].val, parent);
		parent = node[0].val;
	}
}

static void
field_ranks(void)
{
	char at[WHEN_SIZE];
	bool first = true;

	nd_puts(",\"sales_ranks\":{");
	for (size_t i = 0; i < n_ranked; i++) {
		nd_puts(i == 0 ? "\"" : ",\"");
		nd_put(ranked[i].id);
		nd_puts("\":{\"rank\":");
		put_rank(ranked[i].last.rank);
		nd_puts(",\"since\":\"");
		nd_puts(when_text(ranked[i].last.at, at));
		nd_puts("\"}");
	}
	nd_puts("},\"bestseller_badges\":[");
	for (size_t i = 0; i < n_ranked; i++) {
		if (ranked[i].last.rank != 1)
			continue;
		nd_puts(first ? "\"" : ",\"");
		nd_put(ranked[i].id);
		nd_puts("\"");
		first = false;
	}
	nd_puts("]");
}

/* The name of the first image: images[0].l or .m, else the head of imagesCSV,
 * which Keepa gave until 2026. */
static struct json_slice
image_name(void)
{
	struct json_field image[] = {
	    JSON_FIELD("l"), JSON_FIELD("m"), JSON_END};
	struct json_iter it = json_walk(product[IMAGE_LIST].val);
	struct json_slice name = product[IMAGES_CSV].val;
	struct json_error e;

	if (json_next(&it))
		json_scan(it.val, image, &e);
	for (int i = 1; i >= 0; i--)
		if (json_kind(image[i].val) == JSON_STRING)
			name = image[i].val;
	if (json_kind(name) == JSON_STRING) {
		name.s++;
		name.len -= 2;
	} else {
		name.len = 0;
	}
	for (size_t i = 0; i < name.len; i++)
		if (strchr(NAME_CHARS, name.s[i]) == NULL)
			name.len = name.s[i] == ',' ? i : 0;
	return name;
}

static void
field_image(void)
{
	struct json_slice name = image_name();

	if (name.len == 0) {
		nd_field_str("image_url", NULL);
		return;
	}
	nd_puts(",\"image_url\":\"" IMAGES);
	nd_put(name);
	nd_puts("\"");
}

static struct json_slice
trimmed(const char *p, const char *end)
{
	struct json_slice s = {p, 0};

	while (s.s < end && strchr(" \t\r", *s.s) != NULL)
		s.s++;
	while (end > s.s && strchr(" \t\r", end[-1]) != NULL)
		end--;
	s.len = (size_t)(end - s.s);
	return s;
}

/* The last two numbers of a list, without walking over those before. */
static bool
tail(struct json_slice list, long long last[2])
{
	struct json_slice number;
	const char *end, *p;

	if (json_kind(list) != JSON_ARRAY)
		return false;
	end = list.s + list.len - 1;
	for (int i = 1; i >= 0; i--, end = p - 1) {
		for (p = end; p > list.s + 1 && p[-1] != ','; p--)
			;
		number = trimmed(p, end);
		if (number.len == 0 ||
		    !json_int(number, -1, PRICE_MAX, &last[i]))
			return false;
	}
	return true;
}

static void
field_price(const struct json_slice *csv, const struct market *market)
{
	long long last[2], price = -1;

	if (tail(csv[CSV_BUY_BOX], last) && last[0] > 0)
		price = last[0] + (last[1] > 0 ? last[1] : 0);
	else if (tail(csv[CSV_AMAZON], last) && last[1] > 0)
		price = last[1];
	else if (tail(csv[CSV_NEW], last) && last[1] > 0)
		price = last[1];

	if (price == -1)
		nd_field_str("price_cents", NULL);
	else
		nd_field_int("price_cents", price);
	nd_field_str("currency", market == NULL ? NULL : market->currency);
}

/* Keepa's rating goes from 0 to 50. */
static void
field_rating(const struct json_slice *csv)
{
	long long last[2];

	if (tail(csv[CSV_RATING], last) && last[1] >= 0 && last[1] <= 50) {
		nd_field_int("rating", last[1] / 10);
		if (last[1] % 10 != 0) {
			nd_puts(".");
			nd_put_int(last[1] % 10);
		}
	} else {
		nd_field_str("rating", NULL);
	}
	if (tail(csv[CSV_REVIEWS], last) && last[1] >= 0)
		nd_field_int("review_count", last[1]);
	else
		nd_field_str("review_count", NULL);
}

static void
field_numbers(void)
{
	struct json_slice csv[CSV_WANTED] = {{NULL, 0}};
	struct json_iter it = json_walk(product[CSV].val);
	long long minutes;

	for (size_t i = 0; i < CSV_WANTED && json_next(&it); i++)
		csv[i] = it.val;
	if (json_int(product[LAST_UPDATE].val, 1, KEEPA_MINUTES_MAX, &minutes))
		field_time("source_updated_at", keepa_time(minutes));
	else
		nd_field_str("source_updated_at", NULL);
	field_price(csv, market_read(record[MARKETPLACE].val));
	field_count("monthly_sold", product[MONTHLY_SOLD].val);
	field_rating(csv);
}

/* The observation; ranks says whether there is an answer about them. */
static void
put_observation(const char *status, bool ranks, bool raw)
{
	bool some = json_kind(record[PRODUCT].val) == JSON_OBJECT;

	begin("asin_history");
	nd_field("asin", record[ASIN].val);
	nd_field("check_timestamp", record[FETCHED_AT].val);
	nd_field_str("status", status);
	if (some) {
		field_text("product_title", product[TITLE].val);
		field_text("brand", product[BRAND].val);
		field_text("parent_asin", product[PARENT].val);
		field_image();
	}
	if (ranks)
		field_ranks();
	else
		nd_puts(",\"sales_ranks\":null,\"bestseller_badges\":null");
	if (some)
		field_numbers();
	if (some && raw)
		nd_field("raw_keepa_response", record[PRODUCT].val);
	nd_puts("}\n");
}

static void
flatten(struct nd_in *in, bool raw)
{
	enum json_kind kind = json_kind(record[PRODUCT].val);
	long long type = 0;
	int64_t at;

	if (!is_id(record[MARKETPLACE].val) || !is_id(record[ASIN].val) ||
	    !when_read(record[FETCHED_AT].val, &at)) {
		nd_bad(in,
		    "a keepa_product needs marketplace, asin and "
		    "fetched_at");
		return;
	}
	if (kind != JSON_OBJECT) {
		put_observation(json_is(record[STATUS].val, "missing")
			? "missing"
			: "unknown",
		    false, raw);
		return;
	}
	json_int(product[PRODUCT_TYPE].val, 0, 100, &type);
	if (type == KEEPA_STUB ||
	    json_kind(product[SALES_RANKS].val) != JSON_OBJECT) {
		put_observation("unknown", false, raw);
		return;
	}
	put_history(in);
	put_names();
	put_observation("ok", true, raw);
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"no-raw", no_argument, NULL, 'n'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	struct nd_in *in;
	bool raw = true;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'n')
			nd_option(c, argv, usage);
		raw = false;
	}
	if (optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);

	in = nd_open(NULL);
	while (nd_read(in, record)) {
		if (json_is(record[TYPE].val, "keepa_product"))
			flatten(in, raw);
		else
			nd_put_line(nd_line(in));
	}
	nd_close(in);
	free(points);
	free(ranked);
	return nd_finish();
}
