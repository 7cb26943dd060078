#!/usr/bin/env bash
# What the servers of servers.py have: a page, a repository, and a package of each kind.
#
#   stock.sh ROOT
set -euo pipefail
root=$1
mkdir -p "$root" && cd "$root"
echo hello >page

mkdir -p work git npm/dep/- simple/dep files cargo/de/px cargo/dl apt
(cd work && git init -q -b main . && echo content >file && git add file &&
  git -c user.name=u -c user.email=u@h.test commit -qm one)
git clone -q --bare work git/repo.git
git -C git/repo.git config http.receivepack true

# npm
mkdir -p package && echo '{"name":"dep","version":"1.0.0","main":"index.js"}' >package/package.json
echo 'module.exports = 41;' >package/index.js
tar -czf npm/dep/-/dep-1.0.0.tgz package
sum=$(sha1sum npm/dep/-/dep-1.0.0.tgz | cut -d' ' -f1)
cat >npm/dep/index.json <<J
{"name":"dep","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"name":"dep","version":"1.0.0","main":"index.js",
"dist":{"tarball":"@HOST@/npm/dep/-/dep-1.0.0.tgz","shasum":"$sum"}}}}
J

# pip
python3 - <<'P'
import zipfile
with zipfile.ZipFile("files/dep-1.0.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("dep.py", "answer = 41\n")
    wheel.writestr("dep-1.0.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: dep\nVersion: 1.0.0\n")
    wheel.writestr("dep-1.0.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr("dep-1.0.0.dist-info/RECORD", "dep.py,,\n")
P
echo '<!DOCTYPE html><a href="../../files/dep-1.0.0-py3-none-any.whl">dep-1.0.0-py3-none-any.whl</a>' >simple/dep/index.html

# cargo
mkdir -p depx-1.0.0/src && echo 'pub const ANSWER: u32 = 41;' >depx-1.0.0/src/lib.rs
printf '[package]\nname = "depx"\nversion = "1.0.0"\nedition = "2021"\n' >depx-1.0.0/Cargo.toml
tar -czf cargo/dl/depx-1.0.0.crate depx-1.0.0
sum=$(sha256sum cargo/dl/depx-1.0.0.crate | cut -d' ' -f1)
echo '{"dl":"@HOST@/cargo/dl/{crate}-{version}.crate"}' >cargo/config.json
echo "{\"name\":\"depx\",\"vers\":\"1.0.0\",\"deps\":[],\"cksum\":\"$sum\",\"features\":{},\"yanked\":false}" >cargo/de/px/depx

# apt
mkdir -p deb/DEBIAN deb/usr/share/dep && echo 41 >deb/usr/share/dep/answer
printf 'Package: dep\nVersion: 1.0\nArchitecture: all\nMaintainer: u <u@h.test>\nDescription: answer\n' >deb/DEBIAN/control
dpkg-deb --root-owner-group --build deb apt/dep_1.0_all.deb >/dev/null
{
  cat deb/DEBIAN/control
  printf 'Filename: ./dep_1.0_all.deb\nSize: %s\nSHA256: %s\n\n' "$(stat -c %s apt/dep_1.0_all.deb)" \
    "$(sha256sum apt/dep_1.0_all.deb | cut -d' ' -f1)"
} >apt/Packages
