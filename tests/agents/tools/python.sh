# Processes with queues and shared memory, threads, asyncio with subprocesses, temporary files.
cat > work.py <<'P'
import asyncio, concurrent.futures, multiprocessing, os, shutil, socket, subprocess, sys, tempfile, threading
from multiprocessing import shared_memory

def square(n):
    return n * n

def fill(name, queue):
    block = shared_memory.SharedMemory(name=name)
    block.buf[0] = 42
    block.close()
    queue.put("filled")

async def spoken():
    async def one(n):
        process = await asyncio.create_subprocess_exec("sh", "-c", f"echo {n}", stdout=subprocess.PIPE)
        return int((await process.communicate())[0])
    return await asyncio.gather(*(one(n) for n in range(8)))

async def over_loopback():
    async def serve(reader, writer):
        writer.write((await reader.readline()).upper())
        writer.close()
    server = await asyncio.start_unix_server(serve, path="own.sock")
    reader, writer = await asyncio.open_unix_connection("own.sock")
    writer.write(b"hello\n")
    answer = await reader.readline()
    server.close()
    return answer

if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(3) as pool:
            print(method, sum(pool.map(square, range(50))))
    block = shared_memory.SharedMemory(create=True, size=64)
    queue = multiprocessing.Queue()
    child = multiprocessing.Process(target=fill, args=(block.name, queue))
    child.start()
    print(queue.get(timeout=60), block.buf[0])
    child.join()
    block.close()
    block.unlink()
    total = []
    threads = [threading.Thread(target=lambda n=n: total.append(len(open(sys.executable, "rb").read(n)))) for n in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(sum(total))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(sum(pool.map(lambda n: int(subprocess.check_output(["sh", "-c", f"echo {n}"])), range(8))))
    print(sum(asyncio.run(spoken())), asyncio.run(over_loopback()))
    with tempfile.TemporaryDirectory() as directory:
        source = os.path.join(directory, "source")
        open(source, "w").write("text")
        shutil.copy2(source, source + "2")
        shutil.copytree(directory, os.path.join(directory, "deep", "copy"))
        shutil.move(os.path.join(directory, "deep"), os.path.join(directory, "moved"))
        print(sorted(os.listdir(directory)))
    with tempfile.NamedTemporaryFile() as one, tempfile.TemporaryFile() as two:
        two.write(one.name.encode()); print(two.tell() > 0)
    left, right = socket.socketpair()
    socket.send_fds(left, [b"fd"], [0])
    message, descriptors, _, _ = socket.recv_fds(right, 16, 1)
    print(message, len(descriptors))
    print(subprocess.run(["sh", "-c", "kill -TERM $$"]).returncode, os.access("/etc/passwd", os.W_OK) == (os.getuid() == 0))
P
python3 work.py
