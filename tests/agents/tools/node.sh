# Worker threads with shared memory, a forked child with IPC, streams, watchers, a server on loopback.
cat > work.mjs <<'J'
import { fork, execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createReadStream, createWriteStream, mkdtempSync, rmSync, watch, writeFileSync, cpSync, readdirSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Worker } from "node:worker_threads";
import { createGzip } from "node:zlib";

if (process.argv[2] === "child") {
  process.on("message", (n) => process.send(n * 2, () => process.disconnect()));
} else {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const body = `const { workerData } = require("worker_threads"); Atomics.add(workerData, 0, 5);`;
  const workers = [1, 2, 3, 4].map(() => new Worker(body, { eval: true, workerData: shared }));
  await Promise.all(workers.map((worker) => once(worker, "exit")));
  console.log("workers", shared[0]);

  const child = fork(process.argv[1], ["child"]);
  child.send(21);
  const [answer] = await once(child, "message");
  await once(child, "exit");
  console.log("ipc", answer);

  console.log("exec", execFileSync("echo", ["hi"]).toString().trim(), spawnSync("sh", ["-c", "exit 3"]).status);

  const dir = mkdtempSync(join(tmpdir(), "node-"));
  const watcher = watch(dir);
  const seen = once(watcher, "change").then(([, name]) => name);
  writeFileSync(join(dir, "watched"), "x".repeat(100000));
  console.log("watch", await seen);
  watcher.close();
  await pipeline(createReadStream(join(dir, "watched")), createGzip(), createWriteStream(join(dir, "packed")));
  cpSync(dir, dir + "-copy", { recursive: true });
  console.log("copied", readdirSync(dir + "-copy").join());
  rmSync(dir, { recursive: true });
  rmSync(dir + "-copy", { recursive: true });

  const server = createServer((_, response) => response.end("served"));
  server.listen("node.sock");
  await once(server, "listening");
  const asked = request({ socketPath: "node.sock" });
  asked.end();
  const [response] = await once(asked, "response");
  response.resume();
  console.log("http", response.statusCode);
  server.close();
}
J
node work.mjs
