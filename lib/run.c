#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include <curl/curl.h> /* how it reads dates */

#include "lib/http.h"
#include "lib/ndjson.h"
#include "lib/run.h"
#include "lib/when.h"

#define APART_MAX (12 * 3600) /* seconds; no time zone is further off */

static char id[64];
static long long records;

void
run_begin(const char *program)
{
	unsigned char random[4];
	char now[WHEN_SIZE];

	if (getentropy(random, sizeof(random)) == -1)
		err(EX_SOFTWARE, "cannot make up an id");
	when_text(when_now(), now);
	snprintf(id, sizeof(id), "%.24s-%s-%02x%02x%02x%02x", program, now,
	    random[0], random[1], random[2], random[3]);
	nd_puts("{\"type\":\"run\"");
	nd_field_str("run_id", id);
	nd_field_str("program", program);
	nd_field_str("version", SELLERPIPE_VERSION);
	nd_field_str("started_at", now);
	nd_puts("}\n");
	nd_flush();
}

void
run_end(void)
{
	char now[WHEN_SIZE];

	nd_puts("{\"type\":\"end\"");
	nd_field_str("run_id", id);
	nd_field_int("records", records);
	nd_field_str("finished_at", when_text(when_now(), now));
	nd_puts("}\n");
}

const char *
run_id(void)
{
	return id;
}

void
run_record(const char *type)
{
	nd_puts("{\"type\":\"");
	nd_puts(type);
	nd_puts("\"");
	records++;
}

void
run_count(long long n)
{
	records += n;
}

void
run_health(const char *service, double began, bool ok, const char *detail)
{
	char now[WHEN_SIZE];

	run_record("health_checks");
	nd_field_str("service", service);
	nd_field_str("checked_at", when_text(when_now(), now));
	nd_puts(ok ? ",\"ok\":true" : ",\"ok\":false");
	nd_field_int("latency_ms", (long long)(1000 * (http_clock() - began)));
	nd_field_str("detail", detail);
	nd_puts("}\n");
}

void
run_check_clock(struct http *h, const char *whose)
{
	const char *date = http_header(h, "Date");
	time_t theirs = date == NULL ? -1 : curl_getdate(date, NULL);
	int64_t ahead = when_now() - (int64_t)theirs;

	if (theirs == -1 || (ahead <= APART_MAX && ahead >= -APART_MAX))
		return;
	warnx("the clock here is %.1f days %s %s's: set it right, and run this "
	      "again",
	    (double)(ahead < 0 ? -ahead : ahead) / 86400,
	    ahead < 0 ? "behind" : "ahead of", whose);
	run_stop(EX_TEMPFAIL);
}

_Noreturn void
run_stop(int status)
{
	int finished = nd_finish();

	exit(finished == EX_IOERR ? finished : status);
}
