## eightsteps: what happens between pressing Enter and seeing a page, on real hosts, captured on every link.
##
## The lab
##   make up                          build what is missing, start the hosts, perform one visit
##   make visit                       visit https://parseltongue.co.in/ and tell its eight steps
##   make visit HTTP=3 WITH=browser   HTTP=1.1, 2 or 3; WITH=curl, browser or glassbox
##   make visit URL=https://parseltongue.co.in/orders TLS=1.2
##                                    URL= any address of the site; TLS=1.2 or 1.3
##   make visit FRAMES=1              every frame of the visit instead of its steps; ASCII=1 plain characters
##   make visit HTTP=all              ten resources (or URL='first second ...') under 1.1, 2 and 3, side by side
##   make visit URL=http://parseltongue.co.in/ FOLLOW=1
##                                    go where redirects point, and tell each part; URL='first second' visits two
##                                    addresses one after the other, by one run of the client
##   make visit METHOD=PUT BODY=hello HEADERS='Accept: */* | Content-Type: text/plain'
##                                    with URL=https://parseltongue.co.in/echo, say; a | stands between two headers
##   make up MONITOR=1                Prometheus, too: it watches balancer and origins, and fires alerts
##   make down                        stop: no container, network or firewall rule is left (the lab's own CA is)
##   make clean                       down, and remove images, volumes and captures (asks; YES=1 does not)
##
## The evidence
##   make wireshark                   open the last visit's frames, decrypted
##   make wireshark LIVE=1 HOLD=2     all links as they carry frames; HOLD= seconds for the clients' keys to come first
##   make explain PCAP=a.pcap KEYS=a.keys
##                                    tell any capture's story; KEYS= a key log file, if there is one
##   make explain PCAP=a.pcap HTML=page.html
##                                    as a page; or FRAMES=1 every frame, JSON=1 for programs; ASCII=1 plain characters
##   make test ARGS='-k dns'          run the tests on the running lab (starts it); ARGS= options of pytest
##   make test ARGS='--shuffle=7'     in the random order that this number gives; --reverse: the last test first
##   make claims                      test every claim; print id, verdict, test and evidence (frames, files)
##   make claim ID=E2                 test one claim: what was asked and seen, on which frames, where to look in Wireshark
##   make bench                       measure the lab against its goals
##
## Inside
##   make fault SAY="drop the 3rd data segment from balancer to client; delay 25 ms each way"
##                                    have the isp disturb the traffic, in sentences (services/router/README.md)
##   make fault                       what its faults have done so far, packet by packet; SAY=none takes them away
##   make shell HOST=client           a root shell in a host
##   make logs HOST=resolver FOLLOW=1 what a host wrote (without HOST: all); FOLLOW=1 goes on
##   make lint                        style, types and scripts, without Docker; needs Python 3.11 (PYTHON=python3.11)
##   make unit ARGS='-k ladder'       the tests that need no Docker
##   make base                        only the image all others are built on (with sudo where no registry answers)
##   make help                        this
##
## Two labs on one machine: each has a name (at most 10 small letters and digits) and the first half of its addresses.
##   make up LAB=other LAB_NET=10.88  and LAB=other with every other target
##   make up LAB_PORT=9000            the viewer's port on 127.0.0.1; otherwise 8000 and LAB_NET's second number (8077)
##   make up MONITOR=1 MONITOR_PORT=9090
##                                    Prometheus' port on 127.0.0.1; otherwise 7000 and that number (7077)

.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# Defaults are written once, in .env. The command line goes before the environment, and both before .env.
default = $(shell sed -n 's/^$1=//p' .env)
ifndef LAB
LAB := $(call default,LAB)
endif
ifndef LAB_NET
LAB_NET := $(call default,LAB_NET)
endif
ifndef LAB_PORT
LAB_PORT := $(shell printf '8%03d' '$(lastword $(subst ., ,$(LAB_NET)))' 2>/dev/null)
endif

# Captures belong to whoever typed make, also under sudo.
ids := $(shell id -u; id -g)
LAB_UID := $(if $(filter 0,$(firstword $(ids))),$(or $(SUDO_UID),0),$(firstword $(ids)))
LAB_GID := $(if $(filter 0,$(firstword $(ids))),$(or $(SUDO_GID),0),$(lastword $(ids)))
ifndef MONITOR_PORT
MONITOR_PORT := $(shell printf '7%03d' '$(lastword $(subst ., ,$(LAB_NET)))' 2>/dev/null)
endif
COMPOSE_PROJECT_NAME := $(LAB)
export LAB LAB_NET LAB_PORT MONITOR_PORT LAB_UID LAB_GID COMPOSE_PROJECT_NAME

# A variable counts only when given on the command line: some systems have HOST in every environment. `value`, because
# an address may hold a dollar sign.
given = $(if $(filter command,$(origin $1)),$(value $1))

# A slip would be a variable that nobody reads. What a program behind make may want from its environment is let through.
on_command_line := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
ifneq ($(on_command_line),)
known := $(shell grep -oE '[A-Z_]+=' Makefile | tr -d '=') NO_COLOR %_proxy %_PROXY DOCKER_% COMPOSE_% LAB_UID LAB_GID
unknown := $(filter-out $(known),$(on_command_line))
$(if $(unknown),$(error no such variable: $(unknown); see make help))
endif

run := @exec sh services/base/make

.PHONY: up visit down clean wireshark explain test claims claim bench fault shell logs lint unit base help

up: export UP_MONITOR = $(call given,MONITOR)
up:
	$(run)/start-lab.sh

visit: export VISIT_URL = $(call given,URL)
visit: export VISIT_HTTP = $(call given,HTTP)
visit: export VISIT_TLS = $(call given,TLS)
visit: export VISIT_WITH = $(call given,WITH)
visit: export VISIT_METHOD = $(call given,METHOD)
visit: export VISIT_HEADERS = $(call given,HEADERS)
visit: export VISIT_BODY = $(call given,BODY)
visit: export VISIT_FRAMES = $(call given,FRAMES)
visit: export VISIT_FOLLOW = $(call given,FOLLOW)
visit: export VISIT_ASCII = $(call given,ASCII)
visit:
	$(run)/visit.sh

down:
	@sh services/base/make/preflight.sh docker
	$(run)/stop-lab.sh

clean: export CLEAN_YES = $(call given,YES)
clean:
	@sh services/base/make/preflight.sh docker
	$(run)/remove-lab.sh

wireshark: export WIRESHARK_LIVE = $(call given,LIVE)
wireshark: export WIRESHARK_HOLD = $(call given,HOLD)
wireshark:
	$(run)/open-wireshark.sh

explain: export EXPLAIN_PCAP = $(call given,PCAP)
explain: export EXPLAIN_KEYS = $(call given,KEYS)
explain: export EXPLAIN_FRAMES = $(call given,FRAMES)
explain: export EXPLAIN_JSON = $(call given,JSON)
explain: export EXPLAIN_HTML = $(call given,HTML)
explain: export EXPLAIN_ASCII = $(call given,ASCII)
explain:
	$(run)/explain.sh

test:
	$(run)/run-in-tests.sh pytest -p no:cacheprovider $(call given,ARGS)

claims:
	$(run)/decide-claims.sh $(call given,ARGS)

claim: export CLAIM_ID = $(call given,ID)
claim: export MAKE_TARGET = claim
claim:
	$(run)/decide-claims.sh $(call given,ARGS)

bench:
	$(run)/bench.sh $(call given,ARGS)

fault: export FAULT_SAY = $(call given,SAY)
fault:
	$(run)/fault.sh

shell: export SHELL_HOST = $(call given,HOST)
shell:
	$(run)/enter-host.sh

logs: export LOGS_HOST = $(call given,HOST)
logs: export LOGS_FOLLOW = $(call given,FOLLOW)
logs:
	$(run)/show-logs.sh

lint:
	$(run)/check-code.sh lint

unit:
	$(run)/check-code.sh unit $(call given,ARGS)

base:
	@sh services/base/make/preflight.sh docker
	$(run)/build-images.sh base

help:
	$(run)/show-help.sh
