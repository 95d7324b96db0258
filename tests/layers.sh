#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Fails when an include breaks the one-way dependencies between folders.
# Every header has one home; a folder may include only what its line allows,
# and a folder inside another that has no line here goes by the outer one's.
set -eu
cd "${top_srcdir:-.}"
folders="base shm tls auth config route controller master worker"
allowed() {
	case $1 in
	base) echo base ;;
	shm) echo base shm ;;
	tls) echo base tls ;;
	auth) echo base auth ;;
	config) echo base tls auth config ;;
	route) echo base shm route ;;
	controller) echo base shm tls auth config controller ;;
	master/compile) echo base shm tls auth config route master/compile ;;
	master) echo base shm tls auth config route master/compile master ;;
	worker/io) echo base shm tls worker/io ;;
	worker/http) echo base shm worker/http ;;
	worker) echo base shm tls auth route worker/io worker/http worker ;;
	esac
}
# The folder with a line of its own in which a path lies.
home_of() {
	case $1 in
	master/compile/* | worker/io/* | worker/http/*) echo "$1" | cut -d/ -f1-2 ;;
	*) echo "$1" | cut -d/ -f1 ;;
	esac
}
headers=$(find $folders -name '*.h')
bad=0
for file in $(find $folders -name '*.[ch]'); do
	ok=" $(allowed "$(home_of "$file")") "
	for inc in $(sed -n 's/^#[ ]*include "\([^"]*\)".*/\1/p' "$file"); do
		path=$(echo "$headers" | grep "/$(basename "$inc")\$" | head -1)
		[ -n "$path" ] || continue
		home=$(home_of "$path")
		case $ok in
		*" $home "*) ;;
		*) echo "$file: includes $inc of $home/, which its folder may not use"; bad=1 ;;
		esac
	done
done
dups=$(echo "$headers" | sed 's,.*/,,' | sort | uniq -d)
[ -z "$dups" ] || { echo "header names used twice: $dups"; bad=1; }
exit $bad
