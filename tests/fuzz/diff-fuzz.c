/*
 * diff-fuzz - whatever comes, badge-diff writes records, and frees what it
 * holds
 */
#include "tests/fuzz/records.h"
#define main diff_main
#include "transform/badge-diff.c"
#undef main

static void
take(struct json_slice line)
{
	struct json_error e;

	if (!json_scan(line, record, &e))
		return;
	if (json_is(record[TYPE].val, "asin_history"))
		observe(fuzz_in());
	else if (json_is(record[TYPE].val, "rank_history"))
		keep_point(fuzz_in());
	else if (json_is(record[TYPE].val, "categories"))
		keep_name();
	else
		remember(fuzz_in());
}

/* As if the program had just begun. */
static void
reset(void)
{
	forget_all();
	memset(&products, 0, sizeof(products));
	memset(&categories, 0, sizeof(categories));
	states = NULL;
	seen = NULL;
	changes = NULL;
	states_cap = seen_cap = changes_cap = 0;
	n_seen = n_changes = 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_in();
	fuzz_each_line(data, size, take);
	fuzz_check_output();
	reset();
	return 0;
}
