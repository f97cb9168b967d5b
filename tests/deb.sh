#!/bin/bash
# deb.sh - the Debian package on a machine with nothing else on it
#
#     tests/deb.sh
#
# Builds it twice, makes a bare root by debootstrap (of this release, kept in build/
# for a day), installs the package there with apt, runs the demo as a user without
# rights, calls every program, and sees that nothing is left when it is purged; data
# excepted.  Where there is systemd-nspawn, that root is booted then, and its systemd
# runs the jobs in their sandboxes.  Takes root, a network and about a minute.  Status:
# 0; 1 something does not hold; 77 it cannot be found out here.
set -euo pipefail
cd "$(dirname "$0")/.."
began=$SECONDS

skip() {
	echo "deb.sh: skipped: $*" >&2
	exit 77
}

fail() {
	echo "deb.sh: $*" >&2
	exit 1
}

did() {
	printf '%4d s  %s\n' "$((SECONDS - began))" "$*"
}

[ "$(id -u)" -eq 0 ] || skip "it takes root"
for tool in debootstrap dpkg-deb chroot unshare; do
	type -P "$tool" >/dev/null || skip "no $tool here"
done
unshare --mount true 2>/dev/null || skip "nothing can be mounted here"
# What is mounted below is gone with us.
[ -n "${DEB_MOUNTS:-}" ] || DEB_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$release" ] || skip "this is no Debian with a name"
mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null || true; } |
	sed -nE 's,^(URIs:|deb( \[[^]]*\])?) +(https?://[^ ]*/(debian|ubuntu)/?)( .*)?$,\3,p' | sed -n 1p)
version=$(sed -n 's/^VERSION = //p' Makefile)

tmp=$(mktemp -d)
trap 'umount -R "$tmp/root/proc" 2>/dev/null || true; rm -rf --one-file-system "$tmp"' EXIT
root=$tmp/root

quietly() { # quietly COMMAND...: its output is shown if it fails
	"$@" >"$tmp/log" 2>&1 </dev/null || {
		cat "$tmp/log" >&2
		fail "failed: $*"
	}
}

within() { # within COMMAND...: in the root, as root
	chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive "$@"
}

# The package, the same however often it is built.
build() {
	mkdir "$tmp/one" "$tmp/two"
	pipelines/deb/build.sh "$version" "$tmp/one"
	pipelines/deb/build.sh "$version" "$tmp/two"
	cmp "$tmp"/one/*.deb "$tmp"/two/*.deb || fail "two builds differ"
}

bare_root() {
	local base=build/minbase-$release.tar
	mkdir -p build "$root"
	if [ -z "$(find build -name "minbase-$release.tar" -mmin -1440)" ]; then
		quietly debootstrap --variant=minbase "$release" "$root" ${mirror:+"$mirror"}
		tar -C "$root" -c --exclude=./proc/* --exclude=./var/cache/apt/archives/*.deb . >"$base.tmp"
		mv "$base.tmp" "$base"
	else
		tar -C "$root" -x <"$base"
	fi
	mount -t proc proc "$root/proc"
	install -d -o 1234 -g 1234 "$root/tmp/user"
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	[ ! -d /etc/apt/apt.conf.d ] || cp -n /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
}

# What is there, but for what dpkg and apt keep of their own and lists of users.
files() {
	(cd "$root" && find . \( -path ./proc -o -path ./tmp -o -path ./var/log -o -path ./var/cache -o \
		-path ./var/lib/apt -o -path ./var/lib/dpkg \) -prune -o -printf '%p %y %m %U\n' |
		grep -vE '^\./etc/(passwd|group|shadow|gshadow|subuid|subgid)-? ' | sort)
}

# What apt takes for it, first: it is not the package's to take away.
depends() {
	local packages
	cp "$tmp"/one/*.deb "$root/tmp/sellerpipe.deb"
	quietly within apt-get -qq update
	packages=$(within apt-get -s --no-install-recommends install /tmp/sellerpipe.deb |
		sed -n 's/^Inst \([^ ]*\) .*/\1/p' | grep -v '^sellerpipe$')
	# shellcheck disable=SC2086 # a list of words
	quietly within apt-get -qq -y --no-install-recommends install $packages python3
}

install_it() {
	within apt-get -qq -y --no-install-recommends install /tmp/sellerpipe.deb >"$tmp/log" 2>&1 || {
		cat "$tmp/log" >&2
		fail "it cannot be installed"
	}
	within dpkg --verify sellerpipe | grep . && fail "not what was in the package"
	[ "$(stat -c '%a %U' "$root/etc/sellerpipe/env")" = "600 $(stat -c %U "$root/var/lib/sellerpipe")" ] ||
		fail "/etc/sellerpipe/env is not its user's alone"
	[ "$(stat -c %a "$root/var/lib/sellerpipe")" = 700 ] || fail "/var/lib/sellerpipe is not its user's alone"
	[ "$(readlink "$root/var/lib/sellerpipe/.env")" = /etc/sellerpipe/env ] || fail "no .env"
}

programs() {
	local program name
	for program in "$root"/usr/bin/{keepa,sp,sales,badge,db,slack,clickup,job}-*; do
		name=${program##*/}
		[ -e "$root/usr/share/man/man1/$name.1.gz" ] || continue
		[ "$(within "$name" --version)" = "$name $version" ] || fail "$name --version"
		within "$name" --help | grep -q "^usage: $name" || fail "$name --help"
		echo "$name"
	done >"$tmp/programs"
	[ "$(wc -l <"$tmp/programs")" -eq "$(find fetch transform load notify -maxdepth 1 -name '*.c' | wc -l)" ] ||
		fail "not every program is in the package, with its page"
	[ -e "$root/usr/share/man/man7/sellerpipe.7.gz" ] || fail "no sellerpipe(7)"
	for program in "$root"/usr/lib/sellerpipe/pipelines/*.sh; do
		[ -x "$program" ] || continue
		as_user /usr/lib/sellerpipe/pipelines/"${program##*/}" --help | grep -q . || fail "${program##*/} --help"
	done
}

as_user() { # as_user COMMAND...: who has no rights but to a folder
	chroot --userspec=1234:1234 "$root" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/tmp/user LC_ALL=C.UTF-8 \
		bash -c 'cd && exec "$@"' - "$@"
}

demo() {
	as_user /usr/lib/sellerpipe/pipelines/demo.sh >"$tmp/demo" 2>&1 </dev/null || {
		cat "$tmp/demo" >&2
		fail "the demo failed"
	}
	grep -q 'gained #1\|#1' "$tmp/demo" || fail "the demo shows no #1"
	[ -s "$root/tmp/user/demo/amazon.db" ] || fail "the demo left no database"
}

# As systemd and cron would start it, with settings through the symlink: the key is
# there, and nobody answers.
job() {
	local status=0
	as_its_user /usr/lib/sellerpipe/pipelines/configured badges && fail "badges: a key where there is none"
	sed -i 's/^KEEPA_API_KEY=.*/KEEPA_API_KEY=test/' "$root/etc/sellerpipe/env"
	printf 'KEEPA_API_URL=http://127.0.0.1:9\nHTTP_TRIES=1\n' >>"$root/etc/sellerpipe/env"
	as_its_user /usr/lib/sellerpipe/pipelines/configured badges || fail "badges: the key is not seen"
	as_its_user /usr/lib/sellerpipe/pipelines/track.sh add B0SIM00001
	as_its_user /usr/lib/sellerpipe/pipelines/job badges --quiet -- /usr/lib/sellerpipe/pipelines/badges.sh || status=$?
	[ "$status" -eq 75 ] || fail "badges: status $status, not 75, with nobody there"
	[ "$(as_its_user db-query runs job=badges status=75 | wc -l)" -eq 1 ] || fail "badges: no record of its run"
}

as_its_user() {
	within setpriv --reuid sellerpipe --regid sellerpipe --clear-groups env SELLERPIPE_HOME=/var/lib/sellerpipe \
		bash -c 'cd "$SELLERPIPE_HOME" && exec "$@"' - "$@"
}

purge() { # purge: and whether anything is left
	quietly within apt-get -qq -y purge sellerpipe
	files >"$tmp/after"
	diff "$tmp/before" "$tmp/after" >"$tmp/diff" || {
		cat "$tmp/diff" >&2
		fail "that is left, or gone, once it is purged"
	}
	[ -z "$(cat "$root/var/lib/dpkg/info/sellerpipe."* 2>/dev/null)" ] || fail "dpkg still knows of it"
}

# What a booted machine does, as its root: settings for the simulator; every job that is
# scheduled, by its unit; all timers; and what is left of that.
trial() {
	cat <<-'EOF'
		#!/bin/bash
		set -x
		cd /var/lib/sellerpipe
		/usr/lib/sellerpipe/tests/sim/sim --ready /run/sim.url &
		until [ -s /run/sim.url ]; do sleep 0.1; done
		url=$(cat /run/sim.url)
		cat >>/etc/sellerpipe/env <<E
		KEEPA_API_URL=$url/keepa
		KEEPA_API_KEY=test-key
		SLACK_API_URL=$url/slack/api
		SLACK_BOT_TOKEN=xoxb-test
		SLACK_CHANNEL=C0TEST
		SP_API_URL=$url/sp
		LWA_URL=$url/lwa/auth/o2/token
		SP_API_CLIENT_ID=amzn1.application-oa2-client.test
		SP_API_CLIENT_SECRET=amzn1.oa2-cs.v1.test
		SP_API_REFRESH_TOKEN='Atzr|test'
		SP_POLL_MS=20
		SP_BURST=2
		SP_MIN_INTERVAL=2000
		CLICKUP_API_URL=$url/clickup/api/v2
		CLICKUP_API_TOKEN=pk_test
		CLICKUP_TASK_ID=86test
		E
		runuser -u sellerpipe -- env SELLERPIPE_HOME=$PWD /usr/lib/sellerpipe/pipelines/track.sh add B0SIM00001
		for job in badges sales sales-resume summary health backup prune; do
			[ -e "/usr/lib/sellerpipe/pipelines/${job%-resume}.sh" ] || continue
			timeout 60 systemctl start "sellerpipe@$job.service" || { echo "FAILED $job"; cat logs/"${job%-resume}".log; }
		done
		runuser -u sellerpipe -- db-query runs
		journalctl --no-pager -u 'sellerpipe@*'
		systemctl enable --now sellerpipe.target
		echo "TIMERS $(systemctl list-timers --no-pager 'sellerpipe-*' | grep -c 'sellerpipe-.*timer')"
		systemctl disable --now sellerpipe.target
		echo "TIMERS $(systemctl list-timers --no-pager 'sellerpipe-*' | grep -c 'sellerpipe-.*timer')"
		systemctl enable --now sellerpipe.target
		DEBIAN_FRONTEND=noninteractive apt-get -qq -y purge sellerpipe
		find /etc/systemd -name '*sellerpipe*' | sed 's/^/LEFT /'
		echo END
		systemctl poweroff --force
	EOF
}

booted() {
	rm -rf "$root/var/lib/sellerpipe"
	quietly within apt-get -qq -y --no-install-recommends install systemd /tmp/sellerpipe.deb
	trial >"$root/usr/local/bin/trial"
	chmod +x "$root/usr/local/bin/trial"
	printf '[Unit]\nAfter=multi-user.target\n[Service]\nExecStart=/usr/local/bin/trial\nStandardOutput=file:/trial.log\nStandardError=file:/trial.log\n' \
		>"$root/etc/systemd/system/trial.service"
	mkdir -p "$root/etc/systemd/system/default.target.wants"
	ln -s ../trial.service "$root/etc/systemd/system/default.target.wants"
	umount "$root/proc"
	timeout 150 systemd-nspawn -q -D "$root" -M "sellerpipe-test-$$" --register=no --keep-unit -b </dev/null >"$tmp/log" 2>&1 || true
	[ -e "$root/trial.log" ] || skip "all else holds, but systemd does not boot here: $(tail -n 1 "$tmp/log")"
	{ grep -qx END "$root/trial.log" && ! grep -qE '^(FAILED|LEFT) ' "$root/trial.log" &&
		[ "$(grep '^TIMERS' "$root/trial.log" | paste -sd ' ')" = 'TIMERS 7 TIMERS 0' ] &&
		grep '"job":"badges"' "$root/trial.log" | grep -q '"status":0' &&
		grep '"job":"sales"' "$root/trial.log" | grep -q '"status":75'; } || {
		cat "$root/trial.log" >&2
		fail "the units do not do what they should"
	}
}

build
did "built twice, the same: $(basename "$tmp"/one/*.deb), $(stat -c %s "$tmp"/one/*.deb) bytes"
bare_root
did "a bare root, $release"
depends
files >"$tmp/before"
did "what it depends on"
install_it
did "installed"
programs
did "$(wc -l <"$tmp/programs") programs and their pages"
demo
did "the demo, by a user without rights"
purge
did "purged: nothing is left"
install_it
job
quietly within apt-get -qq -y remove sellerpipe
[ -s "$root/etc/sellerpipe/env" ] || fail "settings are gone once it is removed"
quietly within apt-get -qq -y purge sellerpipe
grep -q 'your data is still in /var/lib/sellerpipe' "$tmp/log" || fail "no word on the data that is left"
[ -s "$root/var/lib/sellerpipe/amazon.db" ] || fail "the data is gone"
[ ! -e "$root/etc/sellerpipe" ] || fail "the settings are still there"
[ ! -L "$root/var/lib/sellerpipe/.env" ] || fail "its .env is still there"
did "a job ran; purged: the keys are gone, and its data is there"
if ! type -P systemd-nspawn >/dev/null; then
	echo "deb.sh: no systemd-nspawn here: the units were not run" >&2
else
	booted
	did "booted: every job in its sandbox, all timers, purged"
fi
