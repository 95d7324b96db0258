#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Holds the size of functions (70 lines) and files (1,000 lines). A comment
# "tidy: long, WHY" on the line above a function is the accepted way out.
set -eu
cd "${top_srcdir:-.}"
command -v ctags >/dev/null || { echo "ctags missing (Debian package universal-ctags)"; exit 1; }
dirs="base shm tls auth config route controller master worker"
bad=0
for f in $(find $dirs -name '*.[ch]'); do
	n=$(wc -l < "$f")
	[ "$n" -le 1000 ] || { echo "$f: $n lines (1000 allowed)"; bad=1; }
done
out=$(ctags -x --_xformat='%F %n %e %N' --kinds-c=f --fields=+ne -R --languages=C $dirs |
while read -r file start end name; do
	[ "$end" -gt 0 ] 2>/dev/null || continue
	len=$((end - start + 1))
	[ "$len" -le 70 ] && continue
	from=$((start > 4 ? start - 4 : 1))
	sed -n "${from},${start}p" "$file" | grep -q 'tidy: long' && continue
	echo "$file:$start: $name has $len lines (70 allowed)"
done)
[ -z "$out" ] || { echo "$out"; bad=1; }
exit $bad
