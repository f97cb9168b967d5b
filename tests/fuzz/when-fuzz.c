/*
 * when-fuzz - lib/when reads what it wrote, and agrees with the C library
 */
#include <time.h>

#include "lib/when.h"
#include "tests/fuzz/fuzz.h"

#define YEAR_1 (-62135596800LL)
#define YEAR_10000 253402300800LL

static void
check_time(int64_t t)
{
	char text[WHEN_SIZE], expected[64], quoted[WHEN_SIZE + 2];
	struct json_slice val = {quoted, WHEN_SIZE + 1};
	time_t c = (time_t)t;
	struct tm tm;
	int64_t again;

	HOLDS(when_text(t, text) == text);
	HOLDS(gmtime_r(&c, &tm) != NULL);
	snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02dZ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
	HOLDS(strcmp(text, expected) == 0);
	snprintf(quoted, sizeof(quoted), "\"%s\"", text);
	HOLDS(when_read(val, &again) && again == t);
}

/* Any bytes between quotes. */
static void
check_text(const uint8_t *data, size_t size)
{
	char *quoted = malloc(size + 2), text[WHEN_SIZE];
	struct json_slice val;
	int64_t t = 42;

	quoted[0] = quoted[size + 1] = '"';
	memcpy(quoted + 1, data, size);
	val = exactly(quoted, size + 2);
	if (when_read(val, &t))
		HOLDS(size >= WHEN_SIZE - 1 && data[size - 1] == 'Z' &&
		    memcmp(when_text(t, text), data, WHEN_SIZE - 2) == 0);
	else
		HOLDS(t == 42);
	release(val);
	free(quoted);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char form[] = "2026-11-20T08:00:00";
	char near[64];
	uint64_t n = 0;
	size_t len = size < sizeof(near) ? size : sizeof(near);

	check_text(data, size);
	memcpy(&n, data, size < sizeof(n) ? size : sizeof(n));
	check_time(YEAR_1 + (int64_t)(n % (uint64_t)(YEAR_10000 - YEAR_1)));

	/* Something that is nearly a time. */
	memcpy(near, form, sizeof(form) - 1);
	for (size_t i = 0; i < len; i++)
		if (i >= sizeof(form) - 1 || data[i] % 4 == 0)
			near[i] = "0123456789-T:.Z"[data[i] / 4 % 15];
	check_text(
	    (const uint8_t *)near, len < sizeof(form) ? sizeof(form) - 1 : len);
	return 0;
}
