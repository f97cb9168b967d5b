/*
 * flatten-fuzz - whatever Keepa gives, keepa-flatten writes records
 */
#include "tests/fuzz/records.h"
#define main flatten_main
#include "transform/keepa-flatten.c"
#undef main

static void
take(struct json_slice line)
{
	struct json_error e;

	if (json_scan(line, record, &e))
		flatten(fuzz_in(), line.len % 2 == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_in();
	fuzz_each_line(data, size, take);
	fuzz_check_output();
	return 0;
}
