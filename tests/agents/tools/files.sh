# What programs ask of files beyond reading and writing.
cat > work.py <<'P'
import ctypes, errno, fcntl, mmap, os, stat, subprocess, sys, time

# An unnamed file that gets its name when it is complete, by both ways there are.
AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, AT_FDCWD = 0x400, 0x1000, -100
libc = ctypes.CDLL(None, use_errno=True)
unnamed = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o644)
os.write(unnamed, b"complete")
assert libc.linkat(AT_FDCWD, f"/proc/self/fd/{unnamed}".encode(), AT_FDCWD, b"named", AT_SYMLINK_FOLLOW) == 0, ctypes.get_errno()
print(open("named").read(), os.stat("named").st_nlink)
os.close(unnamed)

# Locks of both kinds, against another process.
with open("locked", "w") as locked:
    fcntl.flock(locked, fcntl.LOCK_EX)
    fcntl.lockf(locked, fcntl.LOCK_EX, 10, 5)
    other = "import fcntl,sys\nf=open('locked','r+')\ntry:\n getattr(fcntl,sys.argv[1])(f,fcntl.LOCK_EX|fcntl.LOCK_NB)\n print('free')\nexcept BlockingIOError:\n print('held')"
    for kind in ("flock", "lockf"):
        print(kind, subprocess.check_output([sys.executable, "-c", other, kind]).decode().strip())
print(subprocess.check_output([sys.executable, "-c", other, "flock"]).decode().strip())

# Sparse and huge.
with open("huge", "wb") as huge:
    huge.truncate(10 << 30)
    huge.seek(5 << 30)
    huge.write(b"middle")
    huge.flush()
    print(os.stat("huge").st_size, os.stat("huge").st_blocks < 1000)
    descriptor = os.open("huge", os.O_RDONLY)
    print(os.lseek(descriptor, 0, os.SEEK_DATA) > 1 << 30, os.lseek(descriptor, 5 << 30, os.SEEK_HOLE) > 5 << 30)
    os.posix_fallocate(huge.fileno(), 0, 1 << 20)
os.truncate("huge", 100)
print(os.stat("huge").st_size)

# Flags and modes as asked for.
os.umask(0o027)
os.close(os.open("masked", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
print(oct(os.stat("masked").st_mode & 0o777))
for path, flags in (("masked", os.O_CREAT | os.O_EXCL | os.O_WRONLY), (".", os.O_WRONLY), ("absent/x", os.O_CREAT | os.O_WRONLY), ("masked/x", os.O_RDONLY), ("absent", os.O_RDONLY)):
    try:
        os.close(os.open(path, flags))
    except OSError as error:
        print(path, errno.errorcode[error.errno])
os.symlink("masked", "link")
os.symlink("link", "link2")
os.symlink("loop", "loop")
for path, flags in (("link", os.O_RDONLY | os.O_NOFOLLOW), ("loop", os.O_RDONLY), ("link2", os.O_RDONLY)):
    try:
        descriptor = os.open(path, flags)
        print(path, fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE, fcntl.fcntl(descriptor, fcntl.F_GETFD))
        os.close(descriptor)
    except OSError as error:
        print(path, errno.errorcode[error.errno])
appended = os.open("masked", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
flags = fcntl.fcntl(appended, fcntl.F_GETFL)
print(bool(flags & os.O_APPEND), bool(flags & os.O_NONBLOCK))
os.write(appended, b"one"); os.lseek(appended, 0, 0); os.write(appended, b"two")
print(open("masked").read())

# Metadata.
os.chmod("masked", 0o4711)
os.fchmod(appended, 0o600)
os.utime("masked", (1000, 2000))
os.chown("masked", os.getuid(), os.getgid())
os.setxattr("masked", "user.note", b"value")
print(os.getxattr("masked", "user.note"), os.listxattr("masked"), int(os.stat("masked").st_mtime), oct(os.stat("masked").st_mode & 0o7777))
os.removexattr("masked", "user.note")
os.rename("masked", "renamed")
os.link("renamed", "linked")
os.replace("linked", "named")
os.unlink("renamed")
print(sorted(os.listdir(".")), os.readlink("link2"))

# Directories by descriptor, a mapped file, a file that is gone but open.
os.makedirs("deep/er/still")
directory = os.open("deep", os.O_RDONLY | os.O_DIRECTORY)
inner = os.open("er/file", os.O_CREAT | os.O_RDWR, 0o644, dir_fd=directory)
os.write(inner, b"mapped text" + bytes(4085))
with mmap.mmap(inner, 4096) as mapped:
    mapped[0:6] = b"MAPPED"
print(os.pread(inner, 11, 0))
os.rename("er/file", "moved", src_dir_fd=directory, dst_dir_fd=directory)
os.mkdir("made", dir_fd=directory)
os.rmdir("made", dir_fd=directory)
os.unlink("moved", dir_fd=directory)
print(open(f"/proc/self/fd/{inner}").read(6), os.fstat(inner).st_nlink)
os.chdir("deep/er")
open("../sibling", "w").write("x")
os.chdir("/")
print(sorted(os.listdir(directory)), open("/dev/null").read() == "", len(open("/dev/urandom", "rb").read(8)))
P
python3 work.py
