/*
 * clickup-post - comments on ClickUp's tasks, each made once
 *
 * Posts each clickup_comment to its task.  What became of it is a notifications
 * record; once ClickUp has accepted it, the records in its on_sent follow,
 * which say what being sent means for whoever wrote the comment.
 *
 * ClickUp has no key by which it would know a comment again.  So each carries
 * its id as [id], and the task's newest comments are searched for that before
 * it is posted at all, since an earlier run may have been killed before it
 * could say that it was; and again, when it is not known whether ClickUp took
 * it.
 *
 * Facts: ClickUp API v2 Reference (Create and Get Task Comments, Get Authorized
 * User), and its pages "Rate limits" and "Common errors".
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/conf.h"
#include "lib/http.h"
#include "lib/ndjson.h"
#include "lib/note.h"
#include "lib/run.h"
#include "lib/when.h"

#define URL_SIZE 1024
#define HEADER_SIZE 1024
#define LIST_MAX (16UL << 20) /* bytes of a list of comments */
#define POSTS_MAX 3 /* of a comment whose fate had to be looked up */
#define TASKS_MAX 64 /* of which it is known that they take none */
#define ID_MAX 1024 /* bytes of a comment's id, as JSON */

/* What an error of ClickUp's concerns. */
enum fate {
	SENT,
	LATER, /* the service: again, after a while */
	UNSURE, /* the service, and the comment may be there all the same */
	NOT_THERE, /* the comment was looked for, and is not there */
	NONSENSE, /* the way there: what answers is not ClickUp */
	REFUSED, /* us: no comment will get through */
	BAD_TASK, /* the task: none of its comments will */
	BAD_COMMENT /* this comment, for ever */
};

/* An answer of ClickUp's, as far as it matters. */
struct answer {
	enum fate fate;
	char error[400];
	char id[64]; /* of the comment */
	int64_t date; /* when it was made; 0: not known */
};

struct task {
	char id[128];
	char dead[400]; /* why no comment gets to it; empty: some may */
};

struct buffer {
	char *s;
	size_t len, cap;
};

enum { TYPE, ID, TASK_ID, TEXT, NOTIFY_ALL, ON_SENT };

static struct json_field record[] = {JSON_FIELD("type"), JSON_FIELD("id"),
    JSON_FIELD("task_id"), JSON_FIELD("text"), JSON_FIELD("notify_all"),
    JSON_FIELD("on_sent"), JSON_END};

static struct {
	bool dry_run;
	double max_wait, waited;
	const char *base, *token, *task, *team;
	char authorization[HEADER_SIZE];
	struct http *http;
	struct task tasks[TASKS_MAX];
	size_t n_tasks;
	int attempts; /* for the comment at hand */
	char key[ID_MAX + 3]; /* [id], by which it is found */
	struct buffer body, list, text;
} post;

static const char usage[] =
    "usage: clickup-post [--dry-run] [--max-wait S] <clickup_comment records\n"
    "       clickup-post --check\n"
    "\n"
    "Posts each clickup_comment (id, task_id, text, notify_all, on_sent) that\n"
    "is not there yet, writes a notifications for each, and the records in "
    "its\n"
    "on_sent if it was sent; passes all other records on.  Without a task_id:\n"
    "CLICKUP_TASK_ID.\n"
    "\n"
    "      --dry-run      check the comments and pass them on, sending "
    "nothing\n"
    "      --max-wait S   seconds to wait in all when ClickUp asks for it "
    "(300)\n"
    "      --check        test token and reachability\n"
    "      --help, --version\n"
    "\n"
    "CLICKUP_API_TOKEN is needed, from the environment or .env.\n"
    "example: jq -nc -f job-report.jq <records | clickup-post | db-load\n";

static void
add(struct buffer *b, const char *s, size_t len)
{
	if (len == 0)
		return; /* there may be no buffer yet */
	if (b->len + len > b->cap) {
		b->cap = 2 * (b->len + len);
		if ((b->s = realloc(b->s, b->cap)) == NULL)
			err(EX_TEMPFAIL, NULL);
	}
	memcpy(b->s + b->len, s, len);
	b->len += len;
}

static void
add_text(struct buffer *b, const char *text)
{
	add(b, text, strlen(text));
}

/* Add what a JSON string says. */
static void
add_said(struct buffer *b, struct json_slice val)
{
	char *said = malloc(val.len + 1);

	if (said == NULL)
		err(EX_TEMPFAIL, NULL);
	add(b, said, json_text(val, said));
	free(said);
}

/* Whether bytes hold the key. */
static bool
holds_key(const struct buffer *b)
{
	size_t n = strlen(post.key);

	for (size_t i = 0; i + n <= b->len; i++)
		if (memcmp(b->s + i, post.key, n) == 0)
			return true;
	return false;
}

/* A text of at most size - 1 bytes, with nothing that a terminal would obey. */
static void
read_word(struct json_slice val, char *word, size_t size)
{
	struct buffer said = {NULL, 0, 0};
	size_t n;

	add_said(&said, val);
	n = said.len < size ? said.len : size - 1;
	for (size_t i = 0; i < n; i++)
		word[i] = said.s[i] < ' ' || said.s[i] > '~' ? '?' : said.s[i];
	word[n] = '\0';
	free(said.s);
	conf_hide(word, post.token);
}

/* Whether a code of a 401 concerns the workspace, rather than the token. */
static bool
not_authorised(const char *code)
{
	int n;

	if (sscanf(code, "OAUTH_%3d", &n) != 1)
		return false;
	return n == 23 || n == 26 || n == 27 || (n >= 29 && n <= 45);
}

/* What ClickUp means by a status; its own words tell that it is ClickUp. */
static enum fate
fate_of(const struct http_res *res, bool its_own, const char *code)
{
	if (res->ambiguous)
		return UNSURE;
	if (res->outcome == HTTP_LATER)
		return LATER;
	if (res->status == 401)
		return not_authorised(code) ? BAD_TASK : REFUSED;
	if (res->status == 413)
		return BAD_COMMENT;
	if (res->outcome == HTTP_BROKEN || !its_own)
		return NONSENSE;
	return res->status == 403 || res->status == 404 ? BAD_TASK
							: BAD_COMMENT;
}

/* What a request that failed says of the comment, in ClickUp's words if there
 * are any: {"err":...,"ECODE":...}. */
static struct answer
read_error(const struct http_res *res)
{
	struct json_field parts[] = {
	    JSON_FIELD("err"), JSON_FIELD("ECODE"), JSON_END};
	struct json_slice text = {res->body, res->len};
	struct answer a = {.fate = UNSURE};
	struct json_error e;
	char words[200] = "", code[40] = "";

	if (res->len > 0 && json_scan(text, parts, &e)) {
		read_word(parts[0].val, words, sizeof(words));
		read_word(parts[1].val, code, sizeof(code));
	}
	a.fate = fate_of(res, words[0] != '\0' || code[0] != '\0', code);
	if (words[0] == '\0' && code[0] == '\0')
		snprintf(a.error, sizeof(a.error), "%s", res->why);
	else
		snprintf(a.error, sizeof(a.error), "%s%s%s%s%s",
		    a.fate == BAD_TASK && res->status == 401
			? "not authorised for this workspace, wrong task or "
			  "token: "
			: "",
		    words, *words && *code ? " (" : "", code,
		    *words && *code ? ")" : "");
	return a;
}

/* ClickUp says when the minute ends that has had its requests. */
static double
wants(struct http *http, void *arg, const struct http_res *res)
{
	const char *reset;
	char *end;
	long long at;

	(void)arg;
	if (res->status != 429 ||
	    (reset = http_header(http, "X-RateLimit-Reset")) == NULL)
		return -1;
	at = strtoll(reset, &end, 10);
	if (end == reset || *end != '\0' || at < 0)
		return -1;
	return (double)(at - (long long)when_now());
}

static void
make_url(char *url, const char *path, const char *id, const char *rest)
{
	int n = snprintf(url, URL_SIZE, "%s/%s%s%s", post.base, path, id, rest);
	bool custom = strchr(id, '-') != NULL;

	if (n < 0 || n >= URL_SIZE ||
	    (custom &&
		(!http_param(url, URL_SIZE, "custom_task_ids", "true") ||
		    !http_param(url, URL_SIZE, "team_id", post.team))))
		errx(EX_CONFIG, "CLICKUP_API_URL is too long");
}

static struct http_res
call(struct http_req *req)
{
	const char *const headers[] = {
	    post.authorization, "Content-Type: application/json", NULL};
	struct http_res res;

	req->headers = headers;
	req->wants = wants;
	req->max_wait = post.max_wait - post.waited;
	res = http_do(post.http, req);
	post.waited += res.waited;
	return res;
}

/* The list of comments arrives: other people's may be long. */
static void
begin_list(void *arg)
{
	(void)arg;
	post.list.len = 0;
}

static bool
take_list(void *arg, const char *data, size_t len)
{
	(void)arg;
	if (post.list.len + len > LIST_MAX)
		return false;
	add(&post.list, data, len);
	return true;
}

static bool
read_list(struct json_field *comments)
{
	struct json_slice text = {post.list.s, post.list.len};
	struct json_error e;

	return text.len > 0 && json_scan(text, comments, &e) &&
	    json_kind(comments[0].val) == JSON_ARRAY;
}

/* What is no list of comments may be one the next time. */
static void
judge_list(void *arg, struct http_res *res)
{
	struct json_field comments[] = {JSON_FIELD("comments"), JSON_END};

	(void)arg;
	if (res->outcome != HTTP_OK || read_list(comments))
		return;
	res->outcome = HTTP_LATER;
	snprintf(res->why, sizeof(res->why), "not ClickUp's list of comments");
}

/* An id, which may be a number as well. */
static void
read_id(struct json_slice val, struct answer *a)
{
	if (json_kind(val) == JSON_STRING)
		read_word(val, a->id, sizeof(a->id));
	else if (json_kind(val) == JSON_NUMBER && val.len < sizeof(a->id))
		snprintf(a->id, sizeof(a->id), "%.*s", (int)val.len, val.s);
}

/* Whether a comment of the list is the one at hand, by its text as a whole, or
 * by that of its parts. */
static bool
is_ours(struct json_slice text, struct json_slice parts)
{
	struct json_field part[] = {JSON_FIELD("text"), JSON_END};
	struct json_iter it = json_walk(parts);
	struct json_error e;

	post.text.len = 0;
	add_said(&post.text, text);
	if (holds_key(&post.text))
		return true;
	post.text.len = 0;
	while (json_next(&it))
		if (json_scan(it.val, part, &e))
			add_said(&post.text, part[0].val);
	return holds_key(&post.text);
}

/* Look for the comment among those of a list. */
static struct answer
find_comment(struct json_slice comments)
{
	struct json_field its[] = {JSON_FIELD("id"), JSON_FIELD("date"),
	    JSON_FIELD("comment_text"), JSON_FIELD("comment"), JSON_END};
	struct json_iter it = json_walk(comments);
	struct answer a = {.fate = NOT_THERE};
	struct json_error e;
	char date[24];

	while (json_next(&it)) {
		if (!json_scan(it.val, its, &e) ||
		    !is_ours(its[2].val, its[3].val))
			continue;
		a.fate = SENT;
		read_id(its[0].val, &a);
		read_word(its[1].val, date, sizeof(date));
		if (strlen(date) == 13 && strspn(date, "0123456789") == 13)
			a.date = strtoll(date, NULL, 10) / 1000;
		return a;
	}
	return a;
}

/* Look for the comment among the newest of its task: SENT if it is there,
 * NOT_THERE if it is not, or why that cannot be told. */
static struct answer
look_up(const struct task *task)
{
	struct json_field comments[] = {JSON_FIELD("comments"), JSON_END};
	char url[URL_SIZE];
	struct http_req req = {.url = url,
	    .begin = begin_list,
	    .take = take_list,
	    .judge = judge_list};
	struct http_res res;

	make_url(url, "task/", task->id, "/comment");
	begin_list(NULL);
	res = call(&req);
	if (res.outcome == HTTP_OK && read_list(comments))
		return find_comment(comments[0].val);
	return read_error(&res);
}

/* Add a byte of the text to a JSON string. */
static void
add_escaped(struct buffer *b, char c)
{
	if (c == '\n') {
		add_text(b, "\\n");
		return;
	}
	if (c == '"' || c == '\\')
		add_text(b, "\\");
	add(b, &c, 1);
}

/* Of the text, a line break is all that may control: keep the rest of it. */
static void
keep_harmless(struct buffer *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++) {
		unsigned char c = (unsigned char)b->s[i];

		if (c == 0xc2 && i + 1 < b->len &&
		    (unsigned char)b->s[i + 1] < 0xa0)
			i++; /* U+0080 to U+009F */
		else if (c == '\t')
			b->s[n++] = ' ';
		else if (c == '\n' || (c >= ' ' && c != 0x7f))
			b->s[n++] = (char)c;
	}
	b->len = n;
}

/* The text as it is posted, with the key as its last line. */
static void
make_text(void)
{
	post.text.len = 0;
	add_said(&post.text, record[TEXT].val);
	keep_harmless(&post.text);
	if (holds_key(&post.text))
		return;
	if (post.text.len > 0 && post.text.s[post.text.len - 1] != '\n')
		add_text(&post.text, "\n");
	add_text(&post.text, post.key);
}

static void
make_body(void)
{
	bool all = json_kind(record[NOTIFY_ALL].val) == JSON_BOOL &&
	    *record[NOTIFY_ALL].val.s == 't';

	make_text();
	post.body.len = 0;
	add_text(&post.body, "{\"comment_text\":\"");
	for (size_t i = 0; i < post.text.len; i++)
		add_escaped(&post.body, post.text.s[i]);
	add_text(&post.body, "\",\"notify_all\":");
	add_text(&post.body, all ? "true}" : "false}");
}

/* A 200 without an id is not ClickUp's. */
static void
judge_post(void *arg, struct http_res *res)
{
	struct answer *a = arg;
	struct json_field id[] = {JSON_FIELD("id"), JSON_END};
	struct json_slice text = {res->body, res->len};
	struct json_error e;

	a->id[0] = '\0';
	if (res->outcome != HTTP_OK)
		return;
	if (res->len > 0 && json_scan(text, id, &e))
		read_id(id[0].val, a);
	if (a->id[0] != '\0')
		return;
	res->outcome = HTTP_LATER;
	res->ambiguous = true;
	snprintf(res->why, sizeof(res->why), "not ClickUp's answer");
}

/* Post the comment once. */
static struct answer
try_post(const struct task *task)
{
	struct answer a = {.fate = SENT};
	char url[URL_SIZE];
	struct http_req req = {
	    .url = url, .judge = judge_post, .arg = &a, .once = true};
	struct http_res res;

	make_url(url, "task/", task->id, "/comment");
	make_body();
	req.body = post.body.s;
	req.len = post.body.len;
	res = call(&req);
	post.attempts += res.tries;
	return res.outcome == HTTP_OK ? a : read_error(&res);
}

/* Post the comment unless it is there, and find out what became of it. */
static struct answer
deliver(const struct task *task)
{
	struct answer a = look_up(task), found;

	for (int i = 0; i < POSTS_MAX && a.fate == NOT_THERE; i++) {
		a = try_post(task);
		if (a.fate != UNSURE)
			return a;
		warnx("ClickUp: %s: looking whether the comment is there",
		    a.error);
		found = look_up(task);
		if (found.fate == SENT)
			return found;
		if (found.fate == NOT_THERE)
			a.fate = NOT_THERE; /* and a.error tells why */
	}
	return a;
}

static void
put_note(const struct task *task, const struct answer *a)
{
	struct note note = {
	    .id = record[ID].val,
	    .sink = "clickup",
	    .target = task->id,
	    .remote_id = a->id[0] == '\0' ? NULL : a->id,
	    .attempts = post.attempts,
	    .error = a->fate == SENT ? NULL : a->error,
	    .sent_at = a->date,
	};

	note_put(&note, record[ON_SENT].val);
}

/* End the program if nothing can be said of the comment, nor of the next. */
static void
stop_unless_settled(const struct answer *a)
{
	if (a->fate == REFUSED) {
		warnx("ClickUp refuses CLICKUP_API_TOKEN: %s", a->error);
		run_stop(EX_NOPERM);
	}
	if (a->fate == NONSENSE) {
		warnx("cannot talk to ClickUp: %s", a->error);
		run_stop(EX_PROTOCOL);
	}
	if (a->fate == LATER || a->fate == UNSURE || a->fate == NOT_THERE) {
		warnx("ClickUp: %s; the rest can be sent later", a->error);
		run_stop(EX_TEMPFAIL);
	}
}

static void
send(struct nd_in *in, struct task *task)
{
	struct answer a = {.fate = BAD_TASK};

	post.attempts = 0;
	if (task->dead[0] != '\0')
		memcpy(a.error, task->dead, sizeof(a.error));
	else
		a = deliver(task);

	stop_unless_settled(&a);
	put_note(task, &a);
	if (a.fate != SENT) {
		nd_bad(in, "ClickUp will not take it: %s", a.error);
		if (a.fate == BAD_TASK)
			memcpy(task->dead, a.error, sizeof(a.error));
	}
	nd_flush();
}

static const char *
default_task(void)
{
	if (post.task == NULL) {
		warnx("CLICKUP_TASK_ID is not set: the task for comments that "
		      "name none; put it into the environment or .env");
		run_stop(EX_CONFIG);
	}
	return post.task;
}

static bool
good_task(const char *id)
{
	size_t n = strspn(id,
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789_-");

	return n > 0 && n < sizeof(post.tasks[0].id) && id[n] == '\0';
}

/* The task of the comment, or CLICKUP_TASK_ID. */
static struct task *
find_task(void)
{
	char id[sizeof(post.tasks[0].id)];
	struct task *task;

	if (json_kind(record[TASK_ID].val) <= JSON_NULL)
		snprintf(id, sizeof(id), "%s", default_task());
	else
		read_word(record[TASK_ID].val, id, sizeof(id));
	if (strchr(id, '-') != NULL && post.team == NULL) {
		warnx("CLICKUP_TEAM_ID is not set: the workspace of a custom "
		      "task id such as %s; put it into the environment or .env",
		    id);
		run_stop(EX_CONFIG);
	}
	for (size_t i = 0; i < post.n_tasks; i++)
		if (strcmp(post.tasks[i].id, id) == 0)
			return &post.tasks[i];
	if (post.n_tasks == TASKS_MAX)
		post.n_tasks = 0; /* nobody has so many */
	task = &post.tasks[post.n_tasks++];
	memset(task, 0, sizeof(*task));
	memcpy(task->id, id, sizeof(id));
	return task;
}

/* Whether the id can be looked for: what may not stand in it would not come
 * back as it was, or might be found in the key of another one. */
static bool
make_key(void)
{
	struct json_slice id = record[ID].val;
	size_t n;

	if (id.len > ID_MAX)
		return false;
	post.key[0] = '[';
	n = 1 + json_text(id, post.key + 1);
	for (size_t i = 1; i < n; i++) {
		unsigned char c = (unsigned char)post.key[i];

		if (c < ' ' || c == 0x7f || c == '[' || c == ']' ||
		    (c == 0xc2 && (unsigned char)post.key[i + 1] < 0xa0))
			return false;
	}
	memcpy(post.key + n, "]", 2);
	return true;
}

static bool
names_no_task(struct json_slice val)
{
	char id[sizeof(post.tasks[0].id) + 1];

	if (json_kind(val) <= JSON_NULL)
		return false;
	if (json_kind(val) != JSON_STRING)
		return true;
	read_word(val, id, sizeof(id));
	return !good_task(id);
}

/* What is wrong with the comment at hand, or NULL. */
static const char *
wrong(void)
{
	if (json_kind(record[ID].val) != JSON_STRING ||
	    json_is(record[ID].val, "") ||
	    json_kind(record[TEXT].val) != JSON_STRING ||
	    json_is(record[TEXT].val, ""))
		return "a clickup_comment needs an id and a text";
	if (!make_key())
		return "an id that cannot be looked up";
	if (names_no_task(record[TASK_ID].val))
		return "task_id is no task's id";
	if (json_kind(record[NOTIFY_ALL].val) > JSON_NULL &&
	    json_kind(record[NOTIFY_ALL].val) != JSON_BOOL)
		return "notify_all is no boolean";
	if (!note_are_records(record[ON_SENT].val))
		return "on_sent is no list of records";
	return NULL;
}

static void
take(struct nd_in *in)
{
	const char *why = wrong();

	if (why != NULL)
		nd_bad(in, "%s", why);
	else if (post.dry_run)
		nd_put_line(nd_line(in));
	else
		send(in, find_task());
}

/* How ClickUp is: a health_checks record. */
static _Noreturn void
check(void)
{
	struct json_field user[] = {JSON_FIELD("username"), JSON_END};
	struct json_field parts[] = {JSON_SUB("user", user), JSON_END};
	char url[URL_SIZE], name[100], detail[512];
	struct http_req req = {.url = url};
	double began = http_clock();
	struct json_slice text;
	struct json_error e;
	struct http_res res;
	bool ok;

	make_url(url, "user", "", "");
	res = call(&req);
	text.s = res.body;
	text.len = res.len;
	ok = res.outcome == HTTP_OK && res.len > 0 &&
	    json_scan(text, parts, &e) &&
	    json_kind(parts[0].val) == JSON_OBJECT;
	if (ok) {
		read_word(user[0].val, name, sizeof(name));
		snprintf(detail, sizeof(detail), "user %s", name);
	} else {
		snprintf(detail, sizeof(detail), "%s",
		    res.outcome == HTTP_OK ? "not ClickUp's answer"
					   : read_error(&res).error);
	}
	run_health("clickup", began, ok, detail);
	run_stop(
	    ok || res.outcome != HTTP_OK ? http_status(&res) : EX_PROTOCOL);
}

/* The header is the token of a person as it is, or "Bearer" and one of an
 * app.  With both, ClickUp would not know it. */
static void
read_token(void)
{
	const char *all = conf_need("CLICKUP_API_TOKEN",
	    "your personal token, pk_..., of ClickUp's settings");
	bool bearer = strncmp(all, "Bearer ", 7) == 0;

	post.token = bearer ? all + 7 : all;
	bearer &= strncmp(post.token, "pk_", 3) != 0;
	note_check_token("CLICKUP_API_TOKEN", post.token);
	if (*post.token == '\0' ||
	    snprintf(post.authorization, HEADER_SIZE, "Authorization: %s%s",
		bearer ? "Bearer " : "", post.token) >= HEADER_SIZE)
		errx(EX_CONFIG, "CLICKUP_API_TOKEN is too short or too long");
}

static void
read_settings(void)
{
	read_token();
	post.task = conf_get("CLICKUP_TASK_ID");
	if (post.task != NULL && !good_task(post.task))
		errx(EX_CONFIG, "CLICKUP_TASK_ID is no task's id");
	post.team = conf_get("CLICKUP_TEAM_ID");
	if (post.team != NULL &&
	    post.team[strspn(post.team, "0123456789")] != '\0')
		errx(EX_CONFIG, "CLICKUP_TEAM_ID is no workspace's number");
	post.base =
	    conf_or("CLICKUP_API_URL", "https://api.clickup.com/api/v2");
	http_check_url("CLICKUP_API_URL", post.base);
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
		if (json_is(record[TYPE].val, "clickup_comment"))
			take(in);
		else
			nd_put_line(nd_line(in));
	}
	nd_close(in);
	if (!post.dry_run)
		http_free(post.http);
	free(post.body.s);
	free(post.list.s);
	free(post.text.s);
	conf_free();
	return nd_finish();
}
