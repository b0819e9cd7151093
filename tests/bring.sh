# Brings the libraries and programs that tests need besides Rust and a C compiler. Scripts source this
# file in the root of the repository. Root installs Debian's packages; any other user unpacks them
# under target/mesa and changes nothing outside. Packages of other registries are pinned and lie under
# target.

# fail WHAT ADVICE
fail() {
    echo "$0: $1" >&2
    echo "$0: $2" >&2
    exit 1
}

# Arguments of tests that leave out the ignored ones which need hardware, or which others start.
# shellcheck disable=SC2034 # the scripts that source this file use it
without_hardware=(--skip cuda --skip cfconv::mixed::wgpu --skip continuation::child
    --skip known_answers::child --skip known_answers::most_small --skip portability::write)

# Debian's packages, for root only.
install_packages() {
    local advice="install Debian's packages $*"
    command -v apt-get >/dev/null || fail "this is not a Debian-like system" "$advice"
    apt-get -qq update || fail "apt-get update failed (is there a network?)" "$advice"
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null ||
        fail "apt-get install failed" "$advice"
}

unpack_mesa() {
    local mesa=$PWD/target/mesa advice="install Debian's packages libvulkan1 and mesa-vulkan-drivers"
    if [ ! -f "$mesa/radeon.json" ]; then
        echo "$0: unpacking Mesa's Vulkan drivers under target/mesa" >&2
        tests/unpack --with-dependencies "$mesa" libvulkan1 mesa-vulkan-drivers ||
            fail "the drivers were not unpacked" "$advice"
        local name driver
        for name in lvp intel radeon; do
            driver=$(find "$mesa/files" -name "libvulkan_$name.so" | head -n 1)
            [ -n "$driver" ] || fail "the package holds no libvulkan_$name.so" "$advice"
            sed "s|\"library_path\": \"[^\"]*\"|\"library_path\": \"$driver\"|" \
                "$mesa/files/usr/share/vulkan/icd.d/${name}_icd"*.json >"$mesa/$name.json"
        done
    fi
    local folders
    folders=$(find "$mesa/files" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd:)
    export LD_LIBRARY_PATH=$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

# use_mesa NAME: a driver of Mesa, such as lvp or radeon, is that of all programs started later.
use_mesa() {
    local json
    json=$(compgen -G "/usr/share/vulkan/icd.d/$1_icd*.json" | head -n 1 || true)
    if [ -z "$json" ] && [ "$(id -u)" = 0 ]; then
        echo "$0: installing Mesa's Vulkan drivers" >&2
        install_packages libvulkan1 mesa-vulkan-drivers
        json=$(compgen -G "/usr/share/vulkan/icd.d/$1_icd*.json" | head -n 1 || true)
        [ -n "$json" ] || fail "Mesa has no driver $1" "use another version of Mesa"
    elif [ -z "$json" ]; then
        unpack_mesa
        json=$PWD/target/mesa/$1.json
    fi
    export VK_DRIVER_FILES=$json VK_ICD_FILENAMES=$json
}

bring_pip() {
    python3 -m pip --version >/dev/null 2>&1 && return
    [ "$(id -u)" = 0 ] || fail "there is no pip" "install python3-pip"
    install_packages python3-pip ca-certificates
}

# bring_wheel NAME VERSION FOLDER: the files of a Python package.
bring_wheel() {
    [ -d "$3" ] && return
    bring_pip
    echo "$0: unpacking $1 $2 under ${3#"$PWD/"}" >&2
    rm -rf "$3.part"
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --target "$3.part" \
        "$1==$2" || fail "pip install $1==$2 failed (is there a network?)" "install it under $3"
    mv "$3.part" "$3"
}
