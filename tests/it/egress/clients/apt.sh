mkdir -p root/state/lists/partial root/cache/archives/partial root/etc
touch root/state/status
echo "deb [trusted=yes] http://$PLAIN/apt ./" >root/etc/sources.list
apt_get() {
  apt-get -qq -o Dir::State="$PWD/root/state" -o Dir::State::status="$PWD/root/state/status" -o Dir::Cache="$PWD/root/cache" \
    -o Dir::Etc::sourcelist="$PWD/root/etc/sources.list" -o Dir::Etc::sourceparts=- -o Dir::Etc::parts=- -o APT::Sandbox::User= \
    -o APT::Update::Post-Invoke-Success= -o APT::Update::Post-Invoke= -o Debug::NoLocking=1 -o Acquire::Retries=0 "$@"
}
apt_get update
apt_get download dep
dpkg-deb --fsys-tarfile dep_1.0_all.deb | tar -xO ./usr/share/dep/answer
