#!/bin/bash
# run.sh - install what is missing, build, and pass all tests
#
#     tests/run.sh            all of them
#     tests/run.sh FILE...    these files of tests
#     tests/run.sh --as-built [FILE...]    with the programs as they are
#
# On a machine with nothing but this folder and a shell it needs root, or sudo,
# for the packages.  A run that fails leaves nothing behind; run it again.
set -euo pipefail
cd "$(dirname "$0")/.."

sh pipelines/setup.sh --test
if [ "${1:-}" = --as-built ]; then
	shift
else
	make -s -j"$(getconf _NPROCESSORS_ONLN)" all
fi

TEST_PYTHON=$(python3 -SEc 'import sys; print(sys.executable)') # see helper.bash
export TEST_PYTHON

# The servers that tests start: PostgREST is no package of the system's, and a cluster
# is made once and copied.  Tests that need what there is not for a machine are skipped.
tests/peers/postgrest.sh || [ $? -eq 78 ]
state=$(mktemp)
peers=$(mktemp -d /tmp/sellerpipe-peers.XXXXXX) # a short name, and open to their user
trap 'rm -rf "$state" "$peers"' EXIT
chmod 777 "$peers"
# shellcheck source=peers/peers.bash
source tests/peers/peers.bash
if pg_bin=$(where_postgres); then
	make_cluster "$peers/cluster"
	export TEST_PG_TEMPLATE=$peers/cluster
fi

# Those that take long first, so that none is left over at the end: what is killed again
# and again, and then the larger ones.
if [ $# -eq 0 ]; then
	mapfile -t files < <(wc -c tests/*.bats | sed '$d' | sort -rn | sed 's/^ *[0-9]* //' | grep -v killed)
	set -- tests/*-killed.bats tests/faults/*.bats "${files[@]}"
fi
# Half of the time a test waits: for a time to pass, for another process.  On a machine
# that is too busy, one that waits for something may not see it in time; so a file that
# fails amid all the others is tried once more, by itself.
# Tests send signals, which what runs in the background, or under nohup, is deaf to.
prove=(perl -e '$SIG{$_} = "DEFAULT" for qw(HUP INT QUIT PIPE TERM); exec @ARGV' prove --failures --comments
	--statefile="$state" --exec 'bats --tap')
"${prove[@]}" --jobs "$((2 * $(getconf _NPROCESSORS_ONLN)))" --state=save "$@" || {
	echo "run.sh: once more, by themselves, those that failed:" >&2
	"${prove[@]}" --state=failed
}
