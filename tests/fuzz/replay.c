/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a fuzz target over its corpus, so that `make check` proves that every
 * input that once mattered is still handled. The corpus is the folder
 * tests/fuzz/corpus/NAME, NAME being the program's name without "fuzz_".
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay_file(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *fp = fopen(path, "rb");
	size_t n;

	if (fp == NULL) {
		perror(path);
		return -1;
	}
	n = fread(data, 1, sizeof(data), fp);
	fclose(fp);
	/* A copy of the exact size lets the sanitizers see overreads. */
	uint8_t *exact = malloc(n != 0 ? n : 1);
	if (exact == NULL)
		return -1;
	memcpy(exact, data, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *src = getenv("top_srcdir");
	const char *name = strrchr(argv[0], '/');
	char dir[512], path[1024];
	struct dirent *e;
	unsigned count = 0;
	DIR *d;

	for (int i = 1; i < argc; i++)
		if (replay_file(argv[i]) != 0)
			return 1;
	if (argc > 1)
		return 0;
	name = name != NULL ? name + 1 : argv[0];
	if (strncmp(name, "lt-", 3) == 0)
		name += 3;
	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s",
	    src != NULL ? src : ".", name);
	if ((d = opendir(dir)) == NULL) {
		perror(dir);
		return 1;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (replay_file(path) != 0)
			return 1;
		count++;
	}
	closedir(d);
	printf("%s: %u corpus files\n", name, count);
	return count == 0;
}
