/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving up privileges; see privdrop.h. */
#include "privdrop.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define HELPERS		96	/* tasks of one user, tested on both backends */

int
privdrop_user(const char *name, struct jail *j)
{
	const struct passwd *pw = name != NULL ? getpwnam(name) : NULL;

	if (pw == NULL)
		pw = getpwnam("nobody");
	if (pw == NULL)
		return -ENOENT;
	j->uid = pw->pw_uid;
	j->gid = pw->pw_gid;
	return 0;
}

/* P-01: groups, then group, then user; then proof that there is no way back. */
static int
drop_ids(const struct jail *j, const char **ret_what)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg;

	*ret_what = "changing user and group";
	if (setgroups(0, NULL) < 0 || setresgid(j->gid, j->gid, j->gid) < 0 ||
	    setresuid(j->uid, j->uid, j->uid) < 0)
		return -errno;
	if (getresuid(&ru, &eu, &su) < 0 || getresgid(&rg, &eg, &sg) < 0 ||
	    ru != j->uid || eu != j->uid || su != j->uid || rg != j->gid ||
	    eg != j->gid || sg != j->gid)
		return -EPERM;
	*ret_what = "proving that root is gone";
	if (j->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
		return -EPERM;
	return 0;
}

static int
limit(int what, rlim_t n)
{
	struct rlimit l;

	if (getrlimit(what, &l) < 0)
		return -errno;
	l.rlim_cur = l.rlim_max = l.rlim_max < n ? l.rlim_max : n;
	return setrlimit(what, &l) < 0 ? -errno : 0;
}

int
privdrop_processes(void)
{
	return limit(RLIMIT_NPROC, HELPERS);
}

int
privdrop(const struct jail *j, const char **ret_what)
{
	bool root;
	int r;

	/* RLIMIT_FSIZE stays: logs are files that children write (P-05). */
	*ret_what = "setting resource limits";
	if ((r = limit(RLIMIT_NOFILE, j->max_files)) < 0 ||
	    (r = limit(RLIMIT_CORE, 0)) < 0)
		return r;
	/* P-02: the bounding set first, while CAP_SETPCAP is there. */
	*ret_what = "reading capabilities";
	if (capng_get_caps_process() != 0)
		return -EPERM;
	root = geteuid() == 0 && capng_have_capability(CAPNG_EFFECTIVE,
	    CAP_SETUID);
	capng_clear(CAPNG_SELECT_BOTH);
	/* Root by name only, as akkod.user may ask: there is nothing to drop. */
	if (root) {
		*ret_what = "emptying the bounding set";
		if (capng_apply(CAPNG_SELECT_BOUNDS) != 0)
			return -EPERM;
		if ((r = drop_ids(j, ret_what)) < 0)
			return r;
		capng_clear(CAPNG_SELECT_BOTH);
	}
	*ret_what = "dropping capabilities";
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		return -EPERM;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	*ret_what = "setting no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	*ret_what = "forbidding core dumps";
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}
