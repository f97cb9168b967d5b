#!/bin/bash
# build.sh - a Debian package of what is here: sellerpipe_VERSION_ARCH.deb
#
#     pipelines/deb/build.sh VERSION [FOLDER]     else into the current folder
#
# Built from a copy, by `make install`, with dpkg-deb alone.  The same sources and the
# same compiler give the same bytes: every time in it is SOURCE_DATE_EPOCH, else that
# of the last commit.  Status: 78 a tool or a library of no package is missing.
set -euo pipefail
out=$(cd "${2:-.}" && pwd)
cd "$(dirname "$0")/../.."
case ${1:-} in
--help)
	sed -n '2,/^set/s/^# \{0,1\}//p' pipelines/deb/build.sh
	exit
	;;
'')
	echo "build.sh: which version?" >&2
	exit 64
	;;
esac
version=$1
type -P dpkg-deb >/dev/null || {
	echo "build.sh: no dpkg-deb here; on Debian: apt install dpkg-dev" >&2
	exit 78
}
here=$PWD/pipelines/deb
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y NEWS.md)}
export SOURCE_DATE_EPOCH=$epoch LC_ALL=C TZ=UTC
arch=$(dpkg --print-architecture)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
umask 022

build() {
	local flags="-O2 -g -fstack-protector-strong -fstack-clash-protection -fPIE
		-Wformat -Werror=format-security -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -ffile-prefix-map=$tmp=."
	mkdir "$tmp/src"
	tar -c Makefile .env.example fetch transform load notify lib pipelines tests/sim | tar -x -C "$tmp/src"
	make -s -C "$tmp/src" clean
	make -s -C "$tmp/src" -j"$(nproc)" install DESTDIR="$tmp/root" PREFIX=/usr \
		ZSHDIR=/usr/share/zsh/vendor-completions CFLAGS="$(tr -s '\n\t' ' ' <<<"$flags")" LDFLAGS='-pie -Wl,-z,relro,-z,now'
	root=$tmp/root
	strip --strip-all --remove-section=.comment --remove-section=.note "$root"/usr/bin/* "$root"/usr/lib/sellerpipe/server/*
}

# What is of no use elsewhere.
documents() {
	local doc=$root/usr/share/doc/sellerpipe
	mkdir -p "$doc" "$root/etc/cron.d"
	find "$root/usr/share/man" -type f -exec gzip -9n {} +
	{
		echo "Source: this is a package of its own making, not Debian's."
		echo
		cat LICENSE
	} >"$doc/copyright"
	{
		echo "sellerpipe ($version) unstable; urgency=medium"
		echo
		echo "  * See NEWS.gz for what is new."
		echo
		echo " -- the sellerpipe authors <root@localhost>  $(date -uR -d "@$epoch")"
	} | gzip -9n >"$doc/changelog.gz"
	gzip -9nc NEWS.md >"$doc/NEWS.gz"
	gzip -9nc README.md >"$doc/README.md.gz"
	sed -f "$here/cron.sed" "$root/usr/share/sellerpipe/crontab" | cat "$here/cron.head" - >"$root/etc/cron.d/sellerpipe"
}

# What the programs are linked with, as package (>= version) where dpkg-dev knows that.
libraries() {
	if type -P dpkg-shlibdeps >/dev/null; then
		mkdir "$tmp/debian"
		printf 'Source: sellerpipe\n\nPackage: sellerpipe\nArchitecture: any\n' >"$tmp/debian/control"
		(cd "$tmp" && dpkg-shlibdeps -O "$root"/usr/bin/* "$root"/usr/lib/sellerpipe/server/* 2>/dev/null) | sed -n 's/^shlibs:Depends=//p'
	else
		for program in "$root"/usr/bin/* "$root"/usr/lib/sellerpipe/server/*; do
			objdump -p "$program" | sed -n 's/^ *NEEDED *//p'
		done | sort -u | while read -r library; do
			dpkg -S "*/$library" | sed 's/:.*//; s/,.*//'
		done | sort -u | paste -sd , | sed 's/,/, /g'
	fi
}

control() {
	local libs
	libs=$(libraries)
	[ -n "$libs" ] || {
		echo "build.sh: the libraries are of no package" >&2
		exit 78
	}
	mkdir "$root/DEBIAN"
	sed "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@LIBS@/$libs/; s/@SIZE@/$(size)/" "$here/control" >"$root/DEBIAN/control"
	install -m 755 "$here"/{postinst,prerm,postrm} "$root/DEBIAN"
	echo /etc/cron.d/sellerpipe >"$root/DEBIAN/conffiles"
	(cd "$root" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
}

# In KiB, as Debian's policy counts, and not as this file system does.
size() {
	find "$root" -path "$root/DEBIAN" -prune -o -type f -printf '%s\n' -o -printf '1\n' |
		awk '{ kib += int(($1 + 1023) / 1024) } END { print kib }'
}

build
documents
control
find "$root" -exec touch -h -d "@$epoch" {} +
package=sellerpipe_${version}_$arch.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$tmp/$package" >/dev/null
mv "$tmp/$package" "$out/$package"
