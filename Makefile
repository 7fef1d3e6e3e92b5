# Fapws. For GNU make and BSD make: only what both know; what takes thinking is in tools/*.sh.
#
# PYTHON=/usr/bin/python3.12 make test    another Python than the first python3 of PATH
# CC=clang make test                      another compiler

PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?=
APP ?= conf/samples/hello/hello.py
BIND ?= 127.0.0.1:8888
T ?= tests
J ?=
F ?=
SECONDS ?=
SEED ?=

help:
	@echo 'make run        serve the hello sample on http://127.0.0.1:8888/ (APP=file.py BIND=host:port)'
	@echo 'make test       all tests: the C core under sanitizers, then pytest (T="tests/wsgi -k name" J=0: one process)'
	@echo 'make test-c     only the C core under sanitizers'
	@echo 'make test-libuv only the C core, with the newest libuv instead of the system'"'"'s'
	@echo 'make portable   csrc/ compiles without a warning for 23 other machines and systems'
	@echo 'make portable-run  the C tests on 32 bits, arm64, armhf and s390x (qemu-user)'
	@echo 'make test-pypy  the tests of WSGI, protocol and compatibility on PyPy'
	@echo 'make test-pure  the tests of WSGI on CPython without the accelerator'
	@echo 'make test-asan  the accelerator and the core in CPython under sanitizers'
	@echo 'make valgrind   50,000 mixed requests to a server under valgrind: no error, nothing lost'
	@echo 'make build      leave .venv/bin/fapws and .venv/bin/fapwsctl, which run this very tree'
	@echo 'make fuzz       fuzz the C core for 10 minutes (SECONDS=60: another time)'
	@echo 'make chaos      reloads, upgrades, kills at random under load for 5 minutes (SECONDS=60, SEED=7)'
	@echo 'make lint       ruff, mypy, strict compilers, clang-format, shellcheck, mandoc'
	@echo 'make generated  make the files again that tools/ write from a source (option lists, diagrams)'
	@echo 'make bench      measure against other servers (ONLY=hello,browser PEERS=bjoern,nginx; B=--help)'
	@echo 'make fleet      three instances behind HAProxy, nginx and Caddy: deployments, failures (F="--balancers caddy")'
	@echo 'make soak       long runs: slow attacks, slow readers, uploads, idle clients (S="idle": only some)'
	@echo 'make dist       source distribution and wheel into dist/'
	@echo 'make wheels     source distribution and wheels for machines without a compiler (ONLY=x86_64-manylinux: one)'
	@echo 'make try-wheel  install the wheel for this machine in an environment without a compiler, and serve'
	@echo 'make try-wheels the same and the tests on the machines that the wheels are for, under qemu (ONLY=armv7l-manylinux)'
	@echo 'make release    all that a release is, into dist/: checked, with checksums and a bill of materials (TAG=yes: tagged)'
	@echo 'make deb        the package for Debian into build/deb/, looked at by lintian and systemd-analyze'
	@echo 'make try-deb    install, serve, upgrade, remove and purge it in a new Debian, then one that is booted (root)'
	@echo 'make install    programs, man pages, examples below PREFIX=/usr/local (DESTDIR= for packagers)'
	@echo 'make uninstall  remove what make install brought'
	@echo 'make clean      remove everything that was built, .venv too'
	@echo 'What is missing on this machine is installed first; each step says so.'

build:
	@PYTHON='$(PYTHON)' sh tools/setup.sh build

run: build
	@exec .venv/bin/fapws -b '$(BIND)' '$(APP)'

# The C tests need no Python: they are compiled and run while one processor installs what the others need.
test:
	@PYTHON='$(PYTHON)' sh tools/bootstrap.sh test
	@J='$(J)'; . tools/common.sh; (PYTHON='$(PYTHON)' sh tools/setup.sh test && collect $(T)) & setup=$$!; failed=; \
	sh tools/test-c.sh || failed=yes; wait $$setup || { failed=yes; say 'the set-up has failed, see above'; }; \
	[ -z "$$failed" ] && FAPWS_PARSE_STREAM="$$PWD/build/c/parse_stream" $$PYTEST $(T)

test-c:
	@sh tools/bootstrap.sh build
	@sh tools/test-c.sh

test-libuv:
	@PYTHON='$(PYTHON)' sh tools/setup.sh build
	@flags=$$(CFLAGS=-O0 sh tools/libuv.sh build build/libuv-host) && eval "$$flags" && export LIBUV_CFLAGS LIBUV_LIBS && \
	OUT=build/c-libuv sh tools/test-c.sh

portable:
	@PYTHON='$(PYTHON)' sh tools/setup.sh portable
	@sh tools/portable.sh check

portable-run:
	@PYTHON='$(PYTHON)' sh tools/setup.sh portable
	@sh tools/portable.sh run

test-pypy:
	@sh tools/test-pypy.sh

# Without what the core does alone, and proxies: there test-pypy asks the same Python code.
test-pure:
	@PYTHON='$(PYTHON)' sh tools/setup.sh test
	@J='$(J)'; . tools/common.sh; FAPWS_PURE=1 $$PYTEST tests/wsgi --ignore-glob 'tests/wsgi/test_static_*' \
		--ignore tests/wsgi/test_proxy_protocol.py --ignore tests/wsgi/test_shipped_proxies.py

test-asan:
	@PYTHON='$(PYTHON)' sh tools/setup.sh test
	@sh tools/test-asan.sh

valgrind:
	@PYTHON='$(PYTHON)' sh tools/setup.sh build
	@sh tools/valgrind.sh

fuzz:
	@sh tools/bootstrap.sh build
	@seconds='$(SECONDS)'; PYTHON='$(PYTHON)' sh tools/fuzz.sh "$${seconds:-600}"

lint:
	@PYTHON='$(PYTHON)' sh tools/setup.sh lint
	@sh tools/lint.sh

generated:
	@PYTHON='$(PYTHON)'; . tools/common.sh; "$$(find_python)" tools/generated.py

bench:
	@PYTHON='$(PYTHON)' sh tools/bootstrap.sh build
	@PYTHON='$(PYTHON)'; . tools/common.sh; python=$$(find_python); \
	ONLY='$(ONLY)' PEERS='$(PEERS)' ROUNDS='$(ROUNDS)' SECONDS='$(SECONDS)' MINUTES='$(MINUTES)' \
	exec "$$python" -m tests.bench $(B)

chaos:
	@PYTHON='$(PYTHON)' sh tools/setup.sh test
	@seconds='$(SECONDS)'; .venv/bin/python -m tests.supervisor.chaos --seconds "$${seconds:-300}" --seed '$(SEED)'

fleet:
	@PYTHON='$(PYTHON)' sh tools/setup.sh fleet
	@.venv/bin/python -m tests.fleet $(F)

soak:
	@PYTHON='$(PYTHON)' sh tools/setup.sh build
	@.venv/bin/python -m tests.soak $(S)

dist:
	@PYTHON='$(PYTHON)' sh tools/setup.sh dist
	@rm -rf dist
	@.venv/bin/python -m build --no-isolation --outdir dist .

wheels:
	@PYTHON='$(PYTHON)' sh tools/setup.sh wheels
	@PYTHONS='$(PYTHONS)' sh tools/wheels.sh build $(ONLY)
	@sh tools/wheels.sh check

try-wheel:
	@PYTHON='$(PYTHON)' sh tools/setup.sh wheels
	@sh tools/wheels.sh try

try-wheels:
	@sh tools/try-wheels.sh $(ONLY)

release:
	@PYTHON='$(PYTHON)' sh tools/setup.sh release
	@CHECKS='$(CHECKS)' ONLY='$(ONLY)' TAG='$(TAG)' sh tools/release.sh

deb:
	@PYTHON='$(PYTHON)' sh tools/setup.sh build
	@sh tools/deb.sh build
	@sh tools/deb.sh check

try-deb:
	@sh tools/deb.sh install
	@sh tools/deb.sh boot

install: build
	@.venv/bin/python -B tools/install.py --prefix '$(PREFIX)' --destdir '$(DESTDIR)'

uninstall:
	@sh tools/uninstall.sh '$(PREFIX)' '$(DESTDIR)'

clean:
	rm -rf .venv .venv-pypy build dist *.egg-info fapws/_core*.so fapws/_core.c fapws/_accelerator*.so
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help build run test test-c test-libuv portable portable-run test-pypy test-pure test-asan valgrind fuzz chaos lint generated bench soak dist wheels try-wheel try-wheels release deb try-deb install uninstall clean
