# SPDX-License-Identifier: BSD-2-Clause
"""What the integration tests stand on: akkod, clients, upstreams, certificates."""
