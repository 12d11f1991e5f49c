#!/usr/bin/env bash
# Measure the service on this machine's NVIDIA GPU; docs/gpu.md explains what is measured. Root is not needed.
#
#   benchmarks/gpu.sh [--write] [--bundles models/imagenet/1,...] [--bundle models/imagenet/1] [--frontends 1,2,4] [--quick]
#
# --write    write the section `GPU` of benchmarks/RESULTS.md
# --bundles  for parity, ceiling and TensorRT; --bundle for end to end
# --quick    few sizes and short loads: a test that everything runs, not a measurement
# OUT=dir    folder of gpu.json and its parts, instead of build/bench
# WHEELS=dir without a network: install the wheels in this folder, whole or as NAME.whl.00.part ...; packages that are
#            not among them are taken from the packages of $PYTHON
# PYTHON=python3, VENV=build/bench/gpu/venv
#
# Exit status: 0 all steps passed, 1 a step failed, 2 wrong arguments, 3 no GPU, 4 the installation failed.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
VENV=${VENV:-build/bench/gpu/venv}
export OUT=${OUT:-build/bench}
bundles=models/imagenet/1,models/fashion-mnist/3
bundle=models/imagenet/1
frontends=
report=()
ceiling=()
tensorrt=()
end_to_end=()

usage() {
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
}

fail() {
  echo "gpu.sh: $2" >&2
  exit "$1"
}

while (($#)); do
  case $1 in
    --write) report+=(--write) ;;
    --bundles) bundles=${2:?} && shift ;;
    --bundle) bundle=${2:?} && shift ;;
    --frontends) frontends=${2:?} && shift ;;
    --quick)
      ceiling+=(--sizes "1,32" --window-s 0.05)
      tensorrt+=(--sizes 32 --seconds 1)
      end_to_end+=(--seconds 2 --connections 64 --tune-s 3)
      ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done

nvidia-smi --list-gpus 2>/dev/null | grep -q '^GPU ' ||
  fail 3 "there is no NVIDIA GPU here (nvidia-smi is not installed or lists none), so nothing was measured"
mkdir -p "$OUT"

make_venv() {
  if "$PYTHON" -m pip --version >/dev/null 2>&1; then
    "$PYTHON" -m venv --without-pip "$VENV" || return
    pip=("$PYTHON" -m pip --python "$VENV/bin/python")
  else
    "$PYTHON" -m venv "$VENV" || return
    pip=("$VENV/bin/python" -m pip)
  fi
  pip+=(install --quiet --disable-pip-version-check --only-binary ":all:")
}

install_from_wheels() {
  local site wheels
  wheels=$(mktemp -d)
  "$PYTHON" benchmarks/gpu/wheels.py "$WHEELS" "$wheels" &&
    "${pip[@]}" --no-index --no-deps "$wheels"/*.whl &&
    site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') &&
    "$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$site/of-the-machine.pth"
  local status=$?
  rm -rf "$wheels"
  return $status
}

install_from_index() {
  "${pip[@]}" --require-hashes -r requirements/gpu.txt &&
    "${pip[@]}" --require-hashes -r benchmarks/gpu/requirements.txt &&
    "${pip[@]}" --no-deps .
}

if ! [[ -e $VENV/.made ]]; then
  make_venv || fail 4 "$PYTHON cannot make a virtual environment in $VENV"
  if [[ -n ${WHEELS:-} ]]; then
    install_from_wheels || fail 4 "the wheels in $WHEELS could not be installed"
  else
    install_from_index || fail 4 "requirements/gpu.txt could not be installed; without a network, give WHEELS=folder"
  fi
  touch "$VENV/.made"
fi

python=$VENV/bin/python
folders=$("$python" benchmarks/gpu/libraries.py folders)
export LD_LIBRARY_PATH=$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export PYTHONPATH=$PWD ORT_DISABLE_TELEMETRY=1
"$python" benchmarks/gpu/libraries.py missing || fail 4 "the driver, CUDA 13 or cuDNN 9 is missing, see above"

names=()
statuses=()

step() { # step NAME ARGUMENT...: run a step and record its exit status
  local name=$1 status=0
  shift
  printf '\n== %s\n' "$name"
  "$python" -m "benchmarks.gpu.$name" "$@" || status=$?
  names+=("$name")
  statuses+=("$status")
  return 0
}

# Remove the parts of an earlier run.
rm -f "$OUT"/{environment,parity,ceiling,tensorrt,end_to_end,gpu}.json
step environment --needs cuda
if [[ ${statuses[0]} == 0 ]]; then
  step parity --bundles "$bundles"
  step ceiling --bundles "$bundles" "${ceiling[@]}"
  step tensorrt --bundles "$bundles" "${tensorrt[@]}"
  step end_to_end --bundle "$bundle" --frontends "$frontends" "${end_to_end[@]}"
fi
step report "${report[@]}"

printf '\n== summary\n'
worst=0
for index in "${!names[@]}"; do
  case ${statuses[index]} in
    0) verdict=passed ;;
    3) verdict="not run: a program is not installed" ;;
    *) verdict="failed with ${statuses[index]}" worst=1 ;;
  esac
  printf '%-12s %s\n' "${names[index]}" "$verdict"
done
exit "$worst"
