export NODE_EXTRA_CA_CERTS=$CA
cat >client.mjs <<'J'
import https from "node:https";
import http from "node:http";
import tls from "node:tls";
const text = async (answer) => (await answer).text();
console.log((await text(fetch(`https://${process.env.WEB}/who`))).trim());
const get = (of, url) => new Promise((done, failed) => {
  of.get(url, (answer) => {
    let all = "";
    answer.on("data", (part) => (all += part)).on("end", () => done(all.trim()));
  }).on("error", failed);
});
console.log(await get(https, `https://${process.env.WEB}/who`));
console.log(await get(http, `http://${process.env.PLAIN}/who`));
const [host, port] = process.env.WEB.split(":");
await new Promise((done, failed) => {
  const socket = tls.connect({ host, port, servername: host }, () => { console.log("tls", socket.authorized); socket.end(); done(); });
  socket.on("error", failed);
});
const all = await Promise.all(Array.from({ length: 50 }, () => text(fetch(`https://${process.env.WEB}/page`))));
console.log(all.filter((one) => one === "hello\n").length);
await fetch(`https://${process.env.OTHER}/who`).then(() => console.log("REACHED"), () => console.log("refused"));
J
node client.mjs
