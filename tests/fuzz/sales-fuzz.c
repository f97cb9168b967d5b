/*
 * sales-fuzz - whatever Amazon gives, sales-flatten writes records, and what it
 * keeps of a row is what the row said
 */
#include "tests/fuzz/records.h"
#define main sales_main
#include "transform/sales-flatten.c"
#undef main

/* What is kept of the row at hand, added to a row of nothing but zeros, is
 * the row. */
static void
check_kept(void)
{
	const unsigned char *kept = asins.rows + *find_slot(row.asin);
	const unsigned char *states = kept + 2 * ASIN_BYTES + 3;
	const unsigned char *p = states + STATES_BYTES;

	HOLDS(kept_number(kept, ASIN_BYTES) == row.asin);
	HOLDS(kept_number(kept + ASIN_BYTES, ASIN_BYTES) == row.parent);
	for (size_t i = 0; i < by_asin.n; i++) {
		const struct value *v = &row.values[i];
		long long n = 0;

		HOLDS((enum state)(states[i / 4] >> i % 4 * 2 & 3) == v->state);
		if (v->state != GIVEN || by_asin.columns[i].kind == NUMBER)
			continue;
		p = kept_value(p, &n);
		HOLDS(n == v->n);
	}
	HOLDS(p <= asins.rows + asins.used);
}

static void
take_line(struct json_slice line)
{
	struct json_error e;
	size_t before = asins.n;

	if (!json_scan(line, record, &e))
		return;
	if (json_is(record[TYPE].val, "report_requests"))
		return; /* its line is the reader's */
	if (json_is(record[TYPE].val, "sp_sales_by_asin"))
		take_asin(fuzz_in());
	else
		take_date(fuzz_in());
	if (asins.n > before)
		check_kept();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data_, size_t size)
{
	fuzz_in();
	if (by_asin.n == 0)
		prepare();
	fuzz_each_line(data_, size, take_line);
	fuzz_check_output();
	forget_report();
	memset(filled, 0, sizeof(filled));
	n_filled = 0;
	return 0;
}
