#!/bin/sh
# `make help`: the lines of the Makefile that start with ##, what one can type in bold on a terminal.
set -eu
. services/base/make/progress.sh

sed -n 's/^## \{0,1\}//p' Makefile | sed "s/^  \(make [^ ]*\( [A-Z_]*=\('[^']*'\|[^ ]*\)\)*\)/  $bold\1$plain/"
