# Every .c in these four folders is one program; what they share is in lib/.
VERSION = 0.1.0

FETCH     = $(basename $(wildcard fetch/*.c))
TRANSFORM = $(basename $(wildcard transform/*.c))
LOAD      = $(basename $(wildcard load/*.c))
NOTIFY    = $(basename $(wildcard notify/*.c))
PROGS     = $(FETCH) $(TRANSFORM) $(LOAD) $(NOTIFY)
SERVER    = $(addprefix load/server/,db-load db-query db-prune)
MANS      = $(PROGS:=.1)
PAGES     = $(wildcard lib/*.5 lib/*.7)

DESTDIR  =
PREFIX   = /usr/local
BINDIR   = $(PREFIX)/bin
MANDIR   = $(PREFIX)/share/man
SHAREDIR = $(PREFIX)/share/sellerpipe
LIBDIR   = $(PREFIX)/lib/sellerpipe

CFLAGS = -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
override CFLAGS += -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wformat=2 \
	-Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wundef \
	-Wpointer-arith -Wcast-qual
PG_CONFIG  = pg_config
PG_INCLUDE := $(shell $(PG_CONFIG) --includedir 2>/dev/null || echo /usr/include)
PG_LIB     := $(shell $(PG_CONFIG) --libdir 2>/dev/null || echo /usr/lib)
override CPPFLAGS += -I. -D_DEFAULT_SOURCE -D_XOPEN_SOURCE=700 \
	-DSELLERPIPE_VERSION='"$(VERSION)"' -MMD -MP

all: $(PROGS) $(SERVER)

# Only what fetches or notifies can reach the network; only what loads, the
# database.  What a transform is linked with, besides libc, is this first line.
$(PROGS): %: %.o lib/ndjson.o lib/json.o lib/when.o
$(FETCH) $(NOTIFY): lib/http.o lib/conf.o lib/run.o
$(FETCH) $(NOTIFY): LDLIBS += -lcurl
$(NOTIFY): lib/note.o
notify/slack-post: LDLIBS += -ljson-c
$(LOAD): lib/db.o lib/copy.o lib/schema.o lib/conf.o
$(LOAD): LDLIBS += -lsqlite3
load/db-load: load/drivers/load-sqlite.o
load/db-query: load/drivers/query-sqlite.o
load/db-prune: load/drivers/prune-sqlite.o
load/db-load load/db-query load/db-prune: load/drivers/url.o load/drivers/files-only.o
load/drivers/files-only.o: override CPPFLAGS += -DLIBDIR='"$(LIBDIR)"'

# The same with the drivers for servers, to which those give way: see files-only.c.
$(SERVER): load/server/%: load/%.o lib/ndjson.o lib/json.o lib/when.o lib/db.o lib/copy.o lib/schema.o \
		lib/conf.o lib/http.o load/drivers/postgres.o load/drivers/schema.o load/drivers/rest.o \
		load/drivers/url.o load/drivers/all-drivers.o
	@mkdir -p load/server
	$(LINK.o) $^ $(LOADLIBES) $(LDLIBS) -o $@
$(SERVER): LDLIBS += -lsqlite3 -L$(PG_LIB) -lpq -lcurl -ljson-c
load/server/db-load: load/drivers/load-sqlite.o load/drivers/load-postgres.o load/drivers/load-rest.o load/drivers/batch.o load/drivers/copytext.o
load/server/db-query: load/drivers/query-sqlite.o load/drivers/query-postgres.o load/drivers/query-rest.o load/drivers/question.o
load/server/db-prune: load/drivers/prune-sqlite.o load/drivers/prune-server.o
load/drivers/%.o: override CPPFLAGS += -I$(PG_INCLUDE)
fetch/keepa-fetch: lib/split.o
fetch/sp-fetch: lib/spapi.o
fetch/sp-fetch transform/sp-split: lib/report.o lib/gunzip.o lib/split.o lib/market.o
fetch/sp-fetch transform/sp-split: LDLIBS += -lz
fetch/keepa-fetch transform/keepa-flatten: lib/keepa.o lib/market.o
transform/sales-plan: lib/market.o
fetch/keepa-fetch transform/keepa-flatten: LDLIBS += -lm
transform/sales-flatten: lib/market.o

# The schema as the .sql files say it, a C string a line.
POSTGRES = load/schema/postgres
lib/schema.c: load/schema/embed.awk load/schema/sqlite/*.sql
	awk -v name=db_migrations -f load/schema/embed.awk load/schema/sqlite/*.sql >$@.tmp
	mv $@.tmp $@
load/drivers/schema.c: load/schema/embed.awk $(POSTGRES)/*.sql
	awk -v name=postgres_migrations -f load/schema/embed.awk $(POSTGRES)/0*.sql >$@.tmp
	awk -v name=postgres_always -f load/schema/embed.awk $(POSTGRES)/functions.sql $(POSTGRES)/grants.sql >>$@.tmp
	mv $@.tmp $@

# All tests; FILES="tests/x.bats" for some.
check: all
	tests/run.sh $(FILES)

# The same against programs that check themselves as they run.
SAN = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
check-san:
	$(MAKE) clean
	$(MAKE) all CFLAGS="-O1 -g -Werror $(SAN)" LDFLAGS="$(SAN)"
	tests/run.sh --as-built $(FILES)
	$(MAKE) clean

# What breaks, at each call of the system and each allocation: half an hour.
faults: all
	FAULT_STEP=1 tests/run.sh --as-built tests/faults/*.bats tests/*-killed.bats tests/claim*.bats tests/postgres-schema.bats

# Parsers against what nobody would write, for so many seconds each.
FUZZ_TIME = 600
fuzz:
	tests/fuzz/run.sh $(FUZZ_TIME)

bench: all
	tests/bench/run.sh

lint:
	clang-format --dry-run -Werror $$(git ls-files '*.[ch]')
	shellcheck -x $$(git ls-files '*.sh' .ci/run pipelines/job pipelines/configured)
	shellcheck -x -s bash $$(git ls-files '*.bats' '*.bash')
	mandoc -T lint -W warning $(MANS) $(PAGES)

# The pipelines and what they need go together, as they stand here; demo.sh with the
# simulator.  What names a folder names it with @LIBDIR@ or @SHAREDIR@.
UNITDIR  = $(PREFIX)/lib/systemd/system
BASHDIR  = $(PREFIX)/share/bash-completion/completions
ZSHDIR   = $(PREFIX)/share/zsh/site-functions
JOBS     = $(filter-out pipelines/setup.sh,$(shell find pipelines -maxdepth 1 -type f -perm -u+x | sort))
SOURCED  = $(filter-out $(JOBS) pipelines/setup.sh,$(wildcard pipelines/*.sh))
UNITS    = $(notdir $(wildcard pipelines/systemd/*.target pipelines/systemd/*.service pipelines/systemd/*.timer))
DROPINS  = $(patsubst pipelines/systemd/%,%,$(wildcard pipelines/systemd/*.d/*.conf))
COMPLETE = $(notdir $(PROGS) $(filter-out %/configured,$(JOBS)))
MARKETS  = $(shell sed -n 's/^ *{"\([A-Z][A-Z]\)", .*/\1/p' lib/market.c)
FILL     = sed 's|@LIBDIR@|$(LIBDIR)|g; s|@SHAREDIR@|$(SHAREDIR)|g; s|@NAMES@|$(COMPLETE)|g; s|@MARKETS@|$(MARKETS)|g'
install: all
	umask 022; mkdir -p $(addprefix $(DESTDIR),$(BINDIR) $(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man7 \
		$(LIBDIR)/pipelines $(LIBDIR)/notify $(LIBDIR)/server $(LIBDIR)/tests/sim $(SHAREDIR)/schema/sqlite \
		$(addprefix $(UNITDIR)/,$(sort $(dir $(DROPINS)))) \
		$(PREFIX)/lib/sysusers.d $(PREFIX)/lib/tmpfiles.d $(BASHDIR) $(ZSHDIR))
	install -m 755 $(PROGS) $(DESTDIR)$(BINDIR)
	install -m 755 $(SERVER) $(DESTDIR)$(LIBDIR)/server
	install -m 644 $(MANS) $(DESTDIR)$(MANDIR)/man1
	install -m 644 lib/*.5 $(DESTDIR)$(MANDIR)/man5
	install -m 644 lib/*.7 $(DESTDIR)$(MANDIR)/man7
	install -m 755 $(JOBS) $(DESTDIR)$(LIBDIR)/pipelines
	install -m 644 $(SOURCED) $(DESTDIR)$(LIBDIR)/pipelines
	install -m 644 notify/*.jq $(DESTDIR)$(LIBDIR)/notify
	install -m 644 tests/sim/*.py tests/sim/README.md $(DESTDIR)$(LIBDIR)/tests/sim
	install -m 755 tests/sim/sim $(DESTDIR)$(LIBDIR)/tests/sim
	install -m 644 load/schema/sqlite/*.sql $(DESTDIR)$(SHAREDIR)/schema/sqlite
	install -m 644 .env.example $(DESTDIR)$(SHAREDIR)
	umask 022; fill() { $(FILL) "$$1" >"$(DESTDIR)$$2"; }; \
	fill pipelines/crontab $(SHAREDIR)/crontab && \
	for unit in $(UNITS) $(DROPINS); do \
		fill pipelines/systemd/$$unit $(UNITDIR)/$$unit || exit; \
	done && \
	fill pipelines/systemd/sellerpipe.sysusers $(PREFIX)/lib/sysusers.d/sellerpipe.conf && \
	fill pipelines/systemd/sellerpipe.tmpfiles $(PREFIX)/lib/tmpfiles.d/sellerpipe.conf && \
	fill pipelines/completion/sellerpipe.bash $(BASHDIR)/sellerpipe && \
	fill pipelines/completion/_sellerpipe $(ZSHDIR)/_sellerpipe
	cd $(DESTDIR)$(BASHDIR) && for name in $(COMPLETE); do ln -sf sellerpipe $$name; done

# Nothing is left but folders that are not ours.  Settings and data stay.
uninstall:
	cd $(DESTDIR)$(BINDIR) && rm -f $(notdir $(PROGS))
	cd $(DESTDIR)$(MANDIR) && rm -f $(addprefix man1/,$(notdir $(MANS))) \
		$(addprefix man5/,$(notdir $(wildcard lib/*.5))) \
		$(addprefix man7/,$(notdir $(wildcard lib/*.7)))
	cd $(DESTDIR)$(UNITDIR) && rm -f $(UNITS) && rm -rf $(dir $(DROPINS))
	cd $(DESTDIR)$(BASHDIR) && rm -f sellerpipe $(COMPLETE)
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,lib/sysusers.d/sellerpipe.conf lib/tmpfiles.d/sellerpipe.conf) \
		$(DESTDIR)$(ZSHDIR)/_sellerpipe
	rm -rf $(DESTDIR)$(LIBDIR) $(DESTDIR)$(SHAREDIR)

# A package for Debian and Ubuntu, built anew and the same byte for byte; and what it
# does on a machine with nothing else, which takes root.
deb:
	pipelines/deb/build.sh $(VERSION)
check-deb:
	tests/deb.sh

clean:
	rm -f $(PROGS) */*.o */*.d load/drivers/*.o load/drivers/*.d lib/schema.c load/drivers/schema.c tests/fuzz/*-fuzz *.deb
	rm -rf build load/server

-include $(wildcard */*.d load/drivers/*.d)
.PHONY: all check check-san faults fuzz bench lint install uninstall deb check-deb clean
