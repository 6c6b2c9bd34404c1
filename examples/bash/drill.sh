#!/usr/bin/env bash
# Drill a plan in a pipeline: validate, dry run, drill, report, terminate.
#
#   drill.sh MANIFEST [BINDINGS]
#
# Writes drill.json and drill.html into DRILL_FOLDER (default: the current folder). Gates are approved in advance, in the
# name of this machine's user. The exit code is that of the command that decided the result: see `explain`.
set -euo pipefail

readonly DONE=0 FAULTY_INPUT=1 WRONG_USAGE=2 NOT_RECOVERED=3 REJECTED=4 REFUSED=5 UNREACHABLE=6
readonly INTERRUPTED=130 TERMINATED=143

explain() { # what an exit code of prefect-drs means for this pipeline
  case "$1" in
    "$DONE") echo "done" ;;
    "$FAULTY_INPUT") echo "the plan or its bindings have faults: correct the lines named above" ;;
    "$WRONG_USAGE") echo "wrong usage: correct the command in this script" ;;
    "$NOT_RECOVERED") echo "not all servers were recovered: the report says which, and why" ;;
    "$REJECTED") echo "a person rejected a gate, or cancelled the execution" ;;
    "$REFUSED") echo "the preflight refused the plan: nothing was launched" ;;
    "$UNREACHABLE") echo "the Prefect API, AWS or the credentials could not be reached: nobody knows more; try again" ;;
    "$INTERRUPTED" | "$TERMINATED") echo "this process was stopped; the execution can be resumed" ;;
    *) echo "prefect-drs does not document exit code $1: report it with the log above" ;;
  esac
}

stop() { # CODE STEP
  echo "drill.sh: $2: exit code $1: $(explain "$1")" >&2
  exit "$1"
}

if [[ $# -lt 1 || $# -gt 2 ]]; then
  echo "usage: drill.sh MANIFEST [BINDINGS]" >&2
  exit "$WRONG_USAGE"
fi
plan=("$1")
if [[ $# -eq 2 ]]; then
  plan+=(--bindings "$2")
fi
folder="${DRILL_FOLDER:-.}"
mkdir -p "$folder"

prefect-drs validate "${plan[@]}" || stop $? "validate"
prefect-drs runbook "${plan[@]}" || stop $? "runbook"

code=0
prefect-drs drill "${plan[@]}" --yes --json >"$folder/drill.json" || code=$?
case "$code" in
  "$DONE" | "$NOT_RECOVERED" | "$REJECTED") ;; # it has ended: there is a report, and there may be instances
  "$INTERRUPTED" | "$TERMINATED" | "$UNREACHABLE")
    echo "drill.sh: instances may be running: prefect-drs status, then resume or terminate the execution" >&2
    stop "$code" "drill"
    ;;
  *) stop "$code" "drill" ;;
esac

execution="$(python3 -c 'import json, sys; print(json.load(sys.stdin)["executionId"])' <"$folder/drill.json")"
prefect-drs report "$execution" --out "$folder/drill.html" || stop $? "report"
terminated=0
prefect-drs terminate "$execution" --yes || terminated=$?
if [[ "$terminated" -ne "$DONE" ]]; then # also where the drill launched nothing
  echo "drill.sh: terminate: exit code $terminated: look whether drill instances of $execution are left" >&2
fi
[[ "$code" -eq "$DONE" ]] || stop "$code" "drill"
[[ "$terminated" -eq "$DONE" ]] || stop "$terminated" "terminate"
echo "drill.sh: execution $execution COMPLETED; its instances are terminated; $folder/drill.html has the report"
