// A scripted model: answers like a provider's API, but what it says is fixed by the test.
//
// The first request that offers a shell is answered with one call of it; the request that brings the call's result
// is answered with a closing sentence. Everything else an agent asks at start (model lists, titles, token counts,
// telemetry) gets a plain, valid answer. Speaks OpenAI Responses and Chat Completions, Anthropic Messages and Gemini's
// GenerateContent, all of them as server-sent events.
//
//   node model.mjs LOG COMMAND [CERT KEY]     prints its port on the first line, ends when standard input ends
//
// A COMMAND that begins with `mcp:` is a JSON list of calls of tools of MCP servers instead, made one after the other:
// [{"server": …, "tool": …, "arguments": …}].
//
// With CERT and KEY it speaks TLS. LOG gets one JSON line for each request: method, path, the key that came with it, what
// was answered, and the tool results it brought.

import { appendFileSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";

const [log, command, cert, key] = process.argv.slice(2);
const LARGEST_REQUEST = 16 * 1024 * 1024;
const calls = command.startsWith("mcp:") ? JSON.parse(command.slice(4)) : null;
const CLOSING = "The scripted work is done.";

const server = cert ? createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, take) : createServer(take);

function take(request, response) {
  const parts = [];
  let size = 0;
  request.on("data", (part) => {
    size += part.length;
    if (size > LARGEST_REQUEST) request.destroy();
    else parts.push(part);
  });
  request.on("end", () => {
    const text = Buffer.concat(parts).toString("utf8");
    const path = new URL(request.url, "http://model").pathname;
    const body = parsed(text);
    const answered = answer(path, body, response);
    const came = request.headers.authorization ?? request.headers["x-api-key"] ?? "";
    appendFileSync(log, JSON.stringify({ method: request.method, path, key: came, ...answered }) + "\n");
  });
}
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function answer(path, body, response) {
  if (/:(streamG|g)enerateContent$/.test(path)) return generateContent(path, body, response);
  if (path.endsWith(":countTokens")) return json(response, "count", { totalTokens: 100 });
  if (path.endsWith("/chat/completions")) return completions(body, response);
  if (path.endsWith("/responses")) return responses(body, response);
  if (path.endsWith("/messages/count_tokens")) return json(response, "count", { input_tokens: 100 });
  if (path.endsWith("/messages")) return messages(body, response);
  if (path.endsWith("/models")) return json(response, "models", { object: "list", data: [], models: [], has_more: false });
  return json(response, "other", {});
}

function json(response, answered, value) {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
  return { answered };
}

function stream(response, events, end = "") {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  for (const event of events) {
    const type = event.type ? `event: ${event.type}\n` : "";
    response.write(`${type}data: ${JSON.stringify(event)}\n\n`);
  }
  response.end(end);
}

// ---- OpenAI Responses -------------------------------------------------------------------------------------------

function responses(body, response) {
  const results = (Array.isArray(body.input) ? body.input : [])
    .filter((item) => /_call_output$/.test(item.type ?? ""))
    .map((item) => (typeof item.output === "string" ? item.output : JSON.stringify(item.output)));
  const tools = body.tools ?? [];
  const call = calls ? serverCall(tools, results.length) : results.length === 0 ? shellCall(tools) : null;
  const item = call ?? {
    type: "message",
    id: "msg_1",
    role: "assistant",
    status: "completed",
    content: [{ type: "output_text", text: CLOSING, annotations: [] }],
  };
  const id = call ? "resp_1" : "resp_2";
  const usage = {
    input_tokens: 10,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 5,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 15,
  };
  const whole = { id, object: "response", created_at: 0, model: body.model, status: "completed", output: [item], usage };
  stream(response, [
    { type: "response.created", response: { ...whole, status: "in_progress", output: [], usage: null } },
    { type: "response.output_item.added", output_index: 0, item },
    { type: "response.output_item.done", output_index: 0, item },
    { type: "response.completed", response: whole },
  ]);
  return { answered: call ? "call" : "closing", results };
}

// The next call of a server's tool, by the name that it is offered under: whole, or within a namespace.
function serverCall(tools, done) {
  const wanted = calls[done];
  if (!wanted) return null;
  const offered = tools.flatMap((tool) =>
    tool.type === "namespace" ? tool.tools.map((inner) => ({ name: inner.name, namespace: tool.name })) : [{ name: tool.name }],
  );
  const whole = ({ name, namespace }) => `${namespace ?? ""}${name ?? ""}`;
  const found = offered.find((tool) => whole(tool).includes(wanted.server) && (tool.name ?? "").endsWith(wanted.tool));
  if (!found) return null;
  return {
    type: "function_call",
    id: `fc_${done}`,
    call_id: `call_${done}`,
    ...found,
    arguments: JSON.stringify(wanted.arguments),
    status: "completed",
  };
}

// The shell goes by several names, and each has its own way to take a command line.
function shellCall(tools) {
  const names = tools.flatMap((tool) => (tool.type === "namespace" ? tool.tools : [tool])).map((tool) => tool.name ?? tool.type);
  const shapes = {
    exec_command: { cmd: command },
    shell_command: { command },
    shell: { command: ["bash", "-c", command] },
    Bash: { command },
  };
  const name = Object.keys(shapes).find((known) => names.includes(known));
  if (!name) return null;
  return {
    type: "function_call",
    id: "fc_1",
    call_id: "call_1",
    name,
    arguments: JSON.stringify(shapes[name]),
    status: "completed",
  };
}

// ---- Anthropic Messages -----------------------------------------------------------------------------------------

function messages(body, response) {
  const blocks = (body.messages ?? []).flatMap((message) => (Array.isArray(message.content) ? message.content : []));
  const results = blocks
    .filter((block) => block.type === "tool_result")
    .map((block) => (typeof block.content === "string" ? block.content : JSON.stringify(block.content)));
  const tools = body.tools ?? [];
  const wanted = calls?.[results.length];
  const named = wanted && tools.find((tool) => tool.name === `mcp__${wanted.server}__${wanted.tool}`)?.name;
  const shell = !calls && results.length === 0 && tools.some((tool) => tool.name === "Bash");
  const asks = Boolean(named) || shell;
  const input = named ? wanted.arguments : { command, description: "Run the scripted command" };
  const content = asks
    ? { type: "tool_use", id: `toolu_${results.length + 1}`, name: named ?? "Bash", input }
    : { type: "text", text: CLOSING };
  const stop_reason = asks ? "tool_use" : "end_turn";
  const usage = { input_tokens: 10, output_tokens: 5, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
  const message = { id: `msg_${results.length + 1}`, type: "message", role: "assistant", model: body.model, stop_sequence: null, usage };
  const answered = { answered: asks ? "call" : "closing", results };
  if (!body.stream) return { ...answered, ...json(response, answered.answered, { ...message, content: [content], stop_reason }) };

  const empty = asks ? { ...content, input: {} } : { ...content, text: "" };
  const delta = asks
    ? { type: "input_json_delta", partial_json: JSON.stringify(content.input) }
    : { type: "text_delta", text: CLOSING };
  stream(response, [
    { type: "message_start", message: { ...message, content: [], stop_reason: null } },
    { type: "content_block_start", index: 0, content_block: empty },
    { type: "content_block_delta", index: 0, delta },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason, stop_sequence: null }, usage },
    { type: "message_stop" },
  ]);
  return answered;
}

// ---- OpenAI Chat Completions ------------------------------------------------------------------------------------

function completions(body, response) {
  const said = body.messages ?? [];
  const text = (message) => (typeof message.content === "string" ? message.content : JSON.stringify(message.content));
  const names = (body.tools ?? []).map((tool) => tool.function?.name);
  const shell = ["bash", "run_shell_command", "shell", "Bash"].find((known) => names.includes(known));
  // An agent without tools tells in words what its own command printed.
  const told = (message) => message.role === "user" && text(message).includes("got this output");
  const results = said.filter((message) => message.role === "tool" || told(message)).map(text);
  const wanted = calls?.[results.length];
  const named = wanted && names.find((name) => name?.includes(wanted.server) && name.endsWith(wanted.tool));
  const call = Boolean(named) || (!calls && shell && results.length === 0);
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
  const delta = { role: "assistant", content: call ? null : CLOSING };
  if (call) {
    const written = JSON.stringify(named ? wanted.arguments : { command, description: "Run the scripted command" });
    const id = `call_${results.length + 1}`;
    delta.tool_calls = [{ index: 0, id, type: "function", function: { name: named ?? shell, arguments: written } }];
  }
  const finish_reason = call ? "tool_calls" : "stop";
  const whole = { id: "chat_1", created: 0, model: body.model };
  const answered = { answered: call ? "call" : "closing", results };
  if (!body.stream) {
    const choices = [{ index: 0, message: delta, finish_reason }];
    return { ...answered, ...json(response, answered.answered, { ...whole, object: "chat.completion", choices, usage }) };
  }
  const chunk = (choice, more) => ({ ...whole, object: "chat.completion.chunk", choices: [{ index: 0, ...choice }], ...more });
  stream(response, [chunk({ delta, finish_reason: null }), chunk({ delta: {}, finish_reason }, { usage })], "data: [DONE]\n\n");
  return answered;
}

// ---- Gemini GenerateContent -------------------------------------------------------------------------------------

function generateContent(path, body, response) {
  const parts = (body.contents ?? []).flatMap((content) => content.parts ?? []);
  const results = parts
    .filter((part) => part.functionResponse)
    .map((part) => part.functionResponse.response?.output ?? JSON.stringify(part.functionResponse.response));
  const offered = (body.tools ?? []).flatMap((tool) => tool.functionDeclarations ?? []).map((tool) => tool.name);
  const wanted = calls?.[results.length];
  const named = wanted && offered.find((name) => name.endsWith(wanted.tool));
  const call = Boolean(named) || (!calls && offered.includes("run_shell_command") && results.length === 0);
  const args = named ? wanted.arguments : { command, description: "Run the scripted command" };
  const part = call ? { functionCall: { name: named ?? "run_shell_command", args } } : { text: CLOSING };
  const whole = {
    candidates: [{ index: 0, content: { role: "model", parts: [part] }, finishReason: "STOP" }],
    usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 },
    modelVersion: "scripted",
  };
  const answered = { answered: call ? "call" : "closing", results };
  if (path.endsWith(":generateContent")) return { ...answered, ...json(response, answered.answered, whole) };
  stream(response, [whole]);
  return answered;
}
