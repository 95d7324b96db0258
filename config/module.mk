# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libconfig.a
libconfig_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_CONFIG) -I$(builddir)/config
libconfig_a_CFLAGS = $(AM_CFLAGS) $(YAML_CFLAGS)
libconfig_a_SOURCES = \
	config/validate.c config/validate.h \
	config/diag.c config/diag.h \
	config/load.c config/load.h \
	config/model.h \
	config/reader.c config/reader.h \
	config/rule.c config/rule.h \
	config/schema.c config/schema.h

EXTRA_DIST += config/embedded.yaml
BUILT_SOURCES += config/embedded.inc
CLEANFILES += config/embedded.inc
config/libconfig_a-load.$(OBJEXT): config/embedded.inc
config/embedded.inc: config/embedded.yaml
	$(AM_V_GEN)$(MKDIR_P) config && sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' \
	    -e 's/^/"/' -e 's/$$/\\n"/' $(srcdir)/config/embedded.yaml > $@
