# SPDX-License-Identifier: BSD-2-Clause
#
# What people type.  The build itself is Meson + Ninja in build/meson; the
# programs land in build/bin and build/lib and run from there.

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
M       := $(BUILD)/meson
MESON   ?= meson
NINJA   ?= ninja

PROGS := src/tools/postern src/tools/onload src/tools/onload_stackdump src/tools/onload_tcpdump \
	src/ctld/posternd src/keeper/postern-keeper
LIBS  := src/preload/libonload.so

.PHONY: all
all: $(M)/build.ninja
	$(NINJA) -C $(M)
	@mkdir -p $(BUILD)/bin $(BUILD)/lib
	@for p in $(PROGS); do [ ! -f $(M)/$$p ] || ln -f $(M)/$$p $(BUILD)/bin/; done
	@for l in $(LIBS); do [ ! -f $(M)/$$l ] || ln -f $(M)/$$l $(BUILD)/lib/; done

$(M)/build.ninja:
	@scripts/bootstrap --build
	$(MESON) setup --prefix $(abspath $(PREFIX)) --libdir lib $(M) .

.PHONY: clean
clean:
	rm -rf $(BUILD)
