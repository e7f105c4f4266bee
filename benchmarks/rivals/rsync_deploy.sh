#!/bin/sh
# Deploys as a careful person scripts it. $1 ssh configuration, $2 folder of files, $3 their sums as
# sha256sum -c reads them, $4 host. What did not change is linked to the release before, all of it
# is verified there, and only then does `current` move.
set -eu
release=releases/$(date +%s%N)
rsync -a --delete --mkpath --link-dest=../../current/ -e "ssh -F $1" "$2/" "$4:rsync/$release/"
ssh -F "$1" "$4" "cd rsync/$release && sha256sum -c --quiet - && ln -sfn $release ../../current" < "$3"
