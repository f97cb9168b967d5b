/*
 * keepa-fetch - products, or the names of categories, from Keepa
 *
 * Asks for each ASIN once, 100 in a request, and hands each product out while
 * the answer still arrives.  History is asked for back to the last look at the
 * product, so that what happened between two looks is in the answer, at the
 * same price.  Keepa's answers say how many tokens are left; a request goes out
 * as long as there are any, whatever it will cost, for that is Keepa's own
 * rule.
 *
 * What it does not conclude: an ASIN that Keepa has no product for is missing,
 * one that Keepa gave no ranks or no answer for is unknown; neither says that
 * anything was lost.
 *
 * Facts: Keepa's API documentation (products, tokens, categories), and its Java
 * client (KeepaAPI.java: statuses, RequestError.java: errors).
 */
#include <ctype.h>
#include <err.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/http.h"
#include "lib/keepa.h"
#include "lib/market.h"
#include "lib/ndjson.h"
#include "lib/run.h"
#include "lib/split.h"
#include "lib/when.h"

#define PRODUCTS_MAX 100 /* in a request */
#define CATEGORIES_MAX 10 /* the same, for one token */
#define ID_SIZE 24
#define URL_SIZE 8192
#define DAY 86400
#define SLACK 3600 /* seconds by which clocks may differ */

/* An ASIN or a category to ask for. */
struct item {
	char id[ID_SIZE];
	const struct market *market;
	int64_t since; /* history is wanted from here on; 0: no matter */
	size_t order; /* in which it came */
	bool written; /* a record of it is out */
};

/* Items of one marketplace, which one request can ask for. */
struct batch {
	struct item *items;
	size_t n;
};

static struct {
	bool categories;
	const struct market *market; /* of ASINs that come without */
	const char *update, *days;
	double max_wait, waited;

	const char *base, *key;
	double cents_per_token;
	struct http *http;
	struct split *split;

	struct item *items;
	size_t n, cap, done;

	struct item *batch; /* those asked for at the moment */
	size_t batch_n;
	bool unreadable; /* something in the answer was */
	const char *no_document; /* why the answer is none, or NULL */
	bool key_works; /* Keepa said so */
	struct keepa_envelope tokens;
	double tokens_at; /* by http_clock, when tokens came */
	char fetched_at[WHEN_SIZE];

	unsigned long requests;
} f;

static const char usage[] =
    "usage: keepa-fetch [-m MARKETPLACE] [--update H] [--days N]\n"
    "                   [--max-wait S] [ASIN...] [<records with an asin]\n"
    "       keepa-fetch --categories <records with a category_id\n"
    "       keepa-fetch --check\n"
    "\n"
    "Writes a keepa_product for each ASIN, once, and an api_usage_log for "
    "each\n"
    "request; with --categories, a categories for each category instead.\n"
    "\n"
    "  -m, --marketplace CODE  of ASINs that come without one (US)\n"
    "      --days N       days of history (0: all; else back to last_updated, "
    "or\n"
    "                     source_updated_at, of the record; 1 at least)\n"
    "      --update H     refresh what Keepa has not looked at for H hours\n"
    "      --max-wait S   seconds to wait in all, for tokens and otherwise "
    "(900)\n"
    "      --check        test key and reachability, at no cost\n"
    "      --help, --version\n"
    "\n"
    "KEEPA_API_KEY is needed, from the environment or .env.\n"
    "example: keepa-fetch -m CA B00TEST001 | keepa-flatten | jq .\n";

static void *
must(void *p)
{
	if (p == NULL)
		err(EX_TEMPFAIL, NULL);
	return p;
}

/* http_do's question how long a 429 wants to be waited for. */
static double
wants(struct http *h, void *arg, const struct http_res *res)
{
	struct keepa_envelope e;

	(void)h;
	(void)arg;
	if (res->status != 429)
		return -1;
	e = keepa_envelope_of(res->body, res->len);
	if (!e.known)
		return -1;
	e.left = e.left > 0 ? 0 : e.left; /* it said no all the same */
	return keepa_refill(&e);
}

/* The time that a list of items wants history from, as days. */
static long
days(const struct item *items, size_t n)
{
	int64_t since = when_now();

	for (size_t i = 0; i < n; i++)
		if (items[i].since != 0 && items[i].since < since)
			since = items[i].since;
	return (long)((when_now() - since + SLACK + DAY - 1) / DAY);
}

static void
add_param(char *url, const char *name, const char *value)
{
	if (!http_param(url, URL_SIZE, name, value))
		errx(EX_CONFIG, "KEEPA_API_URL or KEEPA_API_KEY is too long");
}

static void
begin_url(char *url, const char *path)
{
	if (snprintf(url, URL_SIZE, "%s/%s", f.base, path) >= URL_SIZE)
		errx(EX_CONFIG, "KEEPA_API_URL is too long");
	add_param(url, "key", f.key);
}

/* The request for those of the items that nothing came of yet. */
static void
make_url(char *url, const struct item *items, size_t n)
{
	char list[PRODUCTS_MAX * ID_SIZE] = "", number[24];
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		if (!items[i].written)
			len += (size_t)snprintf(list + len, sizeof(list) - len,
			    "%s%s", len == 0 ? "" : ",", items[i].id);
	begin_url(url, f.categories ? "category" : "product");
	snprintf(number, sizeof(number), "%d", items->market->keepa_domain);
	add_param(url, "domain", number);
	add_param(url, f.categories ? "category" : "asin", list);
	if (f.categories) {
		add_param(url, "parents", "0");
		return;
	}
	add_param(url, "history", "1");
	snprintf(number, sizeof(number), "%ld", days(items, n));
	if (f.days == NULL)
		add_param(url, "days", number);
	else if (strcmp(f.days, "0") != 0)
		add_param(url, "days", f.days);
	if (f.update != NULL)
		add_param(url, "update", f.update);
}

static void
put_product(struct item *item, const char *status, struct json_slice product)
{
	run_record("keepa_product");
	nd_field_str("marketplace", item->market->code);
	nd_field_str("asin", item->id);
	nd_field_str("fetched_at", f.fetched_at);
	nd_field_str("status", status);
	nd_field("product", product);
	nd_puts("}\n");
	item->written = true;
}

static struct item *
asked_for(struct json_slice id)
{
	for (size_t i = 0; i < f.batch_n; i++)
		if (json_is(id, f.batch[i].id))
			return &f.batch[i];
	return NULL;
}

static void
take_product(struct json_slice product)
{
	struct json_field parts[] = {JSON_FIELD("asin"),
	    JSON_FIELD("productType"), JSON_FIELD("salesRanks"), JSON_END};
	struct json_error e;
	struct item *item;
	long long type = 0;
	bool known;

	if (json_kind(product) == JSON_NULL)
		return;
	if (!json_scan(product, parts, &e)) {
		warnx("a product in Keepa's answer: column %zu: %s", e.column,
		    e.why);
		nd_failed();
		f.unreadable = true;
		return;
	}
	if ((item = asked_for(parts[0].val)) == NULL || item->written)
		return;
	json_int(parts[1].val, 0, 100, &type);
	known = type != KEEPA_STUB && json_kind(parts[2].val) == JSON_OBJECT;
	put_product(item, known ? "ok" : "unknown", product);
}

static void
put_category(struct item *item, struct json_slice category)
{
	struct json_field parts[] = {JSON_FIELD("name"), JSON_FIELD("parent"),
	    JSON_FIELD("productCount"), JSON_END};
	struct json_error e;
	long long n;

	run_record("categories");
	nd_field_str("marketplace", item->market->code);
	nd_field_str("category_id", item->id);
	if (json_kind(category) == JSON_OBJECT &&
	    json_scan(category, parts, &e)) {
		if (json_kind(parts[0].val) == JSON_STRING)
			nd_field("name", parts[0].val);
		if (json_int(parts[1].val, 1, INT64_MAX, &n)) {
			nd_puts(",\"parent_id\":\"");
			nd_put(parts[1].val);
			nd_puts("\"");
		}
		if (json_int(parts[2].val, 0, INT64_MAX, &n))
			nd_field_int("product_count", n);
	}
	nd_field_str("fetched_at", f.fetched_at);
	nd_puts("}\n");
	item->written = true;
}

static void
take_categories(struct json_slice all)
{
	struct json_iter it = json_walk(all);

	while (json_next(&it))
		for (size_t i = 0; i < f.batch_n; i++)
			if (!f.batch[i].written &&
			    json_key_is(it.key, f.batch[i].id))
				put_category(&f.batch[i], it.val);
}

/* A part of the answer. */
static void
take_part(void *arg, const char *name, bool element, struct json_slice val)
{
	bool products = !f.categories && strcmp(name, "products") == 0;
	struct json_error e;

	(void)arg;
	if (element) {
		if (products)
			take_product(val);
		return;
	}
	if (products || !json_valid(val, &e)) {
		warnx("%s in Keepa's answer: not of the form expected", name);
		nd_failed();
		f.unreadable = true;
		return;
	}
	if (f.categories && strcmp(name, "categories") == 0)
		take_categories(val);
	keepa_envelope_add(&f.tokens, name, val);
}

static void
clear_answer(void)
{
	split_reset(f.split);
	f.tokens = keepa_envelope_of("", 0);
	f.unreadable = false;
	f.no_document = NULL;
	when_text(when_now(), f.fetched_at);
}

static void
begin_answer(void *arg)
{
	(void)arg;
	run_check_clock(f.http, "Keepa");
	clear_answer();
}

/* What came of the answer goes on before the rest is waited for. */
static bool
take_answer(void *arg, const char *data, size_t len)
{
	bool good = split_feed(f.split, data, len);

	(void)arg;
	if (!good)
		f.no_document = split_why(f.split);
	nd_flush();
	return good;
}

/* How many of a batch a record is out of. */
static size_t
written(void)
{
	size_t n = 0;

	for (size_t i = 0; i < f.batch_n; i++)
		n += f.batch[i].written;
	return n;
}

/*
 * What came before an answer broke off was paid for: if it is repeated, then
 * for the rest.  A document that is cut short may be whole the next time.
 */
static void
judge_answer(void *arg, struct http_res *res)
{
	if (res->outcome == HTTP_OK && !split_whole(f.split)) {
		f.no_document = split_why(f.split);
		res->outcome = HTTP_LATER;
		snprintf(res->why, sizeof(res->why), "%s", f.no_document);
	} else if (res->outcome != HTTP_BROKEN) {
		f.no_document = NULL;
	}
	if (res->status == 200 && written() == f.batch_n)
		res->outcome = HTTP_OK;
	else if (res->outcome != HTTP_OK)
		make_url(arg, f.batch, f.batch_n);
}

static void
put_usage(const char *started, const struct http_res *res, const char *error)
{
	char id[96], now[WHEN_SIZE], cents[32];

	snprintf(id, sizeof(id), "%s-%lu", run_id(), ++f.requests);
	run_record("api_usage_log");
	nd_field_str("usage_id", id);
	nd_field_str("service", "keepa");
	nd_field_int(
	    "asins_processed", f.categories ? 0 : (long long)written());
	nd_field_int("requests", res->tries);
	if (f.tokens.known) {
		snprintf(cents, sizeof(cents), ",\"%s\":%.4f",
		    "estimated_cost_cents",
		    (double)f.tokens.consumed * f.cents_per_token);
		nd_field_int("tokens_consumed", f.tokens.consumed);
		nd_field_int("tokens_left", f.tokens.left);
		nd_field_int("refill_rate", f.tokens.rate);
		nd_puts(cents);
	}
	nd_field_str("processing_started_at", started);
	nd_field_str("processing_completed_at", when_text(when_now(), now));
	nd_field_str("error", error);
	nd_puts("}\n");
	nd_flush();
}

/* Wait until Keepa will listen, if it is known that it would not. */
static void
wait_for_tokens(void)
{
	double wait;

	if (!f.tokens.known)
		return;
	wait = keepa_refill(&f.tokens) - (http_clock() - f.tokens_at);
	if (wait <= 0)
		return;
	if (f.waited + wait > f.max_wait) {
		warnx("%lld tokens left, and %.0f s until there are more; "
		      "%zu of %zu done, the rest can be asked for later",
		    f.tokens.left, wait, f.done, f.n);
		run_stop(EX_TEMPFAIL);
	}
	warnx("%lld tokens left; waiting %.1f s for more", f.tokens.left, wait);
	nd_flush();
	f.waited += wait;
	http_sleep(wait);
}

/*
 * Whether Keepa rejected a request for its key, and not for what was asked: it
 * has one status for both.  /token costs nothing and needs nothing but a key.
 */
static bool
key_refused(void)
{
	char url[URL_SIZE], *words = f.tokens.error;
	struct http_req req = {.url = url, .max_wait = 0};
	struct keepa_envelope e = f.tokens;
	struct http_res res;

	if (f.key_works)
		return false;
	if (strstr(words, "key") != NULL || strstr(words, "Key") != NULL)
		return true;
	begin_url(url, "token");
	res = http_do(f.http, &req);
	if (res.status == 400 || res.status == 402)
		e = keepa_envelope_of(res.body, res.len);
	f.key_works = res.status != 400 && res.status != 402;
	if (!f.key_works && e.error[0] != '\0')
		memcpy(words, e.error, sizeof(e.error));
	conf_hide(words, f.key);
	return !f.key_works;
}

/* What is left of a batch once its request has failed: asked, but no answer. */
static void
put_unknown(void)
{
	static const struct json_slice none = {NULL, 0};

	for (size_t i = 0; i < f.batch_n && !f.categories; i++)
		if (!f.batch[i].written)
			put_product(&f.batch[i], "unknown", none);
}

/* What is left of a batch once its answer has come whole. */
static void
put_missing(void)
{
	static const struct json_slice none = {NULL, 0};

	for (size_t i = 0; i < f.batch_n; i++) {
		if (f.batch[i].written)
			continue;
		if (!f.categories)
			put_product(&f.batch[i],
			    f.unreadable ? "unknown" : "missing", none);
		else if (!f.unreadable)
			put_category(&f.batch[i], none);
	}
}

/* Whether Keepa did not even look at what was asked for. */
static bool
refused_as_a_whole(long status)
{
	return status == 400 || status == 401 || status == 402 ||
	    status == 403 || status == 429;
}

/* What an answer came to, once it is read: more than http_do can tell. */
static void
judge_content(struct http_res *res)
{
	if (res->status != 200)
		f.tokens = keepa_envelope_of(res->body, res->len);
	conf_hide(f.tokens.error, f.key);
	if (res->outcome != HTTP_OK && f.no_document != NULL &&
	    res->status == 200) {
		res->outcome = HTTP_BROKEN;
		snprintf(res->why, sizeof(res->why), "%s", f.no_document);
	} else if (res->outcome == HTTP_OK && f.tokens.error[0] != '\0') {
		res->outcome = HTTP_REFUSED;
	} else if (res->outcome == HTTP_OK && !f.tokens.known &&
	    written() == 0) {
		res->outcome = HTTP_BROKEN;
		snprintf(res->why, sizeof(res->why),
		    "nothing in it that was asked for");
	}
}

/* One request for the items; its answer, or why there is none, is out then. */
static struct http_res
ask(struct item *items, size_t n)
{
	char url[URL_SIZE], started[WHEN_SIZE];
	struct http_req req = {.url = url,
	    .begin = begin_answer,
	    .take = take_answer,
	    .wants = wants,
	    .judge = judge_answer,
	    .arg = url,
	    .max_wait = f.max_wait - f.waited};
	struct http_res res;

	f.batch = items;
	f.batch_n = n;
	clear_answer();
	when_text(when_now(), started);
	make_url(url, items, n);
	res = http_do(f.http, &req);
	f.waited += res.waited;
	f.tokens_at = http_clock();

	run_check_clock(f.http, "Keepa");
	judge_content(&res);
	f.key_works |= res.outcome == HTTP_OK;
	if (res.outcome == HTTP_OK)
		put_missing();
	else if (!refused_as_a_whole(res.status))
		put_unknown();
	put_usage(started, &res,
	    res.outcome == HTTP_OK          ? NULL
		: f.tokens.error[0] != '\0' ? f.tokens.error
					    : res.why);
	return res;
}

static _Noreturn void
stop_for_key(const struct http_res *res)
{
	const char *words = f.tokens.error;

	warnx("Keepa refuses the key: %s", *words != '\0' ? words : res->why);
	run_stop(EX_NOPERM);
}

/* The end of a run that a request has ended. */
static _Noreturn void
give_up(const struct http_res *res)
{
	const char *words = f.tokens.error;

	if (res->status == 401 || res->status == 402 || res->status == 403)
		stop_for_key(res);
	if (res->outcome == HTTP_LATER)
		warnx("Keepa: %s%s%s%s; %zu of %zu done, try again later",
		    res->why, *words != '\0' ? " (" : "", words,
		    *words != '\0' ? ")" : "", f.done, f.n);
	else if (*words != '\0')
		warnx("Keepa: %s: %s", res->why, words);
	else if (res->status == 0)
		warnx("cannot talk to Keepa: %s", res->why);
	else
		warnx("Keepa's answer makes no sense: %s", res->why);
	run_stop(http_status(res));
}

/*
 * Ask for the items, and if Keepa rejects the request, for halves of them,
 * until it is known which it rejects.
 */
static void
ask_halving(struct item *items, size_t n)
{
	struct http_res res;

	wait_for_tokens();
	res = ask(items, n);
	if (res.outcome == HTTP_OK) {
		f.done += n;
		return;
	}
	if (res.status != 400)
		give_up(&res);
	if (key_refused())
		stop_for_key(&res);
	if (n > 1) {
		ask_halving(items, n / 2);
		ask_halving(items + n / 2, n - n / 2);
		return;
	}
	warnx("Keepa rejects '%s': %s", items->id,
	    f.tokens.error[0] != '\0' ? f.tokens.error : res.why);
	nd_failed();
	put_unknown();
	f.done++;
}

static void
show_progress(void)
{
	if (isatty(STDERR_FILENO) && f.n > PRODUCTS_MAX)
		warnx(
		    "%zu of %zu, %lld tokens left", f.done, f.n, f.tokens.left);
}

static int
by_first(const void *a, const void *b)
{
	const struct batch *x = a, *y = b;

	return x->items->order < y->items->order ? -1 : 1;
}

/* The items as batches, the one with the item that came first before all
 * others: if there are tokens for some only, no marketplace starves. */
static struct batch *
batches(size_t *n)
{
	size_t max = f.categories ? CATEGORIES_MAX : PRODUCTS_MAX;
	struct batch *list = must(calloc(f.n + 1, sizeof(*list))), *last = NULL;

	*n = 0;
	for (size_t i = 0; i < f.n; i++) {
		if (last == NULL || last->n == max ||
		    last->items->market != f.items[i].market) {
			last = &list[(*n)++];
			last->items = &f.items[i];
		}
		last->n++;
	}
	qsort(list, *n, sizeof(*list), by_first);
	return list;
}

static void
fetch(void)
{
	size_t n;
	struct batch *list = batches(&n);

	run_begin("keepa-fetch");
	for (size_t i = 0; i < n; i++) {
		ask_halving(list[i].items, list[i].n);
		show_progress();
	}
	/* Of an input that stopped short, this is not all either. */
	if (!nd_cut_short())
		run_end();
	free(list);
}

static int
by_order(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->market != y->market)
		return x->market < y->market ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int
by_id(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = strcmp(x->id, y->id);

	return order != 0 && x->market == y->market ? order : by_order(a, b);
}

/* Each once, by marketplace, in the order in which they came. */
static void
remove_duplicates(void)
{
	size_t kept = 0;

	if (f.n == 0)
		return;
	qsort(f.items, f.n, sizeof(*f.items), by_id);
	for (size_t i = 1; i < f.n; i++) {
		struct item *last = &f.items[kept], *item = &f.items[i];

		if (item->market != last->market ||
		    strcmp(item->id, last->id) != 0) {
			f.items[++kept] = *item;
		} else if (last->since == 0 ||
		    (item->since != 0 && item->since < last->since)) {
			last->since = item->since;
		}
	}
	f.n = kept + 1;
	qsort(f.items, f.n, sizeof(*f.items), by_order);
}

static void
add_item(const char *id, const struct market *market, int64_t since)
{
	struct item *item;

	if (f.n == f.cap) {
		f.cap = f.cap == 0 ? 128 : 2 * f.cap;
		f.items = must(realloc(f.items, f.cap * sizeof(*f.items)));
	}
	item = &f.items[f.n];
	memset(item, 0, sizeof(*item));
	snprintf(item->id, sizeof(item->id), "%s", id);
	item->market = market;
	item->since = since;
	item->order = f.n++;
}

/* An ASIN as people paste it, in capitals and without what is around it; false
 * if it is none: they are of 10 letters and digits. */
static bool
read_asin(const char *text, size_t len, char id[ID_SIZE])
{
	size_t n = 0;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3, len -= 3;
	while (len > 0 && isspace((unsigned char)*text))
		text++, len--;
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	for (; n < len && n < 10; n++) {
		unsigned char c = (unsigned char)text[n];

		if (c >= 0x80 || !isalnum(c))
			return false;
		id[n] = (char)toupper(c);
	}
	id[n] = '\0';
	return len == 10;
}

static bool
read_category_id(const char *text, size_t len, char id[ID_SIZE])
{
	snprintf(id, ID_SIZE, "%.*s", (int)len, text);
	return len > 0 && len < 20 && strspn(id, "0123456789") == len;
}

/* The id in a field, as the text that it says. */
static bool
read_id(struct json_slice val, char id[ID_SIZE])
{
	char text[256];
	size_t len;

	if (json_kind(val) != JSON_STRING || val.len > sizeof(text))
		return false;
	len = json_text(val, text);
	return f.categories ? read_category_id(text, len, id)
			    : read_asin(text, len, id);
}

static int64_t
earlier(struct json_slice a, struct json_slice b)
{
	int64_t x = 0, y = 0;

	if (!when_read(a, &x))
		x = 0;
	if (!when_read(b, &y))
		y = 0;
	return y == 0 || (x != 0 && x < y) ? x : y;
}

/* Records that name what to ask for; all others are passed on. */
static void
read_records(void)
{
	struct json_field r[] = {JSON_FIELD("type"), JSON_FIELD("marketplace"),
	    f.categories ? (struct json_field)JSON_FIELD("category_id")
			 : (struct json_field)JSON_FIELD("asin"),
	    JSON_FIELD("last_updated"), JSON_FIELD("source_updated_at"),
	    JSON_END};
	struct nd_in *in = nd_open(NULL);
	const struct market *market;
	char id[ID_SIZE];

	while (nd_read(in, r)) {
		if (json_is(r[0].val, "run") || json_is(r[0].val, "end"))
			continue; /* of another program's stream */
		if (r[2].val.s == NULL) {
			nd_put_line(nd_line(in));
			continue;
		}
		market = r[1].val.s == NULL ? f.market : market_read(r[1].val);
		if (!read_id(r[2].val, id))
			nd_bad(in, "%s of the wrong form", r[2].name);
		else if (market == NULL || market->keepa_domain == 0)
			nd_bad(in, "a marketplace that Keepa does not have");
		else
			add_item(id, market, earlier(r[3].val, r[4].val));
	}
	nd_close(in);
}

static void
read_operands(char *const *asins)
{
	char id[ID_SIZE];

	for (; *asins != NULL; asins++) {
		if (read_asin(*asins, strlen(*asins), id)) {
			add_item(id, f.market, 0);
			continue;
		}
		warnx("'%.40s' is no ASIN", *asins);
		nd_failed();
	}
}

/* How Keepa is: a health_checks record. */
static _Noreturn void
check(void)
{
	char url[URL_SIZE], detail[600];
	struct http_req req = {.url = url, .max_wait = f.max_wait};
	double began = http_clock();
	struct http_res res;
	const char *words = f.tokens.error;

	begin_url(url, "token");
	res = http_do(f.http, &req);
	f.tokens = keepa_envelope_of(res.body, res.len);
	conf_hide(f.tokens.error, f.key);
	if (res.outcome == HTTP_OK && !f.tokens.known) {
		res.outcome = HTTP_BROKEN;
		snprintf(res.why, sizeof(res.why), "not the answer expected");
	}
	if (res.outcome == HTTP_OK)
		snprintf(detail, sizeof(detail),
		    "%lld tokens left, %lld more a minute", f.tokens.left,
		    f.tokens.rate);
	else
		snprintf(detail, sizeof(detail), "%s%s%s", res.why,
		    *words != '\0' ? ": " : "", words);
	run_health("keepa", began, res.outcome == HTTP_OK, detail);
	if (res.status == 400 || res.status == 402)
		run_stop(EX_NOPERM);
	run_stop(http_status(&res));
}

/* A whole number that an option gives, as it is to stand in a URL. */
static const char *
whole(const char *option, const char *text, long min)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < min || n > 100000 ||
	    strspn(text, "-0123456789") != strlen(text))
		errx(EX_USAGE, "%s '%s' is no number that will do", option,
		    text);
	return text;
}

static const struct market *
keepa_market(const char *name)
{
	const struct market *market = market_find(name);

	if (market == NULL || market->keepa_domain == 0)
		errx(EX_USAGE, "Keepa has no marketplace '%s'", name);
	return market;
}

static bool
read_options(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"marketplace", required_argument, NULL, 'm'},
	    {"update", required_argument, NULL, 'u'},
	    {"days", required_argument, NULL, 'd'},
	    {"max-wait", required_argument, NULL, 'w'},
	    {"categories", no_argument, NULL, 'c'},
	    {"check", no_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	bool checks = false;
	int c;

	opterr = 0;
	f.market = market_find("US");
	f.max_wait = 900;
	while ((c = getopt_long(argc, argv, "m:", options, NULL)) != -1) {
		if (c == 'm')
			f.market = keepa_market(optarg);
		else if (c == 'u')
			f.update = whole("--update", optarg, -1);
		else if (c == 'd')
			f.days = whole("--days", optarg, 0);
		else if (c == 'w')
			f.max_wait = http_seconds("--max-wait", optarg);
		else if (c == 'c')
			f.categories = true;
		else if (c == 'k')
			checks = true;
		else
			nd_option(c, argv, usage);
	}
	if ((f.categories || checks) && optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);
	if (!checks && optind == argc && isatty(STDIN_FILENO))
		errx(EX_USAGE, "no ASINs: name some, or pipe records in");
	return checks;
}

static void
read_settings(void)
{
	f.key = conf_need("KEEPA_API_KEY", "the key of your Keepa API plan");
	f.base = conf_or("KEEPA_API_URL", "https://api.keepa.com");
	http_check_url("KEEPA_API_URL", f.base);
	f.cents_per_token =
	    (double)conf_number("KEEPA_PLAN_CENTS", 0, 100000000, 4900) /
	    (double)conf_number("KEEPA_PLAN_TOKENS", 1, 1000000000, 892800);
}

int
main(int argc, char *argv[])
{
	bool checks = read_options(argc, argv);

	read_settings();
	f.http = http_new();
	if (checks)
		check();
	if (optind < argc)
		read_operands(argv + optind);
	else
		read_records();
	remove_duplicates();
	f.split = split_new(take_part, NULL);
	fetch();

	split_free(f.split);
	http_free(f.http);
	free(f.items);
	conf_free();
	return nd_finish();
}
