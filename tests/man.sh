#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Holds the manual to the code: mandoc finds nothing to say, every key of the
# schema and every reason stands in akkod.yaml(5), every reason with its status
# in akkod-reasons(7), every command and option in akkod(8), whose synopsis is
# what "akkod help" says, and each complete example passes "akkod check".
set -eu
cd "${top_srcdir:-.}"
akkod=${top_builddir:-.}/akkod
page=man/akkod.yaml.5
bad=0
say() { echo "$*"; bad=1; }
command -v mandoc >/dev/null || { echo "mandoc missing (Debian package mandoc)"; exit 1; }

for p in man/*.[0-9]; do
	out=$(mandoc -Tlint -W warning "$p" 2>&1) || true
	[ -z "$out" ] || say "$out"
done

# Keys: the first word of each line of a table in config/schema*.c.
# Private ones are written by akkod itself and refused in files.
keys=$(cat config/schema*.c | sed '/"[A-Za-z0-9]*", S_PRIVATE/d' | tr '\n\t' '  ' | grep -oE \
	'(\b(F|FA|FS|SUB|EP|IGNORED|IDLE|LATER|STATIC_LATER)\(|\{ )"[A-Za-z0-9]+"[,)]' |
	sed 's/^[^"]*"//; s/".*//' | sort -u)
[ "$(printf '%s\n' "$keys" | wc -l)" -gt 200 ] || say "config/schema.c reads otherwise now"
# Words of the lines that name keys: "http.tls" counts for both its parts.
named=$(sed -nE '/^\.(It|Cm|Ns No and Cm|Ss) /p' "$page" | tr -c 'A-Za-z0-9\n' '\n' | sort -u)
for key in $keys; do
	printf '%s\n' "$named" | grep -qx -- "$key" || say "$page: the key \"$key\" is missing"
done

sed -nE 's/^REASON\([A-Z_]+, "([^"]+)", ([0-9]+), "(.*)"\)$/.It \1 Ta \2 Ta \3/p' \
	shm/reason.def | while read -r line; do
	grep -qxF -- "$line" "$page" || echo "$page: the reasons table lacks: $line"
done > "${TMPDIR:-/tmp}/man.$$"
[ ! -s "${TMPDIR:-/tmp}/man.$$" ] || say "$(cat "${TMPDIR:-/tmp}/man.$$")"
rm -f "${TMPDIR:-/tmp}/man.$$"
[ "$(grep -c ' Ta [0-9]* Ta ' "$page")" = "$(grep -c '^REASON([A-Z_]*, "[^"]' shm/reason.def)" ] ||
	say "$page: the reasons table names more than shm/reason.def"

# The same reasons in akkod-reasons(7), each with a sentence and what to do.
reasons=man/akkod-reasons.7
sed -nE 's/^REASON\([A-Z_]+, "([^"]+)", ([0-9]+), "(.*)"\)$/\1 \2 \3/p' \
	shm/reason.def | while read -r word status text; do
	[ "$status" = 0 ] && head=".It Sy $word" || head=".It Sy $word Pq $status"
	awk -v head="$head" -v text="$text" '
		$0 == head { at = NR }
		at && NR == at + 1 { ok = tolower($0) == tolower(text ".") }
		at && NR == at + 2 && /^\.(It|El)/ { ok = 0 }
		END { exit !ok }' "$reasons" ||
		echo "$reasons: lacks \"$head\", \"$text.\", and what to do"
done > "${TMPDIR:-/tmp}/man.$$"
[ ! -s "${TMPDIR:-/tmp}/man.$$" ] || say "$(cat "${TMPDIR:-/tmp}/man.$$")"
rm -f "${TMPDIR:-/tmp}/man.$$"
[ "$(grep -c '^\.It Sy ' "$reasons")" = "$(grep -c '^REASON([A-Z_]*, "[^"]' shm/reason.def)" ] ||
	say "$reasons: names more than shm/reason.def"

# The synopsis is what the program says of itself.
synopsis() {
	for cmd in $("$akkod" help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
		"$akkod" help "$cmd" | sed -nE '1{
			s/^usage: akkod ([a-z]+)/.Nm\n.Cm \1/
			s/ ([A-Z]+)$/\n.Ar \1/
			s/ \[([A-Z]+)\]$/\n.Op Ar \1/
			s/ \[-([-a-z]+) ([A-Z]+)\]/\n.Op Fl \1 Ar \2/g
			s/ \[-([-a-z]+)\]/\n.Op Fl \1/g
			p
		}'
	done
}
said=$(sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' man/akkod.8 | sed '1d;$d')
[ "$said" = "$(synopsis)" ] || say "man/akkod.8: the synopsis is not that of akkod help:
$(synopsis)"

# Commands and options, as the program itself lists them.
for cmd in $("$akkod" help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
	grep -qxE "\.It Cm $cmd( .*)?" man/akkod.8 && grep -qx "\.Cm $cmd" man/akkod.8 ||
		say "man/akkod.8: the command $cmd is missing"
	for opt in $("$akkod" help "$cmd" | grep -oE '^  .*' | grep -oE '(^|[ ,])-[-a-z]+' | tr -d ' ,'); do
		grep -qE "Fl ${opt#-}( |\$)" man/akkod.8 ||
			say "man/akkod.8: the option $opt of $cmd is missing"
	done
done

# Examples: blocks that begin with "# akkod.yaml"; "# routes.yaml" is the file
# that one of them finds in its directory.
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/routes"
awk -v dir="$dir" '
	/^\.Bd -literal/ { first = 1; next }
	/^\.Ed/ { if (out != "") close(out); out = ""; next }
	first { first = 0
		if ($0 == "# akkod.yaml") out = dir "/" ++n ".yaml"
		if ($0 == "# routes.yaml") out = dir "/routes/routes.yaml" }
	out != "" { gsub(/\\e/, "\\"); gsub("/etc/akkod/routes", dir "/routes"); print > out }
' "$page"
n=0
for f in "$dir"/*.yaml; do
	n=$((n + 1))
	out=$("$akkod" check -c "$f") && case $out in *", 0 warnings") true ;; *) false ;; esac ||
		say "$page: example $n: $out"
done
[ "$n" -ge 6 ] && [ -s "$dir/routes/routes.yaml" ] || say "$page: only $n examples were found"
exit $bad
