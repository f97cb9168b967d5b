/*
 * slack-post - messages to Slack, each sent once
 *
 * Posts each slack_message by chat.postMessage, not more than one a second into
 * a channel.  What became of it is a notifications record; once Slack has
 * accepted it, the records in its on_sent follow, which say what being sent
 * means for whoever wrote the message.
 *
 * A message that Slack will never take is failed, and does not block the next.
 * When it is not known whether Slack took one, for want of an answer, the
 * channel's history is searched for the id that each message carries, before it
 * is posted again.  So it is for one that says it may have been sent before.
 *
 * Facts: Slack's pages of chat.postMessage (arguments, errors), "Rate limits",
 * "Message metadata", and conversations.history.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <json-c/json.h>

#include "lib/conf.h"
#include "lib/http.h"
#include "lib/ndjson.h"
#include "lib/note.h"
#include "lib/run.h"
#include "lib/when.h"

#define URL_SIZE 1024
#define HEADER_SIZE 1024
#define POSTS_MAX 3 /* of a message whose fate had to be looked up */
#define CHANNELS_MAX 64 /* of which the pace is kept */
#define HISTORY_SLACK 300 /* seconds by which clocks may differ */
#define LATEST "50" /* messages searched for what was just posted */
#define EARLIER "100" /* for what another run may have posted */
#define ID_MAX 2048 /* bytes of a message's id, as JSON */

/* What an error of Slack's concerns. */
enum fate {
	SENT,
	LATER, /* the service: again, after a while */
	UNSURE, /* the service, and the message may be there all the same */
	NOT_THERE, /* the same, and it is not there */
	NONSENSE, /* the way there: what answers is not Slack */
	REFUSED, /* us: no message will get through */
	BAD_CHANNEL, /* the channel: none of its messages will */
	BAD_MESSAGE /* this message, for ever; also what we do not know */
};

static const struct {
	enum fate fate;
	const char *error;
} errors[] = {{LATER, "ratelimited"}, {LATER, "rate_limited"},
    {LATER, "service_unavailable"}, {LATER, "team_added_to_org"},
    {LATER, "org_login_required"}, {UNSURE, "internal_error"},
    {UNSURE, "fatal_error"}, {UNSURE, "request_timeout"},
    {REFUSED, "invalid_auth"}, {REFUSED, "not_authed"},
    {REFUSED, "account_inactive"}, {REFUSED, "token_revoked"},
    {REFUSED, "token_expired"}, {REFUSED, "missing_scope"},
    {REFUSED, "not_allowed_token_type"}, {REFUSED, "no_permission"},
    {REFUSED, "access_denied"}, {REFUSED, "accesslimited"},
    {REFUSED, "two_factor_setup_required"},
    {REFUSED, "enterprise_is_restricted"}, {REFUSED, "ekm_access_denied"},
    {REFUSED, "app_access_restricted"}, {REFUSED, "message_limit_exceeded"},
    {BAD_CHANNEL, "channel_not_found"}, {BAD_CHANNEL, "not_in_channel"},
    {BAD_CHANNEL, "is_archived"}, {BAD_CHANNEL, "restricted_action"},
    {BAD_CHANNEL, "messages_tab_disabled"}, {BAD_CHANNEL, "team_not_found"}};

/* An answer of Slack's, as far as it matters. */
struct answer {
	enum fate fate;
	char error[400];
	char ts[64]; /* the message's id in its channel */
};

struct channel {
	char id[128];
	double posted_at; /* by http_clock */
	char dead[64]; /* why no message gets into it; empty: some may */
};

enum { TYPE, ID, CHANNEL, TEXT, BLOCKS, ON_SENT, MAYBE_SENT };

static struct json_field record[] = {JSON_FIELD("type"), JSON_FIELD("id"),
    JSON_FIELD("channel"), JSON_FIELD("text"), JSON_FIELD("blocks"),
    JSON_FIELD("on_sent"), JSON_FIELD("maybe_sent"), JSON_END};

static struct {
	bool dry_run;
	double max_wait, waited, pace;
	const char *base, *token, *channel;
	char authorization[HEADER_SIZE];
	struct http *http;
	struct channel channels[CHANNELS_MAX];
	size_t n_channels;
	int attempts; /* for the message at hand */
	char *body;
	size_t len, cap;
} post;

static const char usage[] =
    "usage: slack-post [--dry-run] [--max-wait S] <slack_message records\n"
    "       slack-post --check\n"
    "\n"
    "Posts each slack_message (id, channel, text, blocks, on_sent), writes a\n"
    "notifications for each, and the records in its on_sent if it was sent;\n"
    "passes all other records on.  Without a channel: SLACK_CHANNEL.\n"
    "\n"
    "      --dry-run      check the messages and pass them on, sending "
    "nothing\n"
    "      --max-wait S   seconds to wait in all when Slack asks for it (300)\n"
    "      --check        test token and reachability\n"
    "      --help, --version\n"
    "\n"
    "SLACK_BOT_TOKEN is needed, from the environment or .env.\n"
    "example: db-query unsent_changes | jq -sc -f badge-alert.jq |\n"
    "         slack-post | db-load\n";

/* What an error says: its name, and what is wrong with which block. */
static void
read_words(struct answer *a, struct json_slice error, struct json_slice more)
{
	struct json_iter it = json_walk(more);
	size_t n = error.len < 200 ? json_text(error, a->error) : 0;

	while (json_next(&it)) {
		if (n + it.val.len + 2 >= sizeof(a->error) ||
		    json_kind(it.val) != JSON_STRING)
			break;
		memcpy(a->error + n, ": ", 2);
		n += 2;
		n += json_text(it.val, a->error + n);
	}
	for (size_t i = 0; i < n; i++)
		if (a->error[i] < ' ' || a->error[i] > '~')
			a->error[i] = '?';
	a->error[n] = '\0';
	if (n == 0)
		snprintf(a->error, sizeof(a->error), "an error without a name");
	conf_hide(a->error, post.token);
}

static void
read_answer(const struct http_res *res, struct answer *a)
{
	struct json_field metadata[] = {JSON_FIELD("messages"), JSON_END};
	struct json_field parts[] = {JSON_FIELD("ok"), JSON_FIELD("error"),
	    JSON_FIELD("ts"), JSON_SUB("response_metadata", metadata),
	    JSON_END};
	struct json_slice text = {res->body, res->len};
	struct json_error e;

	memset(a, 0, sizeof(*a));
	a->fate = BAD_MESSAGE;
	if (!json_scan(text, parts, &e) ||
	    json_kind(parts[0].val) != JSON_BOOL) {
		a->fate = UNSURE;
		snprintf(a->error, sizeof(a->error), "not Slack's answer");
		return;
	}
	if (*parts[0].val.s == 't') {
		a->fate = SENT;
		if (parts[2].val.len < sizeof(a->ts))
			json_text(parts[2].val, a->ts);
		return;
	}
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (json_is(parts[1].val, errors[i].error))
			a->fate = errors[i].fate;
	read_words(a, parts[1].val, metadata[0].val);
}

/* Slack says 200 and means it in the body only. */
static void
judge(void *arg, struct http_res *res)
{
	struct answer a;

	(void)arg;
	if (res->outcome != HTTP_OK)
		return;
	read_answer(res, &a);
	if (a.fate != LATER && a.fate != UNSURE)
		return;
	res->outcome = HTTP_LATER;
	res->ambiguous = a.fate == UNSURE;
	snprintf(res->why, sizeof(res->why), "%.200s", a.error);
}

static void
add(struct json_slice part)
{
	if (post.len + part.len > post.cap) {
		post.cap = 2 * (post.len + part.len);
		if ((post.body = realloc(post.body, post.cap)) == NULL)
			err(EX_TEMPFAIL, NULL);
	}
	memcpy(post.body + post.len, part.s, part.len);
	post.len += part.len;
}

static void
add_text(const char *text)
{
	struct json_slice part = {text, strlen(text)};

	add(part);
}

static void
add_field(const char *name, struct json_slice val)
{
	if (json_kind(val) <= JSON_NULL)
		return;
	add_text(",\"");
	add_text(name);
	add_text("\":");
	add(val);
}

static void
make_body(const struct channel *channel)
{
	post.len = 0;
	add_text("{\"channel\":\"");
	add_text(channel->id);
	add_text("\",\"unfurl_links\":false,\"unfurl_media\":false");
	add_field("text", record[TEXT].val);
	add_field("blocks", record[BLOCKS].val);
	add_text(",\"metadata\":{\"event_type\":\"sellerpipe\","
		 "\"event_payload\":{\"id\":");
	add(record[ID].val);
	add_text("}}}");
}

static void
make_url(char *url, const char *method)
{
	if (snprintf(url, URL_SIZE, "%s/%s", post.base, method) >= URL_SIZE)
		errx(EX_CONFIG, "SLACK_API_URL is too long");
}

/* Call a method: POST with a body, else GET. */
static struct http_res
call(const char *url, const char *body, size_t len, bool once)
{
	const char *const headers[] = {post.authorization,
	    "Content-Type: application/json; charset=utf-8", NULL};
	struct http_req req = {.url = url,
	    .headers = headers,
	    .body = body,
	    .len = len,
	    .judge = judge,
	    .once = once,
	    .max_wait = post.max_wait - post.waited};
	struct http_res res = http_do(post.http, &req);

	post.waited += res.waited;
	return res;
}

/* The text at a path within a small tree, or NULL. */
static const char *
text_at(json_object *tree, const char *path)
{
	json_object *val;

	if (json_pointer_get(tree, path, &val) != 0 ||
	    !json_object_is_type(val, json_type_string))
		return NULL;
	return json_object_get_string(val);
}

/* The message of this id among those of a history; NULL if it is not there. */
static json_object *
find_message(json_object *messages, const char *id)
{
	for (size_t i = 0; i < json_object_array_length(messages); i++) {
		json_object *m = json_object_array_get_idx(messages, i);
		const char *its = text_at(m, "/metadata/event_payload/id");

		if (its != NULL && strcmp(its, id) == 0)
			return m;
	}
	return NULL;
}

/* Look through a history, as Slack gave it: is the message there? */
static void
search(json_object *history, struct answer *a)
{
	char id[ID_MAX + 1];
	json_object *messages, *found;
	const char *ts;

	if (json_pointer_get(history, "/messages", &messages) != 0 ||
	    !json_object_is_type(messages, json_type_array))
		return;
	id[json_text(record[ID].val, id)] = '\0';
	found = find_message(messages, id);
	a->fate = found == NULL ? NOT_THERE : SENT;
	ts = found == NULL ? NULL : text_at(found, "/ts");
	if (ts != NULL)
		snprintf(a->ts, sizeof(a->ts), "%s", ts);
}

/* Look for the message in its channel's history, from so long ago on (0: ever):
 * a gets SENT if it is there, NOT_THERE if it is not, and stays as it is if the
 * history cannot be read; LATER if it can only not be read now. */
static void
look_up(const struct channel *channel, int64_t since, struct answer *a)
{
	char url[URL_SIZE], oldest[24];
	struct http_res res;
	json_object *history;

	make_url(url, "conversations.history");
	snprintf(oldest, sizeof(oldest), "%lld", (long long)since);
	if (!http_param(url, sizeof(url), "channel", channel->id) ||
	    (since != 0 && !http_param(url, sizeof(url), "oldest", oldest)) ||
	    !http_param(
		url, sizeof(url), "limit", since != 0 ? LATEST : EARLIER) ||
	    !http_param(url, sizeof(url), "include_all_metadata", "true"))
		return;
	res = call(url, NULL, 0, false);
	if (since == 0 && res.outcome == HTTP_LATER) {
		a->fate = LATER;
		snprintf(a->error, sizeof(a->error), "%s", res.why);
	}
	if (res.outcome != HTTP_OK ||
	    (history = json_tokener_parse(res.body)) == NULL)
		return;
	search(history, a);
	json_object_put(history);
}

static void
keep_pace(const struct channel *channel)
{
	double wait = channel->posted_at + post.pace - http_clock();

	if (channel->posted_at > 0 && wait > 0)
		http_sleep(wait);
}

/* What a request that failed says of the message. */
static enum fate
fate_of(const struct http_res *res)
{
	if (res->ambiguous)
		return UNSURE;
	if (res->outcome == HTTP_LATER)
		return LATER;
	if (res->status == 401 || res->status == 403)
		return REFUSED;
	return res->status == 413 ? BAD_MESSAGE : NONSENSE;
}

/* Post the message once, and find out what became of it. */
static struct answer
try_post(struct channel *channel)
{
	int64_t began = when_now();
	char url[URL_SIZE];
	struct http_res res;
	struct answer a;

	make_url(url, "chat.postMessage");
	keep_pace(channel);
	make_body(channel);
	res = call(url, post.body, post.len, true);
	channel->posted_at = http_clock(); /* Slack's clock is what counts */
	post.attempts += res.tries;
	read_answer(&res, &a);
	if (res.outcome == HTTP_OK)
		return a;
	if (res.outcome == HTTP_REFUSED && a.fate > NOT_THERE)
		return a; /* another status, but Slack's own words */
	memset(&a, 0, sizeof(a));
	snprintf(a.error, sizeof(a.error), "%s", res.why);
	a.fate = fate_of(&res);
	if (a.fate == UNSURE) {
		warnx(
		    "Slack: %s: looking whether the message is there", res.why);
		look_up(channel, began - HISTORY_SLACK, &a);
	}
	return a;
}

static void
put_note(const struct channel *channel, const struct answer *a)
{
	struct note note = {
	    .id = record[ID].val,
	    .sink = "slack",
	    .target = channel->id,
	    .remote_id = a->ts[0] == '\0' ? NULL : a->ts,
	    .attempts = post.attempts,
	    .error = a->fate == SENT ? NULL : a->error,
	};

	note_put(&note, record[ON_SENT].val);
}

/* End the program if nothing can be said of the message, nor of the next. */
static void
stop_unless_settled(const struct answer *a)
{
	if (a->fate == REFUSED) {
		warnx("Slack refuses SLACK_BOT_TOKEN: %s", a->error);
		run_stop(EX_NOPERM);
	}
	if (a->fate == NONSENSE) {
		warnx("cannot talk to Slack: %s", a->error);
		run_stop(EX_PROTOCOL);
	}
	if (a->fate == LATER || a->fate == UNSURE || a->fate == NOT_THERE) {
		warnx("Slack: %s; the rest can be sent later%s", a->error,
		    a->fate == UNSURE ? ", and this message may come twice"
				      : "");
		run_stop(EX_TEMPFAIL);
	}
}

/* What becomes of the message at hand. */
static struct answer
deliver(struct channel *channel)
{
	struct answer a = {.fate = UNSURE};

	post.attempts = 0;
	if (json_kind(record[MAYBE_SENT].val) == JSON_BOOL &&
	    *record[MAYBE_SENT].val.s == 't')
		look_up(channel, 0, &a);
	if (a.fate == SENT || a.fate == LATER)
		return a;
	for (int i = 0; i < POSTS_MAX; i++)
		if ((a = try_post(channel)).fate != NOT_THERE)
			break;
	return a;
}

static void
send(struct nd_in *in, struct channel *channel)
{
	struct answer a = {.fate = BAD_CHANNEL};

	if (channel->dead[0] == '\0') {
		a = deliver(channel);
	} else {
		post.attempts = 0;
		snprintf(a.error, sizeof(a.error), "%s", channel->dead);
	}

	stop_unless_settled(&a);
	put_note(channel, &a);
	if (a.fate != SENT) {
		nd_bad(in, "Slack will not take it: %s", a.error);
		if (a.fate == BAD_CHANNEL)
			snprintf(channel->dead, sizeof(channel->dead), "%.63s",
			    a.error);
	}
	nd_flush();
}

static const char *
default_channel(void)
{
	if (post.channel == NULL) {
		warnx("SLACK_CHANNEL is not set: the channel for messages that "
		      "name none; put it into the environment or .env");
		run_stop(EX_CONFIG);
	}
	return post.channel;
}

/* The channel of the message, or SLACK_CHANNEL; NULL if it cannot be one. */
static struct channel *
find_channel(void)
{
	char id[128];
	size_t len = 0;

	if (json_kind(record[CHANNEL].val) <= JSON_NULL)
		len = (size_t)snprintf(id, sizeof(id), "%s", default_channel());
	else if (record[CHANNEL].val.len < sizeof(id))
		len = json_text(record[CHANNEL].val, id);
	if (len == 0 || len >= sizeof(id))
		return NULL;
	id[len] = '\0';
	if (strspn(id,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789_#@.-") != len)
		return NULL;
	for (size_t i = 0; i < post.n_channels; i++)
		if (strcmp(post.channels[i].id, id) == 0)
			return &post.channels[i];
	if (post.n_channels == CHANNELS_MAX)
		post.n_channels = 0; /* nobody has so many */
	memset(&post.channels[post.n_channels], 0, sizeof(struct channel));
	memcpy(post.channels[post.n_channels].id, id, len + 1);
	return &post.channels[post.n_channels++];
}

/* What is wrong with the message at hand, or NULL. */
static const char *
wrong(void)
{
	if (json_kind(record[ID].val) != JSON_STRING ||
	    json_is(record[ID].val, "") ||
	    (json_kind(record[TEXT].val) != JSON_STRING &&
		json_kind(record[BLOCKS].val) != JSON_ARRAY))
		return "a slack_message needs an id, and text or blocks";
	if (record[ID].val.len > ID_MAX)
		return "an id too long to be looked up";
	if (!note_are_records(record[ON_SENT].val))
		return "on_sent is no list of records";
	if (json_kind(record[MAYBE_SENT].val) > JSON_NULL &&
	    json_kind(record[MAYBE_SENT].val) != JSON_BOOL)
		return "maybe_sent is neither true nor false";
	return NULL;
}

static void
take(struct nd_in *in)
{
	struct channel *channel;
	const char *why = wrong();

	if (why != NULL) {
		nd_bad(in, "%s", why);
		return;
	}
	if (post.dry_run) {
		nd_put_line(nd_line(in));
		return;
	}
	if ((channel = find_channel()) == NULL)
		nd_bad(in, "channel is no channel's id");
	else
		send(in, channel);
}

/* Whether a scope is in a list of them: "chat:write,channels:history". */
static bool
has_scope(const char *scopes, const char *scope)
{
	size_t n = strlen(scope);

	for (const char *p = scopes; (p = strstr(p, scope)) != NULL; p += n)
		if ((p == scopes || p[-1] == ',' || p[-1] == ' ') &&
		    (p[n] == '\0' || p[n] == ',' || p[n] == ' '))
			return true;
	return false;
}

/* What Slack says that the token is good for, if it says so: not enough is no
 * better than no token. */
static void
judge_scopes(struct answer *a, char *detail, size_t size)
{
	const char *scopes = http_header(post.http, "x-oauth-scopes");
	size_t len = strlen(detail);

	if (scopes == NULL || a->fate != SENT)
		return;
	if (!has_scope(scopes, "chat:write")) {
		a->fate = REFUSED;
		snprintf(detail, size,
		    "missing_scope: the token is not good for chat:write");
	} else if (!has_scope(scopes, "channels:history") &&
	    !has_scope(scopes, "groups:history")) {
		snprintf(detail + len, size - len,
		    "; without channels:history nothing is looked up");
	}
}

/* How Slack is: a health_checks record. */
static _Noreturn void
check(void)
{
	struct json_field who[] = {
	    JSON_FIELD("team"), JSON_FIELD("user"), JSON_END};
	char url[URL_SIZE], team[100] = "", user[100] = "";
	char detail[512];
	double began = http_clock();
	struct http_res res;
	struct json_slice text;
	struct json_error e;
	struct answer a;

	make_url(url, "auth.test");
	res = call(url, "{}", 2, false);
	read_answer(&res, &a);
	text.s = res.body;
	text.len = res.len;
	if (res.outcome == HTTP_OK && a.fate == SENT &&
	    json_scan(text, who, &e) && who[0].val.len < sizeof(team) &&
	    who[1].val.len < sizeof(user)) {
		json_text(who[0].val, team);
		json_text(who[1].val, user);
	}
	if (res.outcome != HTTP_OK)
		snprintf(detail, sizeof(detail), "%s", res.why);
	else if (a.fate != SENT)
		snprintf(detail, sizeof(detail), "%s", a.error);
	else
		snprintf(
		    detail, sizeof(detail), "team %s, user %s", team, user);
	if (res.outcome == HTTP_OK)
		judge_scopes(&a, detail, sizeof(detail));
	run_health("slack", began, a.fate == SENT, detail);
	if (res.outcome != HTTP_OK)
		run_stop(http_status(&res));
	run_stop(a.fate == SENT     ? EX_OK
		: a.fate == REFUSED ? EX_NOPERM
				    : EX_PROTOCOL);
}

static void
read_settings(void)
{
	post.token =
	    conf_need("SLACK_BOT_TOKEN", "the xoxb- token of your Slack app");
	note_check_token("SLACK_BOT_TOKEN", post.token);
	post.channel = conf_get("SLACK_CHANNEL");
	post.base = conf_or("SLACK_API_URL", "https://slack.com/api");
	http_check_url("SLACK_API_URL", post.base);
	post.pace = (double)conf_number("SLACK_PACE_MS", 0, 60000, 1000) / 1000;
	if (snprintf(post.authorization, HEADER_SIZE,
		"Authorization: Bearer %s", post.token) >= HEADER_SIZE)
		errx(EX_CONFIG, "SLACK_BOT_TOKEN is too long to be one");
}

int
main(int argc, char *argv[])
{
	struct nd_in *in;
	bool checks;

	post.max_wait = 300;
	checks = note_options(argc, argv, usage, &post.dry_run, &post.max_wait);

	if (!post.dry_run) {
		read_settings();
		post.http = http_new();
	}
	if (checks)
		check();

	in = nd_open(NULL);
	while (nd_read(in, record)) {
		if (json_is(record[TYPE].val, "slack_message"))
			take(in);
		else
			nd_put_line(nd_line(in));
	}
	nd_close(in);
	if (!post.dry_run)
		http_free(post.http);
	free(post.body);
	conf_free();
	return nd_finish();
}
