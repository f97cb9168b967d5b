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

static int
days_in(int year, int month)
{
	static const int days[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* The day since 1970 of a date. */
static int64_t
day_of(int64_t year, int month, int mday)
{
	int march = month > 2 ? month - 3 : month + 9;
	int64_t era, of_era;

	year -= month <= 2;
	era = year / 400;
	of_era = year - era * 400;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	    (153 * march + 2) / 5 + mday - 1 - 719468;
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

char *
when_day_text(int64_t day, char buf[WHEN_DAY_SIZE])
{
	char time[WHEN_SIZE];

	when_text(day * DAY, time);
	memcpy(buf, time, WHEN_DAY_SIZE - 1);
	buf[WHEN_DAY_SIZE - 1] = '\0';
	return buf;
}

bool
when_day(const char *text, size_t len, int64_t *day)
{
	int year, month, mday;

	if (len != WHEN_DAY_SIZE - 1 || !matches(text, "0000-00-00"))
		return false;
	year = get_digits(text, 4);
	month = get_digits(text + 5, 2);
	mday = get_digits(text + 8, 2);
	if (year < 1 || month < 1 || month > 12 || mday < 1 ||
	    mday > days_in(year, month))
		return false;
	*day = day_of(year, month, mday);
	return true;
}

bool
when_read(struct json_slice val, int64_t *t)
{
	int year, month, mday, hour, minute, second;
	const char *p;
	size_t len;

	if (json_kind(val) != JSON_STRING)
		return false;
	p = val.s + 1;
	len = val.len - 2;
	if (len < WHEN_SIZE - 1 || len == WHEN_SIZE || len > 40 ||
	    !matches(p, "0000-00-00T00:00:00") || p[len - 1] != 'Z')
		return false;
	if (len > WHEN_SIZE &&
	    (p[19] != '.' || strspn(p + 20, "0123456789") != len - 21))
		return false;
	year = get_digits(p, 4);
	month = get_digits(p + 5, 2);
	mday = get_digits(p + 8, 2);
	hour = get_digits(p + 11, 2);
	minute = get_digits(p + 14, 2);
	second = get_digits(p + 17, 2);
	if (year < 1 || month < 1 || month > 12 || mday < 1 ||
	    mday > days_in(year, month) || hour > 23 || minute > 59 ||
	    second > 59)
		return false;
	*t = day_of(year, month, mday) * DAY + hour * 3600 + minute * 60 +
	    second;
	return true;
}

int64_t
when_now(void)
{
	return (int64_t)time(NULL);
}

int64_t
when_ticks(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec;
}
