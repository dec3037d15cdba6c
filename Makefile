
# nginx-dev's copy of nginx, or any nginx source of the version to run with
NGINX_SRC =	/usr/share/nginx/src
CFLAGS =	-O2 -Wall -Wextra -Wno-unused-parameter -Werror

BUILD =		$(CURDIR)/build
MODULE =	$(BUILD)/objs/ngx_http_auth_api_token_module.so
ZONE =		$(BUILD)/zone
NEIGHBOURS =	$(BUILD)/neighbours

SOURCES =	src/*.c src/*/*.c src/*/*.h

CONFIGURE =	./configure --with-compat --with-debug --with-cc='$(CC)' \
		--with-cc-opt='$(CFLAGS)'


all:	deps-build module

# what each needs of Debian

deps-build deps-demo deps-test:
	.ci/deps $(@:deps-%=%)

module:	$(MODULE)

$(MODULE):	$(BUILD)/objs/Makefile $(SOURCES)
	cd $(BUILD)/src && $(MAKE) -f $(BUILD)/objs/Makefile modules

$(BUILD)/objs/Makefile:	config src/operate/status.html $(BUILD)/names
	rm -rf $(BUILD)/src $(BUILD)/objs
	mkdir -p $(BUILD)
	cp -RL $(NGINX_SRC) $(BUILD)/src
	cd $(BUILD)/src && $(CONFIGURE) --builddir=$(BUILD)/objs \
		--add-dynamic-module=$(CURDIR) >/dev/null

# nginx has to be configured anew when a source file comes or goes

$(BUILD)/names:	FORCE
	@mkdir -p $(BUILD)
	@echo $(wildcard src/*.c src/*/*.[ch]) >$@.new
	@cmp -s $@.new $@ || cp $@.new $@

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

test:	deps-test module $(ZONE) $(NEIGHBOURS)
	TEST_NGINX_LOAD_MODULES=$(MODULE) TEST_NGINX_ZONE=$(ZONE) \
		TEST_NGINX_NEIGHBOURS=$(NEIGHBOURS) prove -r t

demo:	deps-demo module
	@t/demo/demo.sh $(MODULE) $(CHECK)

# beside what others do; the store alone needs the sources of nginx

PEERS =		lua-cjson strace valgrind wrk

peers:
	.ci/deps test dpkg-dev $(PEERS)

bench:	peers module
	t/bench/run $(MODULE) $(TABLES)
	test -x $(BUILD)/plain/nginx || .ci/nginx $(BUILD)/plain
	t/bench/store $(BUILD)/plain

# proofs that take longer than the suite, each a script of its own

CHECKS =	alloc chaos chaos-faults matrix neighbours sanitize static valgrind

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

.PHONY:	FORCE all deps-build deps-demo deps-test module test demo peers bench \
		$(CHECKS:%=check-%) fuzz coverage clean
