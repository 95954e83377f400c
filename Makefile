# One Makefile, not recursive. The lists below show which code lives in which process.
# CFLAGS and LDFLAGS are the user's. CROSS=aarch64-linux-gnu builds into build-aarch64-linux-gnu/ for that machine, with
# Debian's cross compiler and the libraries of its multiarch; HOSTCC builds what runs here. SAN=1 builds into build-san/ with ASan and UBSan, SAN=fuzz into build-fuzz/
# for libFuzzer as well.

CC ?= cc
HOSTCC ?= cc
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr
VERSION := 0.1.0

ifeq ($(SAN),1)
B := build-san
CFLAGS ?= -O1 -g1
SANFLAGS := -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
else ifeq ($(SAN),fuzz)
B := build-fuzz
CC := clang
CFLAGS ?= -O1 -g
WERROR := -w
SANFLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
else
B := build$(CROSS:%=-%)
CFLAGS ?= -O2 -g
HARDEN := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fPIE '-ffile-prefix-map=$(CURDIR)=.'
HARDEN_LD := -pie -Wl,-z,relro,-z,now
endif
ifdef CROSS
CC := $(CROSS)-gcc
AR := $(CROSS)-ar
PKG_CONFIG := PKG_CONFIG_LIBDIR=/usr/lib/$(CROSS)/pkgconfig:/usr/share/pkgconfig pkg-config
endif
# Named before anything is compiled, not by an error of the compiler.
UNSUPPORTED := $(shell CC='$(CC)' PKG_CONFIG='$(PKG_CONFIG)' etc/unsupported)
ifneq ($(UNSUPPORTED),)
$(error $(UNSUPPORTED))
endif
ifndef SAN
# Not every clang knows it.
ZERO := -ftrivial-auto-var-init=zero
HARDEN += $(shell $(CC) $(ZERO) -E -x c /dev/null >/dev/null 2>&1 && echo $(ZERO))
# What is paid for with each event is optimised across its files, where the compiler is gcc. Those objects hold their
# code as well: what is linked without it, as tests are, takes that.
LTO := $(if $(shell $(CC) -dM -E -x c /dev/null | grep __clang__),,-flto=auto -ffat-lto-objects)
endif
# As libseccomp names the machine that is built for.
ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
WERROR ?= -Werror
ALL_CFLAGS = -std=gnu17 -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes $(WERROR) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 \
    -DGATEWAYD_VERSION='"$(VERSION)"' -I. -I$(B) $(HARDEN) $(SANFLAGS) $(CFLAGS)
ALL_LDFLAGS = -Wl,--as-needed $(HARDEN_LD) $(SANFLAGS) $(LDFLAGS)

# msgpack-c calls itself "msgpack" in Debian 12 and "msgpack-c" in Debian 13.
MSGPACK := $(patsubst -l%,%,$(filter -l%,$(shell $(PKG_CONFIG) --libs msgpack-c 2>/dev/null || \
    $(PKG_CONFIG) --libs msgpack 2>/dev/null)))
MSGPACK := $(or $(MSGPACK),msgpackc)

# Archives, one per folder: a process gets only the objects that it refers to.
AR_COMMON := $(B)/common.a
AR_IPC := $(B)/ipc.a
AR_HAT := $(B)/protocols/hat.a
AR_RUNTIME := $(B)/device-runners/runtime.a
AR_SUPERVISOR := $(B)/supervisor.a
AR_EVENTD := $(B)/event-server.a
AR_CTL := $(B)/gatewayctl.a
AR_WEB := $(B)/web.a

obj = $(patsubst %.c,$(B)/%.o,$(filter-out %/main.c,$(wildcard $(1))))

# A family of device types is a folder with a family.mk, which sets, each optional:
#   FAMILY_PROTOCOLS  the folders of protocols/ that it links
#   FAMILY_LIBS       libraries, as the linker names them
#   FAMILY_LTO        yes: it is optimised across its files, as it costs something with each event
#   FAMILY_DEPENDS    Debian packages that building it needs (read by tests/lib/deps)
#   FAMILY_LOADS      yes: its program loads objects while it starts; tls: its devices with TLS do, and have a program of
#                     their own, libexec/FAMILY-tls
# Its program is libexec/FAMILY, made of its sources, those of the folders in it, and the runtime.
FAMILIES := $(patsubst device-runners/%/family.mk,%,$(wildcard device-runners/*/family.mk))
PROTOCOLS := $(patsubst protocols/%/,%,$(wildcard protocols/*/))
PROGRAMS := $(B)/gatewayd $(B)/gateway-eventd $(B)/gatewayctl $(B)/gateway-web $(B)/libexec/gateway-resolve $(FAMILIES:%=$(B)/libexec/%)

.PHONY: all check check-san unit vectors replay system host interop same fault attack fuzz campaign bench growth lint analyze schema install deb clean demo soak page pictures walk port \
    test-tools demo-tools
.DELETE_ON_ERROR:
.SECONDARY:
all: $(PROGRAMS)

$(AR_COMMON): $(call obj,common/*.c common/*/*.c)
$(AR_IPC): $(call obj,ipc/*.c)
$(AR_RUNTIME): $(call obj,device-runners/runtime/*.c device-runners/runtime/report/*.c device-runners/runtime/sandbox/*.c) $(B)/device-runners/runtime/filter/tables.o
$(AR_SUPERVISOR): $(call obj,supervisor/*.c supervisor/*/*.c) $(B)/supervisor/child/lock_filter.o
$(AR_EVENTD): $(call obj,event-server/*.c)
$(AR_WEB): $(call obj,web/*.c)
# The program has the folder's name: its objects go elsewhere.
$(AR_CTL): $(patsubst gatewayctl/%.c,$(B)/ctl/%.o,$(filter-out %/main.c,$(wildcard gatewayctl/*.c gatewayctl/*/*.c)))

define PROTOCOL_RULE
$(B)/protocols/$(1).a: $(call obj,protocols/$(1)/*.c)
endef
$(foreach p,$(PROTOCOLS),$(eval $(call PROTOCOL_RULE,$(p))))

%.a:
	@mkdir -p $(@D)
	@rm -f $@
	@$(AR) rcs $@ $^

$(B)/web/main.o: ALL_CFLAGS += -DWEB_ASSETS='"$(PREFIX)/share/gatewayd/web"'
COMPILE = @mkdir -p $(@D); echo "  cc   $<"; $(CC) $(ALL_CFLAGS) $(OBJECT_LTO) -MMD -MP -c -o $@ $<
$(B)/%.o: %.c
	$(COMPILE)
$(B)/ctl/%.o: gatewayctl/%.c
	$(COMPILE)

# The system call filters, of the runners and of the supervisor's lock, are computed once, here, by libseccomp.
MKFILTER := $(B)/device-runners/runtime/filter/mkfilter
$(MKFILTER): device-runners/runtime/filter/mkfilter.c device-runners/runtime/filter/filter.h
	@mkdir -p $(@D); echo "  link $@"; $(HOSTCC) -std=gnu17 -Wall -Wextra $(WERROR) -D_GNU_SOURCE -I. -o $@ $< -lseccomp
$(B)/device-runners/runtime/filter/tables.c: $(MKFILTER)
	@$< $(ARCH) >$@
$(B)/supervisor/child/lock_filter.c: $(MKFILTER)
	@mkdir -p $(@D); $< $(ARCH) lock >$@
$(B)/device-runners/runtime/filter/tables.o $(B)/supervisor/child/lock_filter.o: $(B)/%.o: $(B)/%.c
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<
$(B)/supervisor/child/lock_filter.o: supervisor/child/lock_filter.h

LINK = @mkdir -p $(@D); echo "  link $@"; $(CC) $(HARDEN) $(CFLAGS) $(PROGRAM_LTO) $(ALL_LDFLAGS) -o $@
PROGRAM_LTO := -fno-lto
define LTO_RULE
$(B)/$(1)/%.o: private OBJECT_LTO := $(LTO)
endef
$(foreach f,common ipc protocols/hat device-runners/runtime supervisor/child supervisor/engine,$(eval $(call LTO_RULE,$(f))))
# All programs: where an object is linked without it, the folder of the build stays in what is for debuggers, and so in
# the identifier of the build.
$(PROGRAMS): private PROGRAM_LTO := $(LTO)

$(B)/gatewayd: $(B)/supervisor/main.o $(AR_SUPERVISOR) $(AR_HAT) $(AR_IPC) $(AR_COMMON)
	$(LINK) $^ -lev -lyaml -l$(MSGPACK) -lcares -lm
$(B)/gateway-eventd: $(B)/event-server/main.o $(AR_EVENTD) $(AR_HAT) $(AR_COMMON)
	$(LINK) $^ -lev -llmdb -lseccomp -lm
$(B)/libexec/gateway-resolve: $(B)/resolve/main.o $(AR_COMMON)
	$(LINK) $^
$(B)/gatewayctl: $(B)/ctl/main.o $(AR_CTL) $(AR_IPC) $(AR_COMMON)
	$(LINK) $^ -l$(MSGPACK) -lexpat -lm
# It shows rows as gatewayctl --json does: by the same code.
$(B)/gateway-web: $(B)/web/main.o $(AR_WEB) $(AR_CTL) $(AR_IPC) $(AR_COMMON)
	$(LINK) $^ -lmicrohttpd -lseccomp -l$(MSGPACK) -lm

# A runner is linked statically, where it loads nothing and the system has the archives: many processes, each started
# often, pay more for shared libraries than for the few pages of them that they use. Those that load have their own copy
# of these two. libm comes after libc: most runners need nothing of it that libc has not.
has_archive = $(filter /%,$(shell $(CC) -print-file-name=lib$(1).a))
static_or_shared = $(if $(call has_archive,$(1)),-l:lib$(1).a,-l$(1))
RUNNER_LIBS := $(call static_or_shared,ev) $(call static_or_shared,$(MSGPACK))
STATIC := $(if $(call has_archive,c),$(HARDEN_LD:-pie=-static-pie),$(HARDEN_LD))
NO_TLS := $(B)/device-runners/runtime/tls/tls_none.o

# $(1) the program, $(2) its family, $(3) objects before the archives. A protocol's archive comes twice: protocols may need
# one another.
define RUNNER_RULE
$$(B)/libexec/$(1): $$(B)/device-runners/$(2)/main.o $(3) $$(B)/device-runners/$(2).a $$(AR_RUNTIME) \
    $$(AR_PROTOCOLS_$(2)) $$(AR_IPC) $$(AR_COMMON)
	$$(LINK) $$(filter %.o %.a,$$^) $$(AR_PROTOCOLS_$(2)) $$(AR_COMMON) $(RUNNER_LIBS) $$(LIBS_$(2)) -lc -lm
endef
define FAMILY_RULE
FAMILY_PROTOCOLS :=
FAMILY_LIBS :=
FAMILY_LOADS :=
FAMILY_LTO :=
include device-runners/$(1)/family.mk
ifdef FAMILY_LTO
$$(foreach f,device-runners/$(1) $$(FAMILY_PROTOCOLS:%=protocols/%),$$(eval $$(call LTO_RULE,$$(f))))
endif
$$(B)/libexec/$(1)-tls: private PROGRAM_LTO := $$(LTO)
AR_PROTOCOLS_$(1) := $$(FAMILY_PROTOCOLS:%=$$(B)/protocols/%.a)
LIBS_$(1) := $$(FAMILY_LIBS)
$$(B)/device-runners/$(1).a: $$(call obj,device-runners/$(1)/*.c device-runners/$(1)/*/*.c)
ifeq ($$(FAMILY_LOADS),yes)
$$(eval $$(call RUNNER_RULE,$(1),$(1),))
else
$$(eval $$(call RUNNER_RULE,$(1),$(1),$$(NO_TLS)))
$$(B)/libexec/$(1): HARDEN_LD := $$(STATIC)
endif
ifeq ($$(FAMILY_LOADS),tls)
$$(eval $$(call RUNNER_RULE,$(1)-tls,$(1),))
all: $$(B)/libexec/$(1)-tls
endif
endef
$(foreach f,$(FAMILIES),$(eval $(call FAMILY_RULE,$(f))))

# TLS: loaded by the devices that are configured for it, before the sandbox closes.
$(B)/libexec/runner-tls.so: device-runners/runtime/tls/tls_openssl.c common/remedy.c \
    device-runners/runtime/tls.h common/remedy.h
	@mkdir -p $(@D); echo "  link $@"
	@$(CC) $(ALL_CFLAGS) -fPIC -shared $(filter-out -pie,$(ALL_LDFLAGS)) -o $@ $(filter %.c,$^) -lssl -lcrypto
all: $(B)/libexec/runner-tls.so

# Tests. A unit test links what it refers to, nothing else.
UNIT := $(patsubst %.c,$(B)/%,$(shell find tests/unit -name 'check_*.c' | sort))
TEST_ARCHIVES := $(AR_SUPERVISOR) $(AR_EVENTD) $(AR_WEB) $(AR_CTL) $(FAMILIES:%=$(B)/device-runners/%.a) $(AR_RUNTIME) \
    $(PROTOCOLS:%=$(B)/protocols/%.a) $(AR_IPC) $(AR_COMMON)
TEST_LIBS := -lcheck -lev -lyaml -l$(MSGPACK) -lcares -llmdb -lseccomp -lexpat -lmicrohttpd -lmodbus \
    -lsmpp34 -lssl -lcrypto \
    $(sort $(foreach f,$(FAMILIES),$(LIBS_$(f)))) -lsubunit -lrt -lpthread -lm

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(TEST_ARCHIVES)
	$(LINK) $< -Wl,--start-group $(TEST_ARCHIVES) -Wl,--end-group $(TEST_LIBS)

unit: $(UNIT)
	@tests/lib/run-unit $(UNIT)

# make vectors VECTORS=DIR: every vector of every file in DIR; without DIR, tests/vectors/forms and ../shared/vectors.
VEC := $(patsubst tests/vectors/%.c,$(B)/tests/vectors/%,$(wildcard tests/vectors/vec_*.c))
$(B)/tests/vectors/%: $(B)/tests/vectors/%.o $(call obj,tests/vectors/lib/*.c) $(TEST_ARCHIVES)
	$(LINK) $< $(filter tests/vectors/lib/%.o $(B)/tests/vectors/lib/%.o,$^) \
	    -Wl,--start-group $(TEST_ARCHIVES) -Wl,--end-group $(TEST_LIBS)
vectors: $(VEC)
	@tests/vectors/run $(VEC)

# Fuzz targets: with clang libFuzzer (make fuzz), and replayed over their corpora by plain gcc.
FUZZ_TARGETS := $(patsubst %.c,$(B)/%,$(shell find tests/fuzz -name 'fuzz_*.c' | sort))
FUZZ_MAIN := $(if $(filter fuzz,$(SAN)),-fsanitize=fuzzer,$(B)/tests/fuzz/replay.o)
$(FUZZ_TARGETS): %: %.o $(filter %.o,$(FUZZ_MAIN)) $(TEST_ARCHIVES)
	$(LINK) $< $(FUZZ_MAIN) -Wl,--start-group $(TEST_ARCHIVES) -Wl,--end-group $(TEST_LIBS)
replay: $(FUZZ_TARGETS)
	@tests/fuzz/run-replay $(FUZZ_TARGETS)

# System tests: the real binaries, over real sockets and ptys. JOBS at once.
system: all test-tools
	@BUILD=$(B) tests/lib/run-system $(SYSTEM)

# The command of the README: everything that Debian's packages allow. Installs what is missing.
check:
	@tests/lib/deps test
	@$(MAKE) -s all test-tools
	@tests/lib/sum '$(MAKE) -s unit' '$(MAKE) -s vectors' '$(MAKE) -s replay' '$(MAKE) -s lint' \
	    '$(MAKE) -s system'

# The same tests that a sanitizer can say something about.
check-san:
	@tests/lib/sum '$(MAKE) -s SAN=1 unit' '$(MAKE) -s SAN=1 replay' '$(MAKE) -s SAN=1 system'

# Peers from PyPI, in a venv of its own; skipped, saying so, where PyPI is out of reach.
interop: all test-tools
	@BUILD=$(B) tests/interop/run

# The page of gateway-web in Debian's chromium; skipped, saying so, where that is not installed.
page: all test-tools
	@BUILD=$(B) SUITE=page JOBS=2 tests/lib/run-system tests/web/test_*.py

# build/pictures/*.png of the page at three widths, for looking at; the README's among them.
pictures: all test-tools
	@BUILD=$(B) tests/web/pictures

# A new user, an operator and an author of configurations, from nothing in a bare Debian 12: needs Debian's mirror.
walk:
	@BUILD=$(B) tests/walk/run

# Random configurations and events to hat-gateway's devices and to ours: make same SECONDS=3600 SEED=1 SAME=yaml.
same: all test-tools
	@BUILD=$(B) $(if $(filter command line environment,$(origin SECONDS)),SECONDS=$(SECONDS)) tests/same/run

# What a runner does or suffers reaches nobody else. FAULT=quick: the bounded version.
fault: all test-tools
	@BUILD=$(B) tests/fault/run

# What a stranger tries against the running programs: each row is held, or the suite fails.
attack: all test-tools
	@BUILD=$(B) tests/attack/run

# Hosts that this one is not: disks that fill, come late or cannot be written, addresses that come late, other
# clocks, older kernels. What the machine does not allow is skipped, saying so.
host: all test-tools
	@BUILD=$(B) SUITE=host tests/lib/run-system tests/host/test_*.py

# Debian 13, and arm64, armhf and s390x under qemu-user, in systems of their own below build-port/: PORT="trixie armhf"
# for some of them. What the machine does not allow is skipped, saying so.
port:
	@tests/port/run

# Figures, beside hat-gateway where PyPI is in reach. BENCH=quick: the bounded version; BENCH_ROWS: some rows.
BENCH_TOOLS := $(patsubst %.c,$(B)/%,$(filter-out tests/bench/tool.c,$(wildcard tests/bench/*.c)))
$(BENCH_TOOLS): %: %.o $(B)/tests/bench/tool.o $(TEST_ARCHIVES)
	$(LINK) $< $(B)/tests/bench/tool.o -Wl,--start-group $(TEST_ARCHIVES) -Wl,--end-group $(TEST_LIBS)
bench: all $(BENCH_TOOLS) $(B)/tests/lib/modbus-sim $(B)/tests/lib/probe-runner
	@BUILD=$(B) tests/bench/run

# What an event costs where there is more of something else, in instructions. GROWTH=quick: the bounded version.
growth: all $(BENCH_TOOLS)
	@BUILD=$(B) tests/bench/growth.py

soak: all test-tools
	@BUILD=$(B) tests/soak/run

lint:
	@tests/lib/lint

# clang's analyzer and gcc -fanalyzer, some seconds a file. Each finding that is none has its answer in tests/lib/analyze, for
# the sources of these folders; of others each is printed: make analyze ANALYZE=protocols.
ANALYZE ?= common ipc resolve supervisor
analyze: all
	@B=$(B) tests/lib/analyze $(ANALYZE)

# The JSON Schema of the configuration, of the tables that check it; a test compares.
schema: all
	@$(B)/gatewayd --schema | python3 -m json.tool --indent 1 >etc/gatewayd.schema.json

# Fuzzing with libFuzzer: make fuzz FUZZ=sbs SECONDS=600; without FUZZ each target in turn.
SECONDS ?= 60
FUZZ ?= $(patsubst fuzz_%,%,$(notdir $(FUZZ_TARGETS)))
FUZZ_PROGRAMS = $(foreach f,$(FUZZ),$(patsubst $(B)/%,build-fuzz/%,$(filter %/fuzz_$(f),$(FUZZ_TARGETS))))
fuzz:
	@$(MAKE) -s SAN=fuzz $(FUZZ_PROGRAMS)
	@tests/fuzz/run-fuzz $(SECONDS) $(FUZZ_PROGRAMS)

# The same, with a row for each run in tests/fuzz/CAMPAIGNS.md.
campaign:
	@$(MAKE) -s SAN=fuzz $(FUZZ_PROGRAMS)
	@CAMPAIGNS=tests/fuzz/CAMPAIGNS.md tests/fuzz/run-fuzz $(SECONDS) $(FUZZ_PROGRAMS)

demo:
	@./demo

# Tools for tests and the demo, simulated devices and runners that misbehave: tests/lib/NAME_PART.c with a
# main() becomes $(B)/tests/lib/NAME-PART.
TOOL_SOURCES := $(patsubst tests/lib/%.c,%,$(shell grep -lE '^main\>' tests/lib/*.c 2>/dev/null))
TOOLS := $(patsubst %,$(B)/tests/lib/%,$(subst _,-,$(TOOL_SOURCES)))
test-tools: $(TOOLS) $(B)/tests/bench/growth_eventd $(B)/tests/bench/growth_slaves
demo-tools: $(filter %/modbus-sim,$(TOOLS))
# They link nothing that only tests need: the demo runs where "deps build" was all that was installed.
define TOOL_RULE
$(B)/tests/lib/$(subst _,-,$(1)): $(B)/tests/lib/$(1).o $(TEST_ARCHIVES)
	$$(LINK) $$< -Wl,--start-group $$(TEST_ARCHIVES) -Wl,--end-group $$(filter-out -lcheck -lsubunit -lsmpp34,$$(TEST_LIBS))
endef
$(foreach t,$(TOOL_SOURCES),$(eval $(call TOOL_RULE,$(t))))

install: all
	install -d "$(DESTDIR)$(PREFIX)/sbin" "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/libexec/gatewayd"
	install -m 755 $(B)/gatewayd $(B)/gateway-eventd $(B)/gateway-web "$(DESTDIR)$(PREFIX)/sbin"
	install -m 755 $(B)/gatewayctl "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 $(B)/libexec/* "$(DESTDIR)$(PREFIX)/libexec/gatewayd"
	for s in 1 5 7 8; do for m in man/*.$$s; do [ -e "$$m" ] || continue; \
	    install -D -m 644 "$$m" "$(DESTDIR)$(PREFIX)/share/man/man$$s/$${m##*/}"; done; done
	install -D -m 644 etc/gatewayctl.bash-completion \
	    "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/gatewayctl"
	install -D -m 644 etc/gatewayctl.zsh-completion \
	    "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_gatewayctl"
	install -D -m 644 etc/gatewayctl.fish \
	    "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/gatewayctl.fish"
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/gatewayd/web" web/assets/*
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/doc/gatewayd/samples" etc/samples/*.yaml
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/gatewayd" etc/gatewayd.schema.json
	install -D -m 644 etc/samples/starter.yaml "$(DESTDIR)$(PREFIX)/share/gatewayd/starter.yaml"
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/doc/gatewayd/prometheus" etc/prometheus/*
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/doc/gatewayd/grafana" etc/grafana/*
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/doc/gatewayd/sysctl.d" etc/sysctl.d/*.conf
	install -d "$(DESTDIR)/etc/gatewayd"
	for f in etc/systemd/*.service etc/systemd/*.socket; do [ -e "$$f" ] && install -D -m 644 "$$f" \
	    "$(DESTDIR)$(PREFIX)/lib/systemd/system/$${f##*/}"; done; true
	for d in sysusers.d tmpfiles.d; do [ -e etc/systemd/$$d/gatewayd.conf ] && install -D -m 644 \
	    etc/systemd/$$d/gatewayd.conf "$(DESTDIR)$(PREFIX)/lib/$$d/gatewayd.conf"; done; true

# build/gatewayd_VERSION_ARCH.deb, of what is installed.
deb: all
	@B=$(B) VERSION=$(VERSION) CROSS=$(CROSS) MAKE='$(MAKE)' etc/deb/build

clean:
	rm -rf build build-*

-include $(shell find $(B) -type f -name '*.d' 2>/dev/null)
