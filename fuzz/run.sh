#!/usr/bin/env bash
# Coverage-guided fuzzing with AFL++ and SharpFuzz: fuzz/run.sh [target, "several targets" or all] [seconds for each target]. Ends with one line a
# target; exit code 1: something was found. $FUZZ_OUT (default: artifacts/fuzz) keeps the program, the corpora and the findings.
set -euo pipefail
cd "$(dirname "$0")/.."

all="frames payload typed session control ahead records"
targets=${1:-all}
seconds=${2:-60}
[ "$targets" = all ] && targets=$all
out=$(realpath -m "${FUZZ_OUT:-artifacts/fuzz}")
program=$out/bin/PacketMQ.Fuzz.dll

command -v afl-fuzz >/dev/null || { echo "afl-fuzz is missing: apt-get install afl++" >&2; exit 2; }

# Instrumenting changes the assemblies in place, so they are made anew.
rm -rf "$out/bin"
dotnet tool restore
dotnet publish fuzz/PacketMQ.Fuzz -c Release --no-self-contained -o "$out/bin"
dotnet sharpfuzz "$out/bin/PacketMQ.dll"
dotnet sharpfuzz "$out/bin/Nerdbank.MessagePack.dll"

# One process takes all inputs, so nothing is gained by binding it to a core; the program finds crashes itself.
export AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_SKIP_BIN_CHECK=1 AFL_NO_UI=1 AFL_AUTORESUME=1
mkdir -p "$out/runs"
found=0
for target in $targets; do
  rm -rf "$out/seeds/$target"
  dotnet "$program" seeds "$target" "$out/seeds/$target"
  # afl-fuzz leaves out a seed that fails, and counts no crash for it.
  dotnet "$program" run "$target" "$out/seeds/$target" || found=1
  afl-fuzz -i "$out/seeds/$target" -o "$out/runs/$target" -x fuzz/packetmq.dict -m none -t 5000 -G 4096 -V "$seconds" \
    -- dotnet "$program" afl "$target" >"$out/runs/$target.log" 2>&1 || { tail -20 "$out/runs/$target.log" >&2; exit 2; }
done

for target in $targets; do
  stats=$out/runs/$target/default/fuzzer_stats
  figure() { grep -oP "^$1 +: \K.*" "$stats"; }
  echo "$target: $(figure execs_done) executions, $(figure execs_per_sec)/s, $(figure edges_found) edges, $(figure corpus_count) inputs kept," \
    "$(figure saved_crashes) crashes, $(figure saved_hangs) hangs"
  [ "$(figure saved_crashes)" = 0 ] && [ "$(figure saved_hangs)" = 0 ] || found=1
done
exit $found
