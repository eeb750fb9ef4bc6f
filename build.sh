#!/usr/bin/env bash
# The chores of the project: ./build.sh fmt | build | test | api | bench | bench-peers | bench-sweep | bench-accept | fuzz | soak | picture | pack
set -euo pipefail
cd "$(dirname "$0")"

case "${1:-}" in
  fmt) dotnet format ;;
  build) dotnet build ;;
  test) dotnet test ;;
  api)
    # Declares what is public and not yet declared, and drops what is declared and no longer there.
    for project in src/*/; do
      file="${project}PublicAPI.Unshipped.txt"
      [ -f "$file" ] || continue
      log=$(dotnet build "$project" --no-incremental 2>&1 || true)
      gone=$(grep -oP "RS0017: Symbol '\\K.*(?=' is part of the declared API)" <<<"$log" | sort -u || true)
      new=$(grep -oP "RS0016: Symbol '\\K.*(?=' is not part of the declared)" <<<"$log" | sort -u || true)
      { echo '#nullable enable'
        { grep -vxF -e "$gone" -e '#nullable enable' "$file" || true; echo "$new"; } | sed '/^$/d' | LC_ALL=C sort -u
      } >"$file.new"
      mv "$file.new" "$file"
    done
    ;;
  picture)
    dotnet run --project src/PacketMQ.Tool -- demo |
      python3 docs/images/terminal-picture.py "dotnet run --project src/PacketMQ.Tool -- demo" >docs/images/demo.svg
    ;;
  bench)
    shift
    dotnet run -c Release --project bench/PacketMQ.Benchmarks -- "${@:---filter=*}"
    ;;
  bench-peers)
    shift
    dotnet run -c Release --project bench/PacketMQ.PeerBench -- run --out artifacts/bench-peers "$@"
    ;;
  bench-sweep | bench-accept)
    command=${1#bench-}
    shift
    dotnet run -c Release --project bench/PacketMQ.PeerBench -- "$command" --out "artifacts/bench-$command" "$@"
    ;;
  fuzz)
    shift
    fuzz/run.sh "$@"
    ;;
  soak)
    shift
    dotnet run -c Release --project soak/PacketMQ.Soak -- "$@"
    ;;
  pack) dotnet pack -c Release -o artifacts ;;
  *)
    echo "usage: ./build.sh fmt | build | test | api | bench | bench-peers | bench-sweep | bench-accept | fuzz | soak | picture | pack" >&2
    exit 2
    ;;
esac
