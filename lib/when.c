#define _GNU_SOURCE /* timegm, which POSIX took up in 2024 */
#include <string.h>
#include <time.h>

#include "lib/when.h"

#define DAY 86400

static void
put_digits(char *p, int width, int n)
{
	while (width-- > 0) {
		p[width] = (char)('0' + n % 10);
		n /= 10;
	}
}

/*
 * The date of a day since 1970.  Days are counted from 1 March of the year 0,
 * so that the leap day is the last of its year; gmtime_r would take five times
 * as long, and a history has thousands of points.
 */
static void
date(int64_t day, int *year, int *month, int *mday)
{
	int64_t era, of_era, of_year, y;
	int march;

	day += 719468;
	era = day / 146097;
	of_era = day % 146097;
	y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * y + y / 4 - y / 100);
	march = (int)((5 * of_year + 2) / 153);
	*mday = (int)(of_year - (153 * march + 2) / 5 + 1);
	*month = march < 10 ? march + 3 : march - 9;
	*year = (int)(y + era * 400 + (*month <= 2));
}

char *
when_text(int64_t t, char buf[WHEN_SIZE])
{
	int64_t day = t / DAY - (t % DAY < 0);
	int second = (int)(t - day * DAY), year, month, mday;

	date(day, &year, &month, &mday);
	memcpy(buf, "0000-00-00T00:00:00Z", WHEN_SIZE);
	put_digits(buf, 4, year);
	put_digits(buf + 5, 2, month);
	put_digits(buf + 8, 2, mday);
	put_digits(buf + 11, 2, second / 3600);
	put_digits(buf + 14, 2, second / 60 % 60);
	put_digits(buf + 17, 2, second % 60);
	return buf;
}

/* Whether text is of the form, in which every 0 stands for a digit. */
static bool
matches(const char *text, const char *form)
{
	for (; *form != '\0'; text++, form++) {
		bool digit = *text >= '0' && *text <= '9';

		if (*form == '0' ? !digit : *text != *form)
			return false;
	}
	return true;
}

static int
get_digits(const char *p, int width)
{
	int n = 0;

	while (width-- > 0)
		n = 10 * n + (*p++ - '0');
	return n;
}

bool
when_read(struct json_slice val, int64_t *t)
{
	const char *p = val.s + 1;
	size_t len = val.len - 2;
	char again[WHEN_SIZE];
	struct tm tm = {0};

	if (json_kind(val) != JSON_STRING || len < WHEN_SIZE - 1 || len > 40 ||
	    !matches(p, "0000-00-00T00:00:00") || p[len - 1] != 'Z')
		return false;
	if (len > WHEN_SIZE - 1 &&
	    (p[19] != '.' || strspn(p + 20, "0123456789") != len - 21))
		return false;
	tm.tm_year = get_digits(p, 4) - 1900;
	tm.tm_mon = get_digits(p + 5, 2) - 1;
	tm.tm_mday = get_digits(p + 8, 2);
	tm.tm_hour = get_digits(p + 11, 2);
	tm.tm_min = get_digits(p + 14, 2);
	tm.tm_sec = get_digits(p + 17, 2);
	*t = timegm(&tm);
	/* 31 June would be another day when written again. */
	return memcmp(when_text(*t, again), p, WHEN_SIZE - 2) == 0;
}

int64_t
when_now(void)
{
	return (int64_t)time(NULL);
}
