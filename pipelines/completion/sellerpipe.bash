# shellcheck shell=bash
# sellerpipe.bash - completion in bash: the options that --help names, and tables and
# views for db-query; elsewhere files
#
# Loaded by name where bash-completion is there, else: source this in ~/.bashrc.

# _sellerpipe_help COMMAND: what its --help says; nothing if it is none of ours, since
# a TAB is not to start what has but the same name.  A script is read, not run.
_sellerpipe_help() {
	local path
	path=$(type -P -- "$1") || return 0
	case ${path##*/} in
	*.sh | job)
		! grep -qs '^# common.sh - sourced by every script here' "${path%/*}/common.sh" ||
			sed -n '2,/^set/s/^#//p' "$path"
		;;
	*) "$path" --help 2>/dev/null </dev/null ;;
	esac
}

_sellerpipe_options() {
	local help
	help=$(_sellerpipe_help "$1")
	grep -oE -e '--[a-z][a-z-]+' <<<"$help" | sort -u
	grep -oE -e '^ +-[a-z],' <<<"$help" | tr -d ' ,'
}

# The names in the database that is meant so far.  To bash, sqlite:FILE is three words.
_sellerpipe_names() {
	local i url=()
	for ((i = 1; i < COMP_CWORD - 1; i++)); do
		case ${COMP_WORDS[i]}:${COMP_WORDS[i + 2]-} in
		-d:: | --database::) url=(-d "${COMP_WORDS[i + 1]}:${COMP_WORDS[i + 3]-}") ;;
		-d:* | --database:*) url=(-d "${COMP_WORDS[i + 1]}") ;;
		esac
	done
	"$1" ${url[@]+"${url[@]}"} --list 2>/dev/null </dev/null |
		sed -n 's/.*"name":"\([a-z_]*\)".*/\1/p'
}

_sellerpipe() {
	local words=''
	case ${1##*/}:$3:$2 in
	*:-m:* | *:--marketplace:* | *:--marketplaces:*) words='@MARKETS@' ;;
	*:--mode:*) words='daily backfill' ;;
	*:*:-*) words=$(_sellerpipe_options "$1") ;;
	db-query:--claim:*) words=$(_sellerpipe_names "$1") ;;
	db-query:-*:* | db-query::*) ;;
	db-query:*) words=$(_sellerpipe_names "$1") ;;
	track.sh:*track.sh:*) words='add remove list' ;;
	esac
	# shellcheck disable=SC2207 # bash 3 has no mapfile; nothing here has a blank
	COMPREPLY=($(compgen -W "$words" -- "$2"))
}

complete -o default -F _sellerpipe @NAMES@
