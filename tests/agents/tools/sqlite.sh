# A database in WAL mode with four writing processes and a reader; a rollback journal; a vacuum.
cat > work.py <<'P'
import multiprocessing, os, sqlite3

def write(first):
    base = sqlite3.connect("base.db", timeout=60)
    for n in range(50):
        with base:
            base.execute("insert into lines values (?, ?)", (first + n, "x" * 500))
    base.close()

if __name__ == "__main__":
    base = sqlite3.connect("base.db", timeout=60)
    print(base.execute("pragma journal_mode=wal").fetchone()[0])
    base.execute("create table lines (n integer primary key, text)")
    base.commit()
    writers = [multiprocessing.Process(target=write, args=(first,)) for first in (0, 1000, 2000, 3000)]
    [writer.start() for writer in writers]
    while any(writer.is_alive() for writer in writers):
        base.execute("select count(*) from lines").fetchone()
    [writer.join() for writer in writers]
    print(sorted(name for name in os.listdir() if name.startswith("base")))
    print(base.execute("select count(*), sum(n) from lines").fetchone(), [writer.exitcode for writer in writers])
    print(base.execute("pragma wal_checkpoint(truncate)").fetchone())
    print(base.execute("pragma journal_mode=delete").fetchone()[0])
    base.execute("delete from lines where n > 10")
    base.commit()
    base.execute("vacuum")
    print(base.execute("pragma integrity_check").fetchone()[0], os.path.getsize("base.db") < 65536)
P
python3 work.py
sqlite3 base.db 'select count(*) from lines; create table more (n); insert into more values (1); select * from more'
