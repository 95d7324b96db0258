#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Fails when an include breaks the one-way dependencies between folders.
# Every header has one home; a folder may include only what its line allows.
set -eu
cd "${top_srcdir:-.}"
allowed() {
	case $1 in
	base) echo base ;;
	shm) echo base shm ;;
	tls) echo base tls ;;
	auth) echo base auth ;;
	config) echo base tls auth config ;;
	route) echo base shm route ;;
	controller) echo base shm tls auth config controller ;;
	master) echo base shm tls auth config route master ;;
	worker) echo base shm tls auth route worker ;;
	esac
}
bad=0
for dir in base shm tls auth config route controller master worker; do
	ok=" $(allowed "$dir") "
	for file in $(find "$dir" -name '*.[ch]'); do
		for inc in $(sed -n 's/^#[ ]*include "\([^"]*\)".*/\1/p' "$file"); do
			home=$(find base shm tls auth config route controller master worker \
				-name "$(basename "$inc")" | head -1 | cut -d/ -f1)
			[ -n "$home" ] || continue
			case $ok in
			*" $home "*) ;;
			*) echo "$file: includes $inc of $home/, which $dir/ may not use"; bad=1 ;;
			esac
		done
	done
done
dups=$(find base shm tls auth config route controller master worker -name '*.h' \
	-exec basename {} \; | sort | uniq -d)
[ -z "$dups" ] || { echo "header names used twice: $dups"; bad=1; }
exit $bad
