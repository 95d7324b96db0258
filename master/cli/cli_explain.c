/* SPDX-License-Identifier: BSD-2-Clause */
/* akkod explain. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static void
print_route(const json_t *o)
{
	const json_t *request = json_object_get(o, "request");
	const json_t *ep = json_object_get(o, "entryPoint");
	const json_t *tls = json_object_get(o, "tls");
	const json_t *cert = json_object_get(tls, "certificate");
	const json_t *router = json_object_get(o, "router");

	printf("request:     %s %s%s, from %s\n", cli_text(request, "method"),
	    cli_text(request, "host"), cli_text(request, "path"),
	    cli_text(request, "client"));
	printf("entry point: %s (%s), %s\n", cli_text(ep, "name"),
	    cli_text(ep, "address"), tls != NULL ? "TLS" : "plain");
	if (tls != NULL)
		printf("TLS:         options %s, certificate until %s (%s)\n",
		    cli_text(tls, "options"), cli_text(cert, "notAfter"),
		    cert != NULL ? cli_text(cert, "status") : "none");
	if (router == NULL)
		return;
	printf("router:      %s, %s\n             %s (priority %lld)\n",
	    cli_text(router, "name"), cli_text(router, "object"),
	    cli_text(router, "rule"), cli_number(router, "priority"));
}

static void
print_service(const json_t *service, int depth)
{
	json_t *e;
	size_t i;

	printf("%*s%s%s, %s", depth * 2, "", depth == 0 ? "service:     " :
	    "service:   ", cli_text(service, "name"), cli_text(service,
	    "object"));
	if (depth != 0)
		printf(", share %lld", cli_number(service, "share"));
	printf("\n");
	json_array_foreach(json_object_get(service, "servers"), i, e)
		printf("%*sserver:    %s, weight %lld, %s\n", depth * 2 + 2,
		    "", cli_text(e, "url"), cli_number(e, "weight"),
		    cli_text(e, "state"));
	json_array_foreach(json_object_get(service, "services"), i, e)
		print_service(e, depth + 1);
}

static void
print_after(const json_t *o)
{
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(o, "middlewares"), i, e)
		printf("middleware:  %s (%s), %s\n", cli_text(e, "name"),
		    cli_text(e, "kind"), cli_text(e, "object"));
	if (json_object_get(o, "service") != NULL)
		print_service(json_object_get(o, "service"), 0);
}

static void
print_explained(const json_t *o)
{
	const json_t *answer = json_object_get(o, "answer");
	json_t *e;
	size_t i;

	print_route(o);
	json_array_foreach(json_object_get(o, "considered"), i, e)
		printf("  not:       %s, %s: %s\n", cli_text(e, "name"),
		    cli_text(e, "object"), cli_text(e, "why"));
	print_after(o);
	if (answer == NULL)
		printf("answer:      from one of these servers\n");
	else if (cli_number(answer, "status") != 0)
		printf("answer:      %lld %s: %s\n", cli_number(answer,
		    "status"), cli_text(answer, "reason"), cli_text(answer,
		    "text"));
	else
		printf("answer:      %s: %s\n", cli_text(answer, "reason"),
		    cli_text(answer, "text"));
	json_array_foreach(json_object_get(o, "hints"), i, e)
		printf("note:        %s\n", json_string_value(e));
}

/* Does the request come to nothing? */
static bool
is_refused(const json_t *o)
{
	const json_t *answer = json_object_get(o, "answer");

	return answer != NULL && (cli_number(answer, "status") >= 400 ||
	    strcmp(cli_text(answer, "reason"), "tls-handshake") == 0);
}

int
cli_explain(const struct cli *c)
{
	json_t *request = json_pack("{s:s, s:s, s:s?, s:s?, s:O?}", "command",
	    "explain", "url", c->word, "method", c->method, "client", c->client,
	    "headers", c->headers);
	json_t *answer;
	int r;

	if (request == NULL) {
		fprintf(stderr, "akkod: the URL is no text\n");
		return CLI_USAGE;
	}
	answer = cli_ask(c, request, &r);
	if (answer == NULL)
		return r;
	r = is_refused(answer) ? CLI_FAILED : CLI_OK;
	if (c->json) {
		(void)cli_print_json(answer);
		return r;
	}
	cli_plain(answer);
	print_explained(answer);
	json_decref(answer);
	return r;
}
