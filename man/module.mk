# SPDX-License-Identifier: BSD-2-Clause
dist_man_MANS += man/akkod.8 man/akkod.yaml.5 \
	man/akkod-kubernetes.7 man/akkod-reasons.7 man/akkod-upgrade.7
