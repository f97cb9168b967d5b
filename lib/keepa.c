#include <err.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/keepa.h"

#define EPOCH 21564000LL /* minutes from 1970 to 2011 */
#define TOKENS_MAX 1000000000LL

int64_t
keepa_time(long long minutes)
{
	return (minutes + EPOCH) * 60;
}

/* The error object's message, or else its type, or what it is instead. */
static void
read_error(struct keepa_envelope *e, struct json_slice val)
{
	struct json_field parts[] = {
	    JSON_FIELD("message"), JSON_FIELD("type"), JSON_END};
	struct json_error ignored;
	struct json_slice said = val;
	char *text, *p;

	if (json_kind(val) == JSON_OBJECT && json_scan(val, parts, &ignored))
		said = json_kind(parts[0].val) == JSON_STRING ? parts[0].val
							      : parts[1].val;
	if (json_kind(val) <= JSON_NULL)
		return;
	snprintf(e->error, sizeof(e->error), "an error without words");
	if (json_kind(said) != JSON_STRING)
		return;
	if ((text = malloc(said.len)) == NULL)
		err(EX_TEMPFAIL, NULL);
	text[json_text(said, text)] = '\0';
	for (p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = '?';
	snprintf(e->error, sizeof(e->error), "%s", text);
	free(text);
}

void
keepa_envelope_add(
    struct keepa_envelope *e, const char *name, struct json_slice val)
{
	if (strcmp(name, "tokensLeft") == 0)
		e->known = json_int(val, -TOKENS_MAX, TOKENS_MAX, &e->left);
	else if (strcmp(name, "refillRate") == 0)
		json_int(val, 0, TOKENS_MAX, &e->rate);
	else if (strcmp(name, "refillIn") == 0)
		json_int(val, 0, TOKENS_MAX, &e->refill_in);
	else if (strcmp(name, "tokensConsumed") == 0)
		json_int(val, 0, TOKENS_MAX, &e->consumed);
	else if (strcmp(name, "error") == 0)
		read_error(e, val);
}

struct keepa_envelope
keepa_envelope_of(const char *body, size_t len)
{
	struct keepa_envelope e = {false, 0, 0, 0, 0, ""};
	struct json_members m = {NULL, 0, 0};
	struct json_slice text = {body, len};
	struct json_error bad;
	char name[32];

	if (json_scan_members(text, &m, &bad))
		for (size_t i = 0; i < m.n; i++) {
			snprintf(name, sizeof(name), "%.*s",
			    m.v[i].key.len > 30 ? 30 : (int)m.v[i].key.len,
			    m.v[i].key.s);
			keepa_envelope_add(&e, name, m.v[i].val);
		}
	free(m.v);
	return e;
}

double
keepa_refill(const struct keepa_envelope *e)
{
	double wait = (double)e->refill_in / 1000;

	if (e->left > 0)
		return 0;
	if (e->rate > 0)
		wait +=
		    60 * (ceil((double)(1 - e->left) / (double)e->rate) - 1);
	return wait;
}
