# Programs that are built, since Debian's cannot do GSS-API.
# source PACKAGE: extracts the source of one of Debian's packages, once; false where it cannot be had. Prints where it is.
built=$(realpath "${CARGO_TARGET_DIR:-target}")/gssapi
source_of() {
  local parts=$work/apt/parts lists=$work/apt/lists options folder=$built/$1 one
  if [ ! -e "$folder/.done" ]; then
    packages dpkg-dev gcc make libkrb5-dev flex bison >/dev/null || return
    mkdir -p "$parts" "$lists/partial" && rm -rf "$folder" && mkdir -p "$folder" || return
    for one in /etc/apt/sources.list.d/*.sources; do sed 's/^Types:.*/Types: deb-src/' "$one" >"$parts/${one##*/}"; done
    [ ! -s /etc/apt/sources.list ] || sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$parts/main.list"
    options=(-o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$parts" -o "Dir::State::Lists=$lists")
    (cd "$folder" && apt-get "${options[@]}" update -qq && apt-get "${options[@]}" source -qq "$1") >"$work/source.log" 2>&1 || return
    touch "$folder/.done"
  fi
  find "$folder" -mindepth 1 -maxdepth 1 -type d
}
