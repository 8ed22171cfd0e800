# SPDX-License-Identifier: BSD-2-Clause
#
# What people type.  The build itself is Meson + Ninja in build/meson; the
# programs land in build/bin and build/lib and run from there.
#
#	make                  build
#	sudo make demo        set up, build, and show it beside the kernel
#	sudo make check       set up, build, all tests (as a user: those that need no root)
#	make check-net        tests on real network namespaces, alone
#	make check-san        unit, sim and script tests under ASan+UBSan, then TSan
#	make bench            tables of figures for this machine
#	make fuzz T=tcp_opt   one fuzz target, until it finds something
#	make install          into PREFIX (default /usr/local), below DESTDIR

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
MESON   ?= meson
M       := $(BUILD)/meson

PROGS := src/tools/postern src/ctld/posternd src/keeper/postern-keeper
LINKS := onload onload_stackdump
LIBS  := src/preload/libonload.so

# sudo make: the tree stays the user's
GIVE_BACK = [ -z "$$SUDO_UID" ] || chown -R "$$SUDO_UID:$$SUDO_GID" $(BUILD)

.PHONY: all
all: $(M)/build.ninja
	@$(MESON) compile -C $(M)
	@mkdir -p $(BUILD)/bin $(BUILD)/lib
	@for p in $(PROGS); do [ ! -f $(M)/$$p ] || ln -f $(M)/$$p $(BUILD)/bin/; done
	@for l in $(LINKS); do [ ! -f $(BUILD)/bin/postern ] || ln -f $(BUILD)/bin/postern $(BUILD)/bin/$$l; done
	@for l in $(LIBS); do [ ! -f $(M)/$$l ] || ln -f $(M)/$$l $(BUILD)/lib/; done
	@$(GIVE_BACK)

$(M)/build.ninja:
	@scripts/bootstrap --build
	$(MESON) setup --prefix $(abspath $(PREFIX)) --libdir lib $(M) .

.PHONY: deps
deps:
	@scripts/bootstrap

.PHONY: demo
demo: deps
	@$(MAKE) --no-print-directory all
	@scripts/demo $(BUILD)

.PHONY: check
check: deps
	@$(MAKE) --no-print-directory all
	@scripts/run-tests $(M); rc=$$?; $(GIVE_BACK); exit $$rc

.PHONY: check-net
check-net: deps
	@$(MAKE) --no-print-directory all
	@scripts/run-tests $(M) posix netns; rc=$$?; $(GIVE_BACK); exit $$rc

SAN_SUITES := unit sim script
.PHONY: check-san
check-san: deps
	@[ -f $(BUILD)/asan/build.ninja ] || $(MESON) setup -Db_sanitize=address,undefined $(BUILD)/asan .
	@[ -f $(BUILD)/tsan/build.ninja ] || $(MESON) setup -Db_sanitize=thread $(BUILD)/tsan .
	@$(MESON) compile -C $(BUILD)/asan
	@$(MESON) compile -C $(BUILD)/tsan
	@rc=0; for s in asan tsan; do echo "== $$s"; \
	  ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	  TSAN_OPTIONS=halt_on_error=1:suppressions=$(CURDIR)/scripts/tsan.supp scripts/run-tests -t 4 $(BUILD)/$$s $(SAN_SUITES) || rc=1; done; \
	  $(GIVE_BACK); exit $$rc

.PHONY: bench
bench: deps
	@$(MAKE) --no-print-directory all
	@bench/run $(BUILD)

# 'make fuzz' alone lists the targets
.PHONY: fuzz
fuzz:
	@[ -f $(BUILD)/fuzz/build.ninja ] || CC=clang $(MESON) setup -Dfuzz=true \
	  -Db_sanitize=address,undefined $(BUILD)/fuzz .
	@$(MESON) compile -C $(BUILD)/fuzz
	@scripts/run-fuzz $(BUILD)/fuzz $(T)

.PHONY: install
install: all
	@$(MESON) configure $(M) -Dprefix=$(abspath $(PREFIX))
	DESTDIR=$(DESTDIR) $(MESON) install -C $(M)
	@$(GIVE_BACK)

.PHONY: uninstall
uninstall:
	@[ -f $(M)/build.ninja ] || { echo "nothing built here: build with the same PREFIX first" >&2; exit 1; }
	ninja -C $(M) uninstall

.PHONY: clean
clean:
	rm -rf $(BUILD)
