// Reads asciicast text on stdin with asciinema-player's own parser and prints what it made of it as JSON.
// Usage: node player.mjs DIRECTORY-OF-THE-PACKAGE
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const dist = join(process.argv[2], "dist");
const core = readdirSync(dist).find((name) => /^core-.*\.js$/.test(name));
if (core === undefined) {
  throw new Error(`no core module in ${dist}: has the package changed?`);
}
const { C: Core } = await import(pathToFileURL(join(dist, core)).href);

// The parsers are not exported: the constructor replaces a parser's name by the parser.
const source = { driver: "recording", parser: "asciicast", url: "unused" };
new Core(source, { logger: console });
if (typeof source.parser !== "function") {
  throw new Error("the player did not give its parser: has the package changed?");
}
const recording = await source.parser(new Response(readFileSync(0)));
const events = [...recording.events.toArray()];
console.log(JSON.stringify({ cols: recording.cols, rows: recording.rows, events }));
