#!/usr/bin/env bash
# The chores of the project: ./build.sh fmt | build | test | pack
set -euo pipefail
cd "$(dirname "$0")"

case "${1:-}" in
  fmt) dotnet format ;;
  build) dotnet build ;;
  test) dotnet test ;;
  pack) dotnet pack -c Release -o artifacts ;;
  *)
    echo "usage: ./build.sh fmt | build | test | pack" >&2
    exit 2
    ;;
esac
