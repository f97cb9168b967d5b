#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/conf.h"
#include "lib/http.h"
#include "lib/ndjson.h"
#include "load/drivers/rest.h"

#define URL_SIZE 1024
#define KEY_MAX 4096
#define ANSWER_MAX (256UL << 20)
#define MAX_WAIT \
	60 /* seconds; PostgREST looks again for its database as long \
	    */

#define KEY_HINT "; is SUPABASE_KEY the secret key of this project?"
#define GRANT_HINT \
	"; is SUPABASE_KEY the secret key, and was all of 'db-load --init' " \
	"pasted, with its grants?"
#define INIT_HINT \
	"; 'db-load --init -d URL >schema.sql' writes what to paste into " \
	"the project's SQL editor"
#define FULL_HINT "; Supabase lets nobody write where the disk is full"

/* What an error is about: us, what may pass by itself (if it has HELD a call
 * up, that may have been too much), or what we sent. */
enum fate { FATAL, LATER, HELD, SLOW, LARGE, VALUE, MISSING, WORDS };

const char rest_init_hint[] = INIT_HINT;

/* By the first letters of its code, PostgREST's or PostgreSQL's own: the first
 * that fit. */
static const struct {
	const char *code;
	enum fate fate;
	int status;
	const char *hint;
} codes[] = {{"PGRST000", LATER, EX_TEMPFAIL, ""},
    {"PGRST001", LATER, EX_TEMPFAIL, ""}, {"PGRST002", LATER, EX_TEMPFAIL, ""},
    {"PGRST003", LATER, EX_TEMPFAIL, ""},
    {"PGRST106", MISSING, EX_CONFIG, INIT_HINT},
    {"PGRST20", MISSING, EX_CONFIG, INIT_HINT},
    {"PGRST30", FATAL, EX_NOPERM, KEY_HINT}, {"PGRST", FATAL, EX_PROTOCOL, ""},
    {"SP064", WORDS, EX_USAGE, ""}, {"08", LATER, EX_TEMPFAIL, ""},
    {"21", VALUE, EX_DATAERR, ""}, {"22023", FATAL, EX_NOPERM, KEY_HINT},
    {"22", VALUE, EX_DATAERR, ""}, {"23", VALUE, EX_DATAERR, ""},
    {"25006", FATAL, EX_TEMPFAIL, FULL_HINT},
    {"28", FATAL, EX_NOPERM, KEY_HINT}, {"40", LATER, EX_TEMPFAIL, ""},
    {"42501", FATAL, EX_NOPERM, GRANT_HINT},
    {"42P01", MISSING, EX_CONFIG, INIT_HINT},
    {"42883", MISSING, EX_CONFIG, INIT_HINT},
    {"42703", MISSING, EX_CONFIG, INIT_HINT},
    {"53100", FATAL, EX_IOERR, FULL_HINT}, {"53", LATER, EX_TEMPFAIL, ""},
    {"54", LARGE, EX_DATAERR, ""}, {"55", LATER, EX_TEMPFAIL, ""},
    {"57014", SLOW, EX_TEMPFAIL, ""}, {"57", LATER, EX_TEMPFAIL, ""},
    {"58", FATAL, EX_IOERR, ""}};

static struct {
	struct http *http;
	char base[URL_SIZE];
	const char *key;
	char apikey[KEY_MAX + 16], authorization[KEY_MAX + 32];
	struct rest_text answer;
	/* of the last call */
	bool once;
	enum fate fate;
	int status;
	const char *hint;
	char words[600];
} rest;

void
rest_add(struct rest_text *t, const char *s, size_t len)
{
	if (len > t->cap - t->len) {
		t->cap = 2 * (t->len + len);
		if ((t->s = realloc(t->s, t->cap)) == NULL)
			err(EX_TEMPFAIL, NULL);
	}
	memcpy(t->s + t->len, s, len);
	t->len += len;
}

void
rest_puts(struct rest_text *t, const char *s)
{
	rest_add(t, s, strlen(s));
}

void
rest_put_int(struct rest_text *t, long long n)
{
	char buf[ND_INT_SIZE];

	rest_puts(t, nd_int_text(n, buf));
}

/* It is UTF-8, which needs no escape. */
void
rest_put_string(struct rest_text *t, const char *s, size_t len)
{
	size_t from = 0;
	char code[8];

	rest_puts(t, "\"");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= ' ' && c != '"' && c != '\\')
			continue;
		rest_add(t, s + from, i - from);
		if (c < ' ')
			snprintf(code, sizeof(code), "\\u%04x", c);
		else
			snprintf(code, sizeof(code), "\\%c", c);
		rest_puts(t, code);
		from = i + 1;
	}
	rest_add(t, s + from, len - from);
	rest_puts(t, "\"");
}

/* A URL of Supabase's that says nothing but the project has PostgREST where all
 * of theirs have it. */
static void
set_base(const char *url)
{
	const char *host = strstr(url, "://");
	bool project = http_is_within(url, "supabase.co") ||
	    http_is_within(url, "supabase.in");
	size_t len = strlen(url);

	if (url[strcspn(url, "?#")] != '\0')
		errx(EX_CONFIG, "the database's URL ends with a '%c'",
		    url[strcspn(url, "?#")]);
	http_check_url("the database's URL", url);
	while (len > 0 && url[len - 1] == '/')
		len--;
	if (len > URL_SIZE / 2)
		errx(EX_CONFIG, "the database's URL is too long");
	project = project && host != NULL &&
	    memchr(host + 3, '/', len - (size_t)(host + 3 - url)) == NULL;
	snprintf(rest.base, sizeof(rest.base), "%.*s%s", (int)len, url,
	    project ? "/rest/v1" : "");
}

static int
digit64(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
				     "pqrstuvwxyz0123456789-_";
	const char *p = strchr(digits, c);

	return c == '\0' || p == NULL ? -1 : (int)(p - digits);
}

/* What a JWT says stands between its dots. */
static size_t
decode_claims(const char *p, char *buf)
{
	unsigned bits = 0;
	size_t len = 0;
	int n = 0;

	for (; digit64(*p) != -1; p++) {
		bits = bits << 6 | (unsigned)digit64(*p);
		if ((n += 6) < 8)
			continue;
		n -= 8;
		buf[len++] = (char)(bits >> n & 0xff);
	}
	return len;
}

/* The keys that are for everybody do nothing here, whatever they are sent to.
 */
static bool
is_public(const char *key, bool jwt)
{
	struct json_field claims[] = {JSON_FIELD("role"), JSON_END};
	struct json_slice text;
	struct json_error e;
	char buf[KEY_MAX];

	if (!jwt)
		return strncmp(key, "sb_publishable_", 15) == 0;
	text.s = buf;
	text.len = decode_claims(strchr(key, '.') + 1, buf);
	return json_scan(text, claims, &e) &&
	    (json_is(claims[0].val, "anon") ||
		json_is(claims[0].val, "authenticated"));
}

/* Keys of the older form are JWTs, and have to be there twice; those of the
 * newer form are none, and are refused where a JWT belongs. */
static void
set_key(void)
{
	const char *key = conf_need("SUPABASE_KEY",
		       "the secret key of a database behind https"),
		   *dot = strchr(key, '.');
	bool jwt = strncmp(key, "eyJ", 3) == 0 && dot != NULL &&
	    strchr(dot + 1, '.') != NULL;

	if (strlen(key) > KEY_MAX)
		errx(EX_CONFIG, "SUPABASE_KEY is too long");
	for (const char *p = key; *p != '\0'; p++)
		if (!isgraph((unsigned char)*p))
			errx(EX_CONFIG,
			    "SUPABASE_KEY is no key: there is a "
			    "blank or the like in it");
	if (is_public(key, jwt))
		errx(EX_CONFIG,
		    "SUPABASE_KEY is the public key, which may "
		    "read and write nothing; take the secret key "
		    "(sb_secret_... or service_role)");
	rest.key = key;
	snprintf(rest.apikey, sizeof(rest.apikey), "apikey: %s", key);
	if (jwt)
		snprintf(rest.authorization, sizeof(rest.authorization),
		    "Authorization: Bearer %s", key);
}

void
rest_open(const char *url)
{
	set_base(url);
	set_key();
	rest.http = http_new();
}

void
rest_close(void)
{
	http_free(rest.http);
	free(rest.answer.s);
}

static void
begin(void *arg)
{
	(void)arg;
	rest.answer.len = 0;
}

static bool
take(void *arg, const char *data, size_t len)
{
	(void)arg;
	if (len > ANSWER_MAX - rest.answer.len)
		return false;
	rest_add(&rest.answer, data, len);
	return true;
}

static void
set_fate(enum fate fate, int status, const char *hint)
{
	rest.fate = fate;
	rest.status = status;
	rest.hint = hint;
}

/* Where there is no code to go by. */
static void
judge_status(const struct http_res *res, bool json)
{
	if (res->status == 504 || res->status == 524) /* a gateway's patience */
		set_fate(HELD, EX_TEMPFAIL, "");
	else if (res->outcome == HTTP_LATER)
		set_fate(LATER, EX_TEMPFAIL, "");
	else if (res->status == 413)
		set_fate(LARGE, EX_DATAERR, "");
	else if (!json)
		set_fate(FATAL, EX_PROTOCOL, "; is this PostgREST?");
	else if (res->status == 401 || res->status == 403)
		set_fate(FATAL, EX_NOPERM, KEY_HINT);
	else if (res->status == 404)
		set_fate(MISSING, EX_CONFIG, INIT_HINT);
	else
		set_fate(FATAL, EX_PROTOCOL, "");
}

static bool
judge_code(struct json_slice code)
{
	char text[16];

	json_words(code, text, sizeof(text));
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (strncmp(text, codes[i].code, strlen(codes[i].code)) != 0)
			continue;
		set_fate(codes[i].fate, codes[i].status, codes[i].hint);
		return true;
	}
	if (json_is(code, "")) /* its database left it in the middle */
		set_fate(LATER, EX_TEMPFAIL, "");
	else if (strlen(text) == 5) /* PostgreSQL's, and none that we know */
		set_fate(FATAL, EX_SOFTWARE, "");
	else
		return false;
	return true;
}

/* In the server's words, which can repeat what was sent. */
static void
set_words(const struct http_res *res, const struct json_field *error)
{
	char message[300], code[16];

	json_words(error[0].val, code, sizeof(code));
	json_words(error[1].val, message, sizeof(message));
	if (rest.fate == WORDS || rest.fate == VALUE)
		snprintf(rest.words, sizeof(rest.words), "%s", message);
	else if (*message == '\0')
		snprintf(rest.words, sizeof(rest.words), "%s", res->why);
	else
		snprintf(rest.words, sizeof(rest.words), "%s (%s)", message,
		    *code == '\0' ? res->why : code);
	conf_hide(rest.words, rest.key);
}

/* An error is a small object; its code says more than the HTTP status. */
static void
judge(void *arg, struct http_res *res)
{
	struct json_field error[] = {
	    JSON_FIELD("code"), JSON_FIELD("message"), JSON_END};
	struct json_slice text = {res->body, res->len};
	struct json_error e;
	bool json;

	(void)arg;
	if (res->outcome == HTTP_OK && res->status == 200 &&
	    rest.answer.len == 0) {
		/* libcurl takes a head that breaks off for a whole one. */
		res->outcome = HTTP_LATER;
		res->ambiguous = rest.once;
		snprintf(res->why, sizeof(res->why), "an answer without end");
	}
	if (res->outcome == HTTP_OK)
		return;
	rest.answer.len = 0;
	json = res->status != 0 && json_scan(text, error, &e);
	if (res->outcome == HTTP_BROKEN)
		set_fate(FATAL, EX_PROTOCOL, "");
	else if (!json || !judge_code(error[0].val))
		judge_status(res, json);
	if (res->outcome != HTTP_BROKEN)
		res->outcome = rest.fate == LATER || rest.fate == HELD
		    ? HTTP_LATER
		    : HTTP_REFUSED;
	if (json) {
		set_words(res, error);
		snprintf(res->why, sizeof(res->why), "%.250s", rest.words);
	} else {
		snprintf(rest.words, sizeof(rest.words), "%s", res->why);
	}
}

enum rest_outcome
rest_ask(const struct rest_call *call, struct json_slice *answer)
{
	char url[URL_SIZE + 256];
	const char *headers[] = {rest.apikey, "Accept: application/json",
	    "Expect:",
	    call->plain ? "Content-Type: text/plain"
			: "Content-Type: application/json",
	    *rest.authorization == '\0' ? NULL : rest.authorization, NULL};
	struct http_req req = {.url = url,
	    .headers = headers,
	    .body = call->body,
	    .len = call->len,
	    .begin = begin,
	    .take = take,
	    .judge = judge,
	    .once = call->once,
	    .max_wait = MAX_WAIT};
	struct http_res res;
	struct json_error e;

	snprintf(url, sizeof(url), "%s/%s", rest.base, call->path);
	rest.answer.len = 0;
	rest.once = call->once;
	res = http_do(rest.http, &req);
	answer->s = rest.answer.s;
	answer->len = rest.answer.len;
	if (res.outcome == HTTP_OK) {
		if (res.status == 204) /* of a function without a result */
			*answer = (struct json_slice){"null", 4};
		if (answer->len == 0 || !json_valid(*answer, &e))
			rest_nonsense();
		return REST_OK;
	}
	switch (rest.fate) {
	case HELD:
	case SLOW:
		return REST_SLOW;
	case LARGE:
		return REST_LARGE;
	case VALUE:
		return REST_VALUE;
	case MISSING:
		return REST_MISSING;
	default:
		rest_fail();
	}
}

const char *
rest_words(void)
{
	return rest.words;
}

void
rest_fail(void)
{
	if (rest.fate == WORDS)
		errx(rest.status, "%s", rest.words);
	errx(rest.status, "%s: %s%s", rest.base, rest.words, rest.hint);
}

void
rest_nonsense(void)
{
	errx(EX_PROTOCOL, "%s: not the answer expected; is this PostgREST?",
	    rest.base);
}

long long
rest_version(void)
{
	static const struct rest_call call = {
	    .path = "sellerpipe_schema?select=version&order=version.desc"};
	struct json_field row[] = {JSON_FIELD("version"), JSON_END};
	struct json_slice answer;
	struct json_iter it;
	struct json_error e;
	long long version;

	switch (rest_ask(&call, &answer)) {
	case REST_OK:
		break;
	case REST_MISSING:
		return 0;
	default:
		rest_fail();
	}
	if (json_kind(answer) != JSON_ARRAY)
		rest_nonsense();
	it = json_walk(answer);
	if (!json_next(&it))
		return 0;
	if (!json_scan(it.val, row, &e) ||
	    !json_int(row[0].val, 1, 1000000, &version))
		rest_nonsense();
	return version;
}
