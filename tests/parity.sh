#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Replays requests against Traefik's recorded answers: parity.sh DIR AKKOD.
# tests/parity.txt names the scenarios and how many steps must be the same.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
akkod=$(realpath "$2")
want=$(sed -n 's/^same: *//p' "$here/parity.txt")
scenarios=$(sed -n 's/^scenarios: *//p' "$here/parity.txt")
out=$(cd "$dir" && /usr/bin/python3 ./parity.py --golden --ignore 'log.*.Reason' \
	--target "$akkod run -c {config} --runtime-dir {dir}/run --state-dir {dir}/state" \
	$scenarios) || true
last=$(printf '%s\n' "$out" | tail -1)
same=${last%% same*}
echo "parity: $last ($want same wanted)"
[ "$same" -ge "$want" ] || {
	printf '%s\n' "$out" | tail -200
	exit 1
}
