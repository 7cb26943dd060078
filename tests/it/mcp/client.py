# Speaks to a server through a command: each argument behind the command is a request or a notification; the answer to each
# request is waited for and printed as it came. `@FILE` waits until the file is there, `!SECONDS` for no answer to the next.
import contextlib, json, os, subprocess, sys, time

cut = sys.argv.index("--")
server = subprocess.Popen(sys.argv[1:cut], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
out = sys.stdout


def say(line):
    # one that has ended meanwhile is read to its end all the same
    with contextlib.suppress(BrokenPipeError):
        server.stdin.write(line.encode() + b"\n")
        server.stdin.flush()


def hear(wanted):
    while True:
        line = server.stdout.readline()
        if not line:
            print("closed", flush=True)
            server.wait()
            sys.exit(server.returncode)
        message = json.loads(line)
        if "method" in message and "id" in message:
            # what a server asks of a client is answered with nothing
            say(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {}}))
        elif "method" in message:
            if message["method"] == "notifications/progress":
                print("progress", flush=True)
        else:
            out.write(line.decode())
            out.flush()
            if message.get("id") == wanted:
                return


for step in sys.argv[cut + 1 :]:
    if step.startswith("@"):
        deadline = time.time() + 60
        while not os.path.exists(step[1:]) and time.time() < deadline:
            time.sleep(0.01)
        continue
    say(step)
    message = json.loads(step)
    if "id" in message and "method" in message:
        hear(message["id"])
with contextlib.suppress(BrokenPipeError):
    server.stdin.close()
while line := server.stdout.readline():
    pass
print("exit", server.wait(), flush=True)
