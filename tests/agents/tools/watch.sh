# Watchers: a program that waits for changes sees them, whoever makes them.
cat > work.py <<'P'
import ctypes, os, select, struct, subprocess
libc = ctypes.CDLL(None, use_errno=True)
watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
os.mkdir("watched")
ALL = 0xFFF
assert libc.inotify_add_watch(watch, b"watched", ALL & ~0x1 & ~0x20 & ~0x10) > 0
open("watched/a", "w").write("text")
os.rename("watched/a", "watched/b")
os.chmod("watched/b", 0o600)
subprocess.run(["sh", "-c", "echo more >> watched/b; ln watched/b watched/c; mkdir watched/d; rm watched/b; rmdir watched/d"], check=True)
names = {0x2: "modify", 0x4: "attrib", 0x8: "close_write", 0x40: "moved_from", 0x80: "moved_to", 0x100: "create", 0x200: "delete"}
while select.select([watch], [], [], 0.5)[0]:
    events = os.read(watch, 65536)
    while events:
        _, mask, _, length = struct.unpack_from("iIII", events)
        name = events[16:16 + length].rstrip(b"\0").decode()
        events = events[16 + length:]
        print(names.get(mask & ALL, hex(mask)), name)
P
python3 work.py
