
#  make [TARGET ...] [VARIABLE=VALUE ...]
#
#  all                 deps-build and module; this is the default
#  module              build build/objs/ngx_http_auth_api_token_module.so
#  install             install it, and auth-api-token/ beside nginx.conf
#  deb                 build Debian's package, in build/deb/
#  demo                show the module at work, on 127.0.0.1
#  clean               remove what was built
#  help                print this list
#
#  test                run the suite
#  check-alloc         let each allocation fail once
#  check-chaos         kill workers and let the API fail, under load
#  check-chaos-faults  plant faults that check-chaos has to find
#  check-matrix        run the suite on every nginx that Debian has
#  check-neighbours    run parts of the suite beside other modules
#  check-package       install, upgrade and remove Debian's package, in chroots
#  check-sanitize      run the suite under AddressSanitizer and UBSan
#  check-static        analyze the sources
#  check-valgrind      run parts of the suite under Valgrind
#  fuzz                run the fuzz targets, FUZZ_SECONDS each
#  coverage            list the lines of src/ that no test runs
#  bench               run the benchmarks, or only TABLES
#
#  deps-build          install the Debian packages that the build needs
#  deps-deb            the same for building Debian's package
#  deps-demo           the same for the demo
#  deps-test           the same for the suite
#  deps-bench          the same for the benchmarks
#
#  The module is built with CC and CFLAGS, against the nginx source in
#  NGINX_SRC, which is configured with NGINX_OPTIONS.  "make install" puts it
#  where the nginx named by NGINX expects it.  PREFIX, or MODULESDIR and
#  CONFDIR, are other places; DESTDIR is put before all of them.

# nginx-dev's copy of nginx, or any nginx source of the version to run with
NGINX_SRC =	/usr/share/nginx/src

# With --with-compat, the module fits any nginx that has it, too.  Any other
# nginx needs all options that "nginx -V" shows.  --with-debug makes no
# difference to what the module fits, and little to its speed: 14 of 16,000
# instructions.

NGINX_OPTIONS =	--with-compat --with-debug

# nginx sets -Werror, but other compilers have other warnings

CFLAGS =	-O2 -Wall -Wextra -Wno-unused-parameter -Wno-error

BUILD =		$(CURDIR)/build
MODULE =	$(BUILD)/objs/ngx_http_auth_api_token_module.so
ZONE =		$(BUILD)/zone
NEIGHBOURS =	$(BUILD)/neighbours

SOURCES =	src/*.c src/*/*.c src/*/*.h

CONFIGURE =	./configure $(NGINX_OPTIONS) --with-cc='$(CC)' \
		--with-cc-opt='$(CFLAGS)'

# A path with a blank is two for make and for nginx's makefiles, and "clean"
# would remove what is at the first of them.

ifneq ($(words $(CURDIR)$(BUILD)),1)
$(error no blanks are possible in the path of the build: $(BUILD))
endif

# packages come before what needs them

.NOTPARALLEL:


all:	deps-build module

# the Debian packages that each needs

deps-build deps-deb deps-demo deps-test deps-bench:
	.ci/deps $(@:deps-%=%)

module:	$(MODULE)

$(MODULE):	$(BUILD)/objs/Makefile $(SOURCES)
	cd $(BUILD)/src && $(MAKE) -f $(BUILD)/objs/Makefile modules

$(BUILD)/objs/Makefile:	config src/operate/status.html $(BUILD)/names
	@test -f $(NGINX_SRC)/configure || { echo \
		"no sources of nginx in $(NGINX_SRC), set NGINX_SRC" >&2; exit 1; }
	rm -rf $(BUILD)/src $(BUILD)/objs
	mkdir -p $(BUILD)
	cp -RL $(NGINX_SRC) $(BUILD)/src
	cd $(BUILD)/src && $(CONFIGURE) --builddir=$(BUILD)/objs \
		--add-dynamic-module=$(CURDIR) >/dev/null

# nginx has to be configured again when a source file is added or removed, and
# when NGINX_SRC is another nginx

NAMES =		$(BUILT_FOR) $(NGINX_SRC) $(NGINX_OPTIONS) \
		$(wildcard src/*.c src/*/*.[ch])

BUILT_FOR =	$(shell sed -n 's/^.define NGINX_VERSION *"\(.*\)"/\1/p' \
			$(NGINX_SRC)/src/core/nginx.h 2>/dev/null)

$(BUILD)/names:	FORCE
	@mkdir -p $(BUILD)
	@echo $(NAMES) | cmp -s - $@ || echo $(NAMES) >$@

FORCE:

# walks the zones of a running nginx, for the tests; needs the same addresses

$(ZONE):	$(BUILD)/objs/Makefile src/store/*.h t/store/zone.c t/store/check.c \
		t/store/check.h t/store/check_ctx.h t/store/check_lease.c
	$(CC) $(CFLAGS) -g -static -o $@ -I src/store -I t/store \
		-I $(BUILD)/src/src/core \
		-I $(BUILD)/src/src/event -I $(BUILD)/src/src/os/unix \
		-I $(BUILD)/objs t/store/zone.c t/store/check.c \
		t/store/check_lease.c

# modules that the tests load beside this one; "top" has a filter with no order

$(NEIGHBOURS):	$(BUILD)/objs/Makefile t/modules/*/*
	rm -rf $@
	cd $(BUILD)/src && $(CONFIGURE) --builddir=$@ \
		--add-dynamic-module=$(CURDIR)/t/modules/filter \
		--add-dynamic-module=$(CURDIR)/t/modules/content >/dev/null
	cd $(BUILD)/src && $(MAKE) -f $@/Makefile modules
	cd $(BUILD)/src && TEST_FILTER_TYPE=HTTP $(CONFIGURE) --builddir=$@/top \
		--add-dynamic-module=$(CURDIR)/t/modules/filter >/dev/null
	cd $(BUILD)/src && $(MAKE) -f $@/top/Makefile modules
	touch $@

# where the installed nginx has its modules and its configuration, or where an
# nginx built from source has them below PREFIX

NGINX =		nginx

nginx_v =	PATH=$$PATH:/usr/local/sbin:/usr/sbin; $(NGINX) -V 2>&1
nginx_version =	$(shell $(nginx_v) \
			| sed -n 's/^nginx version: .*\/\([0-9.]*\).*/\1/p')
nginx_option =	$(shell $(nginx_v) | sed -n 's/.* --$(1)=\([^ ]*\).*/\1/p')
below_prefix =	$(if $(filter /%,$(1)),$(1),$(PREFIX)/$(1))

ifdef PREFIX
MODULESDIR =	$(PREFIX)/modules
CONFDIR =	$(PREFIX)/conf
else
PREFIX =	$(or $(call nginx_option,prefix),/usr/local/nginx)
MODULESDIR =	$(call below_prefix,$(or \
			$(call nginx_option,modules-path),modules))
CONFDIR =	$(patsubst %/,%,$(dir $(call below_prefix,$(or \
			$(call nginx_option,conf-path),conf/nginx.conf))))
endif

# the version of the nginx there, unless the module goes elsewhere

THERE =		$(if $(filter-out file,$(origin PREFIX) \
			$(origin MODULESDIR)),,$(nginx_version))

# A running nginx has the old module's file mapped, so the new module is another
# file.  Snippets that were changed stay, and the new ones are FILE.default, as
# nginx's own "make install" does it.

install:	module
	@test '$(origin NGINX)' = file || ($(nginx_v)) >/dev/null \
		|| { echo "$(NGINX) is no nginx that runs" >&2; exit 1; }
	@test '$(or $(THERE),$(BUILT_FOR))' = '$(BUILT_FOR)' || { echo \
		"NGINX_SRC is nginx $(BUILT_FOR), $(NGINX) is $(THERE)" >&2; exit 1; }
	install -d '$(DESTDIR)$(MODULESDIR)' '$(DESTDIR)$(CONFDIR)/auth-api-token'
	install -m 644 $(MODULE) '$(DESTDIR)$(INSTALLED).new'
	mv -f '$(DESTDIR)$(INSTALLED).new' '$(DESTDIR)$(INSTALLED)'
	@set -e; for file in conf-examples/auth-api-token/*.conf; do \
		to='$(DESTDIR)$(CONFDIR)/auth-api-token'/$${file##*/}; \
		if [ ! -e "$$to" ] || cmp -s "$$to" "$$to.default"; then \
			install -m 644 $$file "$$to"; \
		elif ! cmp -s $$file "$$to"; then \
			echo "$$to was changed and stays: see $$to.default"; \
		fi; \
		install -m 644 $$file "$$to.default"; \
	done
	@echo
	@echo "To load the module, put this line at the top of nginx.conf:"
	@echo
	@echo "    load_module $(INSTALLED);"
	@echo
	@echo "If nginx runs with an older build of it, restart nginx: a reload is"
	@echo "not enough."

INSTALLED =	$(MODULESDIR)/$(notdir $(MODULE))

test:	deps-test module $(ZONE) $(NEIGHBOURS)
	TEST_NGINX_LOAD_MODULES=$(MODULE) TEST_NGINX_ZONE=$(ZONE) \
		TEST_NGINX_NEIGHBOURS=$(NEIGHBOURS) prove -r t

help:
	@sed -n 's/^#  //p; s/^#$$//p' Makefile

# Debian's package, in $(BUILD)/deb

deb:	deps-deb
	@.ci/deb

demo:	deps-demo module
	@t/demo/demo.sh $(MODULE) $(CHECK)

bench:	deps-bench module
	t/bench/run $(MODULE) $(TABLES)
	test -x $(BUILD)/plain/nginx || .ci/nginx $(BUILD)/plain
	t/bench/store $(BUILD)/plain

# proofs that take longer than the suite, each a script of its own

CHECKS =	alloc chaos chaos-faults matrix neighbours package sanitize static \
		valgrind

$(CHECKS:%=check-%):	deps-test module $(ZONE) $(NEIGHBOURS)
	.ci/check/$(@:check-%=%)

# what no input may do, a target of t/fuzz for so many seconds each

FUZZ_SECONDS =	60

fuzz:
	FUZZ_SECONDS=$(FUZZ_SECONDS) t/fuzz/run

# the lines of src/ that no test runs

coverage:	deps-test module $(ZONE) $(NEIGHBOURS)
	TEST_NGINX_ZONE=$(ZONE) TEST_NGINX_NEIGHBOURS=$(NEIGHBOURS) .ci/coverage

clean:
	rm -rf $(BUILD) t/servroot*

.PHONY:	FORCE all deps-build deps-deb deps-demo deps-test deps-bench module \
		install test help deb demo bench $(CHECKS:%=check-%) fuzz coverage clean
