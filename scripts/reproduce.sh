#!/bin/sh
# Every table and curve of docs/results.md:  scripts/reproduce.sh --data FOLDER [--only PATTERN] [--dry-run]
set -e
cd "$(dirname "$0")/.."
make --silent .venv/.installed
exec .venv/bin/python scripts/reproduce.py "$@"
