/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of a tunnel: where they end does not depend on how the bytes are cut.
 * The first byte says how.
 */
#include "h1_check.h"
#include "websocket.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct websocket_frames a = { .left = 0 }, b = { .left = 0 };
	size_t step;

	if (size == 0)
		return 0;
	step = data[0] % 16 + 1;
	data++;
	size--;
	for (size_t at = 0; at < size; at += step)
		websocket_frames_pass(&a, data + at,
		    size - at < step ? size - at : step);
	websocket_frames_pass(&b, data, size);
	CLAIM(a.left == b.left && a.have == b.have);
	CLAIM(websocket_frames_boundary(&a) == websocket_frames_boundary(&b));
	return 0;
}
