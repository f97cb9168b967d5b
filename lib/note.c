#include <err.h>
#include <getopt.h>
#include <sysexits.h>

#include "lib/http.h"
#include "lib/ndjson.h"
#include "lib/note.h"
#include "lib/when.h"

bool
note_options(
    int argc, char *argv[], const char *usage, bool *dry_run, double *max_wait)
{
	static const struct option options[] = {
	    {"dry-run", no_argument, NULL, 'n'},
	    {"max-wait", required_argument, NULL, 'w'},
	    {"check", no_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	bool checks = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'n')
			*dry_run = true;
		else if (c == 'w')
			*max_wait = http_seconds("--max-wait", optarg);
		else if (c == 'k')
			checks = true;
		else
			nd_option(c, argv, usage);
	}
	if (optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);
	*dry_run &= !checks;
	return checks;
}

void
note_check_token(const char *setting, const char *token)
{
	for (; *token != '\0'; token++)
		if (*token <= ' ' || *token > '~')
			errx(EX_CONFIG,
			    "%s has a blank or a line break in it, or what no "
			    "token has",
			    setting);
}

bool
note_are_records(struct json_slice val)
{
	struct json_iter it = json_walk(val);

	if (json_kind(val) > JSON_NULL && json_kind(val) != JSON_ARRAY)
		return false;
	while (json_next(&it))
		if (json_kind(it.val) != JSON_OBJECT)
			return false;
	return true;
}

void
note_put(const struct note *n, struct json_slice on_sent)
{
	struct json_iter it = json_walk(on_sent);
	bool sent = n->error == NULL;
	char at[WHEN_SIZE];

	when_text(n->sent_at > 0 ? n->sent_at : when_now(), at);
	nd_puts("{\"type\":\"notifications\"");
	nd_field("notification_id", n->id);
	nd_field_str("sink", n->sink);
	nd_field_str("target", n->target);
	nd_field_str("state", sent ? "sent" : "failed");
	nd_field_str("remote_id", sent ? n->remote_id : NULL);
	nd_field_int("attempts", n->attempts);
	nd_field_str("error", n->error);
	nd_field_str("sent_at", sent ? at : NULL);
	nd_puts("}\n");
	while (sent && json_next(&it))
		nd_put_line(it.val);
}
